"""The rules of the writer on how a transaction ends: with each the law holds, without it a broker shows the damage.

Every rule is one step of `Writer`; a subclass here switches exactly that step off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aiokafka
import pytest

from streamer.errors import Doubt
from streamer.kafka.writer import Outgoing, Writer
from tests.kafka.stage import (
    PIN,
    Dies,
    Outgrown,
    make,
    record,
    seen_within,
    values,
    without_the_rule,
    writer,
)
from tests.services.kafka import Given, remove_topics
from tests.services.reader import ends

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
