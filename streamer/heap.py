"""The C library's heap, as far as it does not look after itself.

Question: glibc keeps what Python freed for what may come, behind a flood and behind a restart for ever, though the next
poll needs next to none of it. Choice: give it back after such work, some 20 MB of a million tokens; the call walks the
heap once, 6 ms of a million rows. Rejected: another allocator, which is the operator's to choose, and which this does
not touch; environment variables of glibc, which are read before we run.
"""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Let the operating system have all memory that is free; nothing where the C library knows no such thing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
