"""A real rsyslogd with imkafka, from Debian's packages, and a syslog receiver for what it sends."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.jvm import Missing, die_with_parent

LIMIT_S = 60
MODULES = (Path("/usr/lib/rsyslog"), *Path("/usr/lib").glob("*-linux-gnu/rsyslog"))
RFC_5424 = re.compile(rb"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) - (.*)", re.DOTALL)


def installed() -> Path:
    """The daemon; `Missing` if this machine has none, or one that cannot read Kafka."""
    daemon = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if daemon is None or not any((folder / "imkafka.so").exists() for folder in MODULES):
        raise Missing("This needs rsyslog with imkafka: install Debian's `rsyslog` and `rsyslog-kafka`.")
    return Path(daemon)


@dataclass(frozen=True, slots=True)
class Line:
    """One message as a syslog receiver reads it; `text` is what follows the header."""

    time: str
    host: str
    process: str
    kind: str
    text: bytes


def parsed(line: bytes) -> Line:
    """A line in RFC 5424's form.

    Raises:
        AssertionError: it has another form.
    """
    found = RFC_5424.fullmatch(line)
    assert found is not None, line[:300]
    _, time, host, _, process, kind, text = found.groups()
    return Line(time.decode(), host.decode(), process.decode(), kind.decode(), text)


@dataclass
class Receiver:
    """Takes lines over TCP, until a newline each, as most syslog receivers do."""

    lines: list[bytes]
    port: int = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while line := await reader.readline():
            self.lines.append(line.removesuffix(b"\n"))
        writer.close()

    async def holds(self, count: int) -> None:
        """Wait until there are so many lines, or too long."""
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        while True:
            if len(self.lines) >= count or asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    taken = Receiver([])
    server = await asyncio.start_server(taken.take, "127.0.0.1", 0, limit=4 * 2**20)
    taken.port = server.sockets[0].getsockname()[1]
    async with server:
        yield taken


async def refused(daemon: Path, configuration: Path) -> str:
    """What rsyslog itself finds wrong with a configuration; empty if nothing."""
    check = await asyncio.create_subprocess_exec(
        daemon, "-N1", "-f", configuration, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(check.communicate(), LIMIT_S)
    return "" if check.returncode == 0 else said.decode(errors="replace")


@asynccontextmanager
async def running(daemon: Path, text: str, folder: Path, environ: Mapping[str, str]) -> AsyncIterator[Path]:
    """The daemon with a configuration, in the foreground; gives the file that it writes its own complaints to."""
    (configuration := folder / "rsyslog.conf").write_text(text, encoding="utf-8")
    said = folder / "rsyslog.log"
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(daemon, "-n", "-f", configuration, "-i", folder / "pid"),
            env={"PATH": os.environ.get("PATH", ""), **environ},
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(),
        )
    try:
        yield said
    finally:
        process.kill()
        await process.wait()
