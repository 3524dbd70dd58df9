"""The input partitions of one number, read from where their group is, for as long as one owner has them.

It must be opened after the writer of the number, never before: only then are the group's offsets those of the last
transaction, and is nothing of ours open in the output any more. What it cannot know it never guesses: no offset beside
records, an offset behind the end, a transaction that nobody ends are all errors, each with what a person can do.

Question: what if the group has no offset? Choice: the beginning. But if the output already holds records, the offsets
were lost (Kafka forgets those of a group that is gone for a week) or another relay wrote them; to begin anew would
repeat them all, so a person must say so (`--from-beginning`).

Question: what if the offset lies outside the log? Choice: before its beginning, records were deleted by retention
before anybody relayed them: that is said, and reading goes on where the log begins. Behind its end, the topic was made
anew or cut: that is for a person, because nothing tells which records were passed on already.

Question: why look for open transactions in the output? A lone broker that is killed within milliseconds of a commit may
lose the mark of it for good; the next commit of the id would then show its records, and the next abort would lose them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import ConsumerRecord

from streamer.errors import Doubt, Misconfigured
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.hanging import settled
from streamer.kafka.relay.told import Told
from streamer.kafka.span import enter

CALL_LIMIT_S: Final = 10.0  # a few questions to Kafka
TURN_S: Final = 5.0  # one look for records; a stop ends it at once
PATIENCE_S: Final = 60.0  # how long Kafka may be silent before it is asked whether it is there
READ_RECORDS: Final = 500  # of one look: some 0.1 s of work
READ_BYTES: Final = 16 * 2**20  # of one look, decompressed, as far as the last one tells; a hostile one may have 700 MB
FETCH_BYTES: Final = 2**20  # of one partition, compressed

Known = Mapping[TopicPartition, int | None]


class Reader:
    """Reads the partitions; `open` it once, `close` it always.

    Args:
        connection: where Kafka is.
        group: whose offsets are told to `open`; for errors.
        partitions: of the inputs; all have one number.
        output: where the records go.
        told: hears of records that were lost.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        partitions: Sequence[TopicPartition],
        output: TopicPartition,
        told: Told,
    ) -> None:
        self._connection = connection
        self._group = group
        self._partitions = tuple(partitions)
        self._output = output
        self._told = told
        self._heard_at = time.monotonic()
        self._most = READ_RECORDS
        self._consumer: AIOKafkaConsumer = connection.consumer(
            auto_offset_reset="none", max_partition_fetch_bytes=FETCH_BYTES
        )

    async def open(self, known: Known, *, from_beginning: bool) -> None:
        """Go to the group's offsets.

        Raises:
            Misconfigured: they cannot be gone on from.
            Unready: Kafka does not answer, or something is open in the output.
        """
        with self._reading():
            async with asyncio.timeout(CALL_LIMIT_S):
                await self._consumer.start()
                await settled(self._connection, self._consumer, self._output, "is not ours")
                if not from_beginning and all(offset is None for offset in known.values()):
                    await self._refuse_to_repeat()
                await self._enter(known)

    async def close(self) -> None:
        """Read nothing any more."""
        await close(self._consumer)

    async def read(self) -> list[ConsumerRecord]:
        """The next records, of each partition in order; none after a while.

        Raises:
            Doubt: what was to be read next is not there any more.
            Unready: Kafka does not answer.
        """
        with self._reading():
            got = await self._consumer.getmany(timeout_ms=int(TURN_S * 1000), max_records=self._most)
            if not got and time.monotonic() - self._heard_at > PATIENCE_S:
                async with asyncio.timeout(CALL_LIMIT_S):  # a consumer whose broker is away gets nothing and no error
                    await self._consumer.end_offsets(self._partitions)
                self._heard_at = time.monotonic()
        records = [record for batch in got.values() for record in batch]
        if records:
            self._heard_at = time.monotonic()
            size = sum(len(record.value or b"") for record in records)
            self._most = max(1, min(READ_RECORDS, READ_BYTES * len(records) // max(1, size)))
        return records

    # Going there...

    async def _refuse_to_repeat(self) -> None:
        scout = self._connection.consumer(auto_offset_reset="earliest")
        try:
            holds = await _holds_records(scout, self._output)
        finally:
            await close(scout)
        if holds:
            raise Misconfigured(
                f"group {self._group} has no offsets, but {self._output.topic}-{self._output.partition} holds records",
                hint="its offsets expired, or another group wrote them; --from-beginning relays, and so repeats, "
                f"all that is there; or reset the offsets of group {self._group} with kafka-consumer-groups",
            )

    async def _enter(self, known: Known) -> None:
        """Paused until all bounds are known: see `streamer.kafka.span`."""
        consumer, partitions = self._consumer, self._partitions
        consumer.assign(partitions)
        consumer.pause(*partitions)
        firsts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for at in partitions:
            offset = known[at]
            consumer.seek(at, firsts[at] if offset is None else self._within(at, offset, firsts[at], ends[at]))
        consumer.resume(*partitions)

    def _within(self, at: TopicPartition, offset: int, first: int, end: int) -> int:
        if offset > end:
            raise Misconfigured(
                f"group {self._group} is at offset {offset} of {at.topic}-{at.partition}, which ends at {end}: "
                "the topic was made anew, or cut",
                hint="reset the group's offsets with kafka-consumer-groups, or give another --group",
            )
        if offset < first:
            self._told.lost(at.topic, at.partition, offset, first)
        return max(offset, first)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        number, topics = self._partitions[0].partition, ", ".join(at.topic for at in self._partitions)
        with self._connection.reaching(f"read partition {number} of {topics}"):
            try:
                yield
            except (OffsetOutOfRangeError, NoOffsetForPartitionError) as error:
                raise Doubt(f"what was to be read next of {topics} is not there any more: {error!r:.200}") from error


async def _holds_records(scout: AIOKafkaConsumer, at: TopicPartition) -> bool:
    """Whether anything is committed there; what was aborted does not count."""
    end = await enter(scout, at)
    while await scout.position(at) < end:
        if any((await scout.getmany(at, timeout_ms=200, max_records=1)).values()):
            return True
    return False
