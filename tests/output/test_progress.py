"""How far long work is: a bar where it stands in nobody's way, else lines; on standard error, on real terminals."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from streamer.output.progress import EVERY_S, Lines

Out = Literal["terminal", "file", "pipe"]
WORK = """
from streamer.output.progress import shown

with shown(later={later}, steps=True) as progress:
    progress("reading \\x1b]0;owned", 3, 10)
"""


def _worked(folder: Path, out: Out, *, later: bool, watched: bool = True) -> tuple[str, str]:
    """What stands on the terminal, and in standard error where that is none; standard output stays empty."""
    ours, theirs = pty.openpty()
    with (folder / "out").open("wb") as file:
        where: dict[Out, int] = {"terminal": theirs, "file": file.fileno(), "pipe": subprocess.PIPE}
        done = subprocess.run(
            [sys.executable, "-c", WORK.format(later=later)],
            stdout=where[out],
            stderr=theirs if watched else subprocess.PIPE,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
            check=True,
            timeout=60,
        )
    os.write(theirs, b"END")
    os.close(theirs)
    shown = b""
    while not shown.endswith(b"END"):
        shown += os.read(ours, 65536)
    os.close(ours)
    assert not done.stdout
    assert (folder / "out").read_bytes() == b""
    return shown.removesuffix(b"END").decode(), (done.stderr or b"").decode()


@pytest.mark.parametrize(("out", "later"), [("terminal", True), ("file", True), ("file", False)])
def test_a_bar_is_for_who_waits(tmp_path: Path, out: Out, later: bool) -> None:  # noqa: FBT001
    """It tells what, how much and of how much; a name from outside draws nothing."""
    screen, _ = _worked(tmp_path, out, later=later)

    assert "3/10" in screen
    assert r"reading \u001b]0;owned" in screen


def test_no_bar_stands_among_lines(tmp_path: Path) -> None:
    """What is printed on the same terminal is the progress."""
    assert _worked(tmp_path, "terminal", later=False) == ("", "")


@pytest.mark.parametrize("later", [True, False])
def test_a_pipe_gets_lines_since_its_reader_may_draw(tmp_path: Path, later: bool) -> None:  # noqa: FBT001
    """A pager and a bar would write over one another."""
    assert _worked(tmp_path, "pipe", later=later) == ("streamer: reading \\u001b]0;owned\r\n", "")


def test_a_log_gets_lines(tmp_path: Path) -> None:
    """Where standard error is no terminal nothing is drawn, wherever the output goes."""
    told = "streamer: reading \\u001b]0;owned\n"

    assert [_worked(tmp_path, out, later=True, watched=False) for out in ("file", "pipe")] == [("", told)] * 2


@pytest.mark.parametrize("steps", [True, False])
def test_what_is_soon_over_leaves_no_line(capsys: pytest.CaptureFixture[str], steps: bool) -> None:  # noqa: FBT001
    """A step is named when it begins, if there are several; how far it is comes every few seconds, the end never."""
    now = 0.0
    lines = Lines(steps=steps, clock=lambda: now)
    for number in range(9):
        now = number * EVERY_S / 2
        lines.tell("reading", number, 8)
        lines.tell("counting", number, None)

    begun = ["streamer: reading", "streamer: counting"] if steps else []
    later = [f"streamer: {text}" for n in (2, 4, 6) for text in (f"reading: {n} of 8", f"counting: {n}")]
    assert capsys.readouterr().err.splitlines() == [*begun, *later, "streamer: counting: 8"]
