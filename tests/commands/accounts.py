"""Simulated accounts to ask with `streamer tokens`: called in the test, as a process, on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from click.testing import CliRunner, Result

from streamer.clock import utc_ms
from streamer.commands.tokens import command
from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.invocation import Invocation
from streamer.serving import serve

PROGRAM: Final = (sys.executable, "-m", "streamer", "tokens")
NAMES: Final = (  # as an attacker, or a person of another country, calls an application
    "O'Brien''s \"app\"",
    "x' or ClientName ne 'y",
    "a&b=c+d %20 100% #frag?/\\;:@,$filter=",
    "名前 🦊 équipe",
    "\x1b]0;owned\x07\x1b[31m",
    "one\ntwo\tthree\r",
    "=cmd|' /C calc'!A0",
    " blanks  ",
    "\u202egnp.exe",
    "null",
    "(it))",
)
Environ = dict[str, str]


def world(tokens: int, *, seed: int, hostile: bool = True) -> Life:
    """An account of today in which nothing happens by itself; names such as attackers choose stand in all texts."""
    made = Life(utc_ms, rates=Rates(per_second=0), tokens=tokens, seed=seed)
    chance = random.Random(seed)
    moids_of = chance.sample(list(made.moids), len(NAMES)) if hostile else []
    for name, moid in zip(NAMES, moids_of, strict=False):
        made.edit(moid, "test", ClientName=name, SharedScope=name, TokenId=f"tid {name}", LastLoginClient=name)
    return made


@asynccontextmanager
async def accounts(environ: Environ, **worlds: Life) -> AsyncIterator[dict[str, Simulator]]:
    """These accounts on sockets; `environ` is told how to reach them, each as a source of its name."""
    served = {name: Simulator(each, noise=0) for name, each in worlds.items()}
    async with contextlib.AsyncExitStack() as opened:
        for number, (name, simulator) in enumerate(served.items()):
            url = await opened.enter_async_context(serve(simulator.app))
            environ |= source(number, name, url, simulator)
        yield served


def source(number: int, name: str, url: str, simulator: Simulator, **more: str) -> Environ:
    """The configuration of one source, as environment."""
    key = simulator.credentials.ec
    keys = {"NAME": name, "URL": url, "API_KEY__ID": key.id, "API_KEY__PEM": key.pem, "TIMEOUT": "10s", **more}
    return {f"STREAMER_SOURCES__{number}__{key}": value for key, value in keys.items()}


async def call(environ: Mapping[str, str], *arguments: str) -> Result:
    """Call the command beside the test's own loop."""
    return await asyncio.to_thread(CliRunner().invoke, command, list(arguments), obj=Invocation(environ))


async def rows(environ: Mapping[str, str], *arguments: str) -> list[dict[str, Any]]:
    """What it lists, as a program reads it."""
    told = await call(environ, *arguments, "--output", "ndjson")
    assert told.exit_code == 0, (told.stderr, told.exception)
    return [json.loads(line) for line in told.stdout.splitlines()]


async def moids(environ: Mapping[str, str], *arguments: str) -> list[str]:
    """The Moids of what it lists."""
    return [row["moid"] for row in await rows(environ, *arguments)]


def _as_on_a_terminal() -> None:
    """A run of tests in the background ignores Ctrl-C, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def process(
    environ: Mapping[str, str], *arguments: str, stdout: int = subprocess.PIPE
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running command; gone when the block ends."""
    started = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        limit=2**20,
        preexec_fn=_as_on_a_terminal,
    )
    try:
        async with asyncio.timeout(60):
            yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def ended(environ: Mapping[str, str], *arguments: str) -> tuple[int | None, str, str]:
    """Exit status, stdout and stderr of a run that ends by itself."""
    async with process(environ, *arguments) as started:
        out, err = await started.communicate()
        return started.returncode, out.decode(), err.decode()


async def on_terminal(environ: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Status and screen of a process on a terminal of 120 columns; what draws the table and the bar is left out."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, **environ, "TERM": "xterm", "COLUMNS": "120"}
    started = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # a terminal's way to say that it is closed
        while read := await asyncio.to_thread(os.read, ours, 65536):
            shown += read
    os.close(ours)
    return await started.wait(), re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown.decode())
