"""Where events and state are kept: fence, restore, commit, for each partition of `P.state` that is ours.

The unit of ownership is a state partition, and its transactional id, `P.state-<partition>`, belongs to it whatever
process writes. The order is fixed: open the writer (every other writer is fenced, what it left open is aborted), then
read the partition, then commit. This room must never let a source write on top of a state that may not be the log's.

Question: what does a failed commit cost the other sources of the partition? Choice: nothing. The writer is opened
anew, the partition is read again, and a source whose own row is still the one it wrote last goes on where it was;
every commit writes that row, so equal rows mean equal states. Rejected: to trust memory after a re-opening, since
another worker may have come and gone in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from streamer.batch import SNAPSHOTS, STATE, Batch, Record
from streamer.errors import Doubt, Fenced
from streamer.kafka.connection import Connection
from streamer.kafka.fences import Fences
from streamer.kafka.inbox import Inbox, Records
from streamer.kafka.reports import Reports
from streamer.kafka.restore import Restored, restore
from streamer.kafka.topics import Layout, Names, partition_of
from streamer.kafka.writer import Outgoing, Writer
from streamer.state import SourceState

HINT: Final = "find the other process with this topic prefix and stop one of the two"

NOTHING: Final = Restored()  # of a source that the log does not know

Sleep = Callable[[float], Awaitable[None]]


class Ownership(Protocol):
    """Whether the partitions are ours, as far as is known; what raises is passed on."""

    def check(self) -> None:
        """Right before a transaction: raise if they were taken."""

    def make_sure(self) -> None:
        """Right before a writer opens, which would fence a rightful owner: raise if they may have been taken."""

    def disputed(self) -> None:
        """Somebody else opened a writer there."""


class Ledger:
    """The partitions of `P.state` that hold the given sources.

    Args:
        connection: where to.
        names: of the topics.
        layout: the topics' partition counts.
        sources: the names of the sources of these partitions that this worker polls; of others it tells, see `sources`.
        compression: as of `Writer`.
        timeout_s: a transaction's.
        ownership: of the partitions.
        sleep: waits; a test passes its own.
    """

    def __init__(
        self,
        connection: Connection,
        names: Names,
        layout: Layout,
        sources: Collection[str],
        *,
        compression: str,
        timeout_s: float,
        ownership: Ownership,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._connection = connection
        self._names = names
        self._layout = layout
        self._sources = frozenset(sources)
        self._compression = compression
        self._timeout_s = timeout_s
        self._ownership = ownership
        self._sleep = sleep
        self._shards = {number: self._made(number) for number in sorted({self.home(source) for source in sources})}
        self._inboxes: dict[int, Inbox] = {}
        self._reports = Reports(connection, names.snapshots, layout.snapshots)

    def home(self, source: str) -> int:
        """The partition of `P.state` that a source belongs to."""
        return partition_of(source.encode(), self._layout.state)

    async def sources(self, number: int) -> frozenset[str]:
        """All sources that have a row of their own in a partition, whoever polls them.

        A partition that holds none of ours is read without its writer, so that nobody is fenced by a look.

        Raises:
            Unready, Misconfigured, Doubt, Fenced, Stopped: as `restore`.
        """
        if number in self._shards:
            return await self._shards[number].sources()
        found = await restore(self._connection, self._names.state, number, owned=False)
        return frozenset(source for source, restored in found.items() if restored.is_source)

    async def restore(self, source: str) -> SourceState:
        """What the log says of a source; from now on it may commit.

        Raises:
            Unready, Misconfigured: as `Writer.open` and `restore.restore`.
            Damaged: its rows cannot be read; those of others are not touched by that.
            Doubt: fenced; it may be tried again, the wait that this asks for is part of the next try.
            Fenced: fenced three times within a minute.
            Stopped: the partition is not ours any more.
        """
        number = self.home(source)
        if number not in self._shards:
            self._shards[number] = self._made(number)
        state = await self._shards[number].restore(source)
        if state.row is None and source in self._sources:
            await self._reports.warn_of(source)
        return state

    async def commit(self, source: str, written: Batch) -> None:
        """Write a batch in one transaction, on top of what the source restored and committed since.

        Raises:
            Doubt: nothing is certain any more, or the state was taken away: restore first.
            Fenced: as of `restore`.
            Stopped: the partition is not ours any more; a transaction in hand was not ended by that.
        """
        home = self.home(source)
        records = [self._addressed(record, home, written.timestamp) for record in written.records]
        own = next(
            record.value for record in written.records if record.topic == STATE and record.key == source.encode()
        )
        await self._shards[home].commit(source, records, own or b"")

    async def commands(self, source: str, after: int | None) -> Records:
        """The control commands for a source from offset `after` to the present end; see `Inbox.commands`.

        A control topic with fewer partitions than the state, which `ensure` warns of, has none for some sources.
        """
        number = self.home(source)
        if self._layout.control is not None and number >= self._layout.control:
            return ()
        if number not in self._inboxes:
            self._inboxes[number] = Inbox(self._connection, self._names.control, number)
        return await self._inboxes[number].commands(source, after)

    async def close(self) -> None:
        """Drop all writers, and read no more commands; all at once, since each may take its limit."""
        writers, readers = self._shards.values(), self._inboxes.values()
        await asyncio.gather(*(one.close() for one in writers), *(one.close() for one in readers))

    def _addressed(self, record: Record, home: int, timestamp: int) -> Outgoing:
        if record.topic == STATE:
            partition = home
        else:
            count = self._layout.snapshots if record.topic == SNAPSHOTS else self._layout.events
            partition = partition_of(record.key, count)
        return Outgoing(self._names.of(record.topic), partition, record.key, record.value, timestamp, record.headers)

    def _made(self, number: int) -> Shard:
        state = self._names.state
        topics = (*self._names.written(all_topic=self._layout.all_topic), self._names.snapshots, state)
        writer = Writer(
            self._connection,
            f"{state}-{number}",
            compression=self._compression,
            timeout_s=self._timeout_s,
            topics=topics,
        )
        return Shard(
            writer,
            lambda: restore(self._connection, state, number),
            name=f"partition {number} of {state}",
            ownership=self._ownership,
            sleep=self._sleep,
        )


class Shard:
    """One partition: its writer, what was read and not yet asked for, and who may write on top of what.

    It is open exactly while the partition was read after the writer's opening; everything happens under one lock.
    `name` is the partition's, for a person. Fences are counted while the partition is ours without a break: that
    it changed hands explains those before.
    """

    def __init__(
        self,
        writer: Writer,
        read: Callable[[], Awaitable[dict[str, Restored]]],
        *,
        name: str,
        ownership: Ownership,
        sleep: Sleep = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = writer
        self._read = read
        self._name = name
        self._ownership = ownership
        self._sleep = sleep
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._waiting: dict[str, Restored] = {}  # read, and not yet asked for
        self._found: frozenset[str] = frozenset()  # the sources that were read
        self._asked: set[str] = set()  # those that were restored from what was read, or went on without
        self._current: dict[str, bytes] = {}  # source -> its own row as it wrote or restored it last: it may commit
        self._fences = Fences(name, HINT, monotonic)
        self._reopen_at = 0.0

    async def sources(self) -> frozenset[str]:
        """See `Ledger.sources`."""
        async with self._lock:
            if not self._writer.is_open:
                await self._open()
            return self._found

    async def restore(self, source: str) -> SourceState:
        """See `Ledger.restore`."""
        async with self._lock:
            self._current.pop(source, None)
            if not self._writer.is_open or source in self._asked:
                await self._open()
            self._asked.add(source)
            restored = self._waiting.pop(source, NOTHING)
            state = restored.known()
            self._current[source] = restored.own
            return state

    async def commit(self, source: str, records: list[Outgoing], own: bytes) -> None:
        """See `Ledger.commit`; `own` is the value of the source's own row among the records."""
        async with self._lock:
            self._ownership.check()
            if source in self._current and not self._writer.is_open:
                await self._open()
            if self._current.pop(source, None) is None:
                raise Doubt(f"the state of {source} was taken away while it was polled: it restores and polls again")
            with self._fencing():
                await self._writer.commit(records)
            self._current[source] = own

    async def close(self) -> None:
        """Drop the writer."""
        async with self._lock:
            await self._writer.close()

    async def _open(self) -> None:
        """Fence, then read; sources whose own row is not the one they wrote last may not go on."""
        await self._writer.close()
        await self._sleep(max(0.0, self._reopen_at - self._monotonic()))
        try:
            self._ownership.make_sure()
            with self._fencing():
                await self._writer.open()
            self._waiting = await self._read()
        except BaseException:
            await self._writer.close()
            raise
        self._found = frozenset(source for source, restored in self._waiting.items() if restored.is_source)
        self._current = {s: own for s, own in self._current.items() if self._waiting.get(s, NOTHING).own == own}
        self._asked = set(self._current)
        for source in self._current:
            self._waiting.pop(source, None)

    @contextmanager
    def _fencing(self) -> Iterator[None]:
        """A fence takes every state away; the third within a minute is for a person."""
        try:
            yield
        except Fenced as fenced:
            self._current.clear()
            self._ownership.disputed()
            self._reopen_at = self._monotonic() + self._fences.pause_s(fenced)
            raise Doubt(str(fenced), hint=fenced.hint) from fenced
