"""Commands as workers read them, on a real broker: those of their sources and no others, whatever is in the topic.

Every reading is asked for twice: of a worker that reads on and on, and of one that has just come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as Deleted
from confluent_kafka.admin import AclOperation, ResourceType

from streamer.demo.broker import embedded_broker
from streamer.errors import Unheard
from streamer.kafka import inbox
from streamer.kafka.connection import Connection
from streamer.kafka.inbox import QUIET_S, Inbox, Records
from streamer.kafka.topics import Names, partition_of
from streamer.kafka.writer import Outgoing, Writer
from tests.builders import NOON
from tests.kafka.bench import ONE, TWO, OnBroker
from tests.kafka.owner import RELEASE
from tests.kafka.stage import alice, left_running, let_alice, make, record, seen_within, writer
from tests.services.kafka import Broker, Given, admin, remove_topics


@asynccontextmanager
async def reading(connection: Connection, topic: str, partition: int = 0) -> AsyncIterator[Inbox]:
    """The inbox of a worker that has just come."""
    made = Inbox(connection, topic, partition)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture(name="old")
async def _old(bench: OnBroker) -> AsyncIterator[Inbox]:
    """The inbox of a worker that reads on and on; it has seen the partition empty."""
    async with reading(bench.connection, bench.names.control) as made:
        assert await made.commands(ONE, None) == ()
        yield made


async def put(bootstrap: str, topic: str, *records: tuple[bytes, bytes | None], partitions: bool = False) -> None:
    """Write keys and values in one transaction, as any program might; with `partitions`, each to one of its own."""
    one = writer(bootstrap, f"{topic}-other", [topic])
    await one.open()
    await one.commit(
        [
            record(topic, value, key=key, partition=number if partitions else 0)
            for number, (key, value) in enumerate(records)
        ]
    )
    await one.open()  # so that readers see it
    await one.close()


async def read(bench: OnBroker, old: Inbox, after: int | None = None, source: str = ONE) -> Records:
    """What a worker finds; the old one and a new one find the same."""
    async with reading(bench.connection, bench.names.control) as new:
        found = await new.commands(source, after)
    assert await old.commands(source, after) == found
    return found


async def test_commands_come_in_the_order_of_the_log(bench: OnBroker, old: Inbox) -> None:
    """Each with its offset; from the next offset on there is only what came since, and nothing is said twice."""
    topic = bench.names.control
    await put(bench.bootstrap, topic, *((ONE.encode(), b"%d" % number) for number in range(3)))
    await put(bench.bootstrap, topic, (ONE.encode(), b"3"))

    assert await read(bench, old) == ((0, b"0"), (1, b"1"), (2, b"2"), (4, b"3"))  # an end of a transaction is at 3
    assert await read(bench, old, 1) == ((1, b"1"), (2, b"2"), (4, b"3"))
    assert await read(bench, old, 5) == ()
    await put(bench.bootstrap, topic, (ONE.encode(), b"4"))
    assert await read(bench, old, 5) == ((6, b"4"),)


async def test_what_was_not_obeyed_is_read_again(bench: OnBroker, old: Inbox) -> None:
    """The turn that read it failed: until the next offset says that it acted, it is there at every poll."""
    await put(bench.bootstrap, bench.names.control, (ONE.encode(), b"v"))

    assert [await old.commands(ONE, None) for _ in range(3)] == [((0, b"v"),)] * 3
    await put(bench.bootstrap, bench.names.control, (ONE.encode(), b"w"))
    assert await old.commands(ONE, None) == ((0, b"v"), (2, b"w"))


async def test_nothing_was_ordered(bench: OnBroker, old: Inbox) -> None:
    """An empty partition is read at once, from wherever."""
    assert [await read(bench, old, after) for after in (None, 0, 7)] == [(), (), ()]


async def test_only_the_sources_own_key_counts(bench: OnBroker, old: Inbox) -> None:
    """Commands of the partition's other sources, records without a key, keys that only look alike."""
    others = [(key, b"other") for key in (TWO.encode(), b"", b"prod/t/a", b"PROD", b"prod\x00", b"\xff\xfe")]
    await put(bench.bootstrap, bench.names.control, *others[:3], (ONE.encode(), b"mine"), *others[3:])
    keyless = Producer({"bootstrap.servers": bench.bootstrap})
    keyless.produce(bench.names.control, b"keyless")
    assert keyless.flush(30) == 0

    assert await read(bench, old) == ((3, b"mine"),)
    assert await read(bench, old, source=TWO) == ((0, b"other"),)


