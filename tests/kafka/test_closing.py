"""The end of a client: whoever is cancelled while it ends is cancelled, whatever aiokafka makes of that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from streamer.kafka.administration import asking
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.hard_close import hard_close
from tests.services.kafka import Given

Life = Callable[[Connection, asyncio.Barrier], Awaitable[None]]


async def consumer(connection: Connection, met: asyncio.Barrier) -> None:
    """One that connects, and ends when told."""
    opened = connection.consumer()
    await opened.start()
    await met.wait()
    await close(opened)


async def producer(connection: Connection, met: asyncio.Barrier) -> None:
    """One that connects, and ends when told."""
    opened = connection.producer(transactional_id="ends")
    await opened.start()
    await met.wait()
    await hard_close(opened)


async def administrator(connection: Connection, met: asyncio.Barrier) -> None:
    """One that connects, and ends when told."""
    async with asking(connection, "look", 10):
        await met.wait()


@pytest.mark.parametrize("life", [consumer, producer, administrator])
async def test_a_cancellation_while_it_ends_is_not_lost(kafka: Given, life: Life) -> None:
    """At every turn of the loop while it ends: the task is cancelled, and so ends for its caller too."""
    turns = 0
    while True:
        met = asyncio.Barrier(2)
        task = asyncio.ensure_future(life(Connection((kafka.bootstrap,)), met))
        await met.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.done():
            break
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled(), f"lost after {turns} turns"
        turns += 1

    await task
    assert turns
