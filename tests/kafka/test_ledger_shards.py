"""Shards on a real broker: where records go, what a fence takes away, and what a failing source leaves its mates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.batch import STATE, Record
from streamer.errors import Doubt, Fenced, Unready
from streamer.kafka.fences import WAIT_S, WITHIN_S
from streamer.kafka.ledger import Shard
from streamer.kafka.restore import Restored
from streamer.kafka.share import Share
from streamer.kafka.topics import partition_of
from streamer.state import SourceState
from streamer.stop import Stopped
from tests import laws
from tests.builders import FORM, NOON, fold, token
from tests.kafka.bench import ONE, TWO, OnBroker, Unshared, begin, oversized, polled, start, tell
from tests.kafka.stage import record, writer
from tests.services.reader import read_all


async def test_each_record_goes_where_its_readers_look(broker: OnBroker) -> None:
    """Events by their Moid, reports by their source, all rows of a source to the partition of the source; one time."""
    await broker.make_topics(state=4, events=3)
    ledger = broker.ledger()
    moids = [f"m{number}" for number in range(20)]
    state = await start(ledger, ONE, *map(token, moids))
    (written,) = polled(ONE, state, [token(moids[0], client_name="x"), *map(token, moids[2:])], at=NOON + 5)

    await ledger.commit(ONE, written)

    names = broker.names
    found = await read_all(broker.bootstrap, [*names.events, names.state, names.snapshots])
    home = partition_of(ONE.encode(), 4)
    assert {m.partition for m in found if m.topic == names.state} == {home}
    assert all(m.partition == partition_of(m.key or b"", 3) for m in found if m.topic in names.events)
    assert {m.topic for m in found if m.timestamp == NOON + 5} == {
        *(names.modified, names.deleted, names.state, names.snapshots)
    }
    sent = {(names.of(r.topic), r.key): (r.value, r.headers) for r in written.records}
    assert {(m.topic, m.key): (m.value, m.headers) for m in found if m.timestamp == NOON + 5} == sent


async def test_every_event_stands_in_the_topic_of_all_too(broker: OnBroker) -> None:
    """In the same transaction, with the same key, value, headers, timestamp and partition number; nothing else does."""
    await broker.make_topics(state=2, events=3, all_topic=True)
    ledger, names = broker.ledger(), broker.names
    state = await start(ledger, ONE)
    form = replace(FORM, all_topic=True)
    (written,) = polled(ONE, state, [token(f"m{n}") for n in range(20)], form=form, at=NOON + 5)
    with pytest.raises(Doubt):
        await ledger.commit(ONE, replace(written, records=(*written.records, Record("all", b"x", bytes(3 * 2**20)))))
    assert await ledger.restore(ONE) == state

    await ledger.commit(ONE, written)

    topics = names.written(all_topic=True)
    found = await read_all(broker.bootstrap, topics)
    shown = {t: [(m.key, m.value, m.headers, m.timestamp, m.partition) for m in found if m.topic == t] for t in topics}
    assert [len(shown[topic]) for topic in topics] == [20, 0, 0, 20]
    assert sorted(shown[names.all]) == sorted(shown[names.created])


async def test_a_topic_of_all_that_is_gone_is_told_before_anything_is_written(broker: OnBroker) -> None:
    """Not found out within a transaction, by a send that waits for it."""
    await broker.make_topics()
    broker.layout = replace(broker.layout, all_topic=True)

    with pytest.raises(Unready, match=f"topic {broker.names.all} does not exist"):
        await broker.ledger().restore(ONE)


async def test_partitions_are_fenced_one_by_one(broker: OnBroker) -> None:
    """A worker that takes one source's partition disturbs none of another partition."""
    await broker.make_topics(state=2)
    near = partition_of(ONE.encode(), 2)
    far = next(name for name in map("far{}".format, range(99)) if partition_of(name.encode(), 2) != near)
    ledger = broker.ledger(ONE, far)
    one, other = await start(ledger, ONE, token("a")), await start(ledger, far, token("b"))

    await broker.ledger(ONE).restore(ONE)

    await tell(ledger, far, other, token("b", client_name="x"))
    with pytest.raises(Doubt, match=f"{broker.prefix}.state-{near}"):
        await tell(ledger, ONE, one)


