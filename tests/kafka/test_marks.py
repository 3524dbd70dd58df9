"""The marks of an end that a broker has lost: written once more where the coordinator tells how it ended.

A broker that was told not to check what belongs to a transaction lets us leave a partition without its mark at will; it
takes a SIGKILL within the right few ms to see it lose one by itself, which `tests/chaos/test_broker.py` tries.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition

from streamer.errors import Doubt
from streamer.kafka.connection import Connection
from streamer.kafka.marks import End, ending
from streamer.kafka.writer import Writer
from tests.conftest import OwnedBroker
from tests.kafka.stage import make, record, values, writer
from tests.services.kafka import Broker, Given
from tests.services.reader import ends

ID = "an-id"


class Unmarked(Writer):
    """Its last partition is not made part of the transaction, so it gets no mark."""

    async def _send(self, producer: Any, records: Any) -> Any:
        producer._txn_manager._txn_partitions.add(TopicPartition(records[-1].topic, records[-1].partition))
        return await super()._send(producer, records)


class Aborted(Unmarked):
    """And it aborts."""

    async def _end(self, producer: Any, deadline: float) -> None:
        await producer.abort_transaction()
        raise Doubt(str(deadline))


@pytest.fixture(name="lax")
def _lax(owned_broker: OwnedBroker) -> Broker:
    """A broker that takes records of a partition that is no part of the transaction."""
    return owned_broker(properties={"transaction.partition.verification.enable": "false"})


def _open(broker: Broker, topic: str) -> bool:
    return ends(broker.bootstrap, [topic]) != ends(broker.bootstrap, [topic], "read_uncommitted")


async def test_what_was_committed_is_shown(lax: Broker, prefix: str) -> None:
    """The next writer of the id marks what hangs, in whichever topic, and another's transaction stays open."""
    marked, hangs = f"{prefix}-marked", f"{prefix}-hangs"
    await make(lax.bootstrap, marked, hangs)
    one = writer(lax.bootstrap, ID, [marked, hangs], Unmarked)
    other = writer(lax.bootstrap, "other", [marked])
    await one.open()
    await one.commit([record(marked), record(hangs, b"committed")])
    await one.close()
    assert await asyncio.to_thread(_open, lax, hangs)
    await other.open()
    assert other._producer is not None
    await other._producer.begin_transaction()
    await asyncio.gather(*await other._send(other._producer, [record(marked, b"another's")]))

    heir = writer(lax.bootstrap, ID, [marked, hangs])
    await heir.open()
    assert await values(lax.bootstrap, hangs) == [b"committed"]
    assert await asyncio.to_thread(_open, lax, marked)
    await heir.commit([record(hangs, b"next")])
    await heir.close()
    await other.close()

    assert await values(lax.bootstrap, hangs) == [b"committed", b"next"]
    assert await values(lax.bootstrap, marked) == [b"v"]


async def test_what_was_aborted_is_not_shown(lax: Broker, prefix: str) -> None:
    """An abort is marked as an abort: what stands behind it is seen, what it took back is not."""
    marked, hangs = f"{prefix}-marked", f"{prefix}-hangs"
    await make(lax.bootstrap, marked, hangs)
    one = writer(lax.bootstrap, ID, [marked, hangs], Aborted)
    await one.open()
    with pytest.raises(Doubt):
        await one.commit([record(marked), record(hangs, b"aborted")])
    assert await asyncio.to_thread(_open, lax, hangs)

    heir = writer(lax.bootstrap, ID, [marked, hangs])
    await heir.open()
    assert await values(lax.bootstrap, hangs) == []
    assert not await asyncio.to_thread(_open, lax, hangs)
    await heir.commit([record(hangs, b"next")])
    await heir.close()

    assert await values(lax.bootstrap, hangs) == [b"next"]


async def test_what_is_not_known_is_not_guessed(lax: Broker, prefix: str) -> None:
    """Once the id was initialised again nobody knows how the last transaction ended: it is left as it is."""
    marked, hangs = f"{prefix}-marked", f"{prefix}-hangs"
    await make(lax.bootstrap, marked, hangs)
    one = writer(lax.bootstrap, ID, [marked, hangs], Unmarked)
    await one.open()
    await one.commit([record(marked), record(hangs)])
    await one.close()
    unknowing = writer(lax.bootstrap, ID, [marked])  # it does not look at the other topic
    await unknowing.open()
    await unknowing.close()

    heir = writer(lax.bootstrap, ID, [marked, hangs])
    await heir.open()
    await heir.close()

    assert await asyncio.to_thread(_open, lax, hangs)


async def test_how_it_ended(kafka: Given, prefix: str) -> None:
    """Told only of an end: not of an id that nobody has, nor of one that was only opened."""
    connection = Connection((kafka.bootstrap,))

    async def told() -> End | None:
        async with ending(connection, prefix) as last:
            return last.end

    await make(kafka.bootstrap, prefix)
    one = writer(kafka.bootstrap, prefix, [prefix])
    assert await told() is None
    await one.open()
    assert await told() is None
    await one.commit([record(prefix)])
    end = await told()
    assert end is not None
    assert end.committed
    assert not end.is_last_before(one._producer)
    await one.open()
    assert end.is_last_before(one._producer)
    await one.open()
    assert not end.is_last_before(one._producer)
    await one.close()


async def test_a_writer_that_lost_its_broker_is_not_open(owned_broker: OwnedBroker, prefix: str) -> None:
    """Also where the next commit went through by new connections: what it was on top of may lack its marks."""
    broker = owned_broker()
    await make(broker.bootstrap, prefix)
    one = writer(broker.bootstrap, prefix, [prefix])
    await one.open()
    await one.commit([record(prefix)])
    assert one.is_open
    broker.kill()
    broker.start()
    await asyncio.sleep(0)
    await one.commit([record(prefix)])

    assert not one.is_open
    await one.close()
