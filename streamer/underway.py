"""Long work of the service says how far it is: a line every few seconds, and none of what is over by then.

Question: a bar, where the service runs on a terminal? Choice: lines there, too: whoever runs it by hand reads the log,
and they stand in it. Rejected: a bar below the log; each line would have to make room for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from streamer.log import say

EVERY_S: Final = 5.0


class Underway:
    """One piece of work, from now on; `event` and `fields` are as of `say`."""

    def __init__(self, event: str, *, clock: Callable[[], float] = time.monotonic, **fields: Any) -> None:
        self._event = event
        self._clock = clock
        self._fields = fields
        self._said_at = clock()

    def tell(self, **so_far: Any) -> None:
        """Say how far it is, if it is time to."""
        now = self._clock()
        if now - self._said_at >= EVERY_S:
            self._said_at = now
            say(self._event, **self._fields, **so_far)
