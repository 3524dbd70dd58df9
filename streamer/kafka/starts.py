"""Where a reader begins: which partitions there are, and the offset in each that its options mean.

It must never make a topic: a consumer that names a missing one creates it, on brokers that auto-create, with nobody's
settings, and then follows it for ever without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition

from streamer.kafka import administration
from streamer.kafka.closing import close, heeding
from streamer.kafka.connection import Connection


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: at the topics' beginning, at the first record of `since` (ms UTC) or later, else at their end."""

    beginning: bool = False
    since: int | None = None


async def find(connection: Connection, topics: Sequence[str], start: Start) -> dict[TopicPartition, int]:
    """Every partition of the topics, with the offset that `start` means there.

    Raises:
        Unready: a topic does not exist; besides, whatever the client raises.
    """
    if not connection.embedded:  # there, topics come by asking for them
        await _check(connection, topics)
    scout = connection.consumer(*topics)
    try:
        await scout.start()
        lanes = list(scout.assignment())
        if start.beginning:
            return dict(await scout.beginning_offsets(lanes))
        offsets: dict[TopicPartition, int] = dict(await scout.end_offsets(lanes))
        if start.since is not None:
            found = await scout.offsets_for_times(dict.fromkeys(lanes, start.since))
            offsets |= {lane: at.offset for lane, at in found.items() if at is not None}
        return offsets
    finally:
        await close(scout)


async def _check(connection: Connection, topics: Sequence[str]) -> None:
    admin = connection.admin()
    try:
        await admin.start()
        await administration.demand(admin, topics)
    finally:
        await heeding(admin.close())
