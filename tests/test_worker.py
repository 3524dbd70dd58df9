"""A worker on a real broker: it polls what it is given, forgets what it loses, and says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from confluent_kafka.admin import NewPartitions

from streamer.clock import utc_ms
from streamer.config import KafkaSettings
from streamer.cycle import Cycle
from streamer.errors import Misconfigured
from streamer.health import Board
from streamer.judging.judgement import Policy
from streamer.kafka import group
from streamer.kafka.group import Membership
from streamer.kafka.topics import partition_of
from streamer.known import Known
from streamer.pace import Pace, Places
from streamer.stop import Stop
from streamer.tokens import Snapshot
from streamer.worker import GROUP, Worker
from streamer.worker import Account as Configured
from tests import laws
from tests.builders import token
from tests.fakes import Account, Clock
from tests.kafka.bench import ONE, TWO, OnBroker
from tests.services.kafka import Given, admin
from tests.stage import POLICY

INTERVAL_S = 0.1
LIMIT_S = 60
PATIENCE_S = group.RELEASE_LIMIT_S / 2  # until then nobody who holds on to a walk is passed over


class Now(Clock):
    """The real one."""

    def __call__(self) -> int:
        """Now, in ms."""
        return utc_ms()


class Walked(Account):
    """An account whose next list, once it is read, arrives when a test lets it.

    Attributes:
        held: whether that is asked for; then `walking` is set once it is read, and it waits for `arrives`.
        walk: that list's snapshot.
    """

    def __init__(self) -> None:
        super().__init__(Now())
        self.held = False
        self.walking, self.arrives = asyncio.Event(), asyncio.Event()
        self.walk = ""
        self.show([token("a")])

    async def snapshot(self, known: Known) -> Snapshot:
        """See `streamer.judging.gather.Source`."""
        seen = await super().snapshot(known)
        if self.held:
            self.held, self.walk = False, seen.snapshot_id
            self.walking.set()
            await self.arrives.wait()
        return seen


class Bench:
    """One broker's topics, and workers in this process; `places` are those of the last one."""

    places: Places

    def __init__(self, broker: OnBroker) -> None:
        self.broker = broker
        self.accounts = {ONE: Walked(), TWO: Walked()}
        for number, account in enumerate(self.accounts.values()):
            account._ids = iter(range(number * 1000 + 1, 10**9, 2000))  # type: ignore[assignment]

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"{self.broker.prefix}-workers"

    @asynccontextmanager
    async def working(
        self, *sources: str, owner: str = "me", policy: Policy = POLICY, places: int = 2
    ) -> AsyncIterator[Board]:
        """A worker that has these in its configuration, until the block ends; yields what it tells of itself."""
        broker, board, stop = self.broker, Board({}), Stop()
        settings = KafkaSettings(
            bootstrap_servers=(broker.bootstrap,), topic_prefix=broker.prefix, group=self.group, compression="none"
        )
        accounts = {name: Configured(INTERVAL_S, replace(policy, source=name), self.accounts[name]) for name in sources}
        self.places = Places(places)
        pace = Pace(self.places, phase=lambda: 1.0)
        worker = Worker(owner, broker.connection, settings, broker.layout, accounts, board=board, pace=pace)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(worker.run(stop))
            yield board
            stop.request()

    async def polled(self, source: str, more: int) -> list[laws.Read]:
        """All reports, once there are so many more accepted ones of a source."""
        wanted = more + sum(self._is_poll(report, source) for report in await self.reports())
        async with asyncio.timeout(LIMIT_S):
            while True:
                found = await self.reports()
                if sum(self._is_poll(report, source) for report in found) >= wanted:
                    return found
                await asyncio.sleep(0.05)

    async def reports(self) -> list[laws.Read]:
        """Those in the log."""
        return laws.reports(await self.broker.records())

    @staticmethod
    def _is_poll(report: laws.Read, source: str) -> bool:
        return bool(report["source"] == source and report["verdict"] == "accepted")


