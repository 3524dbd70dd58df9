"""What people ordered about sources that nobody polls, as the owner of their partitions hears it.

The commands of a source that is polled are read by its `Inbox`, poll by poll; those of others have no poll to be read
in. One consumer reads all control partitions of a share, from their beginning: a week of commands is next to nothing,
and what was answered already is known from the state. This room must never decide what a command does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.kafka.closing import close
from streamer.kafka.connection import Connection

LIMIT_S: Final = 5.0
FETCH_MS: Final = 20


class Orders:
    """The commands in some partitions of `P.control`.

    Args:
        connection: where Kafka is.
        topic: `P.control`.
        numbers: of its partitions; they must exist.
    """

    def __init__(self, connection: Connection, topic: str, numbers: Collection[int]) -> None:
        self._connection = connection
        self._at = [TopicPartition(topic, number) for number in numbers]
        self._consumer: AIOKafkaConsumer | None = None

    async def read(self) -> list[tuple[bytes, int, bytes]]:
        """Key, offset and value of what came since it was last asked; everything again after a failure.

        Raises:
            Unready, Misconfigured: Kafka does not answer, or this user may not read the topic.
        """
        if not self._at:
            return []
        try:
            with self._connection.reaching("read the commands about sources that are not polled"):
                async with asyncio.timeout(LIMIT_S):
                    consumer = self._consumer or await self._begun()
                    found = await consumer.getmany(*self._at, timeout_ms=FETCH_MS)
        except BaseException:
            await self.close()
            raise
        return [(one.key or b"", one.offset, one.value or b"") for records in found.values() for one in records]

    async def close(self) -> None:
        """Leave nothing open; a later question begins anew."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close(consumer)

    async def _begun(self) -> AIOKafkaConsumer:
        self._consumer = consumer = self._connection.consumer(auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign(self._at)
        await consumer.seek_to_beginning(*self._at)
        return consumer
