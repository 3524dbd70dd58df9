"""The only code that touches a producer: a transaction is written whole, or the producer is thrown away.

aiokafka 0.14 alone is not exactly once. Six rules make it so; each is one step here, named by its number, and a test
shows on a real broker what goes wrong without it. This room must never guess how a commit ended, never use a producer
again after an exception, and never wait without a limit.

====  ==================================  ======================================================================
rule  step                                because aiokafka
====  ==================================  ======================================================================
2a    `_settle`                           commits the rest when a send failed: only the send's future knows
2b    `_discard`                          loses what a producer sends after a failure, and "aborts" without a word
                                          to the broker: the next commit shows what was aborted
2c    `open`, before any end is read      returns from a commit before readers see it; after the next `start` of
                                          the same id they do (the order is the ledger's: open, ends, restore)
2d    `_never_guess`                      goes on with a commit whose waiter was cancelled or ran out of time
2e    `_left`                             retries for ever, whatever `request_timeout_ms` says
2f    `_transaction_timeout_ms`           has a default of 60 s, for which a dead writer hides the end of its
                                          partitions from every read_committed reader
====  ==================================  ======================================================================

Question: is `open` enough for 2c? Choice: no, a broker may have lost the marks of the last end: they are repeated where
the coordinator tells which they were (see `marks`), and the ledger sees that nothing in the state partition is open. A
writer that has lost a connection counts as closed, since a broker may have died: the next commit must not hide that.

Question: abort, or start anew? Choice: anew. `start` makes the broker abort what the id had open and resets sequence
numbers, for some 20 ms. Rejected: `abort_transaction`, see 2b.

Question: how long may a commit take? Choice: all waits of one transaction end at 0.8 of its timeout, by one deadline,
so that we give up before the broker does and can tell a slow broker (`Doubt`) from another writer (`Fenced`).

Question: where do the offsets of a consumer group stand, that a relay moves with what it writes? Choice: in the same
transaction, sent once all records are in the log. aiokafka tells Kafka nothing of the group's members with them, so
nothing but the transactional id keeps two writers apart: offsets are read only after `open`, like everything else (2c).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidTransactionTimeout,
    KafkaTimeoutError,
    ProducerFenced,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from streamer.errors import Doubt, Fenced, Misconfigured, Unready
from streamer.frozen import Frozen
from streamer.kafka import rights
from streamer.kafka.connection import Connection, denial
from streamer.kafka.hard_close import hard_close, refusal_of, seen, wires
from streamer.kafka.marks import ending

OPEN_LIMIT_S: Final = 30.0
SHARE_OF_TIMEOUT: Final = 0.8  # of the transaction timeout, for all our waits in sum
BATCH_BYTES: Final = 262_144  # with 16 KiB, the default, half of the time goes into batches
LARGEST_RECORD: Final = 2 * 2**20 - 4096  # `max.message.bytes` of our topics, less what a batch adds

Headers = tuple[tuple[str, bytes | None], ...]


class Outgoing(Frozen, frozen=True):
    """One record on its way: `timestamp` in ms UTC, `value` None a tombstone."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Its bytes before compression, without Kafka's own few."""
        named = sum([len(name.encode()) + len(text or b"") for name, text in self.headers])
        return len(self.key or b"") + len(self.value or b"") + named


@dataclass(frozen=True, slots=True)
class Offsets:
    """Where a consumer group goes on: by topic and partition, the offset behind the last record that is done with."""

    group: str
    next: Mapping[TopicPartition, int]


