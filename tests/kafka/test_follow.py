"""The reader of the event topics on a real broker: what it shows, in which order, and where it goes on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from streamer.demo.broker import embedded_broker
from streamer.kafka import subscription
from streamer.kafka.connection import Connection
from streamer.kafka.follow import Followed, Skipped, follow
from streamer.kafka.topics import Names
from streamer.wire.decoding import Decoder
from tests.kafka.following import following_of, numbers, settled, take, to_end
from tests.services import kafka
from tests.services.feed import NOON, Feed, event, events, feed


async def test_three_topics_come_in_one_order(kafka: kafka.Given, prefix: str) -> None:
    """Events of created, modified and deleted on nine partitions come out by sequence, whole, nothing said."""
    async with feed(kafka.bootstrap, prefix) as writer:
        for first in range(1, 301, 60):
            await writer.write(*events(range(first, first + 60)))
        found = await to_end(kafka, prefix)

    assert numbers(found) == list(range(1, 301))
    assert not any(isinstance(item, Skipped) or item.missing or item.late for item in found)
    assert len({(item.topic, item.partition) for item in found}) == 9


async def test_aborted_transactions_are_hidden_and_an_aborted_tail_is_an_end(kafka: kafka.Given, prefix: str) -> None:
    """An aborted event is not shown, its number is used again, and reading to the end passes aborted last records."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(event(1))
        await writer.write(event(2), abort=True)
        await writer.write(event(2))
        await writer.write(*events(range(3, 30)), abort=True)
        found = await to_end(kafka, prefix)

    assert numbers(found) == [1, 2]


async def test_an_empty_feed_ends(kafka: kafka.Given, prefix: str) -> None:
    """Nothing there, nothing shown, the end is reached at once."""
    async with feed(kafka.bootstrap, prefix):
        assert await to_end(kafka, prefix) == []


async def test_a_gap_is_shown_where_it_is_and_a_beginning_is_none(kafka: kafka.Given, prefix: str) -> None:
    """The first event is number 5, 7 and 8 were never written: only the second is said."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events([5, 6, 9, 10]))
        found = await to_end(kafka, prefix, window_s=0.2)

    assert numbers(found) == [5, 6, 9, 10]
    assert [list(item.missing) for item in found if isinstance(item, Followed)] == [[], [], [7, 8], []]


async def test_a_backlog_larger_than_the_buffer_stays_in_order(
    kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One topic holds a long row before what another topic holds: the other waits, and memory stays bounded."""
    monkeypatch.setattr(subscription, "LANE_LIMIT", 10)
    monkeypatch.setattr(subscription, "TURN_S", 0.01)
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(*(event(n, "created") for n in range(1, 401)))
        await writer.write(*(event(n, "modified") for n in range(401, 500)))
        await writer.write(event(500, "created"))
        found = await to_end(kafka, prefix, window_s=0.0)

    assert numbers(found) == list(range(1, 501))
    assert not any(isinstance(item, Skipped) or item.missing or item.late for item in found)


async def test_a_full_buffer_lets_go(kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is waited for cannot be read before something goes, it goes, however long the window is."""
    monkeypatch.setattr(subscription, "LANE_LIMIT", 5)
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(*(event(n, "created") for n in (1, *range(3, 40))))
        await settled(kafka, writer.names)
        following = following_of(kafka, prefix, from_beginning=True, window_s=3600)
        async with contextlib.aclosing(following), asyncio.timeout(30):
            found = await take(following, 1)
        assert numbers(found) == [1]
        await writer.write(*(event(n, "created") for n in range(40, 5000)))
        found = await to_end(kafka, prefix, window_s=0.1)
    assert numbers(found) == [1, *range(3, 5000)]


async def test_since_begins_at_its_time(kafka: kafka.Given, prefix: str) -> None:
    """The first event shown is the first one detected at that time or later; nobody says that others are missing."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 20)))
        found = await to_end(kafka, prefix, from_beginning=False, since=NOON + 7000, window_s=0.2)

    assert numbers(found) == list(range(7, 20))
    assert not any(item.missing for item in found if isinstance(item, Followed))


async def test_a_record_that_is_no_event_is_handed_on_and_passed(kafka: kafka.Given, prefix: str) -> None:
    """Foreign bytes, a tombstone and a truncated datum are named with their places; the events around them come."""
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(event(1, "created"))
        await writer.write_raw(b"\xff\xfe", None, b"H" + b"x" * 36)
        await writer.write(event(2, "created"))
        found = await to_end(kafka, prefix)

    assert numbers(found) == [1, 2]
    skipped = [item for item in found if isinstance(item, Skipped)]
    assert [(item.topic, item.partition) for item in skipped] == [(f"{prefix}.created", 0)] * 3
    assert "ff fe" in skipped[0].why
    assert "no value" in skipped[1].why
    assert "no Avro" in skipped[2].why


async def test_the_embedded_broker_is_followed_too() -> None:
    """The demo's path: topics by asking, no checksums of control batches, all three topics in order to the end."""
    async with embedded_broker() as bootstrap:
        names, connection = Names("demo"), Connection.to_embedded(bootstrap)
        producer = connection.producer(transactional_id="t")
        await producer.start()
        writer = Feed(producer, names)
        await writer.write(*events(range(1, 50)))
        options: dict[str, Any] = {"decode": Decoder().event, "from_beginning": True, "until_end": True}
        found = [found async for found in follow(connection, names, **options)]
        await producer.stop()
    assert numbers(found) == list(range(1, 50))
    assert not any(item.missing for item in found if isinstance(item, Followed))
