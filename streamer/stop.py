"""Stop is a request; the second signal is an order.

The first SIGTERM or SIGINT ends every wait and every look at once, and lets what is being written finish within its
limit; the second one ends the process as if nobody had listened. Nothing else may end the process from inside.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopped(Exception):
    """The stop was asked for, and what stands in the block had to end for it."""


class Stop:
    """A request to stop that many tasks can see. It must be made inside the running loop."""

    def __init__(self) -> None:
        self._limits: dict[asyncio.Timeout, float] = {}
        self._requested = asyncio.Event()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._requested.is_set()

    def request(self) -> None:
        """Ask everybody to stop; asking again changes nothing."""
        if not self.requested:
            self._requested.set()
            for limit, grace_s in self._limits.items():
                limit.reschedule(asyncio.get_running_loop().time() + grace_s)

    async def wait(self) -> None:
        """Until somebody asks."""
        await self._requested.wait()

    @asynccontextmanager
    async def allows(self, grace_s: float) -> AsyncIterator[None]:
        """Once the stop is asked for, what stands in the block has `grace_s` seconds left.

        Raises:
            Stopped: they are over. A `TimeoutError` of the block's own passes as it is.
        """
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limits[limit] = grace_s
                if self.requested:
                    limit.reschedule(asyncio.get_running_loop().time() + grace_s)
                yield
        except TimeoutError as error:
            if limit.expired():
                raise Stopped from error
            raise
        finally:
            self._limits.pop(limit, None)

    async def sleep(self, seconds: float) -> None:
        """Wait, but not beyond a request to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            pass

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """The first SIGTERM or SIGINT inside the block is a request, the second ends the process by that signal."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _signalled(self, number: signal.Signals) -> None:
        if self.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.request()
