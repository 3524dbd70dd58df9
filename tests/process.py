"""The real command as a real process: started, watched through its log, killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.services.jvm import die_with_parent

LIMIT_S = 60  # for anything a healthy process does
MODULE = ("-m", "streamer")
FAULT = re.compile(r"^Traceback|^\S+ \w+ +(?!aiokafka\.).*\n    \| Traceback", re.MULTILINE)  # of ours, in a log: what
# a broker calls an unknown error, as it may when a commit is fenced just then, aiokafka logs with its traceback


class Process:
    """One `streamer ...` of this interpreter, again and again.

    Its output is appended to `log`, over all its lives; `environ` is of the next one, `program` what the interpreter
    is given.
    """

    def __init__(
        self, *arguments: str, folder: Path, environ: Mapping[str, str], program: Sequence[str] = MODULE
    ) -> None:
        self.log = folder / "process.log"
        self._command = (sys.executable, *program, *arguments)
        self._folder = folder
        self.environ = {**os.environ, **environ}
        self._process: asyncio.subprocess.Process | None = None
        self._read_from = 0

    @property
    def running(self) -> asyncio.subprocess.Process:
        """The process."""
        assert self._process is not None, "never started"
        return self._process

    async def start(self) -> None:
        """Start it, and return at once."""
        with self.log.open("ab") as log:
            self._read_from = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._folder,
                env=self.environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),
            )

    def said(self) -> str:
        """What this life wrote so far."""
        with self.log.open("rb") as log:
            log.seek(self._read_from)
            return log.read().decode(errors="replace")

    async def says(self, text: str, times: int = 1, limit_s: float = LIMIT_S) -> None:
        """Wait until this life has written the text so often."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while self.said().count(text) < times:
            assert self.running.returncode is None, f"it ended with {self.running.returncode}:\n{self.said()[-3000:]}"
            assert asyncio.get_running_loop().time() < deadline, f"never said {text!r}:\n{self.said()[-3000:]}"
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """SIGKILL; it must have been alive until then."""
        assert self.running.returncode is None, f"it ended by itself:\n{self.said()[-3000:]}"
        self.running.kill()
        await self.running.wait()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        self.running.send_signal(number)
        return await asyncio.wait_for(self.running.wait(), LIMIT_S)

    async def end(self) -> None:
        """Whatever it does, it is gone after this."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
