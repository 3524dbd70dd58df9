"""The end of what aiokafka has opened, whatever state its broker is in.

Question: why not `stop()` alone? While a broker is away it may take for ever, and aiokafka 0.14 mistakes cancellations.
It lets that of a fetch task of its own out of `stop()`: whoever called it passes for cancelled. And it keeps that of
whoever waits for it, taking it for the one of its own task: whoever was cancelled goes on for ever. Choice: a limit,
both told by the caller's own count, and the client closed in any case; that takes a private attribute of aiokafka 0.14,
hence the pin `~=0.14.0`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

from aiokafka import AIOKafkaConsumer

LIMIT_S: Final = 3.0


async def close(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, if there is one, and go; nothing is committed. Takes at most some 3 s."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await heeding(consumer.stop())
    except TimeoutError:
        pass
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    finally:
        await heeding(consumer._client.close())  # noqa: SLF001 - see above; closing twice does nothing


async def heeding(closing: Awaitable[None]) -> None:
    """Wait until a client of aiokafka is closed; who is cancelled meanwhile is so afterwards, at the latest."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    await closing
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
