"""Who watches the play: a reader of the topics, as a SIEM would be, that knows nothing but what it reads there.

It follows the events with the very code of `streamer follow`, and the reports of every poll; from the two it knows when
an act must have been seen, and that nothing is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, Final

from streamer.errors import CheckFailed
from streamer.kafka.connection import Connection
from streamer.kafka.follow import Followed, follow
from streamer.kafka.starts import Start
from streamer.kafka.subscription import Subscription
from streamer.kafka.topics import Names
from streamer.registry import Registry
from streamer.stop import Stop
from streamer.wire.decoding import Decoder

PATIENCE_S: Final = 20.0

Event = dict[str, Any]


class Audience:
    """What was read so far.

    Args:
        connection, names, registry: where to read.
        notice: takes each event as it comes.
    """

    def __init__(
        self, connection: Connection, names: Names, registry: Registry, notice: Callable[[Event], None]
    ) -> None:
        self.events: list[Event] = []
        self.reports: list[Event] = []
        self._connection = connection
        self._names = names
        self._decoder = Decoder(registry)
        self._notice = notice
        self._news = asyncio.Event()

    async def follow_events(self, stop: Stop) -> None:
        """Until asked to stop."""
        decode = self._decoder.event
        following = follow(self._connection, self._names, decode=decode, from_beginning=True, stop=stop)
        async with aclosing(following):
            async for found in following:
                if not isinstance(found, Followed):
                    raise CheckFailed(f"{found.topic}-{found.partition} at {found.offset} is no event: {found.why}")
                self.events.append(found.event)
                self._notice(found.event)
                self._news.set()

    async def follow_reports(self, stop: Stop) -> None:
        """Until asked to stop."""
        topics, start = [self._names.snapshots], Start(beginning=True)
        async with Subscription(self._connection, topics, start=start, group=None, patience_s=PATIENCE_S) as log:
            while not stop.requested:
                for record in await log.read():
                    self.reports.append(await self._decoder.report(record.value))
                    log.wrote(record)
                    self._news.set()

    async def seen(self, at: int) -> None:
        """Returns once a poll that began at this time (ms UTC) or later was accepted and all its events were read.

        Raises:
            CheckFailed: that did not happen in time.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not self._knows(at):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            last = self.reports[-1] if self.reports else None
            raise CheckFailed(
                f"no poll was accepted within {PATIENCE_S:g} s, or its events did not come; the last report: {last}"
            ) from None

    def _knows(self, at: int) -> bool:
        last = max((report["last_sequence"] or 0 for report in self.reports), default=0)
        accepted = any(r["started_at"] >= at and r["verdict"] == "accepted" for r in self.reports)
        return accepted and len(self.events) >= last
