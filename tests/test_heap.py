"""Memory that is free goes back to the operating system."""

from __future__ import annotations

import gc
from pathlib import Path

from streamer import heap

BLOCK, BLOCKS, RUN = 700, 40_000, 100  # as large as a row; one of a run stays


def resident() -> int:
    """Bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_what_is_free_between_what_stays_is_given_back() -> None:
    """As it lies behind a flood: runs of rows that went, and one between them that stays, by glibc on Linux."""
    rows = [bytes([number % 256]) * BLOCK for number in range(BLOCKS)]
    full = resident()
    stay = rows[::RUN]
    del rows
    gc.collect()
    kept = resident()

    heap.give_back()

    assert kept > full - BLOCK * BLOCKS // 10  # else there is nothing to give back
    assert resident() < kept - BLOCK * BLOCKS * 8 // 10
    assert [row[:1] for row in stay] == [bytes([number % 256]) for number in range(0, BLOCKS, RUN)]
