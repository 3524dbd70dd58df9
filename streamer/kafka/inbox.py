"""What people ordered, as the worker of a source reads it: one partition of `P.control`, read on poll by poll.

The control partition has the number of the source's state partition. This room must never decide what a command does,
never take a poll down with it, never wait without a limit, and never stop at a record it does not like: whatever has a
source's key is handed on as it is.

Question: how is it found out that there is nothing new, at every poll? Choice: one consumer for as long as the
partition is ours, paused but while it reads; the end of the log is asked for, one round trip, and only what came since
is fetched. So what was committed before the question is in the answer, and a broker that is away is noticed. Rejected:
a consumer for every poll, twenty times as slow; one that fetches all the time, which cannot tell silence from a broken
line.

Question: what if `after` lies outside the log? Choice: all that is there is read, since the topic was made anew or is
older than its retention. No command acts twice for that: those of a hold that is gone are refused.

Question: a partition that cannot be read, and many sources that ask in a row. Choice: each waits at most for the limit,
and for some seconds after a failure nobody asks again, so that no poll is late for long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.errors import Misconfigured, StreamerError, Unheard, Unready
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.span import enter, go_to
from streamer.state import source_key

LIMIT_S: Final = 5.0  # for one question, with all that is read for it
QUIET_S: Final = 10.0  # after a failure
FETCH_MS: Final = 20  # the last reply may hold nothing for us to return, such as the end of a transaction
LINGER_MS: Final = 100  # how long a broker keeps a fetch that finds nothing, and the next question behind it

Records = tuple[tuple[int, bytes], ...]  # the offset and the value of each


class Inbox:
    """The commands in one partition.

    Args:
        connection: where Kafka is.
        topic: `P.control`.
        partition: which one; it must exist.
        monotonic: seconds for waiting.
    """

    def __init__(
        self, connection: Connection, topic: str, partition: int, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._at = TopicPartition(topic, partition)
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._consumer: AIOKafkaConsumer | None = None
        self._nothing_before: dict[str, int] = {}  # by source: no command for it stands from `after` up to here
        self._failed: StreamerError | None = None
        self._quiet_until = 0.0

    async def commands(self, source: str, after: int | None) -> Records:
        """Offset and value of every committed record with the key of this source, in the order of the log.

        Args:
            source: its name.
            after: the first offset that is wanted; None: from the beginning. The end is the present one.

        Raises:
            Unheard: Kafka does not answer, or this user may not read the topic.
        """
        async with self._lock:
            if self._failed and self._monotonic() < self._quiet_until:
                raise Unheard(str(self._failed), hint=self._failed.hint) from self._failed
            self._failed = None
            try:
                with self._connection.reaching(f"read the commands in {self._at.topic}-{self._at.partition}"):
                    async with asyncio.timeout(LIMIT_S):
                        return await self._read(source, after)
            except (Unready, Misconfigured) as error:
                self._failed, self._quiet_until = error, self._monotonic() + QUIET_S
                await self._drop()
                raise Unheard(str(error), hint=error.hint) from error
            except BaseException:
                await self._drop()  # it may have been left in the middle of anything
                raise

    async def close(self) -> None:
        """Leave nothing open; a later question begins anew."""
        async with self._lock:
            await self._drop()

    async def _read(self, source: str, after: int | None) -> Records:
        first = max(after or 0, self._nothing_before.get(source, 0))
        consumer = self._consumer
        if consumer is None:
            self._consumer = consumer = self._connection.consumer(
                auto_offset_reset="earliest", fetch_max_wait_ms=LINGER_MS
            )
            end = await enter(consumer, self._at, first)
        else:
            end = (await consumer.end_offsets([self._at]))[self._at]
            if end != first:
                end = await go_to(consumer, self._at, first)
        found = await self._read_to(consumer, end, source_key(source)) if end != first else ()
        consumer.pause(self._at)
        if not found:
            self._nothing_before[source] = end
        return found

    async def _read_to(self, consumer: AIOKafkaConsumer, end: int, key: bytes) -> Records:
        """The position also moves past what is not shown, such as aborted records."""
        found: list[tuple[int, bytes]] = []
        while await consumer.position(self._at) < end:
            read = (await consumer.getmany(self._at, timeout_ms=FETCH_MS)).get(self._at, ())
            found += [(record.offset, record.value or b"") for record in read if record.key == key]
        return tuple(found)

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close(consumer)