async def test_a_failing_source_does_not_disturb_its_mates(broker: OnBroker) -> None:
    """Its own state is void, that of the other source goes on being valid, without a restore."""
    await broker.make_topics()
    ledger = broker.ledger()
    one, two = await start(ledger, ONE, token("a")), await start(ledger, TWO, token("a"))

    for number in range(2):
        with pytest.raises(Doubt):
            await ledger.commit(ONE, oversized(ONE, one))
        with pytest.raises(Doubt, match="restores"):
            await ledger.commit(ONE, oversized(ONE, one))
        two = await tell(ledger, TWO, two, token("a", client_name=f"{number}"))
        assert await ledger.restore(ONE) == one

    await tell(ledger, ONE, one, token("a", client_name="well"))
    await tell(ledger, TWO, two, token("a", client_name="well"))
    assert b"lost" not in {r.key for r in await broker.records()}


async def test_a_restore_of_one_source_leaves_its_mates_their_state(broker: OnBroker) -> None:
    """The partition is fenced and read anew by the same worker: equal rows mean that nobody else was there."""
    await broker.make_topics()
    ledger = broker.ledger()
    one, two = await start(ledger, ONE, token("a")), await start(ledger, TWO, token("a"))

    assert await ledger.restore(ONE) == one

    await tell(ledger, TWO, two, token("a", client_name="x"))


@pytest.mark.parametrize("touched", [ONE, TWO])
async def test_a_foreign_writer_in_between_voids_what_it_touched(broker: OnBroker, touched: str) -> None:
    """While our writer was down another worker came and went: only a source whose row is still ours may go on."""
    await broker.make_topics()
    ledger, foreign = broker.ledger(), broker.ledger()
    states = {source: await start(ledger, source, token("a")) for source in (ONE, TWO)}
    with pytest.raises(Doubt):
        await ledger.commit(ONE, oversized(ONE, states[ONE]))
    states[touched] = await tell(foreign, touched, await foreign.restore(touched), token("a", client_name="foreign"))
    await foreign.close()

    if touched == TWO:
        with pytest.raises(Doubt, match=TWO):
            await tell(ledger, TWO, states[TWO], token("a", client_name="blind"))
        assert await ledger.restore(TWO) == states[TWO]
    await tell(ledger, TWO, states[TWO], token("a", client_name="knowing"))
    assert await ledger.restore(ONE) == states[ONE]


async def test_a_fence_voids_all_mates(broker: OnBroker) -> None:
    """Whoever took the partition may have written any of them, so all restore, after a pause of 2 s and jitter."""
    await broker.make_topics()
    ledger, heir = broker.ledger(), broker.ledger()
    one, two = await start(ledger, ONE, token("a")), await start(ledger, TWO, token("a"))
    assert await heir.restore(ONE) == one
    broker.waits.clear()

    with pytest.raises(Doubt, match="was fenced"):
        await tell(ledger, ONE, one, token("a", client_name="x"))
    with pytest.raises(Doubt, match=TWO):
        await tell(ledger, TWO, two, token("a", client_name="x"))

    assert broker.waits == []
    assert await ledger.restore(TWO) == two
    assert WAIT_S / 2 < broker.waits[0] <= 2 * WAIT_S
    assert await ledger.restore(ONE) == one
    assert len(broker.waits) == 1


