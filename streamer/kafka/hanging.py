"""Whether a transaction hangs: open in a partition that nobody but us may write to, whose writer we have just opened.

Opening the writer ended what it had left open. What is open for longer than its marks take to be seen has lost its end:
seen when a lone broker was killed right after a commit, and whether that was a commit or an abort cannot be read from
the partition. To go on would repeat its records or lose them, so a person must end it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.errors import Unready
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.span import hold

LIMIT_S: Final = 5.0  # the marks of a writer that was just opened are there within milliseconds
LOOK_AGAIN_S: Final = 0.02


async def settled(connection: Connection, committed: AIOKafkaConsumer, at: TopicPartition, told: str) -> None:
    """Return once no transaction is open before the end: then what is committed is all there is.

    Args:
        connection: where Kafka is.
        committed: a consumer that was started, and reads what is committed.
        at: the partition.
        told: what a person should know of a transaction that hangs there, as the end of a sentence.

    Raises:
        Unready: one hangs.
    """
    everything = connection.consumer(isolation_level="read_uncommitted")
    try:
        await hold(everything, at)
        deadline = time.monotonic() + LIMIT_S
        while (end := await _end(committed, at)) < (written := await _end(everything, at)):
            if time.monotonic() > deadline:
                raise Unready(
                    f"{at.topic}-{at.partition} has a transaction open from offset {end} to {written} that {told}",
                    hint="find it with Kafka's `kafka-transactions.sh find-hanging` and end it there",
                )
            await asyncio.sleep(LOOK_AGAIN_S)
    finally:
        await close(everything)


async def _end(consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
    return int((await consumer.end_offsets([at]))[at])
