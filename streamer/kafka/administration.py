"""What Kafka's administrative calls answer, with every error code of them read.

None of these calls raises for a single topic: each topic has an error code of its own in the reply, and the rest of the
list is done whatever one of them says. Nothing here alters a topic. What this user may not do leaves this room as
`Denied`, by any call; `Connection.reaching` says it to a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from streamer.errors import Misconfigured, Unready
from streamer.kafka import rights
from streamer.kafka.closing import heeding
from streamer.kafka.connection import Connection
from streamer.kafka.rights import Denied

CREATION_LIMIT_MS: Final = 15_000
LOOK_AGAIN_S: Final = 0.1  # a topic just created shows up within this, or a few of it

OK: Final = 0
UNKNOWN_TOPIC: Final = 3
LEADER_NOT_AVAILABLE: Final = 5
DENIED: Final = frozenset({29, 31})  # topic, cluster
EXISTS: Final = 36
BAD_REPLICATION: Final = 38
NO_CONTROLLER: Final = (
    "a cluster elects one within seconds; the broker of `streamer demo` has none, and is for it alone"
)
PASSING: Final = frozenset({7, 41})  # timed out, not the controller: the next try may do


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it stands; `settings` holds effective values, None if this user may not read them."""

    partitions: int
    replicas: int
    settings: Mapping[str, str] | None


@asynccontextmanager
async def asking(connection: Connection, purpose: str, limit_s: float) -> AsyncIterator[AIOKafkaAdminClient]:
    """An administrator, for a block that takes at most so long; raises as `Connection.reaching` does."""
    admin = connection.admin()
    with connection.reaching(purpose):
        try:
            async with asyncio.timeout(limit_s):
                await admin.start()
                yield admin
        finally:
            await heeding(admin.close())


async def brokers(admin: AIOKafkaAdminClient) -> int:
    """How many brokers there are."""
    return len((await _metadata(admin, ()))["brokers"])


async def missing(admin: AIOKafkaAdminClient, names: Iterable[str]) -> frozenset[str]:
    """Those that do not exist, or are being created."""
    return _absent(await _topics(admin, names))


async def demand(admin: AIOKafkaAdminClient, names: Iterable[str]) -> None:
    """Raise `Unready` unless all of these topics exist, which are the service's to make."""
    if lacking := await missing(admin, names):
        raise Unready(
            f"these topics do not exist: {', '.join(sorted(lacking))}",
            hint="check kafka.topic_prefix; `streamer run` makes the topics when it first starts",
        )


async def create(admin: AIOKafkaAdminClient, topics: Sequence[NewTopic], *, dry: bool = False) -> None:
    """Create topics; one that another worker just created is as good. With `dry` Kafka only says whether it would.

    Raises:
        Misconfigured: Kafka refuses one for good.
        Denied: this user may not create one.
        Unready: Kafka cannot do it now, such as while it has no controller.
    """
    cluster = await _metadata(admin, ())
    nodes = {broker["node_id"] for broker in cluster["brokers"]}
    if cluster["controller_id"] not in nodes:  # aiokafka would fall over that
        raise Unready("Kafka could not create topics yet: no broker is the controller", hint=NO_CONTROLLER)
    reply = await admin.create_topics(list(topics), CREATION_LIMIT_MS, validate_only=dry)
    if denied := [topic for topic, code, _ in reply.topic_errors if code in DENIED]:
        raise Denied(rights.CREATE, rights.TOPIC, denied)
    _check_created({topic: (code, said) for topic, code, said in reply.topic_errors if code not in (OK, EXISTS)})


async def described(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, Topic]:
    """Topics with their effective settings; waits for those that were just created and do not show everywhere yet."""
    while _absent(topics := await _topics(admin, names)):  # noqa: ASYNC110 - Kafka has no call that waits
        await asyncio.sleep(LOOK_AGAIN_S)
    values = await _effective(admin, names)
    return {
        name: Topic(
            partitions=len(topics[name]["partitions"]),
            replicas=min(len(partition["replicas"]) for partition in topics[name]["partitions"]),
            settings=values.get(name),
        )
        for name in names
    }


async def read_by(admin: AIOKafkaAdminClient, group: str) -> frozenset[str]:
    """The topics that a group has offsets in; waits while the topic of offsets is only being made, as on the first."""
    while True:
        try:
            found = await admin.list_consumer_group_offsets(group)
        except GroupAuthorizationFailedError as error:
            raise Denied(rights.DESCRIBE, rights.GROUP, [group]) from error
        except KafkaError as error:
            if not error.retriable:
                raise
            await asyncio.sleep(LOOK_AGAIN_S)
        else:
            return frozenset(at.topic for at, next_ in found.items() if next_.offset >= 0)


def _check_created(failed: Mapping[str, tuple[int, str | None]]) -> None:
    if not failed:
        return
    reasons: dict[str, list[str]] = {}
    for topic, (code, said) in sorted(failed.items()):
        reasons.setdefault(_told(code, said), []).append(topic)
    told = "; ".join(f"{', '.join(topics)}: {reason}" for reason, topics in reasons.items())
    codes = {code for code, _ in failed.values()}
    if codes <= PASSING:
        raise Unready(f"Kafka could not create topics yet: {told}")
    hint = ""
    if BAD_REPLICATION in codes:
        hint = "set kafka.replication_factor to at most the number of brokers, or null; a number given is never lowered"
    raise Misconfigured(f"Kafka refuses to create topics: {told}", hint=hint)


async def _metadata(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, Any]:
    """Not `admin.describe_topics`: to name a missing topic there creates it, on brokers that auto-create."""
    reply = await admin._send_request(MetadataRequest(list(names), allow_auto_topic_creation=False))  # noqa: SLF001
    answer: dict[str, Any] = reply.to_object()
    return answer


async def _topics(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    topics = {topic["topic"]: topic for topic in (await _metadata(admin, names))["topics"]}
    if denied := [name for name, topic in topics.items() if topic["error_code"] in DENIED]:
        raise Denied(rights.DESCRIBE, rights.TOPIC, denied)
    for name, topic in sorted(topics.items()):
        code = topic["error_code"]
        if code not in (OK, UNKNOWN_TOPIC, LEADER_NOT_AVAILABLE):
            raise Unready(f"topic {name}: {_told(code)}")
    return topics


def _absent(topics: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Those that do not exist, or have no leader yet."""
    return frozenset(n for n, topic in topics.items() if topic["error_code"] != OK or not topic["partitions"])


async def _effective(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Settings by topic: a topic's own, else the broker's; without those this user may not read."""
    replies = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    values: dict[str, dict[str, str]] = {}
    for code, said, _, name, entries in (resource for reply in replies for resource in reply.resources):
        if code == OK:
            values[name] = {entry[0]: entry[1] for entry in entries}
        elif code not in DENIED:
            raise Unready(f"the settings of topic {name} cannot be read: {_told(code, said)}")
    return values


def _told(code: int, said: str | None = None) -> str:
    error = for_code(code)
    return f"{said or error.description or error.__name__} (error {code})"
