"""`streamer ...` on a machine whose wall clock is off, at every moment by as many seconds as a file says just then.

`$STEPPED_CLOCK` names the file. The monotonic clock goes on, as it does when a machine's time is set.
"""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path

_now_ns = time.time_ns


def _main(file: Path) -> None:
    def stepped_ns() -> int:
        return _now_ns() + round(float(file.read_text()) * 1e9)

    time.time_ns = stepped_ns
    time.time = lambda: stepped_ns() / 1e9
    runpy.run_module("streamer", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(Path(os.environ["STEPPED_CLOCK"]))
