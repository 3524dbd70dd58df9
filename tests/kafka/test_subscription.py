"""What a follower reads from, on a real broker: groups, offsets, and brokers that go away."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from streamer.errors import Misconfigured, Unready
from streamer.kafka import subscription
from streamer.kafka.connection import Connection
from streamer.kafka.follow import follow
from streamer.kafka.topics import Names
from streamer.stop import Stop
from streamer.wire.decoding import Decoder
from tests.conftest import OwnedBroker
from tests.kafka.following import Found, allow, following_of, numbers, records, settled, subscription_of, take, to_end
from tests.services import kafka
from tests.services.feed import NOON, event, events, feed


async def test_without_options_only_what_comes_from_now_on(kafka: kafka.Given, prefix: str) -> None:
    """What is there at the start is not shown; what is committed after it is, also from a transaction then open."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events([1, 2]))
        await settled(kafka, writer.names)
        await writer.producer.begin_transaction()
        await writer.put("created", b"open", key=b"k", at=NOON)
        async with subscription_of(kafka, writer.names) as log:
            await writer.producer.commit_transaction()
            assert [record.value for record in await records(log, 1)] == [b"open"]


async def test_a_registry_that_is_away_ends_it_and_nothing_behind_is_committed(kafka: kafka.Given, prefix: str) -> None:
    """The group's next run, with a registry, gets the event that the first could not decode."""
    broken = True

    async def decode(value: bytes | None) -> dict[str, Any]:
        if broken:
            raise Unready("no registry")
        return await Decoder().event(value)

    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events([1, 2]))
        await settled(kafka, writer.names)
        options: dict[str, Any] = {"decode": decode, "group": f"{prefix}-g", "from_beginning": True, "until_end": True}
        connection = Connection((kafka.bootstrap,))
        with pytest.raises(Unready, match="no registry"):
            _ = [found async for found in follow(connection, writer.names, **options)]
        broken = False
        assert numbers([found async for found in follow(connection, writer.names, **options)]) == [1, 2]


async def test_a_group_goes_on_where_it_stopped(kafka: kafka.Given, prefix: str) -> None:
    """What one run has shown to its end, the next does not show; it shows what came since, also across topics."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 20)))
        first = await to_end(kafka, prefix, group=f"{prefix}-g")
        await writer.write(*events(range(20, 30)))
        second = await to_end(kafka, prefix, group=f"{prefix}-g", window_s=0.2)
        third = await to_end(kafka, prefix, group=f"{prefix}-g")

    assert (numbers(first), numbers(second), third) == ([*range(1, 20)], [*range(20, 30)], [])


async def test_a_crash_between_line_and_commit_repeats_and_loses_nothing(kafka: kafka.Given, prefix: str) -> None:
    """Killed after 10 of 40 lines, before any commit of them, the next run shows all that was not shown yet."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 41)))
        await settled(kafka, writer.names)
        following = following_of(kafka, prefix, group=f"{prefix}-g", from_beginning=True)
        async with contextlib.aclosing(following), asyncio.timeout(30):
            shown = numbers(await take(following, 10))
        again = numbers(await to_end(kafka, prefix, group=f"{prefix}-g", window_s=0.2))

    assert shown == list(range(1, 11))
    assert again == sorted(again)
    assert set(range(11, 41)) <= set(again)


