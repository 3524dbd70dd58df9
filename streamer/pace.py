"""When a source may be polled: its own interval, its own phase, and a bound on how many are polled at a time.

Many sources must not be asked at once, and one must never wait for another's trouble. This room knows nothing of what a
poll is.

Question: what if slow accounts hold all places? Choice: whoever was slow last time shares half of the places with the
other slow ones, so the quick ones always find the rest; with `max_concurrent_polls: 1` there is nothing to share.
Rejected: to lend a place to whoever is slow and not count it, since the bound is there for memory and sockets.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from streamer.clock import utc_ms

SLOW_S: Final = 5.0  # a poll that takes longer is a slow one; a full one of a healthy account takes a second or two


class Places:
    """At most `most` hold one at a time; first come, first served, among the slow and among the quick ones."""

    def __init__(self, most: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._slow = asyncio.Semaphore(max(1, most // 2))

    @asynccontextmanager
    async def one(self, *, slow: bool) -> AsyncIterator[None]:
        """Wait for a place, and have it until the block ends."""
        async with AsyncExitStack() as held:
            if slow:
                await held.enter_async_context(self._slow)
            await held.enter_async_context(self._all)
            yield


def _by_chance() -> float:
    return random.uniform(0.5, 1)  # noqa: S311 - a phase, not a secret


@dataclass(frozen=True, slots=True)
class Pace:
    """How time passes for the watches of one worker.

    Attributes:
        places: for polls; all watches of a worker share them.
        monotonic: seconds for waiting.
        clock: ms UTC, as in the states.
        phase: the share of its interval after which a source is polled for the second time: not all at once.
    """

    places: Places
    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], int] = utc_ms
    phase: Callable[[], float] = _by_chance

    def early_s(self, polled_at: int | None, interval_s: float) -> float:
        """How much too early a poll is now, at most an interval.

        Args:
            polled_at: when the last one was judged, ms UTC on the clock of whoever did it; None: never.
            interval_s: of the source.
        """
        if polled_at is None:
            return 0.0
        return min(max(0.0, interval_s - (self.clock() - polled_at) / 1000), interval_s)
