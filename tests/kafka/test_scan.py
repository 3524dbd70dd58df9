"""What topics hold, and what they have dropped: measured and read once, on a real broker."""

from __future__ import annotations

import asyncio

from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streamer.kafka.scan import extent, records
from streamer.kafka.writer import Outgoing
from tests.kafka.bench import OnBroker
from tests.kafka.stage import NOW, writer
from tests.services.kafka import Given, admin

DAY_MS = 86_400_000


async def filled(kafka: Given, prefix: str) -> tuple[OnBroker, str]:
    """Two partitions of a topic: three records in one, a day apart by their stamps, and one in the other."""
    bench = OnBroker(kafka.bootstrap, prefix)
    await bench.make_topics(events=2)
    topic = bench.names.created
    one = writer(kafka.bootstrap, f"{topic}-test", [topic])
    await one.open()
    await one.commit([Outgoing(topic, 0, b"k", b"%d" % n, NOW + n * DAY_MS) for n in range(3)])
    await one.commit([Outgoing(topic, 1, b"k", b"3", NOW + 3 * DAY_MS)])
    await one.open()  # so that readers see it
    await one.close()
    return bench, topic


def drop(bootstrap: str, until: Place) -> None:
    """Take the first records of a partition away."""
    client = admin(bootstrap)
    for done in client.delete_records([until]).values():
        done.result(30)


def bound(bootstrap: str, topic: str, size: int) -> None:
    """Let a topic be bounded by its size, too."""
    client = admin(bootstrap)
    entry = ConfigEntry("retention.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for done in client.incremental_alter_configs([resource]).values():
        done.result(30)


async def test_what_was_dropped(kafka: Given, prefix: str) -> None:
    """Only lanes that lost records are named: with the topic's retention, or none where size may be the reason."""
    bench, topic = await filled(kafka, prefix)
    whole = await extent(bench.connection, [topic])
    await asyncio.to_thread(drop, kafka.bootstrap, Place(topic, 0, 2))
    by_age = await extent(bench.connection, [topic])
    await asyncio.to_thread(bound, kafka.bootstrap, topic, 10**9)
    by_size = await extent(bench.connection, [topic])

    assert (whole.records, dict(whole.dropped)) == (6, {})  # with the marks of two transactions
    assert (by_age.records, dict(by_age.dropped)) == (4, {(topic, 0): 30 * DAY_MS})
    assert dict(by_size.dropped) == {(topic, 0): None}


async def test_every_record_once(kafka: Given, prefix: str) -> None:
    """Up to the present end, also from a moment on; an empty topic ends at once."""
    bench, topic = await filled(kafka, prefix)
    read = [(one.partition, one.value) async for one in records(bench.connection, [topic])]
    late = [(one.partition, one.value) async for one in records(bench.connection, [topic], since=NOW + 2 * DAY_MS)]
    none = [one async for one in records(bench.connection, [bench.names.deleted])]

    assert sorted(read) == [(0, b"0"), (0, b"1"), (0, b"2"), (1, b"3")]
    assert sorted(late) == [(0, b"2"), (1, b"3")]
    assert none == []
