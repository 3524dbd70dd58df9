"""One source under watch, whose waits pass at once and whose borders fail when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from streamer.batch import Batch
from streamer.cycle import Cycle
from streamer.health import Board, SourceHealth
from streamer.pace import Pace, Places
from streamer.state import SourceState
from streamer.stop import Stop
from streamer.watch import Watch
from tests import laws
from tests.builders import NOON, token
from tests.fakes import MemoryLedger
from tests.stage import SOURCE, Stage

INTERVAL_S = 60.0


class Paced(Stop):
    """A stop whose sleeps pass at once, by its own monotonic clock; it is asked for after so many of them."""

    def __init__(self, sleeps: int) -> None:
        super().__init__()
        self.now = 1000.0
        self.slept: list[float] = []
        self._sleeps = sleeps

    def monotonic(self) -> float:
        """Seconds for waiting."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """No time passes but this."""
        self.slept.append(seconds)
        self.now += max(0.0, seconds)
        if len(self.slept) >= self._sleeps:
            self.request()
        await asyncio.sleep(0)


class Hooked(MemoryLedger):
    """A ledger that does something else first; None: nothing."""

    on_restore: Callable[[], None] | None = None
    on_commit: Callable[[], None] | None = None
    on_commands: Callable[[], None] | None = None

    async def restore(self, source: str) -> SourceState:
        """As the other."""
        if self.on_restore:
            self.on_restore()
        return await super().restore(source)

    async def commit(self, source: str, written: Batch) -> None:
        """As the other."""
        if self.on_commit:
            self.on_commit()
        await super().commit(source, written)

    async def commands(self, source: str, after: int | None) -> tuple[tuple[int, bytes], ...]:
        """As the other."""
        if self.on_commands:
            self.on_commands()
        return await super().commands(source, after)


class Watched:
    """One source under watch."""

    def __init__(
        self,
        stop: Stop,
        stage: Stage | None = None,
        *,
        monotonic: Callable[[], float] = lambda: 0.0,
        phase: float = 1.0,
        places: Places | None = None,
    ) -> None:
        self.stage = stage or Stage()
        self.stage.account.show([token("a")])
        self.ledger = Hooked(self.stage.log, self.stage.gates)
        self.health = SourceHealth(SOURCE, "me", INTERVAL_S, NOON)
        self.board = Board({SOURCE: "its state is not restored yet"}, {SOURCE: self.health})
        self.cycle = Cycle(self.stage.policy, self.stage.account, self.ledger, self.stage.clock)
        paced = stop.monotonic if isinstance(stop, Paced) else monotonic
        self.places = places or Places(1)
        pace = Pace(self.places, paced, self.stage.clock, lambda: phase)
        self.watch = Watch(self.cycle, self.health, self.board, stop, pace)

    @property
    def reports(self) -> list[laws.Read]:
        """Those in the log."""
        return laws.reports(self.stage.log.records)
