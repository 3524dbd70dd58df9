"""The six rules of the writer: with each the law holds, without it a real broker shows loss, duplication or a hang.

Every rule is one step of `Writer`; a subclass here switches exactly that step off.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

import aiokafka
import pytest
from aiokafka import TopicPartition
from confluent_kafka.admin import AclOperation, ResourceType

from streamer.errors import Doubt, Fenced
from streamer.kafka.connection import Connection
from streamer.kafka.writer import Outgoing, Writer
from tests.kafka.stage import (
    PIN,
    Dies,
    Outgrown,
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
from tests.services.reader import ends

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
    with pytest.raises(Doubt, match="TopicAuthorizationFailed"):
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


# 2d: how a commit ended is never guessed...


class AnswerLost(Writer):
    """The commit is made, but its answer comes too late."""

    async def _end(self, producer: Any, deadline: float) -> None:
        await super()._end(producer, deadline)
        raise TimeoutError


class RequestLost(Writer):
    """The commit is asked for too late: it never leaves."""

    async def _end(self, producer: Any, deadline: float) -> None:  # noqa: ARG002 - there is no end
        raise TimeoutError


class GuessesFailed(AnswerLost):
    """Without 2d: a commit without an answer is taken for failed, and made again."""

    async def _never_guess(self, error: Exception, records: Sequence[Outgoing]) -> None:  # noqa: ARG002
        again = Writer(self._connection, self.transactional_id, compression="zstd", timeout_s=20.0, topics=self._topics)
        await again.open()
        await again.commit(records)
        await again.close()


class GuessesDone(RequestLost):
    """Without 2d: a commit without an answer is taken for done."""

    async def _never_guess(self, error: Exception, records: Sequence[Outgoing]) -> None:
        """Nothing: it will be fine."""


@pytest.mark.parametrize("kind", [AnswerLost, RequestLost])
async def test_2d_only_the_log_tells_how_a_commit_ended(kafka: Given, prefix: str, kind: type[Writer]) -> None:
    """With 2d: both are the same Doubt; who opens and looks writes exactly what is missing."""
    await make(kafka.bootstrap, prefix)
    one, heir = writer(kafka.bootstrap, prefix, [prefix], kind), writer(kafka.bootstrap, prefix, [prefix])
    await one.open()

    with pytest.raises(Doubt, match=r"no answer within 0.8 of 20 s"):
        await one.commit([record(prefix, b"once")])
    await heir.open()
    if await values(kafka.bootstrap, prefix) == []:
        await heir.commit([record(prefix, b"once")])
    await heir.close()

    assert await values(kafka.bootstrap, prefix) == [b"once"]


async def test_2d_guessed_failed_duplicates(kafka: Given, prefix: str) -> None:
    """Without 2d: a commit that was made is made again."""
    await make(kafka.bootstrap, prefix)
    one = writer(kafka.bootstrap, prefix, [prefix], GuessesFailed)
    await one.open()
    await one.commit([record(prefix, b"once")])
    await one.close()

    without_the_rule("2d", goes_wrong=await values(kafka.bootstrap, prefix) == [b"once", b"once"])


async def test_2d_guessed_done_loses(kafka: Given, prefix: str) -> None:
    """Without 2d: a commit that was never made is believed."""
    await make(kafka.bootstrap, prefix)
    one = writer(kafka.bootstrap, prefix, [prefix], GuessesDone)
    await one.open()
    await one.commit([record(prefix, b"once")])
    await one.open()
    await one.close()

    without_the_rule("2d", goes_wrong=await values(kafka.bootstrap, prefix) == [])


# 2e: every wait has a limit of ours...


class Patient(Writer):
    """Without 2e: waits as long as aiokafka does."""

    def _left(self, deadline: float) -> float | None:  # noqa: ARG002
        return None


async def test_2e_a_commit_ends_even_if_the_client_would_wait_for_ever(kafka: Given, prefix: str) -> None:
    """A topic is deleted under two writers: the one with 2e says so and ends; the other still waits.

    All the while the broker answers: a third writer commits, and another client reads that.
    """
    gone, there = f"{prefix}.gone", f"{prefix}.there"
    await make(kafka.bootstrap, gone, there)
    limited = writer(kafka.bootstrap, f"{prefix}-limited", [gone], timeout_s=2.0)
    patient = writer(kafka.bootstrap, f"{prefix}-patient", [gone], Patient, timeout_s=2.0)
    third = writer(kafka.bootstrap, f"{prefix}-third", [there])
    for one in (limited, patient, third):
        await one.open()
    await asyncio.to_thread(remove_topics, kafka.bootstrap, gone)
    waiting = asyncio.ensure_future(patient.commit([record(gone)]))

    with pytest.raises(Doubt, match=r"no answer within 0.8 of 2 s"):
        await limited.commit([record(gone)])
    await third.commit([record(there, b"answered")])
    await third.close()
    answered = await values(kafka.bootstrap, there)
    hangs = not waiting.done()
    waiting.cancel()
    await asyncio.wait((waiting,))

    assert answered == [b"answered"]
    without_the_rule("2e", goes_wrong=hangs)


# 2f: a transaction may be open for a short time only...


class DiesWithDefault(Dies):
    """Without 2f: the transaction timeout of aiokafka and of Kafka's own clients."""

    def _transaction_timeout_ms(self) -> int:
        return 60_000


async def test_2f_a_dead_writer_blocks_readers_for_a_short_time_only(kafka: Given, prefix: str) -> None:
    """Two writers die with a transaction open; when the readers of the one with 2f go on, the others' still wait."""
    short, long = f"{prefix}.short", f"{prefix}.long"
    await make(kafka.bootstrap, short, long)
    for topic, kind in ((long, DiesWithDefault), (short, Dies)):
        dying = writer(kafka.bootstrap, f"{topic}-id", [topic], kind, timeout_s=1.0)
        await dying.open()
        with pytest.raises(KeyboardInterrupt):
            await dying.commit([record(topic)])

    async def readers_go_on() -> bool:
        return await asyncio.to_thread(lambda: ends(kafka.bootstrap, [short])[short, 0] > 0)

    went_on = await seen_within(3000, readers_go_on)
    still_blocked = (await asyncio.to_thread(ends, kafka.bootstrap, [long]))[long, 0] == 0
    heir = writer(kafka.bootstrap, f"{long}-id", [long])
    await heir.open()
    await heir.close()

    assert went_on
    without_the_rule("2f", goes_wrong=still_blocked)


# The report...


def test_a_rule_that_shows_nothing_fails_with_the_pinned_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the pinned aiokafka a rule switched off must hurt; with another one it is reported and nothing fails."""
    monkeypatch.setattr(aiokafka, "__version__", PIN)
    with pytest.raises(pytest.fail.Exception, match="rule 2a switched off nothing went wrong"):
        without_the_rule("2a", goes_wrong=False)

    monkeypatch.setattr(aiokafka, "__version__", "0.99")
    with pytest.warns(Outgrown, match=r"aiokafka 0.99 does without rule 2a"):
        without_the_rule("2a", goes_wrong=False)
