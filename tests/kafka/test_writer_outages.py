"""The writer while a broker hangs, is away or comes back, and while its caller is cancelled.

Whatever happens, a transaction is in the log whole or not at all, the writer ends by a deadline of its own, and nothing
of a dropped producer is left that could still send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from streamer.errors import Doubt, Unready
from streamer.kafka.writer import Writer
from tests.kafka.stage import ANSWER_LIMIT_S, left_running, make, record, values, writer
from tests.services.kafka import Broker, Given


class Struck(Writer):
    """Something happens between the sends and the commit; `committing` tells that the commit has begun."""

    def __init__(self, *args: Any, strike: Callable[[], None] = lambda: None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.committing = asyncio.Event()
        self._strike = strike

    async def _end(self, producer: Any, deadline: float) -> None:
        self._strike()
        self.committing.set()
        await super()._end(producer, deadline)


async def test_a_broker_that_hangs_in_the_commit(frail: Broker, prefix: str) -> None:
    """Doubt by our own deadline, no task left; once the broker is back the transaction is there whole or not at all."""
    await make(frail.bootstrap, prefix)
    one = writer(frail.bootstrap, prefix, [prefix], Struck, timeout_s=1.0, strike=frail.pause)
    heir = writer(frail.bootstrap, prefix, [prefix])
    await one.open()

    with pytest.raises(Doubt, match=r"no answer within 0.8 of 1 s"):
        await one.commit([record(prefix, b"doubtful"), record(prefix, b"doubtful")])
    left = await left_running()
    frail.resume()
    await heir.open()
    found = await values(frail.bootstrap, prefix)
    await heir.commit([record(prefix, b"next")])
    await heir.close()

    assert not left
    assert not one.is_open
    assert found in ([], [b"doubtful", b"doubtful"])
    assert await values(frail.bootstrap, prefix) == [*found, b"next"]


async def test_a_broker_that_hangs_in_the_sends(frail: Broker, prefix: str) -> None:
    """Megabytes on their way to a hung broker: Doubt, no task and no socket left, and none of it is ever read."""
    connections: list[Any] = []

    class Stuck(Writer):
        async def _send(self, producer: Any, records: Any) -> Any:
            small = [replace(record, value=b"small") for record in records]
            await self._settle(await super()._send(producer, small))  # the partitions are part of the transaction now
            frail.pause()
            connections.extend(producer.client._conns.values())
            for connection in connections:
                connection._request_timeout = ANSWER_LIMIT_S  # the writer gives up first, not aiokafka
            return await super()._send(producer, records)

    await make(frail.bootstrap, prefix, partitions=20, max_message_bytes=2 * 2**20)
    one = writer(frail.bootstrap, prefix, [prefix], Stuck, timeout_s=2.0, compression="none")
    heir = writer(frail.bootstrap, prefix, [prefix])
    await heir.open()
    await heir.commit([record(prefix, b"before", partition=partition) for partition in range(20)])
    await heir.close()
    await one.open()

    with pytest.raises(Doubt, match=r"no answer within 0.8 of 2 s"):
        await one.commit([record(prefix, bytes(2**20), partition=partition) for partition in range(20)])
    left = await left_running()
    closed = [connection._closed_fut.done() for connection in connections]
    frail.resume()
    await heir.open()
    await heir.commit([record(prefix, b"next")])
    await heir.close()

    assert not left
    assert closed
    assert all(closed)
    assert sorted(await values(frail.bootstrap, prefix), key=str) == [b"before"] * 20 + [b"next"]


async def test_opening_ends_while_a_broker_hangs(frail: Broker, prefix: str) -> None:
    """A hung broker is Unready, not a wait without end, and leaves no task behind."""
    one = writer(frail.bootstrap, prefix, [prefix], timeout_s=2.0)
    frail.pause()

    with pytest.raises(Unready, match="cannot start the writer"):
        await one.open()
    left = await left_running()
    frail.resume()

    assert not left


async def test_a_broker_restarted_during_the_commit(frail: Broker, prefix: str) -> None:
    """An outage that is shorter than our patience: the commit goes through, and the writer goes on."""

    def restart() -> None:
        frail.stop()
        frail.launch()

    await make(frail.bootstrap, prefix)
    one = writer(frail.bootstrap, prefix, [prefix], Struck, timeout_s=60.0, strike=restart)
    await one.open()

    await one.commit([record(prefix, b"one"), record(prefix, b"two")])
    await asyncio.to_thread(frail.wait)
    await one.close()

    assert await values(frail.bootstrap, prefix) == [b"one", b"two"]


async def test_a_broker_that_is_away_for_longer(frail: Broker, prefix: str) -> None:
    """An outage beyond our patience: Doubt, then Unready, and after it nothing of the lost transaction is read."""
    await make(frail.bootstrap, prefix)
    one = writer(frail.bootstrap, prefix, [prefix], Struck, timeout_s=1.0, strike=frail.stop)
    heir = writer(frail.bootstrap, prefix, [prefix])
    await one.open()

    with pytest.raises(Doubt, match=r"no answer within 0.8 of 1 s"):
        await one.commit([record(prefix, b"lost")])
    with pytest.raises(Unready, match="Connect call failed"):
        await one.open()
    left = await left_running()
    frail.start()
    await heir.open()
    await heir.commit([record(prefix, b"next")])
    await heir.close()

    assert not left
    assert await values(frail.bootstrap, prefix) == [b"next"]


async def test_a_cancelled_commit_is_waited_for(kafka: Given, prefix: str) -> None:
    """Who is cancelled during the commit itself ends it first, is cancelled then, and the writer is closed."""
    await make(kafka.bootstrap, prefix)
    one = writer(kafka.bootstrap, prefix, [prefix], Struck)
    await one.open()
    task = asyncio.ensure_future(one.commit([record(prefix, b"done")]))
    await one.committing.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not one.is_open
    assert await values(kafka.bootstrap, prefix) == [b"done"]


async def test_a_second_cancellation_leaves_at_once(frail: Broker, prefix: str) -> None:
    """The first cancellation waits for a commit that hangs, the second does not; nothing is left running."""
    await make(frail.bootstrap, prefix)
    one = writer(frail.bootstrap, prefix, [prefix], Struck, timeout_s=600.0, strike=frail.pause)
    await one.open()
    task = asyncio.ensure_future(one.commit([record(prefix)]))
    await one.committing.wait()

    task.cancel()
    done, _ = await asyncio.wait((task,), timeout=0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, ANSWER_LIMIT_S)
    left = await left_running()
    frail.resume()

    assert not done
    assert not left
    assert not one.is_open


async def test_a_cancellation_before_the_commit_aborts(kafka: Given, prefix: str) -> None:
    """Who is cancelled while sending leaves nothing to read."""

    class Sends(Struck):
        async def _settle(self, sent: Any) -> None:
            await super()._settle(sent)
            self.committing.set()
            await asyncio.Event().wait()

    await make(kafka.bootstrap, prefix)
    one, heir = writer(kafka.bootstrap, prefix, [prefix], Sends), writer(kafka.bootstrap, prefix, [prefix])
    await one.open()
    task = asyncio.ensure_future(one.commit([record(prefix, b"never")]))
    await one.committing.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await heir.open()
    await heir.close()

    assert await values(kafka.bootstrap, prefix) == []
