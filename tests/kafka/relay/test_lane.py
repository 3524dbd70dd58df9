"""One partition number on its way: where it begins, and what it does when its id or its broker is taken away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition as At
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from streamer.errors import Fenced, Misconfigured
from streamer.kafka import fences, hanging
from streamer.kafka.connection import Connection
from streamer.kafka.relay.lane import Lane, Route
from streamer.kafka.relay.told import Told
from streamer.kafka.relay.topics import ensure
from streamer.kafka.writer import Offsets, Outgoing, Writer
from streamer.stop import Stop
from streamer.wire.decoding import Decoder
from tests.conftest import OwnedBroker
from tests.kafka.relay.stage import LIMIT_S, Bench, as_json, many, shown, told
from tests.kafka.stage import Dies, make, record, writer
from tests.services.feed import event
from tests.services.kafka import Given, admin


@pytest.fixture(name="bench")
async def _bench(kafka: Given, prefix: str) -> Bench:
    """Input topics of one partition each, with nothing in them."""
    made = Bench(kafka.bootstrap, prefix, partitions=1)
    await made.make_inputs()
    return made


async def relayed(bench: Bench, count: int, **options: Any) -> list[bytes | None]:
    """What is in `P.json` once a relay that runs for it has brought it to so many records."""
    async with bench.relaying(bench.job(**options)):
        return shown(await bench.comes("json", count))


async def refusal(bench: Bench, **options: Any) -> str:
    """Why a relay ends by itself."""
    with pytest.raises(ExceptionGroup) as raised:
        async with bench.relaying(bench.job(**options)), asyncio.timeout(LIMIT_S):
            await asyncio.Event().wait()
    found: BaseException = raised.value
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, Misconfigured | Fenced)
    return str(found)


# Where it begins...


async def test_it_goes_on_where_the_last_one_ended(bench: Bench) -> None:
    """One after the other, and nothing twice."""
    for number in range(1, 5):
        await bench.write(event(number))
        assert await relayed(bench, number) == sorted(map(as_json, many(number)))


async def test_a_group_without_offsets_does_not_repeat_what_is_there(bench: Bench) -> None:
    """Its offsets expired, or another group wrote the topic: for a person, who may want it all again."""
    await bench.write(*many(3))
    await relayed(bench, 3)

    told_why = await refusal(bench, group=f"{bench.prefix}.other")
    again = await relayed(bench, 6, group=f"{bench.prefix}.other", from_beginning=True)

    assert f"group {bench.prefix}.other has no offsets, but {bench.prefix}.json-0 holds records" in told_why
    assert again == sorted(2 * list(map(as_json, many(3))))


async def test_what_was_only_aborted_there_is_no_record(bench: Bench) -> None:
    """A first relay died in its first transaction: the next one begins at the beginning."""
    topic = bench.names.of("json")
    await make(bench.bootstrap, topic)
    dying = writer(bench.bootstrap, f"{bench.prefix}.relay-json-0", [topic], Dies)
    await dying.open()
    with pytest.raises(KeyboardInterrupt):
        await dying.commit([record(topic, b"never")])
    await bench.write(*many(3))

    assert await relayed(bench, 3) == sorted(map(as_json, many(3)))
    assert len(await bench.read("json", "read_uncommitted")) == 4


async def test_what_was_deleted_before_it_was_relayed_is_said(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Retention was faster than the relay: an error names from where to where, and the rest goes on."""
    await bench.write(event(1, "created"))
    await relayed(bench, 1)
    await bench.write(*(event(number, "created") for number in range(2, 6)))
    client = admin(bench.bootstrap)
    for done in client.delete_records([TopicPartition(bench.names.created, 0, 5)]).values():
        done.result(30)

    found = await relayed(bench, 2)

    assert found == sorted(as_json(event(number, "created")) for number in (1, 5))
    lost = next(line for line in caplog.records if line.getMessage() == "relay.lost")
    assert (lost.fields["first"], lost.fields["behind"]) == (1, 5)  # type: ignore[attr-defined]


async def test_a_topic_that_was_made_anew_is_for_a_person(bench: Bench) -> None:
    """The group's offset is behind its end: what was passed on already cannot be known."""
    await bench.write(event(1, "created"))
    await relayed(bench, 1)
    client = admin(bench.bootstrap)
    group = f"{bench.prefix}.relay-json"
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(bench.names.created, 0, 99)])
    client.alter_consumer_group_offsets([moved])[group].result(30)

    assert "is at offset 99 of" in await refusal(bench)


class Meanwhile:
    """A group whose offsets are asked for while the owner before us, who does not know of us, is still at work."""

    def __init__(self, bench: Bench, group: str, owner: Writer, record: Outgoing) -> None:
        self.fenced = False
        self._consumer = Connection((bench.bootstrap,)).consumer(group_id=group)
        self._owner = owner
        self._record = record
        self._moved = Offsets(group, {At(bench.names.created, 0): 3})  # behind an event, a mark, and another event

    async def committed(self, partitions: Sequence[At]) -> dict[At, int | None]:
        """Kafka's answer; behind its back the owner commits what it has, if it can."""
        async with self._consumer:
            found = {at: await self._consumer.committed(at) for at in partitions}
        with contextlib.suppress(Fenced):
            self.fenced = True
            await self._owner.commit([self._record], self._moved)
            self.fenced = False
        return found


