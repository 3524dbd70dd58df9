"""The reader of the event topics by batches: as many as are ready, and written means the whole batch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from streamer.kafka import subscription
from streamer.kafka.connection import Connection
from streamer.kafka.follow import Followed, Skipped, batches
from streamer.kafka.starts import Start
from streamer.kafka.topics import Names
from streamer.wire.decoding import Decoder
from tests.kafka.following import numbers, settled, subscription_of, to_end
from tests.services import kafka
from tests.services.feed import event, events, feed

Batch = list[Followed | Skipped]


def _batches(kafka: kafka.Given, prefix: str, **options: Any) -> AsyncGenerator[Batch]:
    known: dict[str, Any] = {"decode": Decoder().event, "from_beginning": True}
    return batches(Connection((kafka.bootstrap,)), Names(prefix), **known | options)


async def test_a_batch_is_what_is_ready(kafka: kafka.Given, prefix: str) -> None:
    """A backlog comes in full batches, in one order; one event that comes alone waits for no other."""
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 101)))
        await settled(kafka, writer.names)
        following = _batches(kafka, prefix, most=10)
        async with contextlib.aclosing(following), asyncio.timeout(30):
            first: list[Batch] = []
            while sum(map(len, first)) < 100:
                first.append(await anext(following))
            await writer.write(event(101))
            last = await anext(following)

    assert [number for batch in first for number in numbers(batch)] == list(range(1, 101))
    assert max(map(len, first)) == 10
    assert numbers(last) == [101]


async def test_only_batches_that_are_written_are_committed(
    kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a commit after every batch, the next run begins with the batch that was not said to be written."""
    monkeypatch.setattr(subscription, "COMMIT_EVERY_S", 0.0)
    monkeypatch.setattr(subscription, "TEND_EVERY_S", 0.0)
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(*(event(number, "created") for number in range(1, 41)))
        await settled(kafka, writer.names)
        following = _batches(kafka, prefix, group=f"{prefix}-g", most=10)
        async with contextlib.aclosing(following), asyncio.timeout(30):
            shown = [await anext(following) for _ in range(3)]
        monkeypatch.undo()
        again = await to_end(kafka, prefix, group=f"{prefix}-g", window_s=0.2)

    assert [numbers(batch) for batch in shown] == [[*range(1, 11)], [*range(11, 21)], [*range(21, 31)]]
    assert numbers(again) == list(range(21, 41))


async def test_a_batch_in_hand_is_not_given_away(
    kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its partition is taken away while it is being written, and then it never is: whoever has it next begins there."""
    revoked, take_away = asyncio.Event(), subscription.Subscription.taken

    async def taken(log: subscription.Subscription) -> None:
        await take_away(log)
        revoked.set()

    async def to(last: int, following: AsyncGenerator[Batch]) -> list[int]:
        shown: list[int] = []
        while last not in shown:
            shown += numbers(await anext(following))
        return shown

    monkeypatch.setattr(subscription.Subscription, "taken", taken)
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(*(event(number, "created") for number in range(1, 41)))
        await settled(kafka, writer.names)
        options = {"topics": [writer.names.created], "group": f"{prefix}-g", "most": 10}
        first, second = _batches(kafka, prefix, **options), _batches(kafka, prefix, **options)
        async with contextlib.aclosing(first), contextlib.aclosing(second), asyncio.timeout(60):
            in_hand = numbers(await anext(first))
            async with asyncio.TaskGroup() as group:
                others = group.create_task(to(40, second))
                await revoked.wait()
                await first.aclose()

    assert in_hand == list(range(1, 11))
    assert others.result() == list(range(1, 41))


async def test_one_reply_does_not_fill_the_memory(
    kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many records one reply holds, a read gives a limited number of them, and the next ones the others."""
    monkeypatch.setattr(subscription, "READ_LIMIT", 7)
    offsets: list[int] = []
    most = 0
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(*(event(number, "created") for number in range(1, 101)))
        await settled(kafka, writer.names)
        async with subscription_of(kafka, writer.names, start=Start(beginning=True)) as log, asyncio.timeout(30):
            while len(offsets) < 100:
                got = await log.read()
                most = max(most, len(got))
                offsets += [record.offset for record in got]

    assert most == 7
    assert offsets == sorted(set(offsets))


async def test_a_backlog_read_slowly_begins_with_its_first(
    kafka: kafka.Given, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine partitions read in small pieces, nothing to wait for: what one of them brings late still comes first."""
    monkeypatch.setattr(subscription, "READ_LIMIT", 3)
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(5, 200)))
        found = await to_end(kafka, prefix, window_s=0.0)

    assert numbers(found) == list(range(5, 200))
    assert not any(item.missing or item.late for item in found if isinstance(item, Followed))
