"""What a broker answers in the end, where at first it says that it may say something else the next time.

For our own requests; aiokafka repeats its own. A leader or coordinator that has moved is looked for before each next
try. There is no limit here; whoever asks has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

AGAIN_S: Final = 0.05
T = TypeVar("T")


async def answered(client: AIOKafkaClient, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer.

    Raises:
        KafkaError: the broker will say nothing else.
    """
    while True:
        try:
            return await ask()
        except KafkaError as error:
            if not error.retriable:
                raise
        await client.force_metadata_update()
        await asyncio.sleep(AGAIN_S)