async def test_offsets_are_asked_for_when_nobody_else_can_move_them(bench: Bench) -> None:
    """By then the owner before us is fenced: what it was about to pass on, it cannot, and we do, once."""
    await bench.write(event(1, "created"))
    await relayed(bench, 1)
    await bench.write(event(2, "created"))
    job, over = bench.job(), Stop()
    connection = Connection((bench.bootstrap,))
    plumbing = await ensure(connection, bench.settings, group=job.group, output=job.output)
    route = Route("json", job.group, plumbing, job.convert, False, "none", 5.0, 100, 10**6)  # noqa: FBT003
    owner = writer(bench.bootstrap, f"{job.group}-0", [plumbing.output.topic])
    await owner.open()
    origin = bench.record(event(2, "created"))
    group = Meanwhile(bench, job.group, owner, replace(origin, topic=plumbing.output.topic, value=b"the owner's"))
    inputs = [At(topic, 0) for topic in plumbing.inputs]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Lane(connection, route, inputs, group, Told({})).run(over))
        found = await bench.comes("json", 2)
        over.request()
    await owner.close()

    assert group.fenced
    assert [one.value for one in found] == [as_json(event(number, "created")) for number in (1, 2)]


# What is taken away...


async def test_a_fence_is_survived(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process opens the id of a partition: the relay opens it again, and nothing is lost or repeated."""
    monkeypatch.setattr(fences, "WAIT_S", 0.01)
    other = writer(bench.bootstrap, f"{bench.prefix}.relay-json-0", [bench.names.created])
    await bench.write(event(1))
    async with bench.relaying() as missing:
        await bench.comes("json", 1)
        await other.open()
        await bench.write(event(2), event(3))
        found = await bench.comes("json", 3)
        await told(missing)
    await other.close()

    assert shown(found) == sorted(map(as_json, many(3)))


async def test_the_third_fence_within_a_minute_is_for_a_person(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the group says that the partition is ours, another process has its id: exit 4, naming both."""
    monkeypatch.setattr(fences, "WAIT_S", 0.01)
    name = f"{bench.prefix}.relay-json-0"
    other = writer(bench.bootstrap, name, [bench.names.created])

    async def struggle() -> None:
        async with bench.relaying() as missing:
            for number in range(1, 4):
                await told(missing)
                await other.open()
                await bench.write(event(number))
                await told(missing, "was fenced")

    with pytest.raises(ExceptionGroup) as raised:
        await struggle()
    await other.close()

    assert raised.group_contains(Fenced, match=f"partition 0 of {bench.prefix}.json was taken from us 3 times")


async def test_a_broker_that_dies_and_comes_back_costs_nothing(owned_broker: OwnedBroker, prefix: str) -> None:
    """Killed in the middle of many transactions: when it is back the relay goes on, each event exactly once."""
    broker = owned_broker()
    bench = Bench(broker.bootstrap, prefix, keys={"transaction": {"timeout": "5s", "records": 10}})
    await bench.make_inputs()
    made = [event(number) for number in range(1, 1501)]
    await bench.write(*made)
    async with bench.relaying() as missing:
        await bench.comes("json", 100)
        broker.kill()
        await asyncio.to_thread(broker.start)
        found = await bench.comes("json", len(made))
        await told(missing)

    assert shown(found) == sorted(map(as_json, made))


async def test_what_somebody_left_open_in_the_output_is_not_built_upon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that is not ours, or whose mark was lost: whether it counts is not known, so the relay waits."""
    monkeypatch.setattr(hanging, "LIMIT_S", 0.1)
    topic = bench.names.of("json")
    await make(bench.bootstrap, topic)
    stranger = writer(bench.bootstrap, f"{bench.prefix}-stranger", [topic], Dies)
    await stranger.open()
    with pytest.raises(KeyboardInterrupt):
        await stranger.commit([record(topic, b"open")])
    await bench.write(event(1))
    async with bench.relaying() as missing:
        await told(missing, "has a transaction open from offset 0 to 1")
        await stranger.open()
        (found,) = await bench.comes("json", 1)
    await stranger.close()

    assert found.value == as_json(event(1))


async def test_a_stop_finishes_what_is_in_hand(bench: Bench) -> None:
    """Records that were read are passed on before it leaves, although the stop was asked for in the middle of them."""
    reached, resumed = asyncio.Event(), asyncio.Event()

    async def decode(value: bytes | None) -> dict[str, Any]:
        found = await Decoder().event(value)
        if found["sequence"] == 5:
            reached.set()
            await resumed.wait()
        return found

    made = [event(number, "created", moid="one") for number in range(1, 11)]
    await bench.write(*made)
    async with bench.relaying(bench.job(decode=decode)):
        await reached.wait()
        asyncio.get_running_loop().call_later(0.5, resumed.set)

    assert [one.value for one in await bench.read("json")] == list(map(as_json, made))
    assert len(await bench.read("json", "read_uncommitted")) == len(made)
