"""Server-sent events: the pieces of the page that changed, for as long as somebody looks.

All that look are shown one rendering, made at most once a second and only while there is anybody; each is sent what
differs from what it was sent before. A slow reader is not waited for by anybody else, and memory does not grow with it:
what it misses it never needs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

from streamer.health import Board
from streamer.status.markup import Html
from streamer.status.page import View
from streamer.stop import Stop

EVERY_S: Final = 2.0
AGAIN_MS: Final = 1000  # after which a page that lost us asks again
BEAT: Final = 8  # looks without a change after which a sign of life is sent
MOST: Final = 32  # that may look at a time


@dataclass(frozen=True, slots=True)
class Shown:
    """One rendering: made at `now` (ms UTC); pieces and rows by id."""

    now: int
    title: str
    pieces: dict[str, Html]
    rows: dict[str, Html]

    def since(self, before: Shown | None) -> str | None:
        """What whoever was shown `before` lacks, as JSON; None: nothing."""
        same_rows = before is not None and list(before.rows) == list(self.rows)
        pieces = _differing(self.pieces, before.pieces if before else {})
        rows = _differing(self.rows, before.rows if before and same_rows else {})
        if before is not None and same_rows and not pieces and not rows:
            return None
        told = {"now": self.now, "title": self.title, "pieces": pieces, "rows": rows, "all": not same_rows}
        return json.dumps(told, separators=(",", ":"))


class Live:
    """The streams of one service; `clock` is ms UTC."""

    def __init__(self, board: Board, clock: Callable[[], int]) -> None:
        self._board = board
        self._clock = clock
        self._over = Stop()
        self._shown: Shown | None = None
        self._until = 0.0
        self._rendering = asyncio.Lock()
        self._looking = 0

    @property
    def is_full(self) -> bool:
        """Whether nobody else may look."""
        return self._looking >= MOST

    def end(self) -> None:
        """Let everybody go: the service stops."""
        self._over.request()

    async def stream(self) -> AsyncGenerator[str]:
        """For one who looks: everything at first, then what changes."""
        self._looking += 1
        before, quiet = None, 0
        try:
            yield f"retry: {AGAIN_MS}\n\n"
            while not self._over.requested:
                now = await self._current()
                told, before = now.since(before), now
                quiet = 0 if told else quiet + 1
                if told:
                    yield f"data: {told}\n\n"
                elif quiet % BEAT == 0:
                    yield ":\n\n"
                await self._over.sleep(EVERY_S)
        finally:
            self._looking -= 1

    async def _current(self) -> Shown:
        """The rendering of this second; polls need not wait for the whole of it."""
        async with self._rendering:
            moment = asyncio.get_running_loop().time()
            if self._shown is None or moment >= self._until:
                now, rows = self._clock(), {}
                view = View(self._board, now, ages=False)
                for name, row in view.rows():
                    rows[name] = row
                    await asyncio.sleep(0)
                self._shown, self._until = Shown(now, view.title(), view.pieces(), rows), moment + EVERY_S / 2
            return self._shown


def _differing(now: dict[str, Html], before: dict[str, Html]) -> dict[str, Html]:
    return {name: html for name, html in now.items() if before.get(name) != html}
