"""Events of a made-up history, written to the event topics as the service writes them: in transactions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import KafkaException

from streamer import avro
from streamer.avro import Values
from streamer.events import Event
from streamer.kafka.topics import Names
from streamer.tokens import Token
from tests.services.reader import ends

EPOCH = "6ff1a2a4-9b6a-4d2c-8f6e-3d1b6f0a7c11"
NOON = 1_790_000_000_000  # ms
TYPES = ("created", "modified", "deleted")
MANY = 3  # partitions of each topic

BARE = Values("avro")


def token(moid: str = "5f0000000000000000000001", **fields: Any) -> bytes:
    """A token's datum."""
    known = {"client_name": "terraform", "client_ip_address": "198.51.100.7", "user_moid": "u1"}
    return b"".join(avro.encode_token(Token(moid, **known | fields)))


def event(sequence: int, event_type: str | None = None, **facts: Any) -> Event:
    """The event with this number; created, modified and deleted take turns unless one is given."""
    event_type = event_type or TYPES[(sequence - 1) % 3]
    made = Event(
        event_id=str(uuid5(UUID(EPOCH), str(sequence))),
        event_type=event_type,
        source="prod",
        epoch=EPOCH,
        sequence=sequence,
        account_moid="a1",
        moid=f"5f00000000000000{sequence:08x}",
        detected_at=NOON + sequence * 1000,
        event_time=NOON + sequence * 1000,
        not_before=None,
        not_after=NOON + sequence * 1000,
        snapshot_id=EPOCH,
        before=None if event_type == "created" else token(),
        after=None if event_type == "deleted" else token(client_name="terraform 2"),
        changed_fields=("client_name",) if event_type == "modified" else (),
        change_kinds=("client",) if event_type == "modified" else (),
        delete_cause="removed" if event_type == "deleted" else None,
    )
    return replace(made, **facts)


async def make_topics(bootstrap: str, names: Names, partitions: int = MANY, *, all_topic: bool = False) -> None:
    """The event topics, with a leader for every partition."""
    topics = names.written(all_topic=all_topic)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1) for topic in topics])
    finally:
        await admin.close()
    while True:
        with contextlib.suppress(KafkaException):
            ends(bootstrap, topics)
            return


class Feed:
    """One writer of events; with `all_topic` each goes to the topic of all too."""

    def __init__(self, producer: AIOKafkaProducer, names: Names, *, all_topic: bool = False) -> None:
        self.producer = producer
        self.names = names
        self.all_topic = all_topic

    async def write(self, *events: Event, values: Values = BARE, abort: bool = False) -> None:
        """One transaction with these events, each on the partition of its Moid."""
        await self.producer.begin_transaction()
        for made in events:
            (value,) = values.events((made.event_type,), made)
            for suffix in (made.event_type, *(["all"] if self.all_topic else [])):
                await self.put(suffix, value, key=made.moid.encode(), at=made.detected_at)
        await (self.producer.abort_transaction() if abort else self.producer.commit_transaction())

    async def write_raw(self, *values: bytes | None, suffix: str = "created") -> None:
        """One transaction with values of any kind."""
        await self.producer.begin_transaction()
        for value in values:
            await self.put(suffix, value, key=b"k", at=NOON)
        await self.producer.commit_transaction()

    async def put(self, suffix: str, value: bytes | None, *, key: bytes, at: int) -> None:
        """One record into the open transaction."""
        await self.producer.send_and_wait(self.names.of(suffix), value, key=key, timestamp_ms=at)


@asynccontextmanager
async def feed(bootstrap: str, prefix: str, *, partitions: int = MANY, all_topic: bool = False) -> AsyncIterator[Feed]:
    """A writer to new topics of this prefix."""
    names = Names(prefix)
    await make_topics(bootstrap, names, partitions, all_topic=all_topic)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{prefix}-feed", linger_ms=0)
    await producer.start()
    try:
        yield Feed(producer, names, all_topic=all_topic)
    finally:
        await producer.stop()


def events(sequences: Sequence[int] | range) -> list[Event]:
    """Events with these numbers."""
    return [event(sequence) for sequence in sequences]
