"""The topics around a relay: which it reads, and which it writes and makes if they are not there.

What is there is read and compared, never altered, like all topics. This room must never let a relay begin where a
record would find no place: on a partition that its topic does not have, or in a topic that takes small records only.

Question: which are the inputs, where `P.all` exists? Choice: `P.all` alone if `kafka.all_topic` says that every event
goes there, but for a group that has read the three event topics before: it stays with them, because they too hold
every event, and a change would repeat what it has passed on. The other way round, with `all_topic` switched off, the
group's topic is not written any more: that is for a person. Rejected: to look whether the topic exists; one that was
switched off would be read for ever without a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient

from streamer.config import KafkaSettings
from streamer.errors import Misconfigured, Unready
from streamer.kafka import administration
from streamer.kafka.administration import Topic
from streamer.kafka.connection import Connection
from streamer.kafka.topics import LARGEST_MESSAGE, LIMIT_S, Names, differences, event_settings, make
from streamer.kafka.writer import LARGEST_RECORD

DEAD: Final = "dead-letter"
SMALLEST_LIMIT: Final = 1_000_000  # bytes of a message that any topic of ours must take; Kafka's default is above it
MARGIN: Final = LARGEST_MESSAGE - LARGEST_RECORD  # what a batch adds to a record


@dataclass(frozen=True, slots=True)
class Outlet:
    """A topic to write to: `largest` is what a record of it may have, before compression."""

    topic: str
    partitions: int
    largest: int


@dataclass(frozen=True, slots=True)
class Plumbing:
    """What a relay reads and writes, and sentences an operator should read."""

    inputs: tuple[str, ...]
    output: Outlet
    dead: Outlet
    warnings: tuple[str, ...] = ()


async def ensure(
    connection: Connection, settings: KafkaSettings, *, group: str, output: str, reports: bool = False
) -> Plumbing:
    """Choose the inputs, create what is missing of the outputs, and compare what is there.

    Args:
        connection: where Kafka is.
        settings: the prefix, and how topics are made.
        group: the relay's consumer group, whose history counts.
        output: the suffix of its topic.
        reports: it reads `P.snapshots`; else the events.

    Raises:
        Misconfigured: a right is missing, or a topic cannot carry what the relay would write.
        Unready: Kafka cannot be reached in time, or a topic is missing and is not ours to create.
    """
    names = Names(settings.topic_prefix)
    async with administration.asking(connection, "look after the topics of the relay", LIMIT_S) as admin:
        inputs = (names.snapshots,) if reports else await _events(admin, names, settings, group)
        count = await _counted(admin, inputs)
        wanted = {names.of(output): count, names.of(DEAD): settings.event_partitions}
        await _complete(admin, settings, wanted)
        found = await administration.described(admin, tuple(wanted))
    written, dead = found[names.of(output)], found[names.of(DEAD)]
    _check_room(names.of(output), written.partitions, inputs, count)
    return Plumbing(
        inputs,
        _outlet(names.of(output), written),
        _outlet(names.of(DEAD), dead),
        tuple(_oddities(connection, settings, found)),
    )


# The inputs...


async def _events(admin: AIOKafkaAdminClient, names: Names, settings: KafkaSettings, group: str) -> tuple[str, ...]:
    """All event topics, or the one that holds every event."""
    read = await administration.read_by(admin, group)
    if not read.isdisjoint(names.events):
        return names.events
    if names.all in read and not settings.all_topic:
        raise Misconfigured(
            f"kafka.all_topic is false, and group {group} has read {names.all}, which nobody writes then",
            hint="set kafka.all_topic: true, or give another --group: it begins anew and repeats what is there",
        )
    return (names.all,) if settings.all_topic else names.events


async def _counted(admin: AIOKafkaAdminClient, inputs: Sequence[str]) -> int:
    """The partitions that each of them has."""
    if missing := await administration.missing(admin, inputs):
        raise Unready(
            f"these topics do not exist: {', '.join(sorted(missing))}",
            hint="check kafka.topic_prefix and kafka.all_topic; `streamer run` makes the topics when it starts",
        )
    counts = {name: topic.partitions for name, topic in (await administration.described(admin, inputs)).items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
        raise Misconfigured(
            f"the event topics must have the same number of partitions: {told}",
            hint="add partitions to the smaller ones with kafka-topics --alter --partitions",
        )
    return max(counts.values())


# The outputs...


async def _complete(admin: AIOKafkaAdminClient, settings: KafkaSettings, wanted: Mapping[str, int]) -> None:
    if missing := await administration.missing(admin, wanted):
        lacking = {topic: wanted[topic] for topic in missing}
        await make(admin, settings, lacking, lambda _, replicas: event_settings(settings, replicas))


def _check_room(topic: str, has: int, inputs: Iterable[str], count: int) -> None:
    """A partition number is kept, so it must be there."""
    if has < count:
        raise Misconfigured(
            f"topic {topic} has {has} partitions, {count} are wanted, as {', '.join(inputs)} have",
            hint=f"kafka-topics --alter --topic {topic} --partitions {count}",
        )


def _outlet(topic: str, found: Topic) -> Outlet:
    limit = int((found.settings or {}).get("max.message.bytes", LARGEST_MESSAGE))
    if limit < SMALLEST_LIMIT:
        raise Misconfigured(
            f"topic {topic}: max.message.bytes is {limit}, at least {SMALLEST_LIMIT} is needed",
            hint=f"kafka-configs --alter --topic {topic} --add-config max.message.bytes={LARGEST_MESSAGE}",
        )
    return Outlet(topic, found.partitions, min(limit - MARGIN, LARGEST_RECORD))


def _oddities(connection: Connection, settings: KafkaSettings, found: Mapping[str, Topic]) -> Iterable[str]:
    """What works, but not as wanted."""
    for topic, there in found.items():
        yield from differences(connection, topic, there, event_settings(settings, there.replicas))
