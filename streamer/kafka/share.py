"""What one member of a group has between two rebalances, and who may still begin something with it.

This room must never wait and never ask the broker: its answers are what this process knows by now.

Question: how is ownership tested right before a writer opens, since a writer that opens late fences the rightful owner?
Choice: `Share.make_sure`. A share that was taken is over for good. A process that stood still for half of a session,
which it sees by its own monotonic clock, opens nothing until it has had the time to hear from the group. Rejected: to
ask the broker each time; the answer may be stale by the time the writer opens, and safety is the fence's business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka import TopicPartition

from streamer.errors import Doubt
from streamer.stop import Stop, Stopped

SESSION_S: Final = 6.0  # a member that is silent for so long is out; brokers allow no less, unless told to
HEARTBEAT_MS: Final = 500  # how late one learns that it is out, or that the others gather anew, and wait for it


class Share:
    """What one member has between two rebalances.

    Attributes:
        lanes: by number, the partitions that have it.
        over: requested once it is taken, or to be given up.
        released: set by whoever works on it, once nothing of it is in hand any more.
        provisional: the group has not spoken yet.
    """

    def __init__(
        self,
        lanes: Mapping[int, list[TopicPartition]],
        *,
        session_s: float = SESSION_S,
        provisional: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lanes = lanes
        self.over = Stop()
        self.released = asyncio.Event()
        self.provisional = provisional
        self._session_s = session_s
        self._monotonic = monotonic
        self._taken = False
        self._awake_at = monotonic()
        self._sure_from = self._awake_at

    def take(self) -> None:
        """It is somebody else's now, or nobody's: what is in hand may be finished, nothing may be begun."""
        self._taken = True
        self.over.request()

    def confirmed_by(self, given: Share) -> bool:
        """Whether the group gave just what is still ours provisionally; then it goes on, and is no longer that."""
        self.provisional = self._taken or self.lanes != given.lanes
        return not self.provisional

    def disputed(self) -> None:
        """Somebody else opened a writer here; while the group has not spoken, that one may as well be right."""
        if self.provisional:
            self.take()

    def beat(self) -> None:
        """Somebody is awake; whoever works on the share or waits for its end says so all the time."""
        now = self._monotonic()
        if now - self._awake_at > self._session_s / 2:  # frozen; by two heartbeats from now the group has told us
            self._sure_from = now + 2 * HEARTBEAT_MS / 1000
        self._awake_at = now

    def check(self) -> None:
        """Raise `Stopped` if the share was taken; for what a fence makes safe, such as a commit."""
        if self._taken:
            raise Stopped

    def make_sure(self) -> None:
        """For what only the owner may do, such as to open a writer.

        Raises:
            Stopped: the share was taken.
            Doubt: we stood still for so long that it may have been; soon we know.
        """
        self.check()
        self.beat()
        if self._monotonic() < self._sure_from:
            raise Doubt("this process stood still, and does not know yet whether its partitions are still its own")
