"""`streamer demo`, as a new user calls it: a real process, no Kafka, no Java, and red when the streamer is wrong."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.process import Process

CALL = "import sys; from streamer.cli import main; sys.argv[1:] = ['demo']; main()"

# What a broken core would look like; each is put into the demo's process before it starts.
BREAKAGES = {
    "a change is not seen": "from streamer import diff; diff._differing = lambda before, after: ('mod_time',)",
    "a deletion is invented": "from streamer import absence, tokens; real = absence.judge\n"
    "absence.judge = lambda row, finding, clock: real(row, tokens.Gone(row.datum.hex(), 0), clock)",
    "a number is left out": "from streamer import batch; real = batch._Tally.count\n"
    "batch._Tally.count = lambda tally, step: (real(tally, step), setattr(tally, 'last', tally.last + 1))",
    "refreshes are left out": "from streamer import cycle; import dataclasses; real = cycle.Cycle.__init__\n"
    "cycle.Cycle.__init__ = lambda s, p, *a: real(s, dataclasses.replace(p, suppress=True), *a)",
}


async def _run(code: str, folder: Path) -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"{code}\n{CALL}",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await child.communicate()
    return child.returncode or 0, output.decode()


async def test_the_day_ends_well(tmp_path: Path) -> None:
    """It ends by itself with status 0; several transactions carried the first diff; it says what it does not prove."""
    status, output = await _run("", tmp_path)

    assert status == 0, output
    assert "equal the simulator's ledger" in output
    assert "does not prove" in output


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_a_broken_streamer_turns_it_red(breakage: str, tmp_path: Path) -> None:
    """With the core broken in one place the demo ends with status 3 and says what differs."""
    status, output = await _run(BREAKAGES[breakage], tmp_path)

    assert status == 3, output


async def test_keep_running_goes_on_until_interrupted(tmp_path: Path) -> None:
    """After the day life goes on; Ctrl-C ends it with status 0. A file that is named is not read, which is said."""
    demo = Process("demo", "--keep-running", "-c", "nope.yaml", folder=tmp_path, environ={})
    try:
        await demo.start()
        await demo.says("until Ctrl-C")
        assert "streamer: -c nope.yaml is not read: the demo needs no configuration" in demo.said()
        assert await demo.stop(signal.SIGINT) == 0
    finally:
        await demo.end()
