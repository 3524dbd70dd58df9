"""When a source may be polled: its own interval, its own phase, and a bound on how many are polled at a time.

Many sources must not be asked at once, and one must never wait for another's trouble. This room knows nothing of what a
poll is.

Question: who is next when places are few? Choice: whoever should have been polled first. In the ordinary course that is
who came first; but when a worker was lost, or Kafka for a while, what is long overdue stands behind nobody.

Question: what if slow accounts hold all places? Choice: who takes longer than `SLOW_S` shares half of the places with
others of that kind, and who takes longer than the next limit a quarter, so a hanging account stands in the way of
hanging ones only. Rejected: to lend a place to whoever is slow and not count it, since the bound is there for memory
and sockets.

Question: who is slow is known only afterwards, and a service that has just started knows nothing. Choice: whoever
exceeds its limit while it looks moves over to the slower ones, if they have room. If not, and only once somebody waits
for the place, its look is given up (it has written nothing) and begun anew among them. So a quick account waits for at
most one limit for each round of slow ones before it, and each slow one loses at most one look for each limit.
Rejected: to take all for slow until they have shown to be quick; the first to hang would keep all others out.
"""

from __future__ import annotations

import asyncio
import random
import time
from bisect import insort
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

from streamer.clock import utc_ms

SLOW_S: Final = (5.0, 30.0)  # a full look at a healthy account takes a second or two; one request may take the second


class Crowded(Exception):
    """A look took too long while others were waiting: it is to be begun anew among the slower ones."""


def kind_of(seconds: float) -> int:
    """0 for a quick look, 1 for a slow one, 2 for one of those that hang."""
    return sum(seconds > limit for limit in SLOW_S)


class Places:
    """At most `most` have one at a time: first due, first served, among those of a kind."""

    def __init__(self, most: int) -> None:
        self._lines = [_Line(max(1, most >> kind)) for kind in range(len(SLOW_S) + 1)]
        self._overdue: list[Place] = []

    @asynccontextmanager
    async def one(self, kind: int = 0, due: float = 0.0) -> AsyncIterator[Place]:
        """Wait for a place for a look of this kind (see `kind_of`), due at that time; have it until the block ends."""
        place = Place(self, kind)
        try:
            for line in reversed(self._lines[: kind + 1]):  # the narrowest first: who waits there keeps nobody out
                if not line.take():
                    self._make_room(line)
                    await line.wait(due)
                place.lines.append(line)
            yield place
        finally:
            for line in place.lines:
                line.leave()

    def exceeds(self, place: Place) -> None:
        """Its look has exceeded the limit of its kind."""
        slower = self._lines[place.kind + 1]
        if slower.take():
            place.lines.append(slower)
            place.kind += 1
            place.watch()
        elif any(line.waiting for line in place.lines):
            place.give_up()
        else:
            self._overdue.append(place)

    def ended(self, place: Place) -> None:
        """Its look is over, in whatever way."""
        if place in self._overdue:
            self._overdue.remove(place)

    def _make_room(self, line: _Line) -> None:
        """The one that is overdue for longest has to go, of those that stand in this line."""
        for place in self._overdue:
            if line in place.lines:
                self._overdue.remove(place)
                place.give_up()
                return


class Place:
    """A place that somebody has; `kind` is the one that it is counted among by now, in all `lines` up to that one's."""

    def __init__(self, places: Places, kind: int) -> None:
        self.kind = kind
        self.lines: list[_Line] = []
        self._places = places
        self._limit = asyncio.timeout(None)
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def look(self) -> AsyncIterator[None]:
        """For the look, once.

        Raises:
            Crowded: it was given up. A `TimeoutError` of the block's own passes as it is.
        """
        self._began = asyncio.get_running_loop().time()
        try:
            async with self._limit:
                self.watch()
                yield
        except TimeoutError as error:
            if self._limit.expired():
                raise Crowded from error
            raise
        finally:
            self._places.ended(self)
            if self._timer is not None:
                self._timer.cancel()

    def watch(self) -> None:
        """Have it told when the limit of its present kind is over; the last kind has none."""
        if self.kind < len(SLOW_S):
            over = self._began + SLOW_S[self.kind]
            self._timer = asyncio.get_running_loop().call_at(over, self._places.exceeds, self)

    def give_up(self) -> None:
        """End the look."""
        self._limit.reschedule(0)


class _Line:
    """Room for so many at a time, first due, first served; a semaphore that tells whether anybody waits."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._queue: list[tuple[float, int, asyncio.Future[None]]] = []  # in order: due, came
        self._came = count()

    @property
    def waiting(self) -> bool:
        """Whether anybody does."""
        return bool(self._queue)

    def take(self) -> bool:
        """Enter at once, if there is room; whether there was."""
        there = self._room > 0
        self._room -= there
        return there

    async def wait(self, due: float) -> None:
        """Enter once somebody leaves."""
        mine = asyncio.get_running_loop().create_future()
        waiting = due, next(self._came), mine
        insort(self._queue, waiting)
        try:
            await mine
        except asyncio.CancelledError:
            if waiting in self._queue:
                self._queue.remove(waiting)
            elif not mine.cancelled():
                self.leave()  # it was given to us at the same moment
            raise

    def leave(self) -> None:
        """Let the next one in."""
        while self._queue:
            _, _, following = self._queue.pop(0)
            if not following.done():
                following.set_result(None)
                return
        self._room += 1


def _by_chance() -> float:
    return random.random()  # noqa: S311 - a phase, not a secret


@dataclass(frozen=True, slots=True)
class Pace:
    """How time passes for the watches of one worker.

    Attributes:
        places: for polls; all watches of a worker share them.
        monotonic: seconds for waiting.
        clock: ms UTC, as in the states.
        phase: the share of its interval after which a source is polled for the second time. By default any: sources
            that begin together spread over the whole of their interval, and stay so.
    """

    places: Places
    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], int] = utc_ms
    phase: Callable[[], float] = _by_chance

    def early_s(self, polled_at: int | None, interval_s: float) -> float:
        """How much too early a poll is now, at most an interval; less than 0 if it is too late.

        Args:
            polled_at: when the last one was judged, ms UTC on the clock of whoever did it; None: never.
            interval_s: of the source.
        """
        if polled_at is None:
            return 0.0
        return min(interval_s - (self.clock() - polled_at) / 1000, interval_s)
