"""Reads the event topics, read_committed, and gives each event in the order of its source's sequence.

Nothing is hidden: a gap, a repetition, a record that is no event are all handed on, each as what it is. Nothing is
filtered either: who wants only some events takes them from here, because what is left out before would look like loss.

Question: what is done with a record that cannot be decoded? Choice: it is handed on as `Skipped`, at once, and reading
goes on: one foreign record must not stop a feed that others depend on. What is not the record's fault (no registry, the
wrong one) is raised instead, and nothing behind it is committed.

Question: when is the end, where `until_end` is asked for? Choice: the ends at the start; records behind them are read
only to fill a hole in the sequence before them, because the ends of several partitions are not taken in one instant.

Question: one by one, or many at once? Choice: both, of one loop: whoever writes lines takes batches, because a flush
and a change of threads for each line cost more than the line; a batch is what is ready, so a quiet feed waits for none.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from streamer.kafka.connection import Connection
from streamer.kafka.starts import Start
from streamer.kafka.subscription import Subscription, lane_of
from streamer.kafka.topics import Names
from streamer.ordering import NOTHING, Ordered, Ordering
from streamer.stop import Stop
from streamer.wire.decoding import Undecodable

WINDOW_S: Final = 2.0  # all partitions show one transaction within milliseconds, a lagging broker within this
PATIENCE_S: Final = 60.0  # a broker that restarts is back within this
BATCH: Final = 64  # about 90 kB of lines: the flush is cheap by then, and a stop still waits for little

Decode = Callable[[bytes | None], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Followed:
    """One event where it belongs.

    Attributes:
        event: as `avro.decode_event` gives it.
        missing: the sequences before it that no partition has; empty when others of the group read some partitions.
        late: its place had passed already: it fills a gap that was told, or repeats.
        topic, partition, offset: where it stands.
    """

    event: dict[str, Any]
    missing: range
    late: bool
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is no event, and why."""

    topic: str
    partition: int
    offset: int
    why: str


async def follow(connection: Connection, names: Names, **options: Any) -> AsyncGenerator[Followed | Skipped]:
    """The same as `batches`, one by one: to ask for the next item says that the one before is written."""
    async with aclosing(batches(connection, names, most=1, **options)) as following:
        async for batch in following:
            for found in batch:
                yield found


async def batches(
    connection: Connection,
    names: Names,
    *,
    decode: Decode,
    topics: Sequence[str] = (),
    most: int = BATCH,
    from_beginning: bool = False,
    since: int | None = None,
    group: str | None = None,
    until_end: bool = False,
    left: Callable[[int], None] | None = None,
    stop: Stop | None = None,
    window_s: float = WINDOW_S,
    patience_s: float = PATIENCE_S,
) -> AsyncGenerator[list[Followed | Skipped]]:
    """Events as they come, until `stop` is requested or the end is reached; else for ever.

    To ask for the next batch says that the one before is written: then its offsets may be committed.

    Args:
        connection: where Kafka is.
        names: the topics' names.
        decode: from a record's value to its event, such as `Decoder.event`.
        topics: what to read, such as `choice.choose` says; none stands for the topics of the three types.
        most: how many items a batch may have; it has fewer where no more are ready.
        from_beginning: begin with the oldest event; else with what comes from now on.
        since: begin with the first event detected at this time (ms UTC) or later.
        group: commit offsets for this group, and go on from them: `from_beginning` and `since` are for its first time.
        until_end: end with the last event that was there at the start.
        left: hears now and then how many records are to be read until then.
        stop: a request to end; offsets are committed first.
        window_s: how long an event waits for those before it.
        patience_s: how long Kafka may be silent before that is an error.

    Raises:
        Unready: Kafka or the registry does not answer, or a topic does not exist (yet).
        Misconfigured: a right is missing, or the registry does not know a schema.
    """
    start = Start(from_beginning, since)
    async with Subscription(connection, topics or names.events, start=start, group=group, patience_s=patience_s) as log:
        ends = await log.ends() if until_end else {}
        reader = _Reader(log, decode, round(window_s * 1000), ends)
        while not (stop and stop.requested):
            await reader.fill()
            if left is not None:
                left(await log.left(ends))
            while taken := reader.take(most):
                yield [found for _, found in taken]
                for record, _ in taken:
                    log.wrote(record)
                if stop and stop.requested:
                    break
                await log.tend()
            await log.tend()
            if until_end and await reader.is_through():
                break
        await log.commit()


class _Reader:
    """Decodes and orders what a subscription gives; `ends` bounds it, none of them nothing."""

    def __init__(self, log: Subscription, decode: Decode, window_ms: int, ends: Mapping[TopicPartition, int]) -> None:
        self._log = log
        self._decode = decode
        self._ends = ends
        self._generation = log.generation
        self._read: dict[TopicPartition, int | None] = {}
        self._skipped: deque[tuple[ConsumerRecord, Skipped]] = deque()
        self._ordering = Ordering[tuple[ConsumerRecord, dict[str, Any]]](window_ms)

    async def fill(self) -> None:
        """Read once."""
        records = await self._log.read()
        self._forget_what_was_taken()
        for record in records:
            try:
                event = await self._decode(record.value)
            except Undecodable as error:
                self._skipped.append((record, Skipped(record.topic, record.partition, record.offset, str(error))))
            else:
                self._add(record, event)
            if self._forget_what_was_taken():
                break
        read = await self._log.read_to_end()
        self._read = {lane: None if at is None else round(at * 1000) for lane, at in read.items()}

    def take(self, most: int) -> list[tuple[ConsumerRecord, Followed | Skipped]]:
        """What may go next, with its records, so many at most; none: nothing before the next `fill`."""
        taken: list[tuple[ConsumerRecord, Followed | Skipped]] = []
        self._forget_what_was_taken()
        while self._skipped and len(taken) < most:
            taken.append(self._skipped.popleft())
        while len(taken) < most and (found := self._ordering.take(read=self._read)):
            taken.append(self._followed(found))
        if not taken and self._log.is_full(self._read):
            self._ordering.hurry()
            found = self._ordering.take(read=self._read)
            taken += [self._followed(found)] if found else []
        return taken

    async def is_through(self) -> bool:
        """Whether everything before the ends was given."""
        return not len(self._ordering) and await self._log.has_reached(self._ends)

    def _followed(self, found: Ordered[tuple[ConsumerRecord, dict[str, Any]]]) -> tuple[ConsumerRecord, Followed]:
        record, event = found.item
        missing = found.missing if self._log.is_whole else NOTHING
        return record, Followed(event, missing, found.late, record.topic, record.partition, record.offset)

    def _add(self, record: ConsumerRecord, event: dict[str, Any]) -> None:
        history, sequence, lane = (event["source"], event["epoch"]), event["sequence"], lane_of(record)
        if record.offset >= self._ends.get(lane, record.offset + 1) and not self._ordering.lacks(history, sequence):
            return  # never said to be written, so the next run of the group reads it
        self._ordering.add(history, sequence, (record, event), lane=lane, now=_now())

    def _forget_what_was_taken(self) -> bool:
        """Whether the group was shared out anew: what waits here will be read again, by us or by others."""
        if self._generation == self._log.generation:
            return False
        self._generation = self._log.generation
        self._ordering.clear()
        self._skipped.clear()
        self._read = {}
        return True


def _now() -> int:
    return round(time.monotonic() * 1000)
