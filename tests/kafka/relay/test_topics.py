"""The topics around a relay: which it refuses, waits for, and makes."""

from __future__ import annotations

import asyncio

import pytest

from streamer.errors import Misconfigured
from tests.kafka.relay.stage import Bench, as_json, effective, many, partitions, shown, told
from tests.kafka.stage import make
from tests.services.feed import event
from tests.services.kafka import Given, admin

PROMISED = {
    "cleanup.policy": "delete",
    "retention.ms": str(7 * 86_400_000),
    "max.message.bytes": str(2 * 2**20),
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": str(2**63 - 1),
}


async def test_unequal_inputs_are_refused(kafka: Given, prefix: str) -> None:
    """Event topics of unequal partition counts: exit 2, and each is named with its count."""
    bench = Bench(kafka.bootstrap, prefix)
    await make(kafka.bootstrap, bench.names.created, bench.names.modified, partitions=3)
    await make(kafka.bootstrap, bench.names.deleted, partitions=2)

    with pytest.raises(ExceptionGroup) as raised:
        async with bench.relaying():
            await asyncio.Event().wait()

    assert raised.group_contains(Misconfigured, match="same number of partitions: .*created has 3.*deleted has 2")


async def test_an_output_without_room_is_refused(bench: Bench) -> None:
    """A partition number is kept, so `P.json` must have as many as its inputs; and take more than tiny records."""
    await make(bench.bootstrap, bench.names.of("json"), partitions=2)
    with pytest.raises(ExceptionGroup) as raised:
        async with bench.relaying():
            await asyncio.Event().wait()
    assert raised.group_contains(Misconfigured, match="json has 2 partitions, 3 are wanted")

    await make(bench.bootstrap, bench.names.of("ecs"), partitions=3, max_message_bytes=5000)
    with pytest.raises(ExceptionGroup) as raised:
        async with bench.relaying(bench.job("ecs")):
            await asyncio.Event().wait()
    assert raised.group_contains(Misconfigured, match="max.message.bytes is 5000")


async def test_missing_topics_are_waited_for(kafka: Given, prefix: str) -> None:
    """A relay that starts before the service does waits for its topics, and says for which."""
    bench = Bench(kafka.bootstrap, prefix)
    async with bench.relaying() as missing:
        await told(missing, "these topics do not exist")
        await bench.make_inputs()
        await bench.write(*many(3))
        found = await bench.comes("json", 3)

    assert shown(found) == sorted(map(as_json, many(3)))


async def test_made_topics_are_as_promised(bench: Bench) -> None:
    """As many partitions as the input; deletion, retention, 2 MiB, and the timestamp of the writer whatever it is."""
    bench.keys["retention"] = "7d"
    ahead = event(1, detected_at=4_000_000_000_000)
    async with bench.relaying(bench.job(), bench.reports()) as missing:
        await told(missing)
        counts = partitions(bench, "json", "snapshots.json", "dead-letter")
        await bench.write(ahead)
        (found,) = await bench.comes("json", 1)

    assert counts == {"json": 3, "snapshots.json": 1, "dead-letter": 3}
    assert found.timestamp == ahead.detected_at
    settings = effective(bench, "json")
    assert {key: settings[key] for key in PROMISED} == PROMISED


async def test_topics_are_made_only_where_that_is_allowed(bench: Bench) -> None:
    """`create_topics: false`: it waits for them, and says which."""
    bench.keys["create_topics"] = False
    async with bench.relaying() as missing:
        await told(missing, "create_topics is false")
    assert bench.names.of("json") not in admin(bench.bootstrap).list_topics(timeout=10).topics
