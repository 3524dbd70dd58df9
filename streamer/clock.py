"""This machine's clocks, as every room counts. Rooms get them as arguments; this is what they get."""

from __future__ import annotations

import time


def utc_ms() -> int:
    """Now, ms UTC; it may be set, by a person or by the network's time."""
    return time.time_ns() // 1_000_000


def elapsed_ms() -> int:
    """Ms since some moment; nobody sets it, and where it can it goes on while the machine sleeps."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000
