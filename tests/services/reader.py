"""What another client sees: an independent reader of topics, on librdkafka and not on the client under test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import OffsetSpec

from tests.services.kafka import admin

READ_LIMIT_S = 30
COMMITTED = "read_committed"


@dataclass(frozen=True, slots=True)
class Message:
    """One record as it stands in the log; `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    headers: tuple[tuple[str, bytes], ...]


async def read_all(
    bootstrap: str, topics: Iterable[str], isolation: str = COMMITTED, *, patience_s: float = 5
) -> list[Message]:
    """Every record of the topics up to their present end, ordered by topic, partition and offset.

    A commit returns before readers may see it, so a read_committed reader waits until nothing is open any more, but
    never longer than `patience_s` (0: what is visible right now).
    """
    return await asyncio.to_thread(_read_all, bootstrap, tuple(topics), isolation, patience_s)


def ends(bootstrap: str, topics: Iterable[str], isolation: str = COMMITTED) -> dict[tuple[str, int], int]:
    """The end offset of every partition; under read_committed that is the last stable offset."""
    client = admin(bootstrap)
    found = {topic: client.list_topics(topic, timeout=READ_LIMIT_S).topics[topic] for topic in topics}
    asked = {
        TopicPartition(t, p): OffsetSpec.latest() for t, description in found.items() for p in description.partitions
    }
    level = IsolationLevel.READ_COMMITTED if isolation == COMMITTED else IsolationLevel.READ_UNCOMMITTED
    replies = client.list_offsets(asked, isolation_level=level, request_timeout=READ_LIMIT_S)
    return {(tp.topic, tp.partition): reply.result().offset for tp, reply in replies.items()}


def _read_all(bootstrap: str, topics: tuple[str, ...], isolation: str, patience_s: float) -> list[Message]:
    goal = ends(bootstrap, topics, "read_uncommitted")
    deadline = time.monotonic() + patience_s
    end = ends(bootstrap, topics, isolation)
    while end != goal and any(end[at] < goal[at] for at in goal) and time.monotonic() < deadline:
        time.sleep(0.01)
        end = ends(bootstrap, topics, isolation)
    return sorted(_consumed(bootstrap, isolation, end), key=lambda m: (m.topic, m.partition, m.offset))


def _consumed(bootstrap: str, isolation: str, end: dict[tuple[str, int], int]) -> list[Message]:
    """Read each partition from its beginning until librdkafka says "end of partition" at or past `end`."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "never-joined",
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 10,
            "fetch.wait.max.ms": 10,  # the end of a partition is told by an empty fetch
            "log_level": 0,
        }
    )
    messages: list[Message] = []
    waiting = {at for at, offset in end.items() if offset > 0}
    deadline = time.monotonic() + READ_LIMIT_S
    try:
        for topic in {topic for topic, _ in waiting}:  # else librdkafka asks for a leader only after half a second
            consumer.list_topics(topic, timeout=READ_LIMIT_S)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in waiting])
        while waiting:
            assert time.monotonic() < deadline, f"no end of {sorted(waiting)} within {READ_LIMIT_S} s"
            for got in consumer.consume(10_000, timeout=0.05):
                at = (got.topic(), got.partition())
                if got.error() is None:
                    headers = tuple((name, bytes(value or b"")) for name, value in got.headers() or ())
                    messages.append(Message(*at, got.offset(), got.key(), got.value(), got.timestamp()[1], headers))
                elif got.error().code() != KafkaError._PARTITION_EOF:
                    raise AssertionError(str(got.error()))
                elif got.offset() >= end[at]:
                    waiting.discard(at)
    finally:
        consumer.close()
    return messages
