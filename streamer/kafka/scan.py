"""Reads topics once, from a beginning to their present end, and says what is no longer there.

For whoever compares, and not for whoever follows: nothing is waited for, no group is joined, nothing is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.structs import ConsumerRecord

from streamer.kafka import administration, starts
from streamer.kafka.closing import close, heeding
from streamer.kafka.connection import Connection
from streamer.kafka.starts import Start
from streamer.kafka.subscription import Subscription, lane_of

LIMIT_S: Final = 30.0
PATIENCE_S: Final = 60.0
UNLIMITED: Final = "-1"

Lane = tuple[str, int]  # topic, partition


@dataclass(frozen=True, slots=True)
class Extent:
    """What topics hold.

    Attributes:
        records: how many offsets there are between beginnings and ends; fewer records, for marks of transactions count.
        dropped: by lane that has lost records at its beginning, the age in ms of the youngest of them at the least;
            None where they were dropped for another reason than age, or nobody tells.
    """

    records: int
    dropped: Mapping[Lane, int | None]


async def extent(connection: Connection, topics: Sequence[str]) -> Extent:
    """What the topics hold now; all must exist.

    Raises:
        Unready, Misconfigured: Kafka does not answer, or this user may not look.
    """
    scout, admin = connection.consumer(), connection.admin()
    try:
        with connection.reaching("measure the topics"):
            async with asyncio.timeout(LIMIT_S):
                begins = await starts.find(connection, topics, Start(beginning=True))
                await scout.start()
                ends = await scout.end_offsets(list(begins))
                await admin.start()
                found = await administration.described(admin, topics)
    finally:
        await close(scout)
        await heeding(admin.close())
    ages = {topic: _age_ms(there.settings or {}) for topic, there in found.items()}
    dropped = {(at.topic, at.partition): ages[at.topic] for at, first in begins.items() if first > 0}
    return Extent(sum(ends[at] - begins[at] for at in begins), dropped)


async def records(
    connection: Connection, topics: Collection[str], *, since: int | None = None
) -> AsyncGenerator[ConsumerRecord]:
    """Every committed record up to the present ends, lane by lane in order; of `since` (ms UTC) or later.

    Raises:
        Unready, Misconfigured: as `Subscription`.
    """
    start = Start(beginning=since is None, since=since)
    async with Subscription(connection, tuple(topics), start=start, group=None, patience_s=PATIENCE_S) as log:
        ends = await log.ends()
        while not await log.has_reached(ends):
            for record in await log.read():
                if record.offset < ends[lane_of(record)]:
                    yield record
                log.wrote(record)
            await log.tend()


def _age_ms(settings: Mapping[str, str]) -> int | None:
    """How old a record is at the least when its topic drops it."""
    age = settings.get("retention.ms", UNLIMITED)
    return None if settings.get("retention.bytes") != UNLIMITED or age == UNLIMITED else int(age)