async def test_the_third_fence_within_a_minute_is_for_a_person(broker: OnBroker) -> None:
    """Two workers that fight over a partition end with exit status 4; the message names the partition and the id."""
    await broker.make_topics()
    ledger, rival = broker.ledger(), broker.ledger()
    state = await start(ledger, ONE, token("a"))
    for _ in range(2):
        await rival.restore(ONE)
        with pytest.raises(Doubt):
            await tell(ledger, ONE, state)
        assert await ledger.restore(ONE) == state
    await rival.restore(ONE)

    with pytest.raises(Fenced) as fenced:
        await tell(ledger, ONE, state)

    assert fenced.value.exit_code == 4
    assert f"partition 0 of {broker.prefix}.state" in str(fenced.value)
    assert f"writer {broker.prefix}.state-0" in str(fenced.value)


@pytest.mark.parametrize(("apart_s", "fatal"), [(WITHIN_S / 2, True), (WITHIN_S / 2 + 0.01, False)])
async def test_fences_far_apart_are_borne(broker: OnBroker, apart_s: float, *, fatal: bool) -> None:
    """It counts how many of them lie within 60 s; a rebalance now and then is no fight."""
    await broker.make_topics()
    now = 1000.0
    topics, name = [broker.names.state], f"{broker.names.state}-0"
    ours, theirs = (writer(broker.bootstrap, name, topics) for _ in range(2))

    async def nothing() -> dict[str, Restored]:
        return {ONE: Restored()}

    async def at_once(_: float) -> None:
        pass

    shard = Shard(ours, nothing, name="p", ownership=Unshared(), sleep=at_once, monotonic=lambda: now)
    ends = []
    for _ in range(3):
        await shard.restore(ONE)
        await theirs.open()
        with pytest.raises((Doubt, Fenced)) as end:
            await shard.commit(ONE, [record(broker.names.state)], b"own")
        ends.append(end.type)
        now += apart_s

    await theirs.close()
    await shard.close()
    assert ends == [Doubt, Doubt, Fenced if fatal else Doubt]


async def test_who_lost_a_partition_begins_nothing_with_it(broker: OnBroker) -> None:
    """Its writer does not open, which would fence the rightful owner, and a transaction is not begun."""
    await broker.make_topics()
    share = Share({0: []})
    late = broker.ledger(ONE, ownership=share)
    state = await start(late, ONE, token("a"))
    share.take()
    with pytest.raises(Stopped):
        await tell(late, ONE, state, token("b"))
    heir = broker.ledger(ONE)
    assert await heir.restore(ONE) == state

    with pytest.raises(Stopped):
        await late.restore(ONE)

    await tell(heir, ONE, state, token("a", client_name="x"))


async def test_a_fence_ends_what_is_provisional(broker: OnBroker) -> None:
    """Somebody else writes there while the group has not spoken: nothing of that share is opened again."""
    await broker.make_topics()
    ours = broker.ledger(ONE, ownership=Share({0: []}, provisional=True))
    state = await start(ours, ONE, token("a"))
    heir = broker.ledger(ONE)
    assert await heir.restore(ONE) == state

    with pytest.raises(Doubt, match="was fenced"):
        await tell(ours, ONE, state, token("b"))
    with pytest.raises(Stopped):
        await ours.restore(ONE)

    await tell(heir, ONE, state, token("a", client_name="x"))


async def test_a_diff_of_many_transactions_restores_at_each_of_them(broker: OnBroker) -> None:
    """Cut off after any of its transactions, the log says what readers were told, and the snapshot stands open."""
    await broker.make_topics()
    state = SourceState(begin(ONE).row)
    parts = polled(ONE, state, map(token, "abcde"), form=replace(FORM, records=4))
    ledger = broker.ledger()
    await ledger.restore(ONE)
    await ledger.commit(ONE, begin(ONE))

    for part in parts:
        await ledger.commit(ONE, part)
        state = fold(state, part)
        ledger = broker.ledger()
        assert await ledger.restore(ONE) == state
        assert (state.row is not None and state.row.open is None) == (part is parts[-1])
        laws.check_cut(await broker.records(), state)

    assert len([r for r in await broker.records() if r.topic == STATE]) == 1 + 2 * len(parts)
