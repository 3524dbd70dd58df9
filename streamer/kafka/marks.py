"""The marks that end a transaction in each of its partitions, written once more where the broker has lost them.

A commit is answered once the coordinator has it in its own log; the marks follow. A lone Kafka 4.3.1 broker that is
killed in between loads the transaction when it starts again, cannot reach itself yet, and is then taken for gone by its
own controller: the partitions have no leader, "are likely deleted already", and their marks are dropped for good. What
was committed stays invisible, with everything behind it, and the next mark of the same id would end both.

Question: how did it end, if the marks are lost? Choice: its coordinator knows, until the id is initialised again; so it
is asked right before. If then the id is given the very next epoch, nothing was begun in between, and the marks that are
missing are of that end. Rejected: to read it from the partition, where a lost commit and a lost abort look the same;
Kafka's tool, which can only abort; to write marks by `WriteTxnMarkers`, for which one must be the cluster's own.

What is left to chance: a process that dies within the few ms in which the marks are repeated leaves a transaction that
the broker aborts. This room never guesses: without the coordinator's word it does nothing, and `hanging` says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    LeaderNotAvailableError,
    NodeNotReadyError,
    TransactionalIdAuthorizationFailed,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from streamer.kafka import rights
from streamer.kafka.answers import answered
from streamer.kafka.closing import heeding
from streamer.kafka.connection import Connection
from streamer.kafka.rights import Denied

ENDS: Final = {"PrepareCommit": True, "CompleteCommit": True, "PrepareAbort": False, "CompleteAbort": False}
NEVER_HEARD_OF: Final = 105  # TRANSACTIONAL_ID_NOT_FOUND
READ_UNCOMMITTED, READ_COMMITTED = 0, 1
LATEST: Final = -1


@dataclass(frozen=True, slots=True)
class End:
    """How the last transaction of an id ended, and whose it was."""

    producer_id: int
    epoch: int
    committed: bool

    def is_last_before(self, producer: AIOKafkaProducer) -> bool:
        """Whether nothing of the id was begun between that end and the start of this producer."""
        now = producer._txn_manager  # noqa: SLF001 - there is no public way
        return (now.producer_id, now.producer_epoch) == (self.producer_id, self.epoch + 1)


@asynccontextmanager
async def ending(connection: Connection, transactional_id: str) -> AsyncIterator[Ending]:
    """Ask how the id's last transaction ended; what starts the id anew stands in the block, and then `repeat`.

    Raises:
        KafkaError: what the client raises; there is no limit but the caller's.
    """
    client = connection.client()
    try:
        if connection.embedded:
            yield Ending(client, None)
            return
        await client.bootstrap()
        yield Ending(client, await _last_end(client, transactional_id))
    finally:
        await heeding(client.close())


class Ending:
    """How the last transaction ended; None if one is open, there was none, or Kafka is too old to tell."""

    def __init__(self, client: AIOKafkaClient, end: End | None) -> None:
        self.end = end
        self._client = client

    async def repeat(self, producer: AIOKafkaProducer, topics: Collection[str]) -> None:
        """Where anything is open in the topics, mark there once more that the id's last transaction ended as it did.

        Where that is open which others write, a mark of ours means nothing. The producer was just started.
        """
        if self.end is None or not self.end.is_last_before(producer):
            return
        await self._client.set_topics(topics)
        lanes = [TopicPartition(topic, number) for topic in topics for number in await producer.partitions_for(topic)]
        shown, written = await self._ends(lanes, READ_COMMITTED), await self._ends(lanes, READ_UNCOMMITTED)
        hanging = [lane for lane in lanes if shown[lane] < written[lane]]
        if not hanging:
            return
        await producer.begin_transaction()
        for lane in hanging:
            producer._txn_manager.maybe_add_partition_to_txn(lane)  # noqa: SLF001 - there is no public way
        await (producer.commit_transaction() if self.end.committed else producer.abort_transaction())

    async def _ends(self, lanes: Collection[TopicPartition], isolation: int) -> dict[TopicPartition, int]:
        """Where each partition ends for a reader."""
        asked: defaultdict[int, defaultdict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for topic, partition in lanes:
            leader = self._client.cluster.leader_for_partition(TopicPartition(topic, partition))
            if leader in {None, -1}:
                raise LeaderNotAvailableError
            asked[leader][topic].append((partition, LATEST))
        found = {}
        for leader, topics in asked.items():
            reply = await self._client.send(leader, OffsetRequest(-1, isolation, list(topics.items())))
            for topic, partitions in reply.topics:
                for partition, code, _, offset in partitions:
                    if code:
                        raise for_code(code)
                    found[TopicPartition(topic, partition)] = offset
        return found


async def _last_end(client: AIOKafkaClient, transactional_id: str) -> End | None:
    try:
        return await answered(client, lambda: _asked(client, transactional_id))
    except IncompatibleBrokerVersion:
        return None
    except TransactionalIdAuthorizationFailed as error:
        raise Denied(rights.WRITE, rights.TRANSACTIONS, [transactional_id]) from error


async def _asked(client: AIOKafkaClient, transactional_id: str) -> End | None:
    node = await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
    if not await client.ready(node, group=ConnectionGroup.COORDINATION):
        raise NodeNotReadyError
    reply = await client.send(node, _Describe(transactional_id), group=ConnectionGroup.COORDINATION)
    ((code, _, state, _, _, producer_id, epoch, _, _),) = reply.states
    if code == NEVER_HEARD_OF:
        return None
    if code:
        raise for_code(code)
    return End(producer_id, epoch, ENDS[state]) if state in ENDS else None


# DescribeTransactions, which aiokafka 0.14 does not have...

_TOPIC: Final = (("topic", CompactString()), ("partitions", CompactArray(Int32)), ("tags", TaggedFields))


class _Described(Response):  # type: ignore[misc]  # untyped there
    API_KEY = 65
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "states",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString()),
                ("state", CompactString()),
                ("timeout_ms", Int32),
                ("started_at", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                ("topics", CompactArray(*_TOPIC)),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeV0(RequestStruct):  # type: ignore[misc]  # untyped there
    FLEXIBLE_VERSION = True
    API_KEY = 65
    API_VERSION = 0
    RESPONSE_TYPE = _Described
    SCHEMA = Schema(("transactional_ids", CompactArray(CompactString())), ("tags", TaggedFields))


class _Describe(Request[_DescribeV0]):  # type: ignore[misc]  # untyped there
    API_KEY = 65

    def __init__(self, transactional_id: str) -> None:
        self._ids = [transactional_id]

    def build(self, request_struct_class: type[_DescribeV0]) -> Any:
        return request_struct_class(self._ids, {})