async def test_only_what_is_written_is_committed(
    kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a commit after every line, the next run begins exactly with the line that was not said to be written."""
    monkeypatch.setattr(subscription, "COMMIT_EVERY_S", 0.0)
    monkeypatch.setattr(subscription, "TEND_EVERY_S", 0.0)
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 41)))
        await settled(kafka, writer.names)
        following = following_of(kafka, prefix, group=f"{prefix}-g", from_beginning=True)
        async with contextlib.aclosing(following), asyncio.timeout(30):
            assert numbers(await take(following, 10)) == list(range(1, 11))
        monkeypatch.undo()
        again = await to_end(kafka, prefix, group=f"{prefix}-g", window_s=0.2)

    assert numbers(again) == list(range(10, 41))


async def test_a_new_group_begins_once(kafka: kafka.Given, prefix: str) -> None:
    """A group that first came when nothing was new goes on from there, not from where its second run begins."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events([1, 2, 3]))
        options: dict[str, Any] = {"group": f"{prefix}-g", "from_beginning": False, "window_s": 0.2}
        assert await to_end(kafka, prefix, **options) == []
        await writer.write(*events([4, 5, 6]))
        found = await to_end(kafka, prefix, **options)

    assert numbers(found) == [4, 5, 6]


async def test_a_stop_commits_what_was_written(kafka: kafka.Given, prefix: str) -> None:
    """Asked to stop after a line, it ends by itself, and that line does not come again."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 8)))
        await settled(kafka, writer.names)
        stop, shown = Stop(), []
        async for found in following_of(kafka, prefix, group=f"{prefix}-g", from_beginning=True, stop=stop):
            shown += numbers([found])
            if len(shown) == 4:
                stop.request()
        again = numbers(await to_end(kafka, prefix, group=f"{prefix}-g", window_s=0.2))

    assert (shown, again) == ([1, 2, 3, 4], [5, 6, 7])


async def test_two_members_of_a_group_miss_nothing(kafka: kafka.Given, prefix: str) -> None:
    """A member that joins in the middle takes partitions over; together they show everything, and no gap is claimed."""
    stop, shown = Stop(), asyncio.Queue[Found]()
    wanted = set(range(1, 201))

    async def member() -> None:
        async for found in following_of(
            kafka, prefix, group=f"{prefix}-g", from_beginning=True, stop=stop, window_s=0.1
        ):
            shown.put_nowait(found)

    async with feed(kafka.bootstrap, prefix) as writer, asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(member())
        await writer.write(*events(range(1, 101)))
        found = [await shown.get()]
        group.create_task(member())
        await writer.write(*events(range(101, 201)))
        while not wanted <= set(numbers(found)):
            found.append(await shown.get())
        stop.request()
    assert set(numbers(found)) == wanted


async def test_a_partition_added_later_is_read_from_its_beginning(
    kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing on it is passed over, and nothing on the others comes again."""
    monkeypatch.setattr(subscription, "METADATA_AGE_MS", 100)
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(*events([1, 2, 3]))
        await settled(kafka, writer.names)
        following = following_of(kafka, prefix, from_beginning=True)
        async with contextlib.aclosing(following), asyncio.timeout(60):
            assert numbers(await take(following, 3)) == [1, 2, 3]
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
            await admin.start()
            await admin.create_partitions({writer.names.created: NewPartitions(total_count=3)})
            await admin.close()
            await writer.producer.client.force_metadata_update()
            await writer.write(*(event(n, "created") for n in range(4, 30)))
            found = await take(following, 26)
    assert numbers(found) == list(range(4, 30))
    assert len({item.partition for item in found}) == 3


async def test_it_reads_on_after_the_broker_came_back(owned_broker: OwnedBroker) -> None:
    """Through a SIGKILL of the broker: the same follower shows what is written after it."""
    broker = owned_broker()
    async with feed(broker.bootstrap, "p") as writer:
        await writer.write(*events([1, 2, 3]))
        following = following_of(broker, "p", from_beginning=True)
        async with contextlib.aclosing(following), asyncio.timeout(60):
            assert numbers(await take(following, 3)) == [1, 2, 3]
            waiting = asyncio.ensure_future(anext(following))
            broker.kill()
            broker.launch()
            await asyncio.to_thread(broker.wait)
            await writer.write(event(4))
            assert numbers([await waiting]) == [4]


async def test_a_broker_that_stays_away_is_an_error(owned_broker: OwnedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence for longer than the patience, and no answer to a question: `Unready` that says so."""
    broker = owned_broker()
    async with feed(broker.bootstrap, "p") as writer:
        await writer.write(event(1))
        following = following_of(broker, "p", from_beginning=True, patience_s=1.0)
        async with contextlib.aclosing(following), asyncio.timeout(60):
            await take(following, 1)
            monkeypatch.setattr(subscription, "CALL_LIMIT_S", 1.0)
            broker.kill()
            with pytest.raises(Unready, match="nothing heard for"):
                await anext(following)
        broker.start()


async def test_a_quiet_topic_is_no_error(kafka: kafka.Given, prefix: str) -> None:
    """However short the patience, a broker that answers is there."""
    async with feed(kafka.bootstrap, prefix) as writer:
        following = following_of(kafka, prefix, patience_s=0.0, from_beginning=True)
        async with contextlib.aclosing(following), asyncio.timeout(30):
            waiting = asyncio.ensure_future(anext(following))
            await asyncio.wait([waiting], timeout=1.0)
            await writer.write(event(1))
            assert numbers([await waiting]) == [1]


async def test_no_broker_and_no_topics_are_unready(kafka: kafka.Given, prefix: str) -> None:
    """Both at once, with what to check; and the topics are not made by asking."""
    with pytest.raises(Unready, match="cannot follow the event topics") as caught:
        await anext(follow(Connection(("127.0.0.1:1",)), Names(prefix), decode=Decoder().event))
    assert "kafka.bootstrap_servers" in caught.value.hint
    with pytest.raises(Unready, match=rf"do not exist: {prefix}.created"):
        await anext(following_of(kafka, prefix))
    with pytest.raises(Unready, match="do not exist"):
        await anext(following_of(kafka, prefix))


async def test_a_right_that_is_missing_is_a_misconfiguration(owned_broker: OwnedBroker) -> None:
    """A user who may see the topics and not read them is told what is missing."""
    broker = owned_broker(authorizer=True, users={"reader": "secret-1"})
    async with feed(broker.bootstrap, "p") as writer:
        await writer.write(event(1))
        allow(broker.bootstrap, "reader", ["p.created", "p.modified", "p.deleted"], ["DESCRIBE"])
        login = {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": "reader",
            "sasl_plain_password": "secret-1",
        }
        connection = Connection((broker.at("SASL_PLAINTEXT"),), login)
        following = follow(connection, writer.names, decode=Decoder().event, from_beginning=True)
        async with contextlib.aclosing(following), asyncio.timeout(30):
            with pytest.raises(Misconfigured, match="cannot read the event topics"):
                await anext(following)


async def test_a_partition_with_enough_waiting_is_not_read(
    kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded: what is handed out and not written holds its partition back, and no other."""
    monkeypatch.setattr(subscription, "LANE_LIMIT", 3)
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer, subscription_of(kafka, writer.names) as log:
        await writer.write_raw(b"1", b"2", b"3")
        waiting = await records(log, 3)
        await writer.write_raw(b"4")
        await writer.write_raw(b"other", suffix="modified")
        await settled(kafka, writer.names)
        assert [record.value for record in await records(log, 1)] == [b"other"]
        assert [await log.read() for _ in range(3)] == [[], [], []]
        log.wrote(waiting[0])
        assert [record.value for record in await records(log, 1)] == [b"4"]
