"""The end of a consumer, whatever state its broker is in.

Question: why not `stop()` alone? While a broker is away it may take for ever, and aiokafka 0.14 lets the cancellation
of a fetch task of its own out of it: whoever called `stop()` gets a `CancelledError` that nobody asked for (and passes
for cancelled), with the sockets left open. Choice: a limit, the stray cancellation told from a real one by the task's
own count, and the client closed in any case; that takes a private attribute of aiokafka 0.14, hence the pin `~=0.14.0`.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer

LIMIT_S: Final = 3.0


async def close(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, if there is one, and go; nothing is committed. Takes at most some 3 s."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await consumer.stop()
    except TimeoutError:
        pass
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
    finally:
        await consumer._client.close()  # noqa: SLF001 - see above; closing twice does nothing
