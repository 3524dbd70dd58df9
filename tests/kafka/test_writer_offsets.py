"""A group's offsets in the writer's transactions: they move with the records, or not at all, and only for the owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka import TopicPartition
from confluent_kafka.admin import AclOperation, ResourceType

from streamer.errors import Fenced, Misconfigured
from streamer.kafka.connection import Connection
from streamer.kafka.writer import Offsets, Outgoing, Writer
from tests.kafka.stage import Dies, alice, let_alice, make, record, seen_within, values, without_the_rule, writer
from tests.services.kafka import Broker, Given, remove_topics

Committed = Callable[[], Awaitable[int | None]]


def moved(prefix: str, offset: int) -> Offsets:
    """The group `prefix` goes on at an offset of the only partition of the topic `prefix`."""
    return Offsets(prefix, {TopicPartition(prefix, 0): offset})


@asynccontextmanager
async def asked(bootstrap: str, prefix: str) -> AsyncIterator[Committed]:
    """Asks Kafka for that offset."""
    consumer = Connection((bootstrap,)).consumer(group_id=prefix)
    await consumer.start()
    try:
        yield lambda: consumer.committed(TopicPartition(prefix, 0))
    finally:
        await consumer.stop()


async def test_offsets_move_with_the_records(kafka: Given, prefix: str) -> None:
    """What the next writer of the id finds is the offset of the last commit, and the records of all."""
    await make(kafka.bootstrap, prefix)
    one = writer(kafka.bootstrap, prefix, [prefix])
    await one.open()
    async with asked(kafka.bootstrap, prefix) as committed:
        assert await committed() is None
        for offset in (3, 7):
            await one.commit([record(prefix, b"%d" % offset)], moved(prefix, offset))
        await one.open()
        found = await committed()
    await one.close()

    assert found == 7
    assert await values(kafka.bootstrap, prefix) == [b"3", b"7"]


async def test_offsets_of_a_transaction_that_was_cut_off_do_not_move(kafka: Given, prefix: str) -> None:
    """A writer dies with its transaction open: after the next opening neither its records nor its offsets are there."""
    await make(kafka.bootstrap, prefix)
    good, dying = writer(kafka.bootstrap, prefix, [prefix]), writer(kafka.bootstrap, prefix, [prefix], Dies)
    await good.open()
    await good.commit([record(prefix, b"3")], moved(prefix, 3))
    await dying.open()
    with pytest.raises(KeyboardInterrupt):
        await dying.commit([record(prefix, b"7")], moved(prefix, 7))
    await good.open()
    async with asked(kafka.bootstrap, prefix) as committed:
        found = await committed()
    await good.close()

    assert found == 3
    assert await values(kafka.bootstrap, prefix) == [b"3"]


async def test_a_fenced_writer_moves_no_offsets(kafka: Given, prefix: str) -> None:
    """Whoever lost the id cannot move the group, although Kafka does not know that it is no member any more."""
    await make(kafka.bootstrap, prefix)
    zombie, heir = writer(kafka.bootstrap, prefix, [prefix]), writer(kafka.bootstrap, prefix, [prefix])
    await zombie.open()
    await heir.open()
    with pytest.raises(Fenced):
        await zombie.commit([record(prefix, b"zombie")], moved(prefix, 9))
    await heir.commit([record(prefix, b"heir")], moved(prefix, 4))
    await heir.open()
    async with asked(kafka.bootstrap, prefix) as committed:
        found = await committed()
    await heir.close()

    assert found == 4
    assert await values(kafka.bootstrap, prefix) == [b"heir"]


async def test_a_group_that_is_denied_takes_the_records_with_it(guarded: Broker, prefix: str) -> None:
    """No right to the group: that is said, nothing is written; the producer is not used again."""
    await make(guarded.bootstrap, prefix)
    let_alice(guarded, ResourceType.TRANSACTIONAL_ID, prefix, AclOperation.WRITE, AclOperation.DESCRIBE)
    let_alice(guarded, ResourceType.TOPIC, prefix, AclOperation.WRITE, AclOperation.DESCRIBE)
    one = Writer(alice(guarded), prefix, compression="none", timeout_s=20.0, topics=[prefix])
    await one.open()
    with pytest.raises(Misconfigured, match=f"User:alice lacks Read on group {prefix}"):
        await one.commit([record(prefix)], moved(prefix, 1))
    assert not one.is_open
    await one.open()
    await one.close()

    assert await values(guarded.bootstrap, prefix) == []
    remove_topics(guarded.bootstrap, prefix)


# 2c: open first, ask for the offsets then...


async def _falls_short(kafka: Given, prefix: str, *, fence_first: bool, times: int) -> bool:
    """Whether an heir would begin before the end of what was passed on, after one of so many commits."""
    await make(kafka.bootstrap, prefix)
    worker = writer(kafka.bootstrap, prefix, [prefix])
    await worker.open()
    done = 0
    async with asked(kafka.bootstrap, prefix) as committed:

        async def missed() -> bool:
            nonlocal worker, done
            done += 1
            heir = writer(kafka.bootstrap, prefix, [prefix])
            await worker.commit([record(prefix)], moved(prefix, done))
            await worker.close()
            if fence_first:
                await heir.open()
            found = await committed()
            if not fence_first:
                await heir.open()
            worker = heir
            return (found or 0) < done

        try:
            return await seen_within(times, missed)
        finally:
            await worker.close()


async def test_2c_after_opening_the_offsets_are_those_of_the_last_commit(kafka: Given, prefix: str) -> None:
    """With 2c: who asks for the offsets after opening never begins before what was passed on."""
    assert not await _falls_short(kafka, prefix, fence_first=True, times=40)


async def test_2c_switched_off_begins_too_early(kafka: Given, prefix: str) -> None:
    """Without 2c: offsets read before the fence miss the last commit sooner or later; its records would come twice."""
    without_the_rule("2c", goes_wrong=await _falls_short(kafka, prefix, fence_first=False, times=300))


def test_a_size_is_that_of_all_bytes() -> None:
    """Keys, values and a header's text may be missing; names count as they are written."""
    assert Outgoing("t", 0, None, None, 0, (("\u00e4", None), ("b", b"cd"))).size == 5
