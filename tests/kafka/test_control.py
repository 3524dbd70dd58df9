"""Commands as they are sent, on a real broker: written whole, and each sender hears what became of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from streamer.control import Command
from streamer.errors import Doubt, Misconfigured, Unready
from streamer.kafka import control
from streamer.kafka.control import Homes, homes, order
from streamer.kafka.ledger import Ledger
from streamer.kafka.restore import restore
from streamer.kafka.writer import Writer
from streamer.state import Answer
from tests.conftest import OwnedBroker
from tests.kafka.bench import ONE, TWO, OnBroker
from tests.kafka.owner import RELEASE, Owner, holding
from tests.kafka.stage import alice, left_running, let_alice, make, seen_within, values
from tests.services.kafka import Broker, Given, admin, remove_topics


async def sent(bench: OnBroker, command: Command, *, there: Homes | None = None, wait_s: float = 30) -> Answer | None:
    """What a sender hears."""
    there = there or await homes(bench.connection, bench.names)
    options: dict[str, Any] = {"there": there, "compression": "zstd", "timeout_s": 20, "wait_s": wait_s}
    return await order(bench.connection, bench.names, command, **options)


@pytest.mark.parametrize("count", [0, 3])
async def test_a_command_is_answered(bench: OnBroker, count: int) -> None:
    """What the owner wrote into the source's row is what the sender hears, done or refused; the record says all."""
    owner = Owner(bench.ledger(ONE), ONE)
    await owner.write(holding(["a", "b", "c"]))
    command = replace(RELEASE, action="discard", expect=count, moids_sha256=None)

    async with asyncio.TaskGroup() as group:
        hears = group.create_task(sent(bench, command))
        obeys = group.create_task(owner.obey())

    assert obeys.result() == [command]
    assert owner.state.row is not None
    assert hears.result() == owner.state.row.answer
    assert hears.result() == (
        Answer("id", "done", "discard: 0") if count else Answer("id", "refused", "it expects 0 deletions, 3 are held")
    )
    assert await values(bench.bootstrap, bench.names.control) == [command.to_bytes()]


async def test_each_sender_hears_its_own_answer(bench: OnBroker) -> None:
    """One row has one answer, the last; whoever watches sees every one that stood there."""
    owner = Owner(bench.ledger(ONE), ONE)
    await owner.write(holding(["a"]))
    orders = [replace(RELEASE, command_id=str(number)) for number in range(5)]

    async with asyncio.TaskGroup() as group:
        hear = [group.create_task(sent(bench, command)) for command in orders]
        group.create_task(owner.obey(len(orders)))

    assert [answer.command_id for task in hear if (answer := task.result())] == list("01234")


async def test_another_sources_answer_is_no_answer(bench: OnBroker) -> None:
    """Rows of the partition's other sources say nothing about a command, nor do answers to other commands."""
    ledger = bench.ledger(ONE, TWO)
    one, two = Owner(ledger, ONE), Owner(ledger, TWO)
    await one.write(holding(["a"]))
    await two.write(holding(["a"]))
    assert two.state.row is not None
    known = replace(two.state, row=replace(two.state.row, answer=Answer("id", "done", "another's")))

    async with asyncio.TaskGroup() as group:
        hears = group.create_task(sent(bench, RELEASE, wait_s=1.5))
        assert await seen_within(200, lambda: _has_come(ledger))
        await two.write(known)
        await one.write(replace(known, row=replace(two.state.row, answer=Answer("old", "done", "old"))))

    assert hears.result() is None


async def _has_come(ledger: Ledger) -> bool:
    return bool(await ledger.commands(ONE, None))


async def test_without_an_answer_the_command_is_in_the_log(bench: OnBroker) -> None:
    """Nobody owns the source just now; who comes later finds it."""
    assert await sent(bench, RELEASE, wait_s=0.2) is None

    assert await values(bench.bootstrap, bench.names.control) == [RELEASE.to_bytes()]
    assert await bench.ledger(ONE).commands(ONE, None) == ((0, RELEASE.to_bytes()),)


