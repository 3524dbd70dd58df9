"""The end of a producer that must not send another byte; for `streamer.kafka.writer` alone.

Question: why not `stop()`? It first waits for a flush, which never ends while the broker is away; cancelled, it leaves
a task behind that sends the old records, and a transaction nobody ends, when the broker is back. Choice: cancel every
task that aiokafka runs for the producer and abort its sockets. All of that takes private attributes of aiokafka 0.14,
hence the pin `~=0.14.0`. One thing is out of reach: a connection that aiokafka itself gave up after its request timeout
may still deliver what the system has taken. Like anything else of the past it is fenced by the next `start` of the id.
"""

# ruff: noqa: SLF001 - there is no public way, see above

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import Any, Final

from aiokafka import AIOKafkaProducer

LIMIT_S: Final = 3.0


async def hard_close(producer: AIOKafkaProducer) -> None:
    """End all that aiokafka runs for a producer, started or not; it takes at most 3 s, usually a few ms.

    The essential part is done before the first await, so it holds even if we are cancelled here.
    """
    client, sender, accumulator = producer.client, producer._sender, producer._message_accumulator
    producer._closed = True  # or its destructor complains
    tasks = _tasks_of(sender, accumulator, client)
    for task in tasks:
        task.cancel()
    for connection in client._conns.values():
        if connection._writer is not None:
            connection._writer.transport.abort()  # close() would first send what a paused broker has yet to read
    undrained = [batch._drain_waiter for lane in accumulator._batches.values() for batch in lane]
    moving = [future for _, _, future in producer._txn_manager._pending_txn_offsets]
    for future in (producer._txn_manager._transaction_waiter, *moving, *undrained):
        if future is not None:
            future.add_done_callback(seen)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_S):
            if tasks:
                await asyncio.wait(tasks)
            await client.close()


def refusal_of(producer: AIOKafkaProducer) -> Exception | None:
    """What aiokafka has against the transaction as a whole, if anything; a batch's own error may hide it."""
    waiter = producer._txn_manager._transaction_waiter
    refusal = waiter.exception() if waiter is not None and waiter.done() and not waiter.cancelled() else None
    return refusal if isinstance(refusal, Exception) else None


def seen(future: asyncio.Future[Any], where: str = "") -> None:
    """Looks at a result nobody may wait for any more, or asyncio logs it; an error gets a note of `where` it struck."""
    error = None if future.cancelled() else future.exception()
    if error is not None and where:
        error.add_note(where)


def wires(producer: AIOKafkaProducer) -> set[Any]:
    """The connections it has now; each knows whether it is `connected()`."""
    return set(producer.client._conns.values())


def _tasks_of(*owners: object) -> set[asyncio.Task[Any]]:
    """The tasks that run a method of one of these; aiokafka keeps most of them in local variables only."""
    return {task for task in asyncio.all_tasks() if any(_self_of(task) is owner for owner in owners)}


def _self_of(task: asyncio.Task[Any]) -> object:
    running = task.get_coro()
    return inspect.getcoroutinelocals(running).get("self") if inspect.iscoroutine(running) else None
