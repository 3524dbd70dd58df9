"""The topics of one prefix: their names, their partitions, and whether what stands in Kafka can carry our promises.

Missing topics are created; existing ones are read, compared and never altered: they belong to the operator. (The
client's `alter_configs` replaces the whole set of a topic's settings: one careless key, and `P.state` would expire.)

Question: what if a topic differs? Choice: refuse to start where an event or a row would land where no reader looks for
it (partitions and cleanup of `P.state`, unequal event topics), warn about everything else, and go on with the event
count that is there. Rejected: to start on a `P.state` whose settings we may not read; unproven is as bad as wrong.

Question: `P.all` exists, and `all_topic` is false? Choice: it is none of ours any more: not compared, not written to,
and read by nobody who follows this configuration (see `choice`). Rejected: to write to it because it is there; two
workers with two minds would then be decided by who created a topic.

Question: which settings are given to a new topic? Choice: those the promises need. `compression.type` and
`retention.bytes` are not among them: a cluster-wide policy is the operator's, and Kafka's default suits us.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import murmur2

from streamer.config import KafkaSettings
from streamer.errors import Misconfigured, Unready
from streamer.kafka import administration, rights
from streamer.kafka.administration import Topic
from streamer.kafka.connection import EMBEDDED_PARTITIONS, Connection
from streamer.kafka.rights import Denied

LIMIT_S: Final = 30.0  # all of `ensure`
LONGEST_NAME: Final = 249  # Kafka's limit, of the whole topic name
LONGEST_SUFFIX: Final = len(".snapshots.json")
REPORT_PARTITIONS: Final = 1  # of `P.snapshots`, which we create: one report a poll
CONTROL_RETENTION_MS: Final = 7 * 86_400_000
LARGEST_MESSAGE: Final = 2 * 2**20  # an event is under 1.5 MiB
REPLICAS: Final = 3  # where none is asked for, and the brokers are that many
EVENTS: Final = ("created", "modified", "deleted")

_WRITABLE: Final = re.compile(r"[A-Za-z0-9._-]+")


def partition_of(key: bytes, count: int) -> int:
    """The partition of a key among `count`, as Kafka's default partitioner has it: `(murmur2 & 0x7fffffff) % count`."""
    return int(murmur2(key) & 0x7FFFFFFF) % count


@dataclass(frozen=True, slots=True)
class Names:
    """The topic names of one prefix.

    Raises:
        Misconfigured: Kafka cannot have topics of that prefix.
    """

    prefix: str

    def __post_init__(self) -> None:
        room = LONGEST_NAME - LONGEST_SUFFIX
        if not _WRITABLE.fullmatch(self.prefix) or len(self.prefix) > room or self.prefix in (".", ".."):
            raise Misconfigured(
                f"kafka.topic_prefix {self.prefix!r} is given, 1 to {room} of a-z A-Z 0-9 . _ - are wanted"
            )

    def of(self, suffix: str) -> str:
        """The topic `prefix.suffix`."""
        return f"{self.prefix}.{suffix}"

    @property
    def created(self) -> str:
        """Events of new tokens."""
        return self.of("created")

    @property
    def modified(self) -> str:
        """Events of changed tokens."""
        return self.of("modified")

    @property
    def deleted(self) -> str:
        """Events of tokens that are gone."""
        return self.of("deleted")

    @property
    def all(self) -> str:
        """Every event once more, in one topic."""
        return self.of("all")

    @property
    def snapshots(self) -> str:
        """One report a poll."""
        return self.of("snapshots")

    @property
    def state(self) -> str:
        """Compacted: what a restart goes on from."""
        return self.of("state")

    @property
    def control(self) -> str:
        """Commands from operators."""
        return self.of("control")

    @property
    def events(self) -> tuple[str, ...]:
        """The topics that each event goes to one of."""
        return tuple(map(self.of, EVENTS))

    def written(self, *, all_topic: bool) -> tuple[str, ...]:
        """The topics that events are written to; with `all_topic` each event stands in two of them."""
        return (*self.events, self.all) if all_topic else self.events