class Writer:
    """The transactions of one transactional id; while it is open, no other writer of that id can commit.

    It starts closed, and is closed again after any exception of `open` or `commit`: then only `open` helps. It is for
    one task at a time.

    Args:
        connection: where to.
        transactional_id: the identity that is fenced.
        compression: `zstd`, `lz4`, `snappy`, `gzip` or `none`.
        timeout_s: the broker aborts a transaction that is open for longer.
        topics: all that will be written to; they must exist.
    """

    def __init__(
        self,
        connection: Connection,
        transactional_id: str,
        *,
        compression: str,
        timeout_s: float,
        topics: Sequence[str],
    ) -> None:
        self.transactional_id = transactional_id
        self._connection = connection
        self._compression = None if compression == "none" else compression
        self._timeout_s = timeout_s
        self._topics = tuple(topics)
        self._producer: AIOKafkaProducer | None = None
        self._wires: set[Any] = set()  # the connections since it was opened

    @property
    def is_open(self) -> bool:
        """Whether `commit` may be called, with no broker lost since: one that went may have lost the last marks."""
        return self._producer is not None and all(wire.connected() for wire in self._wires)

    async def open(self) -> None:
        """Fence every other writer of the id, and have the broker abort what it left open.

        What was committed before is visible to read_committed readers once this returns (2c; one exception: see above).

        Raises:
            Unready: Kafka or a topic is not there.
            Misconfigured: Kafka refuses this user, or the transaction timeout.
            Fenced: another writer opened at the same moment.
        """
        await self.close()
        producer = self._connection.producer(
            transactional_id=self.transactional_id,
            transaction_timeout_ms=self._transaction_timeout_ms(),
            request_timeout_ms=int(self._patience_s * 500),  # so that a silent broker can be asked a second time
            compression_type=self._compression,
            max_batch_size=BATCH_BYTES,
        )
        try:
            with self._connection.reaching(f"start the writer {self.transactional_id}", rights.WRITE):
                await self._start(producer)
        except BaseException:
            await hard_close(producer)
            raise
        self._producer, self._wires = producer, wires(producer)

    async def commit(self, records: Sequence[Outgoing], offsets: Offsets | None = None) -> None:
        """Write all of the records in one transaction, and move a group's offsets with them, if any are given.

        Per partition the records stand in the order given. When the task is cancelled during the very commit, it is
        waited for, then the cancellation goes on.

        Raises:
            Fenced: another writer took the id over, or the broker aborted a transaction that took too long.
            Misconfigured: Kafka refuses this user; what was written before that is aborted with the next `open`.
            Doubt: anything else; all of the records are in the log, or none, and only a restore tells which.
        """
        producer = self._producer
        if producer is None:
            raise Doubt(f"writer {self.transactional_id} is closed: open it and restore before the next commit")
        deadline = _now() + self._patience_s
        try:
            _check_sizes(records)
            async with asyncio.timeout(self._left(deadline)):
                await producer.begin_transaction()
                await self._settle(await self._send(producer, records))
                await self._move(producer, offsets)
            await self._end(producer, deadline)
            self._wires |= wires(producer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the producer goes and the caller restores
            await self._discard(producer)
            await self._never_guess(_cause(producer, error), records)
        except BaseException:
            await self._discard(producer)
            raise

    async def close(self) -> None:
        """Drop the producer, if there is one; nothing is open between two commits, so nothing is lost."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await hard_close(producer)

    # The rules that are steps...

    async def _settle(self, sent: Sequence[asyncio.Future[Any]]) -> None:
        """2a. Every batch has reached the log before the commit is asked for.

        Called off, it cancels none: aiokafka's own future behind a cancelled one may fail, and nobody looks at that.
        """
        done, _ = await asyncio.wait(sent, return_when=asyncio.FIRST_EXCEPTION) if sent else (set(), set())
        for future in done:
            future.result()

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        """2b. No abort, no second chance: the next `open` makes the broker abort."""
        self._producer = None
        await hard_close(producer)

    async def _never_guess(self, error: Exception, records: Sequence[Outgoing]) -> None:
        """2d. Neither "done" nor "failed": whoever called must look into the log. Only a missing right is certain."""
        if _is_fence(error):
            raise self._fenced() from error
        if denied := denial(error, rights.WRITE):
            raise self._connection.lacks(f"commit as {self.transactional_id}", denied) from error
        where = "".join(f" to {note}" for note in getattr(error, "__notes__", ())[:1])
        timed_out = isinstance(error, (TimeoutError, KafkaTimeoutError))
        reason = f"no answer within 0.8 of {self._timeout_s:g} s" if timed_out else repr(error)
        raise Doubt(
            f"writer {self.transactional_id}: a transaction of {len(records)} records{where} failed: {reason}"
        ) from error

    def _left(self, deadline: float) -> float | None:
        """2e. What remains until a deadline of ours; aiokafka has none."""
        return max(0.0, deadline - _now())

    def _transaction_timeout_ms(self) -> int:
        """2f. As short as configured."""
        return int(self._timeout_s * 1000)

    # Starting...

    @property
    def _patience_s(self) -> float:
        return self._timeout_s * SHARE_OF_TIMEOUT

    async def _start(self, producer: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(self._left(_now() + OPEN_LIMIT_S)):
                async with ending(self._connection, self.transactional_id) as last:
                    await producer.start()
                    for topic in self._topics:  # else the first send would wait for it, within the transaction
                        await self._know(producer, topic)
                    await last.repeat(producer, self._topics)
        except InvalidTransactionTimeout as error:
            raise Misconfigured(
                f"kafka.transaction.timeout: {self._timeout_s:g}s is given, and Kafka refuses it",
                hint="give at most transaction.max.timeout.ms of the brokers (15 minutes, unless changed)",
            ) from error
        except (ProducerFenced, InvalidProducerEpoch) as error:
            raise self._fenced() from error

    async def _know(self, producer: AIOKafkaProducer, topic: str) -> None:
        try:
            await producer.partitions_for(topic)
        except UnknownTopicOrPartitionError as error:
            raise Unready(f"writer {self.transactional_id}: topic {topic} does not exist") from error

    # Sending...

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> list[asyncio.Future[Any]]:
        """Hand all records to aiokafka; a future for each batch.

        One batch of a partition is in flight at a time, so the partitions take turns.
        """
        lanes: dict[tuple[str, int], list[Outgoing]] = {}
        for record in records:
            lanes.setdefault((record.topic, record.partition), []).append(record)
        sent: list[asyncio.Future[Any]] = []
        for turn in zip_longest(*(_batches(producer, lane) for lane in lanes.values())):
            for (topic, partition), batch in zip(lanes, turn, strict=True):
                if batch is not None:
                    future = await producer.send_batch(batch, topic, partition=partition)
                    future.add_done_callback(partial(seen, where=f"{topic}-{partition}"))
                    sent.append(future)
        return sent

    async def _move(self, producer: AIOKafkaProducer, offsets: Offsets | None) -> None:
        """The group's offsets become part of the transaction."""
        if offsets is not None:
            await producer.send_offsets_to_transaction(dict(offsets.next), offsets.group)

    # Ending...

    async def _end(self, producer: AIOKafkaProducer, deadline: float) -> None:
        """The commit: the one task of ours, since it must not be cancelled with whoever waits for it."""
        commit = asyncio.create_task(producer.commit_transaction())
        commit.add_done_callback(seen)
        try:
            await asyncio.wait((commit,), timeout=self._left(deadline))
        except asyncio.CancelledError:
            await asyncio.wait((commit,), timeout=self._left(deadline))
            raise
        finally:
            if not commit.done():
                commit.cancel()  # ends the waiting; what the broker makes of it is not known
        if not commit.done():
            raise TimeoutError
        commit.result()

    def _fenced(self) -> Fenced:
        return Fenced(
            f"writer {self.transactional_id} was fenced: another writer has its id, or its transaction took too long",
            hint="only one process may own a state partition; a transaction must end within kafka.transaction.timeout",
        )


# Records, and what went wrong...


def _now() -> float:
    return asyncio.get_running_loop().time()


def _check_sizes(records: Sequence[Outgoing]) -> None:
    """A batch takes a first record of any size, so nobody else would say so before the broker does."""
    for record in records:
        if record.size > LARGEST_RECORD:
            raise ValueError(f"a record of {record.size} bytes for {record.topic}, at most {LARGEST_RECORD} fit")


def _batches(producer: AIOKafkaProducer, records: Sequence[Outgoing]) -> Iterator[BatchBuilder]:
    """The records of one partition, in order, as batches of at most `BATCH_BYTES` or one record."""
    batch = producer.create_batch()
    for record in records:
        if not _append(batch, record):
            yield batch
            batch = producer.create_batch()
            if not _append(batch, record):
                raise ValueError(f"a record of {record.size} bytes for {record.topic} fits no batch")
    yield batch


def _append(batch: BatchBuilder, record: Outgoing) -> bool:
    """False: the batch is full, the record is not in it."""
    headers = list(record.headers)
    added = batch.append(timestamp=record.timestamp, key=record.key, value=record.value, headers=headers)
    return added is not None


def _cause(producer: AIOKafkaProducer, error: Exception) -> Exception:
    """Where one topic of many is denied, batches of the others fail first, with an error that says nothing of it."""
    refusal = refusal_of(producer)
    return refusal if refusal is not None and denial(refusal, rights.WRITE) else error


def _is_fence(error: Exception) -> bool:
    """Whether the id has a newer writer; after the first such answer aiokafka only says "Invalid state transition"."""
    if isinstance(error, AssertionError):
        return "Invalid state transition" in str(error)
    return isinstance(error, (ProducerFenced, InvalidProducerEpoch))
