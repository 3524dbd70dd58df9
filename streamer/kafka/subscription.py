"""A consumer of the event topics as their reader needs it: how far it is, what may be committed, is Kafka still there.

It gives records as they stand in the log and knows nothing of what is in them. With a group, offsets are committed
only up to what was written down, so a crash repeats lines and loses none.

Question: when is a feed that shows nothing healthy? A consumer whose broker is away gets nothing and no error, like
one of a quiet topic. Choice: every reply to a fetch, also an empty one, leaves a time; when the last one is older than
the patience, the brokers are asked for their end offsets within a limit, and no answer is `Unready`. Rejected: an
error at once; a broker that restarts is back in seconds, and reading goes on by itself.

Question: where does a group begin that has no offset yet? Choice: where this call's options say, and that is committed
before anything is read: a member that joins later, or a restart, goes on from there. Rejected: the client's own reset
at its first fetch, which would pass over what came in the meantime. Partitions added later begin at their beginning.

Question: why not let the client find the partitions? When the topics change it assigns all of them anew and forgets
where it was. Choice: without a group, partitions are assigned by hand, and new ones are looked for here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import ConsumerRecord

from streamer.errors import StreamerError, Unready
from streamer.kafka import starts
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.starts import Start
from streamer.kafka.unwritten import Unwritten

CALL_LIMIT_S: Final = 10.0  # one question to Kafka
TURN_S: Final = 0.2  # how long one read waits for records: a request to stop is seen as fast
TEND_EVERY_S: Final = 0.2
COMMIT_EVERY_S: Final = 1.0
READ_LIMIT: Final = 1_000  # records of one read: compressed, a single reply may hold 50,000
LANE_LIMIT: Final = 1_000  # records of one partition that may wait to be written; about 5 MB of events
METADATA_AGE_MS: Final = 30_000  # how late a new partition is found

Times = Mapping[TopicPartition, float | None]


class Subscription:
    """Reads topics; an async context manager that is open while the block lasts.

    Args:
        topics: their full names; all must exist.
        start: where to begin; with a group only where it has no offset yet.
        group: None: nobody else is asked, all partitions are read, nothing is committed.
        patience_s: how long Kafka may be silent.

    Raises:
        Misconfigured: this user may not read the topics or use the group; by any call.
        Unready: Kafka does not answer, or a topic does not exist (yet).
    """

    def __init__(
        self, connection: Connection, topics: Sequence[str], *, start: Start, group: str | None, patience_s: float
    ) -> None:
        self.generation = 0  # counts rebalances: what was handed out before the last one will be read again
        self._connection = connection
        self._topics = tuple(topics)
        self._start = start
        self._group = group
        self._patience_s = patience_s
        self._consumer: AIOKafkaConsumer = connection.consumer(
            group_id=group, auto_offset_reset="earliest", metadata_max_age_ms=METADATA_AGE_MS
        )
        self._starts: dict[TopicPartition, int] = {}  # of all partitions known
        self._unwritten = Unwritten()
        self._committed: dict[TopicPartition, int] = {}
        self._tend_at = 0.0  # monotonic seconds, as all times here
        self._commit_at = 0.0
        self._answered_at = time.monotonic()
        self._joined = group is None
        self._failure: StreamerError | None = None  # of a callback, where the client would only log it

    async def __aenter__(self) -> Self:
        try:
            with self._connection.reaching("follow the event topics"):
                async with asyncio.timeout(2 * CALL_LIMIT_S):
                    self._starts = await starts.find(self._connection, self._topics, self._start)
                    await self._consumer.start()
        except BaseException:
            await close(self._consumer)
            raise
        if self._group is None:
            self._assign(self._starts)
        else:
            self._consumer.subscribe(self._topics, listener=_Members(self))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await close(self._consumer)

    # Reading...

    @property
    def is_whole(self) -> bool:
        """Whether every partition is read here; in a group, others may have some."""
        return len(self._lanes) == len(self._starts)

    async def read(self) -> list[ConsumerRecord]:
        """The next records, or none after a moment; each must be named to `wrote` once it is done with."""
        if self._failure is not None:
            raise self._failure
        hungry = self._hungry()
        if not hungry and self._lanes:  # to name none would mean all
            await asyncio.sleep(TURN_S)
            return []
        got: Mapping[TopicPartition, list[ConsumerRecord]] = {}
        with self._connection.reaching("read the event topics"), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALL_LIMIT_S):  # a rebalance may take its time, and is no error
                got = await self._consumer.getmany(*hungry, timeout_ms=round(TURN_S * 1000), max_records=READ_LIMIT)
        records = [record for batch in got.values() for record in batch]
        for record in records:  # no await since they were handed out: a commit in between would pass them over
            self._unwritten.add(lane_of(record), record.offset)
        return records

    def wrote(self, record: ConsumerRecord) -> None:
        """This record is done with: its line is written, or it never will be."""
        self._unwritten.remove(lane_of(record), record.offset)

    async def read_to_end(self) -> Times:
        """By partition, when (monotonic seconds) it was last known to be read to its end; None where there is more."""
        told = {lane: (self._consumer.last_stable_offset(lane), self._heard_at(lane)) for lane in self._lanes}
        found: dict[TopicPartition, float | None] = {}
        for lane, (end, heard_at) in told.items():
            position = await self._position(lane)
            found[lane] = heard_at if end is not None and position is not None and position >= end else None
        return found

    def is_full(self, read: Times) -> bool:
        """Whether nothing more can be read before something is written; `read` is what `read_to_end` said."""
        unread = [lane for lane, end in read.items() if end is None]
        return bool(unread) and all(self._unwritten.count(lane) >= LANE_LIMIT for lane in unread)

    async def ends(self) -> dict[TopicPartition, int]:
        """The present ends of all partitions, as far as transactions are over."""
        with self._connection.reaching("ask for the ends of the event topics"):
            async with asyncio.timeout(CALL_LIMIT_S):
                return dict(await self._consumer.end_offsets(list(self._starts)))

    async def has_reached(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether all that is assigned here was read up to `ends`; positions also pass what readers are not shown."""
        places = [(await self._position(lane), ends.get(lane, 0)) for lane in self._lanes]
        return self._joined and all(position is not None and position >= end for position, end in places)

    async def left(self, ends: Mapping[TopicPartition, int]) -> int:
        """How many offsets lie between what is done with and `ends`, as far as it is known."""
        done = {lane: await self._reached(lane) for lane in self._lanes}
        return sum(max(0, ends.get(lane, 0) - at) for lane, at in done.items() if at is not None)

    # Keeping on...

    async def tend(self) -> None:
        """Now and then: commit, and make sure that Kafka still answers and that no partition is missed.

        Raises:
            Unready: Kafka was silent for longer than the patience, and does not answer a question either.
        """
        if time.monotonic() < self._tend_at:
            return
        self._tend_at = time.monotonic() + TEND_EVERY_S
        silent_s = time.monotonic() - self._heard_from_all_at()
        if silent_s > self._patience_s:
            try:
                await self.ends()
            except Unready as error:
                raise Unready(f"nothing heard for {silent_s:.0f} s. {error}", hint=error.hint) from error
            self._answered_at = time.monotonic()
        elif time.monotonic() >= self._commit_at:
            await self.commit()
        if self._group is None:
            await self._grow()

    async def commit(self) -> None:
        """Tell the group what is written down; a commit that comes to nothing costs a repetition, so it is no error.

        Raises:
            Unready: Kafka does not answer; what was not committed will be read again.
        """
        if self._group is None:
            return
        self._commit_at = time.monotonic() + COMMIT_EVERY_S
        reached = {lane: await self._reached(lane) for lane in self._lanes}
        moved = {lane: at for lane, at in reached.items() if at is not None and at != self._committed.get(lane)}
        if not moved:
            return
        with self._connection.reaching(f"commit the offsets of group {self._group}"):
            async with asyncio.timeout(CALL_LIMIT_S):
                with contextlib.suppress(CommitFailedError, IllegalStateError):  # others have them now
                    await self._consumer.commit(moved)
                    self._committed |= moved

    # What the group decides...

    async def given(self, lanes: Iterable[TopicPartition]) -> None:
        """Partitions are ours: begin where the group has no offset, and tell it before anything is read."""
        try:
            with self._connection.reaching(f"ask for the offsets of group {self._group}"):
                for lane in lanes:
                    if await self._consumer.committed(lane) is None:
                        self._consumer.seek(lane, self._starts.get(lane, 0))
        except StreamerError as error:
            self._failure = error
        self._joined, self._tend_at, self._commit_at = True, 0.0, 0.0

    async def taken(self) -> None:
        """They are not any more: say what is written, forget what is not."""
        with contextlib.suppress(StreamerError):  # it costs a repetition
            await self.commit()
        self.generation += 1
        self._joined = False
        self._unwritten.clear()
        self._committed.clear()

    # Inside...

    @property
    def _lanes(self) -> tuple[TopicPartition, ...]:
        return tuple(self._consumer.assignment())

    def _hungry(self) -> list[TopicPartition]:
        """The partitions to read from: whoever has enough waiting gives the others time to catch up."""
        return [lane for lane in self._lanes if self._unwritten.count(lane) < LANE_LIMIT]

    def _heard_at(self, lane: TopicPartition) -> float | None:
        """When the last reply for this partition came; the client keeps it in ms UTC."""
        polled = self._consumer.last_poll_timestamp(lane)
        return None if polled is None else time.monotonic() - max(0.0, time.time() - polled / 1000)

    def _heard_from_all_at(self) -> float:
        """Since when no partition that we wait for has been silent; every broker is heard through its own."""
        heard = [max(self._heard_at(lane) or 0.0, self._answered_at) for lane in self._hungry()]
        return min(heard, default=self._answered_at)

    async def _position(self, lane: TopicPartition) -> int | None:
        """The offset of the next record; None while it is not known."""
        with contextlib.suppress(TimeoutError, IllegalStateError):
            async with asyncio.timeout(TURN_S):
                position: int = await self._consumer.position(lane)
                return position
        return None

    async def _reached(self, lane: TopicPartition) -> int | None:
        first = self._unwritten.first(lane)
        return await self._position(lane) if first is None else first

    def _assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._consumer.assign(list(offsets))
        for lane, offset in offsets.items():
            self._consumer.seek(lane, offset)

    async def _grow(self) -> None:
        """Read partitions that were added since, from their beginning."""
        numbers = {topic: self._consumer.partitions_for_topic(topic) or () for topic in self._topics}
        there = [TopicPartition(topic, number) for topic, added in numbers.items() for number in added]
        new = dict.fromkeys((lane for lane in there if lane not in self._starts), 0)
        if new:
            places = {lane: await self._position(lane) or 0 for lane in self._lanes}
            self._starts |= new
            self._assign(places | new)


class _Members(ConsumerRebalanceListener):  # type: ignore[misc]  # untyped there
    """Hears what the group decides; whatever is raised here is logged by the client and lost."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def on_partitions_revoked(self, revoked: Any) -> None:
        if revoked:
            await self._subscription.taken()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        await self._subscription.given(assigned)


def lane_of(record: ConsumerRecord) -> TopicPartition:
    """The partition a record came from."""
    return TopicPartition(record.topic, record.partition)