@dataclass(frozen=True, slots=True)
class Layout:
    """How many partitions there really are (of each event topic, of state, of snapshots), and what looked odd.

    `control` has as many as `state`, unless somebody else made it; None stands for that. `all_topic` says that `P.all`
    is one of the event topics.
    """

    events: int
    state: int
    snapshots: int
    warnings: tuple[str, ...] = ()
    control: int | None = None
    all_topic: bool = False


async def ensure(connection: Connection, settings: KafkaSettings) -> Layout:
    """Create what is missing of the event topics, snapshots, state and control; compare what is there.

    Raises:
        Misconfigured: a right is missing, Kafka refuses a setting, or a topic cannot carry the promises.
        Unready: Kafka cannot be reached in time, or a topic is missing and is not ours to create.
    """
    names = Names(settings.topic_prefix)
    if connection.embedded:  # its topics come when they are first asked for
        counts = (EMBEDDED_PARTITIONS,) * 3
        return Layout(*counts, all_topic=settings.all_topic)
    found, warnings = await survey(connection, settings, dry=False)
    return Layout(
        events=found[names.created].partitions,
        state=found[names.state].partitions,
        snapshots=found[names.snapshots].partitions,
        warnings=warnings,
        control=found[names.control].partitions,
        all_topic=settings.all_topic,
    )


async def survey(
    connection: Connection, settings: KafkaSettings, *, dry: bool
) -> tuple[dict[str, Topic], tuple[str, ...]]:
    """The topics as they stand once those that were missing are made, and what is odd; raises as `ensure` does.

    With `dry` nothing is made: Kafka is only asked whether it would, and what is missing is not among them.
    """
    names = Names(settings.topic_prefix)
    wanted = _partitions(names, settings)
    async with administration.asking(connection, "look after the topics", LIMIT_S) as admin:
        warnings = await _complete(admin, names, settings, dry=dry)
        lacking = await administration.missing(admin, wanted) if dry else frozenset()
        found = await administration.described(admin, [topic for topic in wanted if topic not in lacking])
    _refuse(connection, names, settings, found)
    return found, (*warnings, *_oddities(connection, names, settings, found))


# What is wanted...


def _events(names: Names, settings: KafkaSettings) -> tuple[str, ...]:
    return names.written(all_topic=settings.all_topic)


def _partitions(names: Names, settings: KafkaSettings) -> dict[str, int]:
    """Every topic of the service with its number of partitions."""
    return {
        **dict.fromkeys(_events(names, settings), settings.event_partitions),
        names.snapshots: REPORT_PARTITIONS,
        names.state: settings.state_partitions,
        names.control: settings.state_partitions,
    }


def _settings(names: Names, settings: KafkaSettings, topic: str, replicas: int) -> dict[str, str]:
    """The topic settings that the promises need, as Kafka spells them."""
    if topic == names.state:
        return _of_any(replicas) | {
            "cleanup.policy": "compact",
            "max.message.bytes": str(LARGEST_MESSAGE),
            "segment.bytes": str(64 * 2**20),
            "segment.ms": str(3_600_000),
            "min.cleanable.dirty.ratio": "0.1",
        }
    if topic in _events(names, settings):
        return event_settings(settings, replicas)
    kept_ms = CONTROL_RETENTION_MS if topic == names.control else int(settings.retention * 1000)
    return _of_any(replicas) | {"cleanup.policy": "delete", "retention.ms": str(kept_ms)}


def event_settings(settings: KafkaSettings, replicas: int) -> dict[str, str]:
    """Those of a topic of events, or of what becomes of them."""
    return _of_any(replicas) | {
        "cleanup.policy": "delete",
        "retention.ms": str(int(settings.retention * 1000)),
        "max.message.bytes": str(LARGEST_MESSAGE),
    }


def _of_any(replicas: int) -> dict[str, str]:
    return {
        "min.insync.replicas": str(min(2, replicas)),
        "message.timestamp.type": "CreateTime",  # the record's timestamp is ours
        "message.timestamp.after.max.ms": str(2**63 - 1),  # a worker's clock ahead must not stop the feed
    }


