"""`streamer run` on a terminal: long work stands in bars below the log, and no line of the log is torn by them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from streamer.demo.life import Life
from streamer.demo.simulator import Simulator
from streamer.serving import serve
from tests.installation import ACCEPTED, Around, installed, utc_ms
from tests.process import LIMIT_S, Process
from tests.services.jvm import die_with_parent

PROGRAM = """
from streamer import cli, underway
underway.SHORT_S = underway.EVERY_S = 0.0
cli.main()
"""  # all work is long
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info |warning|error) [a-z._]+( [a-z_0-9]+=.*)?")
MOVES = re.compile(r"\x1b\[([\d;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


class Terminal:
    """A service on a terminal of its own, and all that was drawn there."""

    def __init__(self, running: asyncio.subprocess.Process, ours: int) -> None:
        self.running = running
        self._ours = ours
        self._drawn = b""

    @property
    def drawn(self) -> str:
        """Everything, with the moves of the cursor."""
        return self._drawn.decode(errors="replace")

    async def draws(self, text: str, times: int = 1) -> None:
        """Wait until a text was drawn so often."""
        async with asyncio.timeout(LIMIT_S):
            while self.drawn.count(text) < times:
                self._drawn += await asyncio.to_thread(os.read, self._ours, 65536)

    async def ends(self) -> int:
        """SIGINT; its exit status, once all was drawn."""
        self.running.send_signal(signal.SIGINT)
        async with asyncio.timeout(LIMIT_S):
            with contextlib.suppress(OSError):  # of a terminal that nobody has open any more
                while part := await asyncio.to_thread(os.read, self._ours, 65536):
                    self._drawn += part
            return await self.running.wait()


@asynccontextmanager
async def at_hand(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[Terminal]:
    """The service as a person starts it."""
    ours, theirs = pty.openpty()
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "run"),
        cwd=folder,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **environ},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )
    os.close(theirs)
    try:
        yield Terminal(running, ours)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
        os.close(ours)


def screen(drawn: str) -> list[str]:
    """The lines that are left when all was drawn, as a terminal without end would show them."""
    lines, row, column = [""], 0, 0
    for move in MOVES.finditer(drawn):
        text, what = move[0], move[2]
        if text == "\r":
            column = 0
        elif text == "\n" or what == "B":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif what == "A":
            row -= int(move[1] or 1)
        elif what == "K":
            lines[row] = "" if move[1] == "2" else lines[row][:column]
        elif what is None:
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return [line for line in lines if line]


@asynccontextmanager
async def halting(*, after: int) -> AsyncIterator[tuple[dict[str, str], asyncio.Event]]:
    """A second account, as configuration, whose lists stop after so many requests until it is told to go on."""
    simulator, go_on, asked = Simulator(Life(utc_ms, seed=3, tokens=100), seed=3), asyncio.Event(), itertools.count(1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].endswith("OAuthTokens") and next(asked) > after:
            await go_on.wait()
        await simulator.app(scope, receive, send)

    async with serve(app) as url:
        key = simulator.credentials.ec
        facts = {"NAME": "slow", "URL": url, "PAGE_SIZE": "20", "API_KEY__ID": key.id, "API_KEY__PEM": key.pem}
        yield {f"STREAMER_SOURCES__1__{name}": fact for name, fact in facts.items()}, go_on


async def test_long_work_stands_below_the_log(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Baseline, transactions and restore, with how far they are; only the lines of the log are left in the end, whole.

    Another account is polled all the time while a first snapshot is halfway.
    """
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=5, acts_per_second=0), halting(after=4) as (environ, go_on):
        async with at_hand(tmp_path, environ) as terminal:
            await terminal.draws("slow: first snapshot")
            await terminal.draws(ACCEPTED, 4)
            go_on.set()
            await terminal.draws(f"{ACCEPTED} source=slow")
            assert await terminal.ends() == 0
        async with at_hand(tmp_path, environ) as again:
            await again.draws(ACCEPTED)
            assert await again.ends() == 0

    drawn = re.sub(r"\x1b\[[\d;]*m", "", terminal.drawn + again.drawn)
    assert re.search(r"slow: first snapshot.* [1-9]\d/100 ", drawn)
    assert [bar for bar in ("slow: writing", f"reading {prefix}.state-") if bar not in drawn] == []
    assert [line for line in screen(drawn) if not LINE.fullmatch(line)] == []
    assert len([line for line in screen(drawn) if "service.stopped" in line]) == 2
    assert max(map(len, screen(drawn))) > 100  # wide ones are not wrapped by us
    assert not re.search(r"snapshot\.reading|state\.reading|poll\.writing|\x1b\[\?25l", drawn)


async def test_a_file_gets_lines(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Where the log goes to a file nothing is drawn, and what is long says how far it is."""
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=20, acts_per_second=0):
        process = Process("run", folder=tmp_path, environ={"TERM": "xterm"}, program=("-c", PROGRAM))
        await process.start()
        try:
            await process.says(ACCEPTED)
            assert await process.stop() == 0
        finally:
            await process.end()

    assert [line for line in process.said().splitlines() if not LINE.fullmatch(line)] == []
    assert "rows=20 of=20" in process.said()


@pytest.mark.parametrize("quiet", [{"STREAMER_LOG__FORMAT": "json"}, {"TERM": "dumb"}])
async def test_no_bar_stands_where_nobody_can_see_it(
    kafka: Any, registry: Any, prefix: str, tmp_path: Path, quiet: dict[str, str]
) -> None:
    """Lines for a program, and for a terminal that cannot move its cursor, also of how far long work is."""
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=20, acts_per_second=0), at_hand(tmp_path, quiet) as terminal:
        await terminal.draws(ACCEPTED)
        assert await terminal.ends() == 0

    assert "\x1b" not in terminal.drawn
    assert set(re.findall(r"snapshot\.reading|poll\.writing", terminal.drawn)) == {"snapshot.reading", "poll.writing"}
