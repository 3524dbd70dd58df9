"""How a person gives orders about deletions: `streamer deletes`, called in the test, as a process, on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from streamer.commands.deletes import command
from streamer.control import Command
from streamer.errors import StreamerError
from streamer.invocation import Invocation
from tests.kafka.bench import OnBroker
from tests.kafka.owner import Owner
from tests.services.reader import Message, read_all

PROGRAM = (sys.executable, "-m", "streamer", "deletes")


def environ(bench: OnBroker) -> dict[str, str]:
    """All the configuration there is: no source, no registry."""
    return {
        "STREAMER_KAFKA__BOOTSTRAP_SERVERS": bench.bootstrap,
        "STREAMER_KAFKA__TOPIC_PREFIX": bench.prefix,
        "STREAMER_REGISTRY__URL": "http://127.0.0.1:1",
        "USER": "ada",
    }


async def call(bench: OnBroker, *arguments: str) -> Result:
    """Call the command beside the test's own loop."""
    return await asyncio.to_thread(CliRunner().invoke, command, list(arguments), obj=Invocation(environ(bench)))


async def run(bench: OnBroker, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call it as a process; calls inside ours share its standard output and cannot overlap."""
    environment = {**os.environ, **environ(bench)}
    call = [*PROGRAM, *arguments]
    return await asyncio.to_thread(
        subprocess.run, call, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def failure(result: Result) -> StreamerError:
    """The error that ends the process."""
    assert isinstance(result.exception, StreamerError), result
    return result.exception


async def ordered(bench: OnBroker) -> list[Message]:
    """What was sent."""
    return await read_all(bench.bootstrap, [bench.names.control])


async def answered(bench: OnBroker, owner: Owner, *arguments: str) -> tuple[Result, Command]:
    """Call while the owner obeys; the command it got."""
    async with asyncio.TaskGroup() as group:
        called = group.create_task(call(bench, *arguments))
        obeyed = group.create_task(owner.obey())
    (got,) = obeyed.result()
    return called.result(), got


async def on_terminal(bench: OnBroker, folder: Path, *arguments: str, types: str = "") -> tuple[int, str]:
    """Status and screen of a process whose terminal a person types on."""
    return await screen((*PROGRAM, *arguments), folder, environ(bench), types=types)


async def screen(
    program: Sequence[str], folder: Path, more: Mapping[str, str], *, types: str = "", term: str = "dumb"
) -> tuple[int, str]:
    """The same of any program, with more in its environment."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, **more, "TERM": term, "COLUMNS": "150"}
    process = await asyncio.create_subprocess_exec(
        *program, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # a terminal's way to say that it is closed
        while read := await asyncio.to_thread(os.read, ours, 65536):
            shown += read
            if types and shown.rstrip().endswith(b"[y/N]:"):
                os.write(ours, types.encode())
                types = ""
    os.close(ours)
    return await process.wait(), shown.decode()
