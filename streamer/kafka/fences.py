"""How often a transactional id was taken from us: a pause each time, and the third time within a minute, a person.

A fence is no error of ours: memberships of a group overlap for some heartbeats, and the later producer wins. But two
that both believe to be the owner for longer than that will fence each other for ever, and only a person can end that.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from random import uniform
from typing import Final

from streamer.errors import Fenced

WAIT_S: Final = 2.0  # some heartbeats, and up to as much again: two that fence each other must not do so in step
ALLOWED: Final = 3
WITHIN_S: Final = 60.0


class Fences:
    """The fences of one transactional id; `name` is what it guards, `hint` what a person may do."""

    def __init__(self, name: str, hint: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._hint = hint
        self._monotonic = monotonic
        self._moments: deque[float] = deque(maxlen=ALLOWED)

    def pause_s(self, fenced: Fenced) -> float:
        """How long to wait before the next try.

        Raises:
            Fenced: it was one too many.
        """
        now = self._monotonic()
        self._moments.append(now)
        if len(self._moments) == ALLOWED and now - self._moments[0] <= WITHIN_S:
            raise Fenced(
                f"{self._name} was taken from us {ALLOWED} times within {WITHIN_S:g} s: {fenced}", hint=self._hint
            ) from fenced
        return WAIT_S * uniform(1, 2)  # noqa: S311 - a pause, not a secret
