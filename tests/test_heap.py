"""Memory that is free goes back to the operating system."""

from __future__ import annotations

import json
import subprocess
import sys

ROW, ROWS, RUN = 700, 40_000, 100
PROBE = f"""
from pathlib import Path
from streamer import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

rows = [bytes([number % 256]) * {ROW} for number in range({ROWS})]
stay = rows[::{RUN}]
del rows
kept = resident()
heap.give_back()
given = resident()
assert [row[:1] for row in stay] == [bytes([number % 256]) for number in range(0, {ROWS}, {RUN})]
print([kept, given])
"""


def test_what_is_free_between_what_stays_is_given_back() -> None:
    """As it lies behind a flood: runs of rows that went, and one between them that stays; by glibc, on Linux.

    In a process of its own, whose heap has no holes yet.
    """
    told = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=True, text=True)

    kept, given = json.loads(told.stdout)
    assert given < kept - ROW * ROWS * 8 // 10
