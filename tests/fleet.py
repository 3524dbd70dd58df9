"""A fleet for a test: several accounts, and several `streamer run` of one group that share them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import yaml

from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.serving import serve
from tests import judge
from tests.installation import ACCEPTED, Around, configuration, utc_ms
from tests.process import Process
from tests.services.reader import ends, read_all

PARTITIONS = 4
TOKENS = 60
TRANSACTION = "30s"  # longer than anybody is frozen: nothing but the fence ends what a frozen worker left open
SHARE = "group.share"
QUIET_S = 60
STILL_S = 0.4  # a transaction of a worker that is awake takes a few ms
SMALL = {"STREAMER_KAFKA__TRANSACTION__RECORDS": "12"}  # much of a second is spent within transactions
MANY = {"hold_above": {"at_least": 100_000, "at_most": 100_000}}  # so much life would look like an attack


class Fleet:
    """Accounts by the name of their source, and workers."""

    def __init__(self, around: Around, accounts: dict[str, Life], workers: Sequence[Process]) -> None:
        self.around = around
        self.accounts = accounts
        self.workers = list(workers)
        self._rates = {name: life.rates for name, life in accounts.items()}

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"{self.around.prefix}-workers"

    async def starts(self) -> None:
        """All of them, until each source is polled."""
        for worker in self.workers:
            await worker.start()
        await self.polls(1)

    async def polls(self, more: int) -> None:
        """Wait until every source was polled so many times more, by whomever."""
        before = {name: self._accepted(name) for name in self.accounts}
        async with asyncio.timeout(QUIET_S):
            while any(self._accepted(name) < before[name] + more for name in self.accounts):
                for worker in self.workers:
                    code = worker.running.returncode
                    assert code in (None, 0, -9), f"a worker ended with {code}:\n{worker.said()[-3000:]}"
                await asyncio.sleep(0.05)

    async def verdict(self) -> list[str]:
        """Every promise that was broken so far; it lets all come to rest, judges, and lets life go on."""
        for life in self.accounts.values():
            life.settle()
        await self.polls(2)
        log = await self.around.log()
        lives = self.accounts.values()
        shown = {moid: judge.as_published(row) for life in lives for moid, row in life.tokens.items()}
        truth = [{"moid": e.moid, "what": e.what, "at": e.at} for life in lives for e in life.truth]
        print(f"{len(log.events)} events, longest silence {_longest_silence_s(log):.1f} s")
        for name, life in self.accounts.items():
            life.rates = self._rates[name]
        return [*judge.faults(log), *judge.differences(log, shown), *judge.untimely(log, truth)]

    async def has_one_open(self) -> bool:
        """Whether a transaction is open that does not go on: that of a worker that is frozen."""
        first = await self._open()
        await asyncio.sleep(STILL_S)
        return bool(first & await self._open())

    async def aborted(self) -> int:
        """How many records readers are not shown, so far."""
        topics = [f"{self.around.prefix}.{suffix}" for suffix in ("state", *judge.EVENT_TOPICS)]
        shown = await read_all(self.around.bootstrap, topics)
        written = await read_all(self.around.bootstrap, topics, "read_uncommitted")
        hidden = {(m.topic, m.partition, m.offset) for m in written} - {(m.topic, m.partition, m.offset) for m in shown}
        reached = {(m.topic, m.partition): m.offset for m in shown}  # what came in the meantime does not count
        return sum(offset < reached.get((topic, partition), 0) for topic, partition, offset in hidden)

    async def _open(self) -> set[tuple[str, int, int]]:
        """Where transactions begin that are not over: topic, partition, offset."""
        topics = [f"{self.around.prefix}.state"]
        committed = await asyncio.to_thread(ends, self.around.bootstrap, topics)
        written = await asyncio.to_thread(ends, self.around.bootstrap, topics, "read_uncommitted")
        return {(*at, end) for at, end in committed.items() if end < written[at]}

    def _accepted(self, name: str) -> int:
        texts = (worker.log.read_text(errors="replace") for worker in self.workers if worker.log.exists())
        return sum(ACCEPTED in line and f"source={name} " in line for text in texts for line in text.splitlines())


def _longest_silence_s(log: judge.Log) -> float:
    """Between two reports of one source."""
    told: defaultdict[str, list[int]] = defaultdict(list)
    for report in log.reports:
        told[report["source"]].append(report["finished_at"])
    gaps = [later - earlier for at in told.values() for earlier, later in pairwise(sorted(at))]
    return max(gaps, default=0) / 1000


@asynccontextmanager
async def fleet(
    around: Around, folder: Path, *, accounts: Sequence[str], workers: int, acts_per_second: float
) -> AsyncIterator[Fleet]:
    """Installed, and not started; whatever they do, all workers are gone when the block ends."""
    lives: dict[str, Life] = {}
    sources = []
    async with AsyncExitStack() as stack:
        for seed, name in enumerate(accounts):
            rates = Rates(per_second=acts_per_second)
            lives[name] = life = Life(utc_ms, seed=seed, tokens=TOKENS, rates=rates)
            simulator = Simulator(life, seed=seed)
            url = await stack.enter_async_context(serve(simulator.app))
            (home := folder / name).mkdir()
            one = configuration(around, home, url, simulator.credentials, "ec")
            sources.append({**one["sources"][0], "name": name, "deletes": MANY})
        one["kafka"] |= {"state_partitions": PARTITIONS, "transaction": {"timeout": TRANSACTION}}
        processes = []
        for number in range(workers):
            (home := folder / f"worker-{number}").mkdir()
            (home / "streamer.yaml").write_text(yaml.safe_dump({**one, "sources": sources}))
            processes.append(Process("run", folder=home, environ=SMALL))
            stack.push_async_callback(processes[-1].end)
        yield Fleet(around, lives, processes)