async def test_what_others_were_sent_is_read_once(bench: OnBroker, old: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that nobody orders anything costs one question a poll, however long the topic is."""
    await put(bench.bootstrap, bench.names.control, (TWO.encode(), b"other"))
    assert await old.commands(ONE, None) == ()
    read = [await old.commands(ONE, None)]
    assert old._consumer is not None
    assert old._consumer.paused() == {TopicPartition(bench.names.control, 0)}  # and nothing is fetched meanwhile

    async def never(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(inbox, "go_to", never)
    monkeypatch.setattr(inbox, "enter", never)
    assert [*read, await old.commands(ONE, None)] == [(), ()]


async def test_what_is_no_command_is_handed_on(bench: OnBroker, old: Inbox) -> None:
    """Junk, tombstones and large values: to refuse them, and to go past them, is the worker's business."""
    junk = [b"", b"\x02later", b'{"action": "release"}', bytes(100_000), RELEASE.to_bytes()]
    await put(bench.bootstrap, bench.names.control, *((ONE.encode(), value) for value in [None, *junk]))

    assert await read(bench, old) == tuple(enumerate([b"", *junk]))


async def test_aborted_commands_are_never_seen(bench: OnBroker, old: Inbox) -> None:
    """Of a sender that died half-way nothing is read; what came after it is, once its transaction is over."""
    topic = bench.names.control
    dead = writer(bench.bootstrap, f"{topic}-dead", [topic])
    await dead.open()
    assert dead._producer is not None
    await dead._producer.begin_transaction()
    await asyncio.gather(*await dead._send(dead._producer, [record(topic, b"torn", key=ONE.encode())] * 20))
    await put(bench.bootstrap, topic, (ONE.encode(), b"later"))

    assert await read(bench, old) == ()

    await dead.open()
    await dead.close()
    assert await seen_within(200, lambda: _reads(old, ((20, b"later"),)))
    assert await read(bench, old) == ((20, b"later"),)


async def _reads(inbox_: Inbox, wanted: Records) -> bool:
    return await inbox_.commands(ONE, None) == wanted


async def test_an_offset_outside_the_log_means_all_that_is_there(bench: OnBroker, old: Inbox) -> None:
    """The topic was made anew, or its retention took what was next: no later command is passed over."""
    topic = bench.names.control
    await put(bench.bootstrap, topic, *((ONE.encode(), b"%d" % number) for number in range(4)))
    assert len(await read(bench, old, 1000)) == 4

    client = admin(bench.bootstrap)  # its reply comes only while it is held
    for done in client.delete_records([Deleted(topic, 0, 2)]).values():
        await asyncio.to_thread(done.result, 30)

    assert await read(bench, old, 1) == await read(bench, old) == ((2, b"2"), (3, b"3"))


async def test_a_ledger_reads_the_partition_of_the_source(kafka: Given, prefix: str) -> None:
    """The control partition has the number of the source's state partition."""
    bench = OnBroker(kafka.bootstrap, prefix)
    await bench.make_topics(state=8)
    await put(kafka.bootstrap, bench.names.control, *((ONE.encode(), b"%d" % n) for n in range(8)), partitions=True)

    ((offset, value),) = await bench.ledger(ONE).commands(ONE, None)

    assert (offset, int(value)) == (0, partition_of(ONE.encode(), 8))
    assert await bench.ledger(ONE).commands(ONE, 1) == ()
    await bench.close()


async def test_a_control_topic_that_is_too_small_stops_no_poll(kafka: Given, prefix: str) -> None:
    """It works, but not as configured: a source without a partition there has no commands."""
    bench = OnBroker(kafka.bootstrap, prefix)
    await make(kafka.bootstrap, bench.names.control)
    await bench.make_topics(state=8)

    assert await bench.ledger(ONE).commands(ONE, None) == ()
    await bench.close()


async def test_the_embedded_broker_has_commands_too() -> None:
    """There the topic is made by asking for it."""
    async with embedded_broker() as bootstrap:
        way, topic = Connection.to_embedded(bootstrap), Names("demo").control
        async with reading(way, topic, 3) as old:
            assert await old.commands(ONE, None) == ()
            one = Writer(way, "one", compression="zstd", timeout_s=20, topics=[topic])
            await one.open()
            await one.commit([Outgoing(topic, 3, ONE.encode(), b"v", NOON)])
            await one.close()
            found = await old.commands(ONE, None)

    assert [value for _, value in found] == [b"v"]


# What hinders...


async def test_a_right_that_lacks_is_named(guarded: Broker, prefix: str) -> None:
    """Who may see the topic and not read it learns what to grant, as soon as there is something to read."""
    topic = Names(prefix).control
    await make(guarded.bootstrap, topic)
    let_alice(guarded, ResourceType.TOPIC, topic, AclOperation.DESCRIBE)
    await put(guarded.bootstrap, topic, (ONE.encode(), b"v"))

    async with reading(alice(guarded), topic) as new:
        with pytest.raises(Unheard, match=rf"cannot read the commands in {topic}-0") as told:
            await new.commands(ONE, None)

    assert f"User:alice lacks Read on topic {topic}" in str(told.value)
    assert f"--operation Read --topic {topic}" in told.value.hint
    remove_topics(guarded.bootstrap, prefix)


async def test_a_broker_that_hangs_costs_one_limit_and_is_left_in_peace(
    frail: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts and never answers: said, also to all who ask within the next seconds; then it is asked again."""
    bench = OnBroker(frail.bootstrap, prefix)
    await bench.make_topics()
    now = [0.0]
    old = Inbox(bench.connection, bench.names.control, 0, monotonic=lambda: now[0])
    assert await old.commands(ONE, None) == ()
    frail.pause()

    with monkeypatch.context() as impatient:
        impatient.setattr(inbox, "LIMIT_S", 1.0)
        with pytest.raises(Unheard, match="cannot read the commands") as first:
            await old.commands(ONE, None)
    left = await left_running()
    frail.resume()
    with pytest.raises(Unheard) as second:
        await old.commands(TWO, None)
    now[0] += QUIET_S

    assert (left, str(second.value)) == (set(), str(first.value))
    assert await old.commands(ONE, None) == ()
    await old.close()
    remove_topics(frail.bootstrap, prefix)


async def test_a_broker_that_comes_back_is_read_on(frail: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped and started again between two polls: the same worker goes on, and misses nothing."""
    monkeypatch.setattr(inbox, "QUIET_S", 0.0)
    bench = OnBroker(frail.bootstrap, prefix)
    await bench.make_topics()
    async with reading(bench.connection, bench.names.control) as old:
        assert await old.commands(ONE, None) == ()
        frail.stop()
        with pytest.raises(Unheard):
            await old.commands(ONE, None)
        frail.start()
        await put(bench.bootstrap, bench.names.control, (ONE.encode(), b"v"))

        assert await old.commands(ONE, None) == ((0, b"v"),)
        frail.stop()
        frail.start()
        await put(bench.bootstrap, bench.names.control, (ONE.encode(), b"w"))
        assert [offset for offset, _ in await old.commands(ONE, 1)] == [2]
    assert not await left_running()
    remove_topics(frail.bootstrap, prefix)


async def test_a_reading_that_was_stopped_leaves_nothing_behind(bench: OnBroker, old: Inbox) -> None:
    """A service that ends in the middle of a poll: the next question begins anew."""
    await put(bench.bootstrap, bench.names.control, (ONE.encode(), b"v"))
    for turns in range(6):
        asked = asyncio.create_task(old.commands(ONE, None))
        for _ in range(turns):
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    assert await old.commands(ONE, None) == ((0, b"v"),)


async def test_a_closed_ledger_reads_no_more(bench: OnBroker) -> None:
    """Nothing of it is left running."""
    ledger = bench.ledger(ONE)
    assert await ledger.commands(ONE, None) == ()

    await ledger.close()

    assert not await left_running()
