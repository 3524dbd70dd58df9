"""Topics, records and writers for the tests of the Kafka border, and the report of rules that aiokafka outgrew."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import aiokafka
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from streamer.kafka.connection import Connection
from streamer.kafka.writer import Outgoing, Writer
from tests.services.kafka import Broker, admin
from tests.services.reader import read_all

NOW = 1_760_000_000_000
PIN = next(
    line.split("==")[1].strip()
    for line in (Path(__file__).parents[1] / "constraints.txt").read_text().splitlines()
    if line.startswith("aiokafka==")
)
ANSWER_LIMIT_S = 30.0
GATHERING = "PreparingRebalance"  # a group that waits until all it knows have come or are given up, as Kafka says it

W = TypeVar("W", bound=Writer)


class Dies(Writer):
    """Is killed with its transaction open."""

    async def _end(self, producer: Any, deadline: float) -> None:  # noqa: ARG002 - there is no end
        raise KeyboardInterrupt


class Outgrown(UserWarning):
    """The installed aiokafka does without a rule of the writer."""


async def make(bootstrap: str, *topics: str, partitions: int = 1, **settings: object) -> None:
    """Create topics that keep old records, and wait for it; `max_message_bytes=5000` stands for `max.message.bytes`."""
    config = {"retention.ms": "-1"} | {key.replace("_", "."): str(value) for key, value in settings.items()}
    wanted = [NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config) for topic in topics]
    client = admin(bootstrap)  # its replies come only while it is held
    for done in client.create_topics(wanted).values():
        await asyncio.to_thread(done.result, ANSWER_LIMIT_S)


def record(topic: str, value: bytes | None = b"v", *, key: bytes = b"k", partition: int = 0) -> Outgoing:
    """A record to send."""
    return Outgoing(topic, partition, key, value, NOW)


@overload
def writer(bootstrap: str, name: str, topics: Sequence[str], **options: Any) -> Writer: ...
@overload
def writer(bootstrap: str, name: str, topics: Sequence[str], kind: Callable[..., W], **options: Any) -> W: ...
def writer(
    bootstrap: str, name: str, topics: Sequence[str], kind: Callable[..., Writer] = Writer, **options: Any
) -> Writer:
    """A closed writer of the transactional id `name`."""
    settings = {"compression": "zstd", "timeout_s": 20.0} | options
    return kind(Connection((bootstrap,)), name, topics=topics, **settings)


async def left_running() -> set[asyncio.Task[Any]]:
    """The tasks that run besides the test; what was cancelled just now gets the turn it needs to end."""
    await asyncio.sleep(0)
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What asyncio logged of futures and tasks whose errors nobody looked at, which it does when they are collected."""
    gc.collect()
    return [line.getMessage() for line in caplog.records if line.name == "asyncio"]


async def values(bootstrap: str, topic: str) -> list[bytes | None]:
    """What a read_committed reader of another client finds in a topic."""
    return [message.value for message in await read_all(bootstrap, [topic])]


async def seen_within(times: int, attempt: Callable[[], Awaitable[bool]]) -> bool:
    """Whether an attempt comes true, at most so many times."""
    for _ in range(times):
        if await attempt():
            return True
    return False


def let_alice(
    broker: Broker, kind: ResourceType, name: str, *operations: AclOperation, beginning: bool = False
) -> None:
    """Grant the user `alice` operations on one topic or one transactional id, or all with the same `beginning`."""
    pattern = ResourcePatternType.PREFIXED if beginning else ResourcePatternType.LITERAL
    rules = [
        AclBinding(kind, name, pattern, "User:alice", "*", operation, AclPermissionType.ALLOW)
        for operation in operations
    ]
    client = admin(broker.bootstrap)
    for done in client.create_acls(rules).values():
        done.result(ANSWER_LIMIT_S)
    anyone = (None, None, AclOperation.ANY, AclPermissionType.ANY)
    asked = AclBindingFilter(kind, name, pattern, *anyone)
    while not set(rules) <= set(client.describe_acls(asked).result(ANSWER_LIMIT_S)):
        """The broker's authorizer hears of it a moment later."""


def alice(guarded: Broker) -> Connection:
    """The connection of a user who may do only what she was granted."""
    login = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "alice",
        "sasl_plain_password": guarded.options.users["alice"],
    }
    return Connection((guarded.at("SASL_PLAINTEXT"),), login, user=lambda: "alice")


def without_the_rule(rule: str, *, goes_wrong: bool) -> None:
    """What must go wrong with a rule switched off.

    With the pinned aiokafka it must, else the test shows nothing. With another one, a rule that is not needed any more
    is good news: it is reported as a warning of the run and does not turn it red.
    """
    if goes_wrong:
        return
    if aiokafka.__version__ == PIN:
        pytest.fail(f"with rule {rule} switched off nothing went wrong: this test shows nothing")
    with warnings.catch_warnings():
        warnings.simplefilter("default", Outgrown)
        warnings.warn(f"aiokafka {aiokafka.__version__} does without rule {rule} of the writer", Outgrown, stacklevel=2)
