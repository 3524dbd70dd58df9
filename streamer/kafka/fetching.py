"""Reads one partition from an offset to another as fast as it comes: keys and values, and nothing else of a record.

For a restart, which reads all there is before anything else can be done. aiokafka's consumer makes an object of eleven
fields of each record, and asks for more only when all of them were taken: half the time of a restart. Here the next
fetch is on the wire while this one is taken apart. What is aborted, and what is a mark, aiokafka's own code tells, and
it checks the checksums; this room never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import LeaderNotAvailableError, RecordTooLargeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record import MemoryRecords

from streamer.kafka.answers import answered

BYTES: Final = 2 * 2**20  # of one fetch; with 8 or 16 a restart is no faster, and takes that much more memory
WAIT_MS: Final = 200
SILENCE_LIMIT_S: Final = 30.0  # without any progress
_WITH_REPLICAS: Final = 11  # the version of the answer in which what is aborted stands elsewhere

Pair = tuple[bytes | None, bytes | None]  # a record's key and value


@dataclass(frozen=True, slots=True)
class Fetched:
    """What one fetch brought: what the broker says is aborted, and batches as they stand in the log.

    `behind` is the offset behind the last whole one.
    """

    offset: int
    behind: int
    aborted: Any
    batches: bytes

    def pairs(self, at: TopicPartition, *, check: bool) -> Iterator[Pair]:
        """The committed records; `check` the checksums."""
        records = MemoryRecords(self.batches)
        return iter(_Pairs(at, records, self.aborted, self.offset, None, None, check, READ_COMMITTED))


class _Pairs(PartitionRecords):  # type: ignore[misc]  # aiokafka is half typed
    """The committed records of a fetch without an object for each."""

    def _consumer_record(self, _: TopicPartition, record: Any) -> Pair:
        return record.key, record.value


async def read(client: AIOKafkaClient, at: TopicPartition, offsets: range, take: Callable[[Fetched], None]) -> None:
    """Hand what stands at these offsets, and maybe behind them, to `take`, in order.

    Args:
        client: which knows the topic.
        at: the partition.
        offsets: all that are to be read; also if there are none the broker is asked once, so that it may say no.
        take: is called with what each fetch brought; must not wait.

    Raises:
        KafkaError: what the broker says, unless it may say something else the next time.
        TimeoutError: it said nothing, or nothing else, for `SILENCE_LIMIT_S`.
    """

    async def taken(fetched: Fetched) -> None:
        take(fetched)

    fetched = await _asked(client, at, offsets.start, wanted=bool(offsets))
    while fetched.behind < offsets.stop:
        fetched, _ = await asyncio.gather(_asked(client, at, fetched.behind), taken(fetched))
    take(fetched)


async def _asked(client: AIOKafkaClient, at: TopicPartition, offset: int, *, wanted: bool = True) -> Fetched:
    """The first fetch that brings anything, or, if nothing is wanted, that brings an answer."""
    async with asyncio.timeout(SILENCE_LIMIT_S):
        while True:
            fetched = await answered(client, lambda: _fetch(client, at, offset))
            if fetched.behind > offset or not wanted:
                return fetched


async def _fetch(client: AIOKafkaClient, at: TopicPartition, offset: int) -> Fetched:
    leader = client.cluster.leader_for_partition(at)
    if leader in {None, -1}:
        raise LeaderNotAvailableError
    asked = FetchRequest(WAIT_MS, 1, BYTES, READ_COMMITTED, [(at.topic, [(at.partition, offset, BYTES)])])
    answer = await client.send(leader, asked)
    ((_, ((_, code, _, *more),)),) = answer.topics
    if code:
        raise for_code(code)(at.topic)
    aborted = more[2] if answer.API_VERSION >= _WITH_REPLICAS else more[-2]
    batches = more[-1]
    behind = _behind(batches, offset)
    if batches and behind == offset:
        raise RecordTooLargeError(f"no fetch of {BYTES} bytes holds what stands at offset {offset}")
    return Fetched(offset, behind, aborted, batches)


def _behind(batches: bytes, offset: int) -> int:
    """Where the last whole batch ends, or `offset` if there is none; nothing is unpacked for that."""
    records = MemoryRecords(batches)
    while records.has_next():
        offset = records.next_batch().next_offset
    return offset