async def test_the_rights_of_a_sender_suffice(guarded: Broker, prefix: str) -> None:
    """Read on the state, Describe and Write on the commands, Write on its own ids: no more is needed to release."""
    bench = OnBroker(guarded.bootstrap, prefix)
    await bench.make_topics()
    owner, connection = Owner(bench.ledger(ONE), ONE), alice(guarded)
    await owner.write(holding(["a"]))
    let_alice(guarded, ResourceType.TOPIC, bench.names.state, AclOperation.READ)
    let_alice(guarded, ResourceType.TOPIC, bench.names.control, AclOperation.DESCRIBE)
    there = await homes(connection, bench.names)
    options: dict[str, Any] = {"there": there, "compression": "zstd", "timeout_s": 20, "wait_s": 30}
    with pytest.raises(Misconfigured, match="cannot start the writer"):
        await order(connection, bench.names, RELEASE, **options)

    let_alice(guarded, ResourceType.TOPIC, bench.names.control, AclOperation.WRITE)
    let_alice(guarded, ResourceType.TRANSACTIONAL_ID, f"{bench.names.control}-", AclOperation.WRITE, beginning=True)
    async with asyncio.TaskGroup() as group:
        hears = group.create_task(order(connection, bench.names, RELEASE, **options))
        group.create_task(owner.obey())

    assert hears.result() is not None
    found = await restore(connection, bench.names.state, 0, owned=False)
    assert found[ONE].state == owner.state
    await bench.close()
    remove_topics(guarded.bootstrap, prefix)


async def test_a_source_without_a_partition_is_told(kafka: Given, prefix: str) -> None:
    """A control topic that somebody else made, too small: nothing is sent to where nobody reads."""
    bench = OnBroker(kafka.bootstrap, prefix)
    await make(kafka.bootstrap, bench.names.control)
    await bench.make_topics(state=8)

    with pytest.raises(Misconfigured, match=rf"{prefix}.control has 1 partitions, 8 are wanted"):
        await sent(bench, RELEASE)


# Kafka away...


async def test_a_broker_that_is_away_is_unready(owned_broker: OwnedBroker, prefix: str) -> None:
    """Asking and sending end by themselves, say what they wanted, and leave nothing running."""
    broker = owned_broker()
    bench = OnBroker(broker.bootstrap, prefix)
    await bench.make_topics()
    broker.stop()

    with pytest.raises(Unready, match="cannot look for the state"):
        await homes(bench.connection, bench.names)
    with pytest.raises(Unready, match=rf"cannot watch {prefix}.state-0"):
        await sent(bench, RELEASE, there=Homes(1, 1))
    assert not await left_running()


async def test_a_sender_in_doubt_says_so(frail: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka hangs in the very commit: neither sent nor not sent, and to send it again does no harm."""

    class Struck(Writer):
        async def _end(self, producer: Any, deadline: float) -> None:
            frail.pause()
            await super()._end(producer, deadline)

    bench = OnBroker(frail.bootstrap, prefix)
    await bench.make_topics()
    monkeypatch.setattr(control, "Writer", Struck)
    there = Homes(1, 1)
    with pytest.raises(Doubt, match="whether the command was sent is not known") as told:
        await order(bench.connection, bench.names, RELEASE, there=there, compression="zstd", timeout_s=1.0, wait_s=30)
    left = await left_running()
    frail.resume()

    assert "send it again" in told.value.hint
    assert not left
    remove_topics(frail.bootstrap, prefix)


async def test_a_prefix_without_a_service_is_told(guarded: Broker, prefix: str) -> None:
    """The topics that lack are named, and not made by asking, even where brokers auto-create."""
    await make(guarded.bootstrap, f"{prefix}.state")
    bench = OnBroker(guarded.bootstrap, prefix)

    with pytest.raises(Unready, match=rf"these topics do not exist: {prefix}.control$") as told:
        await homes(bench.connection, bench.names)

    assert "streamer run" in told.value.hint
    assert [topic for topic in admin(guarded.bootstrap).list_topics(timeout=30).topics if topic.startswith(prefix)] == [
        f"{prefix}.state"
    ]
    remove_topics(guarded.bootstrap, prefix)
