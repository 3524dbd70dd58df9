"""The reader of the event topics, as its tests use it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from streamer.kafka.connection import Connection
from streamer.kafka.follow import Followed, Skipped, follow
from streamer.kafka.starts import Start
from streamer.kafka.subscription import Subscription
from streamer.kafka.topics import Names
from streamer.wire.decoding import Decoder
from tests.services.kafka import admin
from tests.services.reader import ends

Found = Followed | Skipped


def following_of(kafka: Any, prefix: str, **options: Any) -> AsyncGenerator[Found]:
    """A follower of bare events; `kafka` has a `.bootstrap`."""
    connection = Connection((kafka.bootstrap,))
    return follow(connection, Names(prefix), decode=Decoder().event, **options)


async def settled(kafka: Any, names: Names) -> None:
    """Wait until readers see what was committed: a commit returns a few ms before that."""
    while True:
        with contextlib.suppress(KafkaException):  # a topic just made, or its broker, may still be settling
            everything = ends(kafka.bootstrap, names.events, "read_uncommitted")
            if ends(kafka.bootstrap, names.events) == everything:
                return


async def to_end(kafka: Any, prefix: str, **options: Any) -> list[Found]:
    """All that is there now."""
    await settled(kafka, Names(prefix))
    options = {"from_beginning": True, "until_end": True} | options
    return [found async for found in following_of(kafka, prefix, **options)]


def subscription_of(kafka: Any, names: Names, **options: Any) -> Subscription:
    """What a follower reads from."""
    known = {"start": Start(), "group": None, "patience_s": 60.0}
    return Subscription(Connection((kafka.bootstrap,)), names.events, **known | options)


async def records(log: Subscription, count: int) -> list[Any]:
    """So many records, as they stand in the log."""
    got: list[Any] = []
    async with asyncio.timeout(30):
        while len(got) < count:
            got += await log.read()
    return got


def numbers(found: Iterable[Found]) -> list[int]:
    """The sequences of the events among them."""
    return [item.event["sequence"] for item in found if isinstance(item, Followed)]


async def take(following: AsyncGenerator[Found], count: int) -> list[Found]:
    """The next so many."""
    return [await anext(following) for _ in range(count)]


def allow(bootstrap: str, user: str, topics: Iterable[str], operations: Iterable[str]) -> None:
    """Give a user rights on topics."""
    rights = [
        AclBinding(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for topic in topics
        for operation in operations
    ]
    client = admin(bootstrap)
    for done in client.create_acls(rights).values():
        done.result(timeout=30)
