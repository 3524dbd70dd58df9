"""A fleet for a test: several accounts, and several `streamer run` of one group that share them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.kafka.share import SESSION_S
from streamer.serving import serve
from tests import judge
from tests.installation import ACCEPTED, QUIET_POLLS, Around, configuration, utc_ms
from tests.process import FAULT, MODULE, Process
from tests.services.reader import ends, read_all

SEED = 20_261_125
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
ACCOUNTS = ("berlin", "lagos", "lima", "osaka", "perth", "quito")  # some share a partition
ACTS_PER_SECOND = 25.0
FROZEN_S = SESSION_S + 2
PARTITIONS = 4
TOKENS = 60
TRANSACTION = "30s"  # longer than anybody is frozen: nothing but the fence ends what a frozen worker left open
SHARE = "group.share"
QUIET_S = 60
RECOVERY_S = 90.0  # not how long it should take, but when a test gives up
POLLED = re.compile(rf"{re.escape(ACCEPTED)}.*? source=(\S+)")
HANDED_OVER = re.compile(rf"^(\S+) +info +(?:{re.escape(SHARE)} .*sources=(\d+)|source\.restored .*)$", re.MULTILINE)
GIVEN = re.compile(rf"{re.escape(SHARE)} .*partitions=(\S+)")
STILL_S = 0.4  # a transaction of a worker that is awake takes a few ms
SMALL = {"STREAMER_KAFKA__TRANSACTION__RECORDS": "12"}  # much of a second is spent within transactions
MANY = {"hold_above": {"at_least": 100_000, "at_most": 100_000}}  # so much life would look like an attack


class Fleet:
    """Accounts by the name of their source, what serves them, and workers."""

    def __init__(
        self,
        around: Around,
        accounts: dict[str, Life],
        simulators: Sequence[Simulator],
        workers: Sequence[Process],
        interval_s: float,
    ) -> None:
        self.around = around
        self.interval_s = interval_s
        self.accounts = accounts
        self.simulators = simulators
        self.workers = list(workers)
        self._rates = {name: life.rates for name, life in accounts.items()}

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"{self.around.prefix}-workers"

    async def starts(self) -> None:
        """All of them, until each has its share and every source is polled."""
        for worker in self.workers:
            await worker.start()
        for worker in self.workers:
            await worker.says(SHARE)
        await self.polls(1)

    async def polls(self, more: int, limit_s: float = QUIET_S) -> None:
        """Wait until every source was polled so many times more, by whomever."""
        wanted = {name: found + more for name, found in self._accepted().items()}
        deadline = time.monotonic() + limit_s
        while behind := wanted.keys() - {name for name, found in self._accepted().items() if found >= wanted[name]}:
            for worker in self.workers:
                code = worker.running.returncode
                assert code in (None, 0, -9), f"a worker ended with {code}:\n{worker.said()[-3000:]}"
            assert time.monotonic() < deadline, f"not polled: {behind}\n" + "\n".join(
                worker.said()[-2000:] for worker in self.workers
            )
            await asyncio.sleep(0.1)

    async def recovers(self, limit_s: float = RECOVERY_S) -> None:
        """What was done to it is over: wait until every source was polled once more, and tell how long that took."""
        began = time.monotonic()
        await self.polls(1, limit_s)
        print(f"every source was polled again after {time.monotonic() - began:.1f} s")

    async def verdict(self, *, steady: bool = True, lag_ms: int = 0, limit_s: float = QUIET_S) -> list[str]:
        """Every promise that was broken so far; it lets all come to rest, judges, and lets life go on.

        Args:
            steady: nobody moved a worker's clock.
            lag_ms: how far the accounts' replicas were behind.
            limit_s: how long some polls of every account may take.
        """
        for life in self.accounts.values():
            life.settle()
        await asyncio.sleep(lag_ms / 1000)
        await self.polls(QUIET_POLLS, limit_s)
        log = await self.around.log()
        lives = self.accounts.values()
        shown = {moid: judge.as_published(row) for life in lives for moid, row in life.tokens.items()}
        truth = [{"moid": e.moid, "what": e.what, "at": e.at} for life in lives for e in life.truth]
        self._tell(log)
        for name, life in self.accounts.items():
            life.go_on(self._rates[name])
        return [
            *judge.faults(log, steady=steady),
            *judge.differences(log, shown),
            *judge.untimely(log, truth, lag_ms=lag_ms),
        ]

    async def ends(self) -> None:
        """All workers are asked to stop, and do so as if nothing had ever happened."""
        for worker in self.workers:
            assert await worker.stop() == 0, worker.said()[-3000:]
        assert not any(FAULT.search(worker.log.read_text(errors="replace")) for worker in self.workers)

    async def has_one_open(self, frozen: Process) -> bool:
        """Whether it stopped in the midst of a transaction: one of its partitions has one open that does not go on.

        Those of the others do not count: on a busy machine theirs may stand still for as long.
        """
        given = set(json.loads(GIVEN.findall(frozen.said())[-1]))
        first = await self._open()
        await asyncio.sleep(STILL_S)
        return any(partition in given for _, partition, _ in first & await self._open())

    async def aborted(self) -> int:
        """How many records readers are not shown, so far."""
        topics = [f"{self.around.prefix}.{suffix}" for suffix in ("state", *judge.EVENT_TOPICS)]
        shown = await read_all(self.around.bootstrap, topics)
        written = await read_all(self.around.bootstrap, topics, "read_uncommitted")
        hidden = {(m.topic, m.partition, m.offset) for m in written} - {(m.topic, m.partition, m.offset) for m in shown}
        reached = {(m.topic, m.partition): m.offset for m in shown}  # what came in the meantime does not count
        return sum(offset < reached.get((topic, partition), 0) for topic, partition, offset in hidden)

    def _tell(self, log: judge.Log) -> None:
        """Count, and say how long accounts were silent beside what they may be after one fault."""
        longest = _silences(log)
        worst = max(longest, key=lambda name: longest[name])
        took = [s for worker in self.workers for s in restores(worker.log.read_text(errors="replace"))]
        may_s = SESSION_S + max(took, default=0.0) + 2 * self.interval_s
        verdicts = Counter(report["verdict"] for report in log.reports)
        print(
            f"{len(log.events)} events; reports {dict(verdicts)}; the longest silence of each of {len(longest)} "
            f"accounts: median {statistics.median(longest.values()):.1f} s, longest {longest[worst]:.1f} s ({worst}); "
            f"{sum(silent > may_s for silent in longest.values())} over {may_s:.1f} s: session, longest of {len(took)} "
            "restores, two intervals"
        )

    async def _open(self) -> set[tuple[str, int, int]]:
        """Where transactions begin that are not over: topic, partition, offset."""
        topics = [f"{self.around.prefix}.state"]
        committed = await asyncio.to_thread(ends, self.around.bootstrap, topics)
        written = await asyncio.to_thread(ends, self.around.bootstrap, topics, "read_uncommitted")
        return {(*at, end) for at, end in committed.items() if end < written[at]}

    def _accepted(self) -> Counter[str]:
        """How often each source was polled, by all lives of all workers."""
        texts = (worker.log.read_text(errors="replace") for worker in self.workers if worker.log.exists())
        found = Counter(name for text in texts for name in POLLED.findall(text))
        return Counter({name: found[name] for name in self.accounts})


async def is_back(worker: Process, before: int) -> None:
    """It is a member like any other again, and polls what it is given; `before` is how much it had said until then.

    Until it was given a share anew, nothing that it wrote was accepted, but for what the broker had committed before:
    its answer was read only then, and no source has two of these.
    """
    async with asyncio.timeout(RECOVERY_S):
        while SHARE not in (woken := worker.said()[before:]) or ACCEPTED not in woken.partition(SHARE)[2]:
            assert worker.running.returncode is None, woken[-3000:]
            await asyncio.sleep(0.05)
    late = Counter(POLLED.findall(woken.partition(SHARE)[0]))
    assert set(late.values()) <= {1}, woken


def _silences(log: judge.Log) -> dict[str, float]:
    """By account, its longest silence in seconds: between the ends of two polls of it that were accepted."""
    told: defaultdict[str, list[int]] = defaultdict(list)
    for report in log.reports:
        if report["verdict"] == "accepted":
            told[report["source"]].append(report["finished_at"])
    return {name: max(b - a for a, b in pairwise(at)) / 1000 for name, at in told.items() if len(at) > 1}


def restores(said: str) -> list[float]:
    """From a worker's log: the seconds from each share it was given to the last of its sources that it restored.

    A share that ended before that does not count.
    """
    found: list[float] = []
    began, left = datetime.now(UTC), 0
    for at, sources in HANDED_OVER.findall(said):
        now = datetime.fromisoformat(at)
        began, left = (now, int(sources)) if sources else (began, left - 1)
        if not sources and left == 0:
            found.append((now - began).total_seconds())
    return found


@asynccontextmanager
async def fleet(
    around: Around,
    folder: Path,
    *,
    workers: int,
    accounts: Sequence[str] = ACCOUNTS,
    acts_per_second: float = ACTS_PER_SECOND,
    tokens: int = TOKENS,
    partitions: int = PARTITIONS,
    source: Mapping[str, Any] | None = None,
    bootstraps: Mapping[int, str] | None = None,
    environ: Mapping[str, str] = SMALL,
    program: Sequence[str] = MODULE,
) -> AsyncIterator[Fleet]:
    """Installed, and not started; whatever they do, all workers are gone when the block ends.

    Args:
        around: broker, registry and prefix.
        folder: an empty one.
        workers: how many.
        accounts: the names of their sources.
        acts_per_second: in each account by chance, on average.
        tokens: in each account from the start.
        partitions: of `P.state`.
        source: keys of every source, such as `interval`.
        bootstraps: by the number of a worker, where it alone finds the broker.
        environ: of all workers.
        program: how the interpreter is given the service.
    """
    lives: dict[str, Life] = {}
    simulators, sources = [], []
    async with AsyncExitStack() as stack:
        for seed, name in enumerate(accounts):
            rates = Rates(per_second=acts_per_second)
            lives[name] = life = Life(utc_ms, seed=seed, tokens=tokens, rates=rates)
            simulators.append(simulator := Simulator(life, seed=seed))
            url = await stack.enter_async_context(serve(simulator.app))
            (home := folder / name).mkdir()
            one = configuration(around, home, url, simulator.credentials, "ec")
            sources.append({**one["sources"][0], "name": name, "deletes": MANY, **(source or {})})
        processes = []
        for number in range(workers):
            there = (bootstraps or {}).get(number, around.bootstrap)
            own = {
                "bootstrap_servers": [there],
                "state_partitions": partitions,
                "transaction": {"timeout": TRANSACTION},
            }
            (home := folder / f"worker-{number}").mkdir()
            written = {**one, "sources": sources, "kafka": one["kafka"] | own}
            (home / "streamer.yaml").write_text(yaml.safe_dump(written))
            processes.append(Process("run", folder=home, environ=environ, program=program))
            stack.push_async_callback(processes[-1].end)
        yield Fleet(around, lives, simulators, processes, float(sources[0]["interval"].rstrip("s")))
