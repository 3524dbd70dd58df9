"""The relays of one group: numbers are shared out whole, and change hands without loss or repetition."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka.admin import NewPartitions
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import Misconfigured, Unready
from streamer.kafka import group
from streamer.kafka.connection import Connection
from streamer.kafka.group import Membership, shared_out
from streamer.kafka.share import Share
from streamer.kafka.writer import Outgoing
from tests.kafka.relay.stage import Bench, as_json, many, shown, told
from tests.kafka.stage import make
from tests.services.feed import event
from tests.services.kafka import Given, admin, remove_topics

COUNTS = st.dictionaries(st.sampled_from(["created", "modified", "deleted"]), st.integers(0, 20), min_size=1)


@given(counts=COUNTS, members=st.integers(1, 6))
def test_numbers_are_shared_out_whole(counts: dict[str, int], members: int) -> None:
    """Each partition goes to exactly one member, those of a number to the same one, and shares differ by one number."""
    shares = shared_out({topic: range(count) for topic, count in counts.items()}, members)

    numbers = [{number for there in share.values() for number in there} for share in shares]
    assert sorted(n for mine in numbers for n in mine) == list(range(max(counts.values())))
    assert max(map(len, numbers)) - min(map(len, numbers)) <= 1
    for topic, count in counts.items():
        assert sorted(n for share in shares for n in share[topic]) == list(range(count))


def member(bench: Bench, *topics: str) -> Membership:
    """A member that stays as long as its block lasts."""
    return Membership(Connection((bench.bootstrap,)), f"{bench.prefix}-group", topics)


async def shares(members: list[Membership], count: int) -> list[Share]:
    """The shares of all members, once they hold so many numbers together."""
    async with asyncio.timeout(60):
        while True:
            found = await asyncio.gather(*(one.share() for one in members))
            held = sum(len(share.lanes) for share in found)
            if held == count and not any(share.over.requested for share in found):
                return found
            for share in found:
                if share.over.requested:
                    share.released.set()


async def test_members_come_and_go(kafka: Given, prefix: str) -> None:
    """Two share four numbers, each with all its topics; one leaves, and the other has all of them."""
    bench = Bench(kafka.bootstrap, prefix, partitions=4)
    await bench.make_inputs()
    async with member(bench, *bench.names.events) as one:
        alone = await one.share()
        alone.released.set()
        async with member(bench, *bench.names.events) as two:
            both = await shares([one, two], 4)
        for share in both:
            share.released.set()
        (again,) = await shares([one], 4)

    assert sorted(alone.lanes) == sorted(again.lanes) == [0, 1, 2, 3]
    assert sorted(len(share.lanes) for share in both) == [2, 2]
    for share in (alone, *both, again):
        assert all([at.topic for at in lane] == sorted(bench.names.events) for lane in share.lanes.values())


async def test_a_share_is_seen_when_it_is_given(kafka: Given, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a look at the group would take: nobody's work stands still for that."""
    monkeypatch.setattr(group, "TURN_MS", 3_600_000)
    bench = Bench(kafka.bootstrap, prefix, partitions=4)
    await bench.make_inputs()
    async with asyncio.timeout(30), member(bench, *bench.names.events) as one:
        (alone,) = await shares([one], 4)
        alone.released.set()

    assert sorted(alone.lanes) == [0, 1, 2, 3]


async def test_members_of_other_topics_do_not_mix(kafka: Given, prefix: str) -> None:
    """Two that read different topics under one name: each gets all of its own, and nothing of the other's."""
    bench = Bench(kafka.bootstrap, prefix, partitions=2)
    await make(bench.bootstrap, bench.names.created, bench.names.modified, partitions=2)
    async with member(bench, bench.names.created) as one:
        (await one.share()).released.set()
        async with member(bench, bench.names.modified) as two:
            first, second = await shares([one, two], 4)

    assert {at.topic for lane in first.lanes.values() for at in lane} == {bench.names.created}
    assert {at.topic for lane in second.lanes.values() for at in lane} == {bench.names.modified}
    assert sorted(first.lanes) == sorted(second.lanes) == [0, 1]


