"""Restoring a partition: all that was committed and nothing else, whatever became of the log."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from streamer.cycle import Cycle
from streamer.errors import Damaged, Doubt, Unready
from streamer.kafka.restore import known, restore
from streamer.state import SourceRow, SourceState, token_key
from tests import laws
from tests.builders import NOON, SECOND, token
from tests.fakes import Account, Clock
from tests.kafka.bench import ONE, TWO, OnBroker, begin, by_key, start, tell
from tests.kafka.stage import make, record, seen_within, writer
from tests.services.reader import read_all
from tests.stage import POLICY

DAY = 86_400 * SECOND


async def test_an_aborted_tail_is_not_restored(broker: OnBroker) -> None:
    """A worker died with its transaction open: it is aborted by the next, which sees what was committed before."""
    await broker.make_topics()
    state = await start(broker.ledger(), ONE, token("a"))
    dead = writer(broker.bootstrap, f"{broker.names.state}-0", [broker.names.state])
    await dead.open()
    assert dead._producer is not None
    await dead._producer.begin_transaction()
    rows = [record(broker.names.state, b"\x01torn", key=token_key(ONE, "a"))] * 20
    await asyncio.gather(*await dead._send(dead._producer, rows))

    assert await broker.ledger().restore(ONE) == state

    await dead.close()
    assert await broker.ledger().restore(ONE) == state


async def test_a_state_of_many_fetches_is_restored(broker: OnBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each asked for while the one before is taken apart: all of it once, what was aborted in none."""
    monkeypatch.setattr("streamer.kafka.fetching.BYTES", 500)  # a fetch brings one batch at the least
    await broker.make_topics()
    ledger = broker.ledger()
    state = await start(ledger, ONE, *map(token, "abcdefgh"))
    for client in "xyz":
        state = await tell(ledger, ONE, state, *(token(moid, client_name=client) for moid in "bcdefgh"))
        dead = writer(broker.bootstrap, f"somebody-{client}", [broker.names.state])
        await dead.open()
        assert dead._producer is not None
        await dead._producer.begin_transaction()
        await asyncio.gather(*await dead._send(dead._producer, [record(broker.names.state, b"torn", key=b"x")]))
        await dead.open()
        await dead.close()

    assert await broker.ledger().restore(ONE) == state


async def test_a_restore_pauses_for_nothing(broker: OnBroker) -> None:
    """Every client knows where the partition is before it asks; one that does not takes a pause before it asks again.

    That pause is a tenth of a second, and a worker that is given a partition would take it for each of its clients.
    """
    await broker.make_topics()
    state = await start(broker.ledger(), ONE, token("a"))
    hesitant = replace(broker.connection, options={"retry_backoff_ms": 3_600_000})

    found = await restore(hesitant, broker.names.state, 0)

    assert found[ONE].state == state


async def test_a_restart_remembers_who_was_seen_with_what(broker: OnBroker) -> None:
    """The next worker tells a new client from a known one, of users it never saw itself."""
    await broker.make_topics()
    clock = Clock()
    account = Account(clock)
    polls: list[dict[str, bool | None]] = []

    async def lives(*days: dict[str, str]) -> Cycle:
        """A new worker polls; of each token its client is given, and its user is the first letter of its Moid."""
        cycle, shown = Cycle(POLICY, account, broker.ledger(), clock), list(account.tokens.values())
        for day in days:
            clock.now += 60 * SECOND
            shown += [token(m, user_moid=m[0], client_id=c, create_time=clock.now - SECOND) for m, c in day.items()]
            account.show(shown)
            await cycle.prepare()
            await cycle.settle(await cycle.look())
            new = [e for e in laws.events(await broker.records()) if e["moid"] in day]
            polls.append({event["moid"]: event["derived"]["new_client_for_user"] for event in new})
        return cycle

    await lives({"u1": "c1", "v1": "c2"}, {"u2": "c3"})
    cycle = await lives({"u3": "c1", "u4": "c3", "u5": "c4", "v2": "c1", "w1": "c1"})

    assert polls[0] == {"u1": None, "v1": None}
    assert polls[1] == {"u2": True}
    assert polls[2] == {"u3": False, "u4": False, "u5": True, "v2": True, "w1": None}
    assert cycle.state == await broker.ledger().restore(ONE)


