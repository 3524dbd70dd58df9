"""What one worker carries: `python -m tests.bench.worker --sources 200 --tokens 500 --seconds 180`.

The real `streamer run` against a real broker, with simulated accounts in a process of their own. Printed are, of our
process alone and after every source has been polled once: the share of one core (user and system, all threads), the
most it ever had in memory, its open files, how long polls took, how far apart those of one source were, and how soon
the first byte of the status page came; beside it that of `/healthz`, which only waits for its turn. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import yaml

from streamer import avro
from tests import laws
from tests.bench.crowd import READY
from tests.installation import Around
from tests.process import Process
from tests.services import kafka, registry
from tests.services.jvm import die_with_parent
from tests.services.reader import read_all
from tests.services.registry import Given

TICKS = os.sysconf("SC_CLK_TCK")
FRAMING = 5  # bytes before each value: which schema it is
FIRST_LIMIT_S = 600  # for the first poll of every source


class Watched:
    """What Linux says of a process."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc") / str(pid)

    def cpu_s(self) -> float:
        """Spent so far, by all its threads."""
        told = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / TICKS

    def memory_mib(self, what: str = "VmHWM") -> float:
        """The most it ever had, or `VmRSS`, what it has now."""
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024

    def files(self) -> int:
        """Open, sockets included."""
        return len(list((self._proc / "fd").iterdir()))


@asynccontextmanager
async def served(folder: Path, accounts: int, tokens: int, acts: float) -> AsyncIterator[list[dict[str, Any]]]:
    """Accounts, until the block ends: what a configuration says of them."""
    numbers = ("--accounts", str(accounts), "--tokens", str(tokens), "--acts", str(acts), "--folder", str(folder))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.crowd", *numbers),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    try:
        assert process.stdout is not None
        assert (await process.stdout.readline()).decode().strip() == READY, "the accounts did not start"
        yield json.loads((folder / "crowd.json").read_text())
    finally:
        process.terminate()
        await process.wait()


def _configuration(around: Around, sources: list[dict[str, Any]], asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "sources": [{**source, "interval": f"{asked.interval}s"} for source in sources],
        "kafka": {
            "bootstrap_servers": [around.bootstrap],
            "topic_prefix": around.prefix,
            "group": f"{around.prefix}-workers",
            "state_partitions": asked.partitions,
        },
        "registry": {"url": around.registry},
        "http": {"listen": "127.0.0.1:0"},
    }


async def measured(around: Around, folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """The figures, by what they are."""
    async with served(folder, asked.sources, asked.tokens, asked.acts) as sources, AsyncExitStack() as stack:
        (folder / "streamer.yaml").write_text(yaml.safe_dump(_configuration(around, sources, asked)))
        process = Process("run", folder=folder, environ={})
        stack.push_async_callback(process.end)
        began = time.monotonic()
        await process.start()
        ours = Watched(process.running.pid)
        await process.says("poll.accepted", asked.sources, FIRST_LIMIT_S)
        found = {"first polls, s": time.monotonic() - began, "first polls, CPU s": ours.cpu_s()}
        await asyncio.sleep(asked.settle)
        url = process.said().partition("http.listening url=")[2].split()[0]
        cpu, at, since = ours.cpu_s(), time.monotonic(), time.time() * 1000
        async with asyncio.TaskGroup() as meanwhile:
            looks = {path: meanwhile.create_task(first_bytes(url + path, asked)) for path in ("/", "/healthz")}
            await asyncio.sleep(asked.seconds)
        found |= {f"{path} {name}": ms for path, told in looks.items() for name, ms in spread(told.result()).items()}
        spent, lasted = ours.cpu_s() - cpu, time.monotonic() - at
        found["CPU, % of a core"] = 100 * spent / lasted
        found |= {"memory, most, MiB": ours.memory_mib(), "memory, now, MiB": ours.memory_mib("VmRSS")}
        found["open files"] = ours.files()
        until = time.time() * 1000
        assert await process.stop() == 0, process.said()[-3000:]
        return found | _told(await _reports(around), since, until, spent, lasted)


async def first_bytes(url: str, asked: argparse.Namespace) -> list[float]:
    """How long each look, spread over the time of measuring, waited for the first byte of its page; ms."""
    took = []
    async with httpx.AsyncClient() as client:
        for _ in range(asked.looks):
            began = time.perf_counter()
            async with client.stream("GET", url) as reply:
                told = reply.aiter_raw()
                await anext(told)
                took.append(1000 * (time.perf_counter() - began))
                async for _ in told:
                    pass
            await asyncio.sleep(asked.seconds / asked.looks)
    return took


def spread(took: Sequence[float]) -> dict[str, float]:
    """The usual one, the one of a hundred, the worst one."""
    return {
        "first byte, median, ms": statistics.median(took),
        "first byte, p99, ms": statistics.quantiles(took, n=100)[-1],
        "first byte, most, ms": max(took),
    }


async def _reports(around: Around) -> list[laws.Read]:
    """All that stand in the log, in order."""
    messages = await read_all(around.bootstrap, [f"{around.prefix}.snapshots"])
    return [avro.decode_report(message.value[FRAMING:]) for message in messages if message.value]


def _told(reports: list[laws.Read], since: float, until: float, spent: float, lasted: float) -> dict[str, float]:
    """What the reports of that time say."""
    polls = [report for report in reports if since <= report["finished_at"] < until]
    ended: defaultdict[str, list[int]] = defaultdict(list)
    for report in reports:
        ended[report["source"]].append(report["started_at"])
    gaps = [b - a for at in ended.values() for a, b in pairwise(sorted(at)) if b >= since]
    took = sorted(report["finished_at"] - report["started_at"] for report in polls) or [0]
    changed = sum(report["created"] + report["modified"] + report["deleted"] for report in polls)
    return {
        "polls a second": len(polls) / lasted,
        "CPU a poll, ms": 1000 * spent / max(1, len(polls)),
        "requests a poll": sum(report["requests"] for report in polls) / max(1, len(polls)),
        "changed tokens a poll": changed / max(1, len(polls)),
        "poll, median, ms": statistics.median(took),
        "poll, longest, ms": took[-1],
        "between polls, longest, s": max(gaps, default=0) / 1000,
        "rejected": sum(report["verdict"] == "rejected" for report in polls),
    }


def asked_for(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What to measure; None: as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.worker", description=__doc__)
    parser.add_argument("--sources", type=int, default=200)
    parser.add_argument("--tokens", type=int, default=500, help="of each")
    parser.add_argument("--interval", type=float, default=60, help="of each, in seconds")
    parser.add_argument("--seconds", type=float, default=180, help="of measuring")
    parser.add_argument("--looks", type=int, default=200, help="at the status page while measuring")
    parser.add_argument("--settle", type=float, default=60, help="seconds between the first polls and the measuring")
    parser.add_argument("--acts", type=float, default=0.02, help="of each account, in a second")
    parser.add_argument("--partitions", type=int, default=16, help="of the state")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args(arguments)


async def main(asked: argparse.Namespace) -> None:
    """Measure, on a broker and a registry of its own, and print it; keep it if a file is named."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("registry", "worker"):
            (folder / part).mkdir()
        broker, schemas = kafka.Broker(folder / "kafka"), registry.Registry(folder / "registry")
        try:
            broker.start()
            schemas.start()
            around = Around.of(broker, Given(schemas.url), f"bench-{uuid4().hex[:8]}")
            found = await measured(around, folder / "worker", asked)
        finally:
            broker.remove()
            schemas.remove()
    for what, figure in found.items():
        print(f"{what:32}{figure:>10.2f}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main(asked_for()))