async def make(
    admin: AIOKafkaAdminClient,
    settings: KafkaSettings,
    partitions: Mapping[str, int],
    configs: Callable[[str, int], dict[str, str]],
    *,
    dry: bool = False,
) -> int:
    """Create topics, each with so many partitions and the settings that `configs` gives for its replicas; these.

    With `dry` Kafka is only asked whether it would.

    Raises:
        Misconfigured, Unready: as `administration.create`; or topics are not ours to create.
    """
    if not settings.create_topics:
        raise Unready(
            f"kafka.create_topics is false and these topics do not exist: {', '.join(sorted(partitions))}",
            hint="create them, or set kafka.create_topics: true",
        )
    replicas = settings.replication_factor or min(REPLICAS, await administration.brokers(admin))
    made = [
        NewTopic(topic, partitions[topic], replicas, topic_configs=configs(topic, replicas))
        for topic in sorted(partitions)
    ]
    await administration.create(admin, made, dry=dry)
    return replicas


async def _complete(
    admin: AIOKafkaAdminClient, names: Names, settings: KafkaSettings, *, dry: bool = False
) -> tuple[str, ...]:
    """Create what is missing; what the operator should know of it."""
    partitions = _partitions(names, settings)
    missing = await administration.missing(admin, partitions)
    if names.all in missing and (there := set(names.events) - missing):  # it was switched on later: as many as those
        found = await administration.described(admin, sorted(there))
        partitions[names.all] = max(topic.partitions for topic in found.values())
    if not missing:
        return ()
    lacking = {topic: partitions[topic] for topic in missing}
    replicas = await make(
        admin, settings, lacking, lambda topic, among: _settings(names, settings, topic, among), dry=dry
    )
    if settings.replication_factor is None and replicas < REPLICAS:
        got = f"{'would get' if dry else 'got'} a replication factor of {replicas}"
        return (f"new topics {got}, as many as there are brokers; {REPLICAS} is wanted",)
    return ()


# The comparison...


def _refuse(connection: Connection, names: Names, settings: KafkaSettings, found: Mapping[str, Topic]) -> None:
    """What cannot work; topics that are not found are none of its business."""
    counts = {topic: found[topic].partitions for topic in _events(names, settings) if topic in found}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise Misconfigured(
            f"the event topics must have the same number of partitions: {told}",
            hint="add partitions to the smaller ones with kafka-topics --alter --partitions, before any event is there",
        )
    state = found.get(names.state)
    if state is None:
        return
    if state.partitions != settings.state_partitions:
        raise Misconfigured(
            f"kafka.state_partitions: {settings.state_partitions} is given, topic {names.state} has {state.partitions}",
            hint=f"set kafka.state_partitions: {state.partitions}; the number is fixed once the topic exists",
        )
    if state.settings is None:
        raise connection.lacks("prove that the state is compacted", Denied(rights.CONFIGS, rights.TOPIC, [names.state]))
    policy = state.settings.get("cleanup.policy")
    if policy != "compact":
        raise Misconfigured(
            f"topic {names.state}: cleanup.policy is {policy}, compact is wanted: the state would be deleted",
            hint=f"kafka-configs --alter --topic {names.state} --add-config cleanup.policy=compact",
        )


def _oddities(
    connection: Connection, names: Names, settings: KafkaSettings, found: Mapping[str, Topic]
) -> Iterable[str]:
    """What works, but not as configured."""
    wanted_of = _partitions(names, settings)
    for topic, there in found.items():
        wanted = wanted_of[topic]
        if there.partitions != wanted:
            yield f"topic {topic} has {there.partitions} partitions, {wanted} is wanted; used as found"
        if settings.replication_factor not in (None, there.replicas):
            yield f"topic {topic} has {there.replicas} replicas, {settings.replication_factor} is wanted"
        yield from differences(connection, topic, there, _settings(names, settings, topic, there.replicas))


def differences(connection: Connection, topic: str, there: Topic, wanted: Mapping[str, str]) -> Iterable[str]:
    """Where a topic's settings are not as wanted, a sentence each."""
    if there.settings is None:
        lacking = connection.lacks(f"compare topic {topic}", Denied(rights.CONFIGS, rights.TOPIC, [topic]))
        yield f"{lacking}; {lacking.hint}"
        return
    for key, value in wanted.items():
        if there.settings.get(key) != value:
            yield f"topic {topic}: {key} is {there.settings.get(key)}, {value} is wanted"
