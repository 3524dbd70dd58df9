"""What the server's clock is believed to say, from one snapshot to the next.

Every bound of an event hangs on it, and one reply from a node with a wrong clock would put them a day off: new tokens
would be taken for old ones, and what is seen now be written down as seen tomorrow.

Question: what if `Date` jumps, or cannot be read? Choice: go on by what it said before; a jump is believed once the
next snapshot says the same, for then it is ours, or theirs, that was set. Rejected: to reject the poll, since nothing
else of it is in doubt; to believe each reply, since a jump there and back costs more than a poll that is a little off.
"""

from __future__ import annotations

from typing import Final

from streamer.tokens import ServerClock

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


def _near(one: ServerClock, other: ServerClock) -> bool:
    return abs(one.offset - other.offset) <= JUMP_MS
