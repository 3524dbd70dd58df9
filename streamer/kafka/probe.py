"""What this user may do in Kafka, found out without doing it: no record, no topic, no member, nobody fenced.

Question: how is the right to write proven without a record? Choice: one AddPartitionsToTxn that names every topic, and
one partition that no topic has. The broker looks at rights and partitions before anything else, and refuses the whole:
with 29 each topic that this user may not write to, with 55 ("not attempted") each that it may. So nothing is added, to
no transaction, and no end offset moves. Rejected: a record in an aborted transaction; it stands in the event topics for
their whole retention, and moves their ends.

Question: under which transactional id? Choice: one of its own, `<prefix>.check-<uuid>`. To use an id of the service is
to fence it; so that those may be used cannot be proven here, and whoever asks must say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest

from streamer.errors import Misconfigured, Unready
from streamer.kafka import administration
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.span import enter
from streamer.kafka.writer import Writer

LIMIT_S: Final = 15.0  # one question
NOWHERE: Final = 2**31 - 1  # a partition that no topic has
FETCH_MS: Final = 200
DENIED, ID_DENIED, ALLOWED = 29, 53, 55
NOBODY: Final = 0  # a producer's id; the broker refuses before it looks at it


async def reach(connection: Connection) -> int:
    """How many brokers there are.

    Raises:
        Unready: Kafka cannot be reached, or does not let us in.
    """
    async with administration.asking(connection, "be used", LIMIT_S) as admin:
        return await administration.brokers(admin)


async def begin(connection: Connection, prefix: str, *, timeout_s: float) -> str:
    """Open a writer under an id of our own, and close it again; the id.

    It proves that Kafka can keep transactions, and takes `kafka.transaction.timeout`.

    Raises:
        Misconfigured: this user may not use the id, or the timeout is too long.
        Unready: Kafka does not answer.
    """
    name = f"{prefix}.check-{uuid4()}"
    writer = Writer(connection, name, compression="none", timeout_s=timeout_s, topics=())
    try:
        await writer.open()
    finally:
        await writer.close()
    return name


async def unwritable(connection: Connection, transactional_id: str, topics: Mapping[str, int]) -> tuple[str, ...]:
    """Those of the topics that this user may not write to.

    Args:
        connection: where Kafka is.
        transactional_id: one of our own.
        topics: by name, how many partitions there are; all exist.

    Raises:
        Misconfigured: this user may not use the id.
        Unready: Kafka does not answer, or not as it should.
    """
    named = {topic: list(range(count)) for topic, count in topics.items()}
    named[next(iter(named))].append(NOWHERE)
    async with administration.asking(connection, "try the right to write", LIMIT_S) as admin:
        answers = await _asked(admin, transactional_id, named)
    if ID_DENIED in answers.values():
        raise Misconfigured(
            f"this user may not use the transactional id {transactional_id}: {for_code(ID_DENIED).description}",
            hint="grant Write and Describe on transactional ids with the prefix of the topics",
        )
    strange = {code for at, code in answers.items() if code not in (DENIED, ALLOWED) and at.partition != NOWHERE}
    if strange or not {ALLOWED, DENIED} & set(answers.values()):
        raise Unready(f"Kafka answers the question for rights with {for_code(max(answers.values())).__name__}")
    return tuple(sorted({at.topic for at, code in answers.items() if code == DENIED}))


async def readable(connection: Connection, topic: str) -> None:
    """Read the first records of a topic, without a group.

    Raises:
        Misconfigured: this user may not.
        Unready: Kafka does not answer.
    """
    consumer = connection.consumer(auto_offset_reset="earliest")
    at = TopicPartition(topic, 0)
    try:
        with connection.reaching(f"read {topic}"):
            async with asyncio.timeout(LIMIT_S):
                await enter(consumer, at)
                await consumer.getmany(at, timeout_ms=FETCH_MS, max_records=1)
    finally:
        await close(consumer)


async def _asked(
    admin: AIOKafkaAdminClient, transactional_id: str, topics: Mapping[str, Sequence[int]]
) -> dict[TopicPartition, int]:
    """By partition, the error that the broker has for it."""
    request = AddPartitionsToTxnRequest(transactional_id, NOBODY, 0, [(t, list(ps)) for t, ps in topics.items()])
    reply = await admin._send_request(request)  # noqa: SLF001 - aiokafka has no public way to ask this
    return {TopicPartition(topic, number): code for topic, found in reply.errors for number, code in found}