async def test_relays_change_hands_under_load(kafka: Given, prefix: str) -> None:
    """Relays join and leave while there is work: each event exactly once."""
    bench = Bench(kafka.bootstrap, prefix, keys={"transaction": {"timeout": "5s", "records": 10}})
    await bench.make_inputs()
    made = many(900)
    await bench.write(*made)
    async with bench.relaying():
        await bench.comes("json", 50)
        async with bench.relaying():
            await bench.comes("json", 300)
            async with bench.relaying():
                await bench.comes("json", 500)
        found = await bench.comes("json", len(made))

    assert shown(found) == sorted(map(as_json, made))


async def test_partitions_that_are_added_are_relayed(
    kafka: Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator adds a partition, topic after topic: the new number is relayed once `P.json` has a place for it."""
    monkeypatch.setattr(group, "METADATA_AGE_MS", 300)
    bench = Bench(kafka.bootstrap, prefix, partitions=1)
    await bench.make_inputs()
    await make(bench.bootstrap, bench.names.of("json"), partitions=2)
    late = Outgoing(bench.names.created, 1, b"k", as_json(event(2)), event(2).detected_at)
    async with bench.relaying() as missing:
        await told(missing)
        await bench.write(event(1))
        await bench.comes("json", 1)
        _add(bench, bench.names.created, 2)
        await bench.write(late)
        found = await bench.comes("json", 2)

    assert [one.partition for one in found] == [0, 1]


async def test_partitions_without_a_place_are_for_a_person(
    kafka: Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`P.json` lacks the number that was added to its input: said with what to do."""
    monkeypatch.setattr(group, "METADATA_AGE_MS", 300)
    bench = Bench(kafka.bootstrap, prefix, partitions=1)
    await bench.make_inputs()

    async def grown() -> None:
        async with bench.relaying() as missing:
            await told(missing)
            _add(bench, bench.names.created, 2)
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await grown()

    assert raised.group_contains(Misconfigured, match="json has 1 partitions, there is none with number 1")


async def test_a_topic_that_goes_and_comes_is_waited_for(
    kafka: Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One input is deleted: said, instead of relaying the rest as if it were all; made anew, it is relayed again."""
    monkeypatch.setattr(group, "METADATA_AGE_MS", 300)
    bench = Bench(kafka.bootstrap, prefix, partitions=1)
    await bench.make_inputs()
    await bench.write(*many(3))
    async with bench.relaying() as missing:
        await bench.comes("json", 3)
        remove_topics(bench.bootstrap, bench.names.deleted)
        await told(missing, f"not exist: {bench.names.deleted}")
        await make(bench.bootstrap, bench.names.deleted)
        await bench.write(event(6, "deleted"))
        found = await bench.comes("json", 4)

    assert shown(found) == sorted(map(as_json, [*many(3), event(6, "deleted")]))


async def test_a_topic_is_asked_for_twice_before_it_is_gone(
    kafka: Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a broker does not know may just have been made: it is gone if it is still unknown a moment later."""
    bench = Bench(kafka.bootstrap, prefix, partitions=1)
    await bench.make_inputs()
    topic, there = bench.names.deleted, admin(bench.bootstrap)
    async with member(bench, *bench.names.events) as one:
        (await one.share()).released.set()
        remove_topics(bench.bootstrap, topic)
        while topic in there.list_topics(timeout=10).topics:
            """The broker hears of it a moment later."""
        with pytest.raises(Unready, match=f"these topics do not exist any more: {topic}"):
            await one.share()
        look, looks = one._missing, list[set[str]]()

        async def looked(after_s: float = 0.0) -> set[str]:
            if looks:
                await make(bench.bootstrap, topic)
            while looks and topic not in there.list_topics(timeout=10).topics:
                """And of this."""
            looks.append(await look(after_s))
            return looks[-1]

        monkeypatch.setattr(one, "_missing", looked)
        (await one.share()).released.set()

    assert looks == [{topic}, set()]


def _add(bench: Bench, topic: str, count: int) -> None:
    client = admin(bench.bootstrap)
    for done in client.create_partitions([NewPartitions(topic, count)]).values():
        done.result(30)
