"""README's first steps on a real Kafka, line by line, with the services that `python -m tests.services` starts."""

from __future__ import annotations

import re
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.process import Process
from tests.services import kafka, registry
from tests.services.wanted import installed

ROOT = Path(__file__).parents[1]
EXPORT = re.compile(r"^export (\w+)=(\S+)$", re.MULTILINE)


def first_steps() -> list[list[str]]:
    """The shells of README's section, each with the words of its lines after those of pip."""
    section = (ROOT / "README.md").read_text("utf-8").partition("## Try it on a Kafka\n")[2].partition("\n## ")[0]
    shells = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    lines = [[line.partition("#")[0].strip(" &") for line in shell.splitlines()] for shell in shells]
    return [[line.rpartition("&& ")[2] for line in shell if line] for shell in lines]


@pytest.mark.timeout(300)
async def test_the_first_steps_show_the_first_event(tmp_path: Path) -> None:
    """Services, simulator, service, follower, word for word but for the ports: the follower shows a new token."""
    for fetch in (kafka.installed, registry.installed):
        installed(fetch)
    (services,), (simulate,), (config, run, _), (follow,) = first_steps()
    environ = {"PYTHONPATH": str(ROOT), "STREAMER_HTTP__LISTEN": "127.0.0.1:0"}
    async with AsyncExitStack() as opened:

        async def started(name: str, line: str) -> Process:
            program, *arguments = line.split()
            log = tmp_path / f"{name}.log"
            given = {"python": (), "streamer": ("-m", "streamer")}[program]
            process = Process(*arguments, folder=tmp_path, environ=environ, program=given)
            process.log = log
            opened.push_async_callback(process.end)
            await process.start()
            return process

        platform = await started("services", services)
        await platform.says("export STREAMER_REGISTRY__URL", limit_s=200)
        environ |= dict(EXPORT.findall(f"{platform.said()}\n{config}"))
        simulator = await started("simulate", f"{simulate} --port 0")
        await simulator.says("Run against it")
        service = await started("run", run.partition(" >")[0])
        await service.says("poll.accepted")
        follower = await started("follow", follow)
        await follower.says("is new")

        assert "created" in follower.said()
        for process in (follower, service, simulator, platform):
            assert await process.stop(signal.SIGINT) == 0, process.said()
