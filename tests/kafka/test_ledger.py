"""Ledgers: what was committed is restored, exactly, and who was fenced or in doubt writes nothing before it restores.

This suite runs on the real broker and on the fake, so that the fake may stand for the real one elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from streamer import avro
from streamer.errors import Doubt
from streamer.state import SourceState, token_key
from tests import laws
from tests.builders import NOON, SECOND, fold, token
from tests.kafka.bench import ONE, TWO, Bench, InMemory, OnBroker, begin, by_key, polled, start, tell

DAY = 86_400 * SECOND


@pytest.fixture(name="bench", params=["memory", "kafka"])
async def _bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """The fake's and the real one's, with one state partition."""
    if request.param == "memory":
        yield InMemory()
        return
    made = OnBroker(request.getfixturevalue("kafka").bootstrap, request.getfixturevalue("prefix"))
    await made.make_topics()
    yield made
    await made.close()


async def test_a_source_nobody_wrote_is_empty(bench: Bench) -> None:
    """No row, no tokens; then its history may begin."""
    ledger = bench.ledger()

    assert await ledger.restore(ONE) == SourceState()
    await ledger.commit(ONE, begin(ONE))
    assert await ledger.restore(ONE) == SourceState(begin(ONE).row)


async def test_what_was_committed_is_restored_at_once(bench: Bench) -> None:
    """Right after each commit, by the next worker and by the same one: the very state, to the byte."""
    ledger = bench.ledger()
    state = await start(ledger, ONE, token("a"), token("b"))

    for number in range(10):
        state = await tell(ledger, ONE, state, token("a", client_name=f"{number}"), token("b"), at=NOON + number)
        ledger = bench.ledger() if number % 2 else ledger
        work = replace(avro.counts)
        restored = await ledger.restore(ONE)
        assert avro.counts == work
        assert restored == state

    laws.check(await bench.records(), state)


async def test_sources_of_one_partition_do_not_mix(bench: Bench) -> None:
    """Each restores its own rows, although Moids are the same and one log has them all."""
    ledger = bench.ledger()
    one = await start(ledger, ONE, token("a"))
    two = await start(ledger, TWO, token("a", client_name="two"), token("b"))

    again = bench.ledger()

    assert await again.restore(ONE) == one
    assert await again.restore(TWO) == two


async def test_a_tombstone_ends_a_row(bench: Bench) -> None:
    """A deletion is remembered for 7 days; then the log and the state forget it."""
    ledger = bench.ledger()
    state = await tell(ledger, ONE, await start(ledger, ONE, token("a"), token("b")), token("b"))
    assert set(state.tokens) == {"a", "b"}

    state = await tell(ledger, ONE, state, token("b"), at=NOON + 8 * DAY)

    assert set(state.tokens) == {"b"}
    assert await bench.ledger().restore(ONE) == state
    assert by_key(await bench.records())[token_key(ONE, "a")] is None


async def test_nobody_commits_before_a_restore(bench: Bench) -> None:
    """What would be written is not on top of anything known; nothing of it is seen."""
    with pytest.raises(Doubt):
        await bench.ledger().commit(ONE, begin(ONE))

    assert await bench.records() == []


async def test_a_second_writer_ends_the_first(bench: Bench) -> None:
    """Who restores last may write; the other publishes nothing, and may come back by restoring."""
    zombie, heir = bench.ledger(), bench.ledger()
    state = await start(zombie, ONE, token("a"))
    assert await heir.restore(ONE) == state
    before = await bench.records()

    with pytest.raises(Doubt):
        await tell(zombie, ONE, state, token("a", client_name="zombie"))
    with pytest.raises(Doubt):
        await tell(zombie, ONE, state, token("a", client_name="zombie"))

    assert await bench.records() == before
    state = await tell(heir, ONE, state, token("a", client_name="heir"))
    assert await zombie.restore(ONE) == state
    state = await tell(zombie, ONE, state, token("a", client_name="back"))
    with pytest.raises(Doubt):
        await tell(heir, ONE, state)
    laws.check(await bench.records(), state)


async def test_a_cancelled_commit_leaves_nobody_guessing(bench: Bench) -> None:
    """Its source restores before it writes again, and finds all of it or nothing."""
    ledger = bench.ledger()
    state = await start(ledger, ONE, token("a"))
    (written,) = polled(ONE, state, [token("a", client_name="x")])

    commit = asyncio.create_task(ledger.commit(ONE, written))
    await asyncio.sleep(0)
    commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    with pytest.raises(Doubt):
        await ledger.commit(ONE, written)

    restored = await ledger.restore(ONE)
    assert restored in (state, fold(state, written))
    laws.check(await bench.records(), restored)


async def test_a_closed_ledger_writes_nothing_before_it_restores(bench: Bench) -> None:
    """Closing is no commit, and leaves nothing open."""
    ledger = bench.ledger()
    state = await start(ledger, ONE, token("a"))

    await ledger.close()

    assert await ledger.restore(ONE) == state
