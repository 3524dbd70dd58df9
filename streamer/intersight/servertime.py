"""What the server's clock is believed to say, from one snapshot to the next.

Every bound of an event hangs on it, and one reply from a node with a wrong clock would put them a day off: new tokens
would be taken for old ones, and what is seen now be written down as seen tomorrow.

Question: what if `Date` jumps, or cannot be read? Choice: go on by what it said before; a jump is believed once the
next snapshot says the same, for then it is ours, or theirs, that was set. Rejected: to reject the poll, since nothing
else of it is in doubt; to believe each reply, since a jump there and back costs more than a poll that is a little off.

Question: what if this machine's clock is set? Choice: that is seen without asking anybody, since the time that passed
is counted by another clock; what is believed of the server's moves with it at once, and a poll in which it happened is
void: its stamps are of two clocks. Rejected: to wait for the second `Date` that says so; the bounds of all events of
the poll before would be off by that much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamer.tokens import ServerClock

SET_MS: Final = 1_000  # what our clock may be off by less than that, `Date` cannot show
JUMP_MS: Final = 10_000  # what a clock that is kept may be off between two polls, and more; `Date` has whole seconds


class ServerTime:
    """What is believed of one server's clock."""

    def __init__(self) -> None:
        self._believed: ServerClock | None = None
        self._jumped: ServerClock | None = None

    def after(self, told: ServerClock | None) -> ServerClock:
        """What to go by, now that a snapshot's replies told this; None: they did not tell."""
        if told is None:
            return self._believed or ServerClock()
        if self._believed is None or _near(told, self._believed) or (self._jumped and _near(told, self._jumped)):
            self._believed, self._jumped = told, None
        else:
            self._jumped = told
        return self._believed

    def moved(self, step: int) -> None:
        """Our own clock was set forward by so many ms, so the server's is that much less ahead of it."""
        self._believed, self._jumped = _behind(self._believed, step), _behind(self._jumped, step)


class OwnTime:
    """Whether this machine's clock was set: `clock`, ms UTC, went on by more or less than `elapsed` ms have passed."""

    def __init__(self, clock: Callable[[], int], elapsed: Callable[[], int]) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._ahead = clock() - elapsed()

    def was_set_by(self) -> int:
        """By how many ms it was set forward since this was last asked; 0: it was not."""
        ahead = self._clock() - self._elapsed()
        step, self._ahead = ahead - self._ahead, ahead
        return step if abs(step) > SET_MS else 0


def _behind(believed: ServerClock | None, step: int) -> ServerClock | None:
    return believed and ServerClock(believed.lowest - step, believed.highest - step)


def _near(one: ServerClock, other: ServerClock) -> bool:
    return abs(one.offset - other.offset) <= JUMP_MS
