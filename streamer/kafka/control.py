"""Commands on their way: any machine may send one, and hear what became of it.

A command is a record of `P.control`, in the partition that has the number of its source's state partition, where the
worker reads it (`inbox`); its answer stands in the source's own row of `P.state`. This room must never decide what a
command does, and never wait without a limit.

Question: who writes a command? Choice: a `Writer` whose transactional id nobody else has, so it is in the log whole and
on all replicas, or the sender is told. Rejected: a plain producer; it repeats for ever, and has none of the rules.

Question: where does the reading of answers begin? Choice: at the end of the state as it was before the command was
sent, and every version of the row is looked at, since the next command's answer takes the place of this one's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.control import DONE, FORGET, FORGOTTEN, Command
from streamer.errors import Doubt, Misconfigured, Unready
from streamer.kafka import administration
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.span import enter
from streamer.kafka.topics import Names, partition_of
from streamer.kafka.writer import Outgoing, Writer
from streamer.state import Answer, SourceRow, source_key

LIMIT_S: Final = 10.0  # one question to Kafka
FETCH_MS: Final = 20  # nobody waits longer for an answer that is there


@dataclass(frozen=True, slots=True)
class Homes:
    """How many partitions there are of `P.state` and of `P.control`; None where nobody asked."""

    state: int
    control: int | None = None

    def of(self, source: str) -> int:
        """The partition of a source in both."""
        return partition_of(source_key(source), self.state)


async def homes(connection: Connection, names: Names, *, ordering: bool = True) -> Homes:
    """The partitions there are; makes no topic. Who only looks needs to see `P.state` alone.

    Raises:
        Unready: Kafka does not answer, or a topic does not exist.
        Misconfigured: this user may not see them.
    """
    topics = (names.state, names.control) if ordering else (names.state,)
    async with administration.asking(connection, "look for the state", LIMIT_S) as admin:
        await administration.demand(admin, topics)
        found = await administration.described(admin, topics)
    return Homes(*(found[topic].partitions for topic in topics))


async def order(
    connection: Connection,
    names: Names,
    command: Command,
    *,
    there: Homes,
    compression: str,
    timeout_s: float,
    wait_s: float,
) -> Answer | None:
    """Send a command, and wait for its answer.

    Args:
        connection: where Kafka is.
        names: of the topics.
        command: what to send.
        there: the topics' partitions, as of `homes`.
        compression: as of `Writer`.
        timeout_s: a transaction's.
        wait_s: how long to wait for the answer.

    Returns:
        The answer; None: none was heard, and the command is in the log.

    Raises:
        Unready: Kafka does not answer; nothing was sent.
        Doubt: whether it was sent is not known.
        Misconfigured: this user may not send it, or the topic has no place for it.
    """
    home = there.of(command.source)
    if there.control is None or home >= there.control:
        raise Misconfigured(
            f"topic {names.control} has {there.control} partitions, {there.state} are wanted, as {names.state} has: "
            f"there is none for source {command.source}",
            hint="add partitions with kafka-topics --alter --partitions, and restart the workers",
        )
    async with _watching(connection, TopicPartition(names.state, home)) as answers:
        record = Outgoing(
            names.control, home, source_key(command.source), command.to_bytes(), timestamp=command.issued_at
        )
        await _send(connection, record, compression=compression, timeout_s=timeout_s)
        with contextlib.suppress(Unready), connection.reaching("hear the answer"):
            async with asyncio.timeout(wait_s):
                return await _answer(answers, command)
    return None


@contextlib.asynccontextmanager
async def _watching(connection: Connection, at: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of what will be written to a partition from now on."""
    consumer = connection.consumer(auto_offset_reset="earliest")
    try:
        with connection.reaching(f"watch {at.topic}-{at.partition}"):
            async with asyncio.timeout(LIMIT_S):
                consumer.seek(at, await enter(consumer, at))
        yield consumer
    finally:
        await close(consumer)


async def _send(connection: Connection, record: Outgoing, *, compression: str, timeout_s: float) -> None:
    name = f"{record.topic}-{uuid4()}"
    writer = Writer(connection, name, compression=compression, timeout_s=timeout_s, topics=(record.topic,))
    try:
        await writer.open()
        await writer.commit((record,))
    except Doubt as doubt:
        raise Doubt(
            f"whether the command was sent is not known: {doubt}",
            hint="look what is held, and send it again: it acts once",
        ) from doubt
    finally:
        await writer.close()


async def _answer(answers: AIOKafkaConsumer, command: Command) -> Answer:
    """Read on until a row of the source has it."""
    key = source_key(command.source)
    while True:
        for records in (await answers.getmany(timeout_ms=FETCH_MS)).values():
            for record in records:
                if record.key == key and (answer := _told(command, record.value)):
                    return answer


def _told(command: Command, value: bytes | None) -> Answer | None:
    """What a version of the source's own row says of a command; its end is the answer to the order to forget it."""
    if value is None:
        return Answer(command.command_id, DONE, FORGOTTEN) if command.action == FORGET else None
    answer = SourceRow.from_bytes(value).answer
    return answer if answer and answer.command_id == command.command_id else None