async def test_a_hanging_transaction_is_not_guessed(broker: OnBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a transaction of nobody's is open before the end, the state is not known; once it is ended, it is."""
    monkeypatch.setattr("streamer.kafka.hanging.LIMIT_S", 0.2)
    await broker.make_topics()
    state = await start(broker.ledger(), ONE, token("a"))
    hanging = writer(broker.bootstrap, "nobodys", [broker.names.state])
    await hanging.open()
    assert hanging._producer is not None
    await hanging._producer.begin_transaction()
    await asyncio.gather(*await hanging._send(hanging._producer, [record(broker.names.state, b"", key=b"x")]))

    with pytest.raises(Unready, match="has a transaction open") as raised:
        await broker.ledger().restore(ONE)
    shown = await restore(broker.connection, broker.names.state, 0, owned=False)

    assert "find-hanging" in raised.value.hint
    assert shown[ONE].state == state  # who only looks is shown what is committed
    await hanging.open()
    await hanging.close()
    assert await broker.ledger().restore(ONE) == state


async def test_a_compacted_partition_is_restored(broker: OnBroker) -> None:
    """Superseded rows, tombstones and markers are gone from the log; positions move past the holes to the end."""
    names = broker.names
    await make(broker.bootstrap, *names.events, names.snapshots)
    await make(
        broker.bootstrap,
        names.state,
        cleanup_policy="compact",
        segment_ms=100,
        min_cleanable_dirty_ratio=0.001,
        delete_retention_ms=0,
    )
    ledger = broker.ledger()
    states = [await start(ledger, ONE, token("a"), token("b"))]

    async def compacted() -> bool:
        """Write more of everything; has the cleaner taken the very first row?"""
        for client in ("x", "y"):
            states.append(await tell(ledger, ONE, states[-1], token("b", client_name=client)))
        states.append(await tell(ledger, ONE, states[-1], token("b"), at=NOON + 8 * DAY))
        assert "a" not in states[-1].tokens
        states.append(await tell(ledger, ONE, states[-1], token("a"), token("b")))
        return (await read_all(broker.bootstrap, [names.state]))[0].offset > 0

    assert await seen_within(200, compacted)

    assert await broker.ledger().restore(ONE) == states[-1]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"prod", b'{"offset": 1}'),
        (b"prod", b"\x02 a later version"),
        (b"prod", b"\x01"),
        (b"prod/t/a", b"\x01 cut short"),
        (b"prod/u/a", b""),
    ],
)
async def test_rows_of_another_program_are_refused(broker: OnBroker, key: bytes, value: bytes) -> None:
    """Nothing is polled on top of what cannot be read, until it is repaired; the other sources are known all the time.

    Who writes there goes on, also through the looks at what is damaged.
    """
    await broker.make_topics()
    await start(broker.ledger(), TWO, token("a"))
    broker.plant(key, value)

    ledger = broker.ledger()
    state = await ledger.restore(TWO)
    for _ in range(2):
        with pytest.raises(Damaged, match=r"key .*state row") as raised:
            await ledger.restore(ONE)
        state = await tell(ledger, TWO, state, token("a", client_name=str(len(raised.value.hint))))
    assert raised.value.hint
    assert await ledger.sources(0) == {ONE, TWO}
    with pytest.raises(Damaged):
        await known(broker.connection, broker.names.state, [0])
    with pytest.raises(Doubt):
        await ledger.commit(ONE, begin(ONE))
    broker.plant(key, None)
    assert await ledger.restore(ONE) == SourceState()
    assert await broker.ledger().restore(TWO) == state


async def test_a_key_that_names_no_source_is_nobodys(broker: OnBroker, caplog: pytest.LogCaptureFixture) -> None:
    """It stops nobody, and is said."""
    await broker.make_topics()
    state = await start(broker.ledger(), ONE, token("a"))
    broker.plant(b"\xff\xfe", b"\x01")
    broker.plant(b"/t/a", b"\x01")

    assert await broker.ledger().restore(ONE) == state
    (line,) = [record for record in caplog.records if record.getMessage() == "state.foreign"]
    assert vars(line)["fields"]["key"] == repr(b"\xff\xfe")
    assert vars(line)["fields"]["rows"] == 2


async def test_rows_of_other_sources_and_later_kinds_are_passed_over(broker: OnBroker) -> None:
    """A source that is configured no more, and what a later version keeps beside tokens and users."""
    await broker.make_topics()
    state = await start(broker.ledger(), ONE, token("a"))
    broker.plant(b"prod/x/somebody", b"\x01whatever")
    broker.plant(b"gone/t/a", b"\x01whatever")

    found = await restore(broker.connection, broker.names.state, 0)

    assert found[ONE].state == state
    assert SourceRow.from_bytes(found[ONE].own) == state.row
    assert TWO not in found


async def test_whoever_names_no_source_gets_all(broker: OnBroker) -> None:
    """Of those the log knows; one whose own row is missing has no state."""
    await broker.make_topics()
    ledger = broker.ledger()
    states = {source: await start(ledger, source, token("a")) for source in (ONE, TWO)}
    broker.plant(b"torn/t/a", by_key(await broker.records())[token_key(ONE, "a")] or b"")

    found = await restore(broker.connection, broker.names.state, 0)

    assert {source: restored.state for source, restored in found.items()} == states | {"torn": SourceState()}
