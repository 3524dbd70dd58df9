"""Long work of the service says how far it is: on a terminal by a bar below the log, else by a line every few seconds.

Question: who draws? Choice: whoever runs the service and has a terminal (`output.progress.Beside`), told by `shown_by`;
the rooms that work only count, and know no terminal. Rejected: a bar made where the work is done; restores, snapshots
and transactions go on beside one another, and their bars must stand in one place.

Question: when is work long? Choice: a bar after a moment, a line after a few seconds; what is over by then leaves
nothing, or every poll would flash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Protocol, Self

from streamer.log import say

SHORT_S: Final = 0.5
EVERY_S: Final = 5.0


class Surface(Protocol):
    """Where work is shown while it goes on; each `work` has a place of its own."""

    def show(self, work: object, what: str, done: int, total: int | None) -> None:
        """How far it is."""

    def over(self, work: object) -> None:
        """It is done, or given up; also of work that was never shown."""


_surface: ContextVar[Surface | None] = ContextVar("surface", default=None)


@contextmanager
def shown_by(surface: Surface) -> Iterator[None]:
    """Work that begins inside the block, or in a task made there, is shown there and leaves no lines."""
    token = _surface.set(surface)
    try:
        yield
    finally:
        _surface.reset(token)


class Underway:
    """One piece of work, from now until its block ends.

    Args:
        event: of its lines, as of `say`.
        what: it is, for a person.
        measure: which of its fields tell how much is done, and of how much.
        clock: monotonic seconds.
        fields: of every line.
    """

    def __init__(
        self,
        event: str,
        what: str,
        measure: tuple[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        **fields: Any,
    ) -> None:
        self._event = event
        self._what = what
        self._measure = measure
        self._clock = clock
        self._fields = fields
        self._began = self._said_at = clock()
        self._surface = _surface.get()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._surface is not None:
            self._surface.over(self)

    def tell(self, **so_far: Any) -> None:
        """Say how far it is, if it is time to."""
        now = self._clock()
        if self._surface is not None:
            if now - self._began >= SHORT_S:
                done, total = map((self._fields | so_far).get, self._measure)
                self._surface.show(self, self._what, done or 0, total)
        elif now - self._said_at >= EVERY_S:
            self._said_at = now
            say(self._event, **self._fields, **so_far)
