"""The end of a source that nobody polls any more, when a person orders it.

Whoever owns a partition of `P.state` owns all rows in it, also those of sources that stand in no configuration: nobody
else may write there. This room must never touch a source that this worker has in its configuration: its own cycle
answers for it, and refuses.

Question: another worker has the source in its configuration, and the owner of its partition has not? Choice: the
owner's word counts, for a source is polled by the owner of its partition and by nobody else. If the partition changes
hands later, the source begins anew there, with a baseline. Workers of one group should have one configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Final, Protocol

from streamer import batch, control, cycle, log
from streamer.batch import Record
from streamer.control import Command, NoCommand
from streamer.errors import Misconfigured, Transient
from streamer.log import say
from streamer.stop import Stop, Stopped

TURN_S: Final = 1.0
PAUSE_S: Final = 10.0  # after a failure
FINISH_S: Final = 20.0  # after a request to stop, what is being written may take this long


class Orders(Protocol):
    """Where commands about all sources of our partitions come from."""

    async def read(self) -> list[tuple[bytes, int, bytes]]:
        """Key, offset and value of each; some may come again."""

    async def close(self) -> None:
        """Leave nothing open."""


class Ledger(cycle.Ledger, Protocol):
    """Where the state is kept."""

    def with_one_more(self, source: str) -> AbstractAsyncContextManager[None]:
        """While the block lasts, the source may be restored and committed like those that are polled."""

    async def forget(self, source: str, ends: Sequence[Record], timestamp: int) -> None:
        """Write the ends of all its rows in one transaction; raises as `commit` does."""


class Forgetter:
    """Obeys for the sources of our partitions that are not in our configuration.

    Args:
        orders: all commands in our partitions.
        ledger: of our partitions.
        configured: the sources that have a cycle, here or at another worker of this configuration.
        clock: UTC ms of the worker.
    """

    def __init__(self, orders: Orders, ledger: Ledger, configured: Collection[str], clock: Callable[[], int]) -> None:
        self._orders = orders
        self._ledger = ledger
        self._configured = configured
        self._clock = clock
        self._hears = True

    async def run(self, stop: Stop) -> None:
        """Until the partitions are not ours any more; what fails is said once, and tried again.

        Raises:
            Fenced: another process writes to our partitions, again and again.
        """
        try:
            while not stop.requested:
                await stop.sleep(await self._turn(stop))
        except Stopped:
            return
        finally:
            await self._orders.close()

    async def _turn(self, stop: Stop) -> float:
        """Obey what came; how long to wait before the next look."""
        try:
            async with stop.allows(0):
                commands = await self._orders.read()
            for key, offset, value in commands:
                async with stop.allows(FINISH_S):
                    await self._obey(key.decode(errors="replace"), offset, value)
        except (Transient, Misconfigured) as error:
            if self._hears:
                say("forgetting.failed", level=log.WARNING, reason=str(error), hint=error.hint)
            self._hears = False
            await self._orders.close()  # what was not done is read again
            return PAUSE_S
        self._hears = True
        return TURN_S

    async def _obey(self, source: str, offset: int, value: bytes) -> None:
        """One command, unless it is another's, is no more to be obeyed, or was answered before."""
        try:
            command = Command.from_bytes(value)
        except NoCommand:
            return
        now = self._clock()
        if source in self._configured or now > command.expires_at:
            return
        async with self._ledger.with_one_more(source):
            state = await self._ledger.restore(source)
            if state.row is None or (state.row.control_offset or 0) > offset:
                return
            refused = control.verdict_unpolled(command, state.row, now, source=source)
            if refused is None:
                await self._ledger.forget(source, batch.forgotten(source, state), now)
                say("source.forgotten", source=source, epoch=state.row.epoch, tokens=len(state.tokens))
                return
            after = replace(state.row, answer=refused, control_offset=offset + 1)
            await self._ledger.commit(source, batch.obeyed(source, after, now))
            say("command.answered", source=source, outcome=refused.outcome, detail=refused.detail)
