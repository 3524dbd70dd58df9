"""One state partition, its ledgers and what readers see of it: in memory, and on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from confluent_kafka import KafkaException, Producer

from streamer import batch, report
from streamer.absence import judge
from streamer.batch import Batch, Form, Record
from streamer.config import KafkaSettings
from streamer.diff import changes
from streamer.judging import history
from streamer.judging.steps import Writing, last_shown, steps, tombstones
from streamer.kafka.connection import Connection
from streamer.kafka.ledger import Ledger, Ownership
from streamer.kafka.topics import Layout, Names, ensure, partition_of
from streamer.state import Complete, SourceRow, SourceState
from streamer.tokens import Gone, Token
from tests.builders import ACCOUNT, EPOCH, FORM, NOON, SECOND, fold, poll, snapshot
from tests.fakes import Log, MemoryLedger
from tests.kafka.stage import seen_within
from tests.services.reader import ends, read_all

ONE, TWO = "prod", "lab"  # two sources of one partition
SUFFIXES = ("created", "modified", "deleted", "all", "state", "snapshots")


class OneLedger(Protocol):
    """A `streamer.cycle.Ledger` that can be closed."""

    async def restore(self, source: str) -> SourceState:
        """See `streamer.cycle.Ledger`."""

    async def commit(self, source: str, written: Batch) -> None:
        """See `streamer.cycle.Ledger`."""

    async def close(self) -> None:
        """Write nothing any more."""


class Bench(Protocol):
    """Where ledgers are tried."""

    def ledger(self, *sources: str) -> OneLedger:
        """A new worker's; without names it has both sources."""

    async def records(self) -> list[Record]:
        """What readers of committed data find, in order within each topic; state rows last."""

    async def close(self) -> None:
        """Leave nothing behind."""


class Unshared:
    """An `Ownership` of partitions that nobody else is given."""

    def check(self) -> None:
        """They are ours."""

    def make_sure(self) -> None:
        """They are ours."""

    def disputed(self) -> None:
        """They stay ours."""


class InMemory:
    """The fake's."""

    def __init__(self) -> None:
        self.log = Log()

    def ledger(self, *_: str) -> OneLedger:
        """See `Bench`."""
        return MemoryLedger(self.log)

    async def records(self) -> list[Record]:
        """See `Bench`."""
        return sorted(self.log.records, key=lambda record: SUFFIXES.index(record.topic))

    async def close(self) -> None:
        """See `Bench`."""


@dataclass
class OnBroker:
    """The real one's; `waits` are the seconds that ledgers would have waited."""

    bootstrap: str
    prefix: str
    layout: Layout = field(default_factory=lambda: Layout(events=1, state=1, snapshots=1))
    waits: list[float] = field(default_factory=list)
    ledgers: list[Ledger] = field(default_factory=list)

    @property
    def names(self) -> Names:
        """Of the topics."""
        return Names(self.prefix)

    @property
    def topics(self) -> tuple[str, ...]:
        """All that a ledger writes to."""
        return (*self.names.written(all_topic=self.layout.all_topic), self.names.state, self.names.snapshots)

    @property
    def connection(self) -> Connection:
        """To the broker."""
        return Connection((self.bootstrap,))

    async def make_topics(self, *, state: int = 1, events: int = 1, all_topic: bool = False) -> None:
        """As the service does."""
        settings = KafkaSettings(
            bootstrap_servers=(self.bootstrap,),
            topic_prefix=self.prefix,
            event_partitions=events,
            state_partitions=state,
            all_topic=all_topic,
        )
        self.layout = await ensure(self.connection, settings)
        assert await seen_within(200, self._has_leaders)

    def ledger(self, *sources: str, ownership: Ownership | None = None) -> Ledger:
        """See `Bench`; `ownership` as of `Ledger`."""
        made = Ledger(
            self.connection,
            self.names,
            self.layout,
            sources or (ONE, TWO),
            compression="zstd",
            timeout_s=20,
            ownership=ownership or Unshared(),
            sleep=self._sleep,
        )
        self.ledgers.append(made)
        return made

    async def records(self) -> list[Record]:
        """See `Bench`."""
        found = await read_all(self.bootstrap, self.topics)
        read = [Record(m.topic.removeprefix(f"{self.prefix}."), m.key or b"", m.value, m.headers) for m in found]
        return sorted(read, key=lambda record: SUFFIXES.index(record.topic))

    def plant(self, key: bytes, value: bytes | None) -> None:
        """Somebody else writes a row of the state."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        home = partition_of(key.partition(b"/")[0], self.layout.state)
        producer.produce(self.names.state, value, key, home)
        assert producer.flush(30) == 0

    async def close(self) -> None:
        """See `Bench`."""
        for made in self.ledgers:
            await made.close()

    async def _has_leaders(self) -> bool:
        """Whether the broker answers for topics that were just made; until then it refuses who reads at once."""
        try:
            await asyncio.to_thread(ends, self.bootstrap, self.topics)
        except KafkaException:
            return False
        return True

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def begin(source: str) -> Batch:
    """The first transaction of a source."""
    return batch.begin(source, EPOCH, "c", NOON)


def polled(
    source: str, state: SourceState, tokens: Iterable[Token], *, form: Form = FORM, at: int = NOON
) -> list[Batch]:
    """The transactions of a poll that sees these tokens; all others are gone."""
    row, rows = state.row or SourceRow(EPOCH, configuration="c"), state.tokens
    seen = snapshot(tokens, known=rows.values(), started_at=at - SECOND, finished_at=at)
    shared = poll(source=source, detected_at=at, started_at=at - SECOND, last_complete=_start(row))
    found = changes(rows, seen)
    gone = {change.moid for change in found if change.after is None}
    judged = {m: judge(rows[m], Gone(m, at), shared, not_before=last_shown(shared, rows[m])) for m in gone}
    writing = Writing({moid: verdict for moid, verdict in judged.items() if verdict})
    written = (
        *steps(shared, found, writing),
        *tombstones(shared, rows, {change.moid for change in found}),
    )
    told = report.accepted(shared, seen, baseline=row.complete is None, finished_at=at, requests=1)
    accepted = replace(row, account_moid=ACCOUNT, first_started_at=NOON, complete=Complete(str(at), at - SECOND, at))
    known = history.remembering(written, state, shared)
    return [part for part in batch.plan(form, told, known, row=row, accepted=accepted, clock=lambda: at) if part]


def _start(row: SourceRow) -> int | None:
    return row.complete.started_at if row.complete else None


async def tell(ledger: OneLedger, source: str, state: SourceState, *tokens: Token, at: int = NOON) -> SourceState:
    """Commit a poll in one transaction; the state after it."""
    (written,) = polled(source, state, tokens, at=at)
    await ledger.commit(source, written)
    return fold(state, written)


async def start(ledger: OneLedger, source: str, *tokens: Token) -> SourceState:
    """Restore a new source, begin its history and commit a poll."""
    assert await ledger.restore(source) == SourceState()
    await ledger.commit(source, begin(source))
    return await tell(ledger, source, fold(SourceState(), begin(source)), *tokens)


def oversized(source: str, state: SourceState) -> Batch:
    """A transaction that no broker takes: its first records are fine, the last one is too large."""
    (written,) = polled(source, state, [Token("lost", client_name="lost")])
    return replace(written, records=(*written.records, Record("created", b"lost", bytes(3 * 2**20))))


def by_key(records: Iterable[Record]) -> Mapping[bytes, bytes | None]:
    """The last value of every state key."""
    return {record.key: record.value for record in records if record.topic == batch.STATE}