@pytest.fixture(name="bench")
async def _bench(kafka: Given, prefix: str) -> AsyncIterator[Bench]:
    """Topics are the test's to make."""
    broker = OnBroker(kafka.bootstrap, prefix)
    yield Bench(broker)
    await broker.close()


async def settled(*boards: tuple[Board, int]) -> None:
    """Wait until all of these workers are ready, each with so many sources."""
    await comes(lambda: all(not board.missing and len(board.sources) == count for board, count in boards))


async def comes(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            if what():
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("how", ["revoked", "fenced"])
async def test_a_walk_does_not_outlive_its_ownership(bench: Bench, how: str) -> None:
    """The partition is regained in mid-walk, or its state was written by another: what was read before is not used."""
    await bench.broker.make_topics()
    account = bench.accounts[ONE]
    async with bench.working(ONE):
        await bench.polled(ONE, 1)
        account.held = True
        await account.walking.wait()
        if how == "revoked":
            async with Membership(bench.broker.connection, bench.group, [bench.broker.names.state]) as other:
                with contextlib.suppress(TimeoutError):  # a worker that holds on to its walk keeps everybody waiting
                    async with asyncio.timeout(PATIENCE_S):
                        await other.share()
                account.arrives.set()
                await other.share()
        else:
            rival = Cycle(replace(POLICY, source=ONE), bench.accounts[TWO], bench.broker.ledger(ONE), utc_ms)
            bench.accounts[TWO].show([token("a"), token("b")])
            await rival.prepare()
            await rival.settle(await rival.look())
        account.show([token("a"), token("b", client_name="late")])
        account.arrives.set()
        found = await bench.polled(ONE, 3)

    ledger = bench.broker.ledger(ONE)
    laws.check(await bench.broker.records(), await ledger.restore(ONE))
    assert account.walk
    assert account.walk not in {report["snapshot_id"] for report in found}


async def test_each_tells_of_what_it_owns(bench: Bench) -> None:
    """Two workers with one file share the sources; each is told of once; when one leaves, the other has them all."""
    await bench.broker.make_topics(state=2)
    far = next(n for n in map("far{}".format, range(99)) if partition_of(n.encode(), 2) != partition_of(b"prod", 2))
    bench.accounts[far] = Walked()
    async with bench.working(ONE, far, owner="me") as mine:
        await settled((mine, 2))
        async with bench.working(ONE, far, owner="you") as yours:
            await settled((mine, 1), (yours, 1))
            both = {**mine.sources, **yours.sources}
            owners = {health.owner for health in both.values()}
        await settled((mine, 2))
        left = (dict(yours.sources), set(yours.missing))

    assert sorted(both) == sorted([ONE, far])
    assert owners == {"me", "you"}
    assert left == ({}, {GROUP})


async def test_a_slow_account_delays_nobody(bench: Bench) -> None:
    """One whose list does not arrive: another one of the same partition is polled as if nothing had happened."""
    await bench.broker.make_topics()
    slow = bench.accounts[ONE]
    slow.held = True
    async with bench.working(ONE, TWO):
        await slow.walking.wait()
        found = await bench.polled(TWO, 5)

    assert {report["source"] for report in found} == {TWO}


async def test_a_partition_more_is_for_a_person(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody adds partitions to the state while a worker runs: sources would have other homes, so it ends."""
    monkeypatch.setattr(group, "METADATA_AGE_MS", 300)
    await bench.broker.make_topics()

    async def grown() -> None:
        async with bench.working(ONE):
            await bench.polled(ONE, 1)
            client = admin(bench.broker.bootstrap)
            for done in client.create_partitions([NewPartitions(bench.broker.names.state, 2)]).values():
                done.result(30)
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await grown()

    assert raised.group_contains(Misconfigured, match="has 2 partitions now, it had 1")
