"""The rules of the writer on what is sent: with each the law holds, without it a real broker shows loss or worse.

Every rule is one step of `Writer`; a subclass here switches exactly that step off.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ProducerFenced
from confluent_kafka.admin import AclOperation, ResourceType

from streamer.errors import Doubt, Fenced, Misconfigured
from streamer.kafka.connection import Connection
from streamer.kafka.hard_close import seen
from streamer.kafka.writer import Outgoing, Writer
from tests.kafka.stage import (
    alice,
    let_alice,
    make,
    record,
    seen_within,
    values,
    without_the_rule,
    writer,
)
from tests.services.kafka import Broker, Given, remove_topics

# 2a: every send is awaited before the commit...


class Unsettled(Writer):
    """Without 2a: the commit is asked for whatever became of the sends."""

    async def _settle(self, sent: Sequence[asyncio.Future[Any]]) -> None:
        """Nothing."""


async def _half_refused(kafka: Given, prefix: str) -> tuple[str, list[Outgoing]]:
    """A good topic, and a transaction whose second record its topic refuses."""
    good, narrow = f"{prefix}.good", f"{prefix}.narrow"
    await make(kafka.bootstrap, good)
    await make(kafka.bootstrap, narrow, max_message_bytes=5000)
    return good, [record(good, b"half"), record(narrow, os.urandom(20_000))]


async def test_2a_called_off_leaves_no_failure_that_nobody_looked_at(prefix: str) -> None:
    """A handover calls the wait off while the batch is fenced: its own future stands behind the one that we hold."""
    loop, unseen = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: unseen.append(context["message"]))
    batch: asyncio.Future[None] = loop.create_future()
    sent = asyncio.shield(batch)
    sent.add_done_callback(seen)
    settling = asyncio.create_task(writer("127.0.0.1:1", prefix, [])._settle([sent]))
    await asyncio.sleep(0)

    settling.cancel()
    await asyncio.wait([settling])
    batch.set_exception(ProducerFenced())
    await asyncio.wait([batch])
    del batch, sent
    gc.collect()

    assert settling.cancelled()
    assert unseen == []


async def test_2a_a_refused_record_takes_its_transaction_with_it(kafka: Given, prefix: str) -> None:
    """With 2a: one record refused, nothing committed, and the error names the topic that refused."""
    good, records = await _half_refused(kafka, prefix)
    one = writer(kafka.bootstrap, prefix, [good, records[1].topic])
    await one.open()

    with pytest.raises(Doubt, match=rf"2 records to {prefix}.narrow-0 failed: .*MessageSizeTooLarge"):
        await one.commit(records)
    await one.open()
    await one.close()

    assert await values(kafka.bootstrap, good) == []


async def test_2a_switched_off_commits_half_a_transaction(kafka: Given, prefix: str) -> None:
    """Without 2a: the commit says all is well, and half of the records are not in the log."""
    good, records = await _half_refused(kafka, prefix)
    one = writer(kafka.bootstrap, prefix, [good, records[1].topic], Unsettled)
    await one.open()

    try:
        await one.commit(records)
        found = [await values(kafka.bootstrap, r.topic) for r in records]
        half = found == [[b"half"], []]
    except Doubt:
        half = False
    await one.close()

    without_the_rule("2a", goes_wrong=half)


# 2b: after an exception the producer is thrown away...


class Aborts(Writer):
    """Without 2b: abort, and go on with the same producer, as a transactional client is usually used."""

    async def _discard(self, producer: Any) -> None:
        await producer.abort_transaction()


class AbortsUnsettled(Unsettled, Aborts):
    """Without 2a and 2b."""


class InTwoGoes(Writer):
    """Waits for the first record before it sends the others, as a transaction of several batches does."""

    async def _send(self, producer: Any, records: Sequence[Outgoing]) -> list[asyncio.Future[Any]]:
        first = await super()._send(producer, records[:1])
        await self._settle(first)
        return first + await super()._send(producer, records[1:])


class AbortsInTwoGoes(Aborts, InTwoGoes):
    """Without 2b."""


async def _after_a_refusal(kafka: Given, prefix: str, kind: type[Writer]) -> tuple[Writer, list[bytes | None]]:
    """A writer one of whose transactions was refused; then what is in the topic after a small record was committed."""
    narrow = f"{prefix}.narrow"
    await make(kafka.bootstrap, narrow, max_message_bytes=5000)
    one = writer(kafka.bootstrap, prefix, [narrow], kind)
    await one.open()
    if kind is AbortsUnsettled:
        await one.commit([record(narrow, os.urandom(20_000))])
    else:
        with pytest.raises(Doubt):
            await one.commit([record(narrow, os.urandom(20_000))])
    if not one.is_open:
        await one.open()
    await one.commit([record(narrow, b"small")])
    return one, await values(kafka.bootstrap, narrow)


async def test_2b_a_new_producer_writes_after_a_refusal(kafka: Given, prefix: str) -> None:
    """With 2b: what is committed after a failure is in the log."""
    one, found = await _after_a_refusal(kafka, prefix, Writer)
    await one.close()

    assert found == [b"small"]


async def test_2b_switched_off_loses_what_comes_after_a_refusal(kafka: Given, prefix: str) -> None:
    """Without 2a and 2b: the next commit says all is well, and its record is lost."""
    one, found = await _after_a_refusal(kafka, prefix, AbortsUnsettled)
    await one.close()

    without_the_rule("2b", goes_wrong=found == [])


async def test_2b_switched_off_never_writes_again_after_a_refusal(kafka: Given, prefix: str) -> None:
    """Without 2b alone: 2a notices the loss, but the producer never gets out of it."""
    narrow = f"{prefix}.narrow"
    await make(kafka.bootstrap, narrow, max_message_bytes=5000)
    one = writer(kafka.bootstrap, prefix, [narrow], Aborts)
    await one.open()
    with pytest.raises(Doubt):
        await one.commit([record(narrow, os.urandom(20_000))])

    async def recovers() -> bool:
        try:
            await one.commit([record(narrow, b"small")])
        except Doubt:
            return False
        return True

    stuck = not await seen_within(3, recovers)
    await one.close()

    without_the_rule("2b", goes_wrong=stuck)


async def _after_a_denial(guarded: Broker, prefix: str, kind: type[Writer]) -> list[bytes | None]:
    """Alice may write to one topic and only look at the other: a transaction of both, then one of the first alone."""
    mine, others = f"{prefix}.mine", f"{prefix}.others"
    await make(guarded.bootstrap, mine, others)
    let_alice(guarded, ResourceType.TRANSACTIONAL_ID, prefix, AclOperation.WRITE, AclOperation.DESCRIBE)
    let_alice(guarded, ResourceType.TOPIC, mine, AclOperation.WRITE, AclOperation.DESCRIBE)
    let_alice(guarded, ResourceType.TOPIC, others, AclOperation.DESCRIBE)
    one = kind(alice(guarded), prefix, compression="none", timeout_s=20.0, topics=[mine, others])
    await one.open()
    with pytest.raises(Misconfigured, match=f"User:alice lacks Write on topic {others}"):
        await one.commit([record(mine, b"ABORTED"), record(others, b"ABORTED")])
    if not one.is_open:
        await one.open()
    await one.commit([record(mine, b"next")])
    await one.close()
    try:
        return await values(guarded.bootstrap, mine)
    finally:
        remove_topics(guarded.bootstrap, prefix)


async def test_2b_a_denied_transaction_is_aborted(guarded: Broker, prefix: str) -> None:
    """With 2b: what a denied transaction had written stays invisible."""
    assert await _after_a_denial(guarded, prefix, InTwoGoes) == [b"next"]


async def test_2b_switched_off_commits_what_was_aborted(guarded: Broker, prefix: str) -> None:
    """Without 2b: the abort never reaches the broker, and the next commit makes the aborted record visible."""
    found = await _after_a_denial(guarded, prefix, AbortsInTwoGoes)

    without_the_rule("2b", goes_wrong=found == [b"ABORTED", b"next"])


class Keeps(Writer):
    """Without 2b: goes on as if nothing had happened."""

    async def _discard(self, producer: Any) -> None:
        """Nothing."""


async def test_2b_switched_off_a_fenced_writer_stays_fenced(kafka: Given, prefix: str) -> None:
    """Whoever keeps a fenced producer is told so each time, though aiokafka then only fails an assertion."""
    await make(kafka.bootstrap, prefix)
    kept, other = writer(kafka.bootstrap, prefix, [prefix], Keeps), writer(kafka.bootstrap, prefix, [prefix])
    await kept.open()
    await other.open()

    for _ in range(2):
        with pytest.raises(Fenced):
            await kept.commit([record(prefix)])
    await kept.close()
    await other.close()


# 2c: open first, read the end then...


async def _end_of(consumer: Any, at: TopicPartition) -> int:
    return int((await consumer.end_offsets([at]))[at])


async def _falls_short(kafka: Given, prefix: str, *, fence_first: bool, times: int) -> bool:
    """Whether a restore after one of so many commits would miss that commit: a worker commits, its heir takes over."""
    await make(kafka.bootstrap, prefix)
    connection, at = Connection((kafka.bootstrap,)), TopicPartition(prefix, 0)
    consumer = connection.consumer()
    await consumer.start()
    consumer.assign([at])
    worker = writer(kafka.bootstrap, prefix, [prefix])
    await worker.open()
    written = 0

    async def missed() -> bool:
        nonlocal worker, written
        heir = writer(kafka.bootstrap, prefix, [prefix])
        await worker.commit([record(prefix)])
        written += 2  # the record, and the mark of the commit
        await worker.close()
        if fence_first:
            await heir.open()
        end = await _end_of(consumer, at)
        if not fence_first:
            await heir.open()
        worker = heir
        return end < written

    try:
        return await seen_within(times, missed)
    finally:
        await worker.close()
        await consumer.stop()


async def test_2c_after_opening_the_end_holds_the_last_commit(kafka: Given, prefix: str) -> None:
    """With 2c: the end that a worker reads after it fenced its predecessor never misses the last commit."""
    assert not await _falls_short(kafka, prefix, fence_first=True, times=40)


async def test_2c_switched_off_misses_the_last_commit(kafka: Given, prefix: str) -> None:
    """Without 2c: an end read before the fence misses the last commit sooner or later."""
    without_the_rule("2c", goes_wrong=await _falls_short(kafka, prefix, fence_first=False, times=300))
