"""Whether readers were ever told of a source whose state is empty: then the state was lost, or forgotten on purpose.

It begins anew either way, with a new epoch; but who lost a topic must hear it before all tokens are `created` again.

Question: how far back are the reports read? Choice: the last `TAIL` of the source's partition, once for all sources
that begin in one share, keys only. A loss shows there, since reports go on until it happens. Rejected: the whole topic,
millions of reports of which nobody asked for more than the last; and to keep the answer elsewhere, where it may be lost
in the same way.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiokafka import TopicPartition

from streamer import log
from streamer.errors import Misconfigured, Unready
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.span import enter
from streamer.kafka.topics import partition_of
from streamer.log import say
from streamer.state import source_key
from streamer.wire.jsonform import rfc3339

TAIL: Final = 10_000
LIMIT_S: Final = 10.0
FETCH_MS: Final = 200
UNREAD: Final = "unread, a state that was lost looks like one that begins"

Told = dict[bytes, int]


class Reports:
    """The reports there were when one was first asked for; `topic` is `P.snapshots`, with so many partitions."""

    def __init__(self, connection: Connection, topic: str, partitions: int) -> None:
        self._connection = connection
        self._topic = topic
        self._partitions = partitions
        self._lock = asyncio.Lock()
        self._told: dict[int, Told] = {}

    async def warn_of(self, source: str) -> None:
        """Say it, if there are reports of this source, whose state is empty; or that this cannot be known."""
        key = source_key(source)
        told = await self._last(partition_of(key, self._partitions))
        if key in told:
            say(
                "state.lost",
                level=log.WARNING,
                source=source,
                reported_at=rfc3339(told[key]),
                hint="P.state has no row of it: unless it was forgotten on purpose, see what became of that topic; a "
                "new epoch begins, and its tokens are created anew",
            )

    async def _last(self, partition: int) -> Told:
        async with self._lock:
            if partition not in self._told:
                self._told[partition] = {}
                try:
                    with self._connection.reaching(f"read the last reports in {self._topic}-{partition}"):
                        async with asyncio.timeout(LIMIT_S):
                            self._told[partition] = await self._read(TopicPartition(self._topic, partition))
                except (Unready, Misconfigured) as error:
                    say("reports.unread", level=log.WARNING, reason=str(error), hint=f"{error.hint}; {UNREAD}")
            return self._told[partition]

    async def _read(self, at: TopicPartition) -> Told:
        told: Told = {}
        consumer = self._connection.consumer(auto_offset_reset="earliest")
        try:
            end = await enter(consumer, at)
            consumer.seek(at, max(0, end - TAIL))  # or the beginning, if that is later
            while await consumer.position(at) < end:
                for record in (await consumer.getmany(at, timeout_ms=FETCH_MS)).get(at, ()):
                    told[record.key] = record.timestamp
        finally:
            await close(consumer)
        return told
