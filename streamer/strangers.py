"""Sources whose rows stand in our partitions, and that our configuration does not name: shown, reported, never polled.

A source was renamed or removed, or another worker of the group has another file. Nobody polls it here, and no token of
it is ever said to be gone for that: its rows stay as they are until a person says that they may be forgotten.

Question: how is it told? Choice: by a report `config_mismatch` of its own and a warning when it comes to us, and by its
place in `/sources`, which is unhealthy: a source that has fallen silent must be seen, also if that was meant. The
report is written once: like any owner with another configuration we take it over, under a name that no file has, so a
worker that knows the source again reports the way back too. Rejected: a report at every restart or rebalance.

Question: what of a partition that holds none of our sources? Choice: it is read too, but not fenced for that; its
writer is opened only if a stranger is found in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from streamer import log
from streamer.backoff import pause_s
from streamer.batch import Form
from streamer.clock import utc_ms
from streamer.cycle import Cycle
from streamer.errors import Transient
from streamer.health import Board, SourceHealth
from streamer.judging.judgement import Policy
from streamer.kafka.ledger import Ledger
from streamer.log import say
from streamer.pace import Pace
from streamer.report import Report
from streamer.stop import Stop, Stopped
from streamer.watch import LONGEST_WAIT_S, Watch

UNCONFIGURED: Final = "unconfigured"  # in the place of a configuration's hash
MISMATCH: Final = "config_mismatch"
REST_S: Final = 5.0  # between two turns; whoever gives an order waits for 30 s
HINT: Final = (
    "if it was renamed or removed for good, `streamer sources forget` drops its rows; else give all workers of the "
    "group the same file"
)


@dataclass(frozen=True, slots=True)
class Strangers:
    """Those of one share.

    Args:
        owner: what this worker is called on the pages.
        ledger: of the share.
        lanes: the partitions of the share.
        known: the names that are configured.
        form: how records are written.
        board: shows them beside our own.
        over: requested when the share is over.
        pace: of the worker.
    """

    owner: str
    ledger: Ledger
    lanes: Collection[int]
    known: Collection[str]
    form: Form
    board: Board
    over: Stop
    pace: Pace
    _shown: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Find them, one partition after the other, and have an eye on them until the share is over.

        Raises:
            Fenced, Misconfigured: the process must end with that.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for lane in sorted(self.lanes):
                    for name in await self._found(lane):
                        group.create_task(self._vigil(name).run())
        finally:
            for name in self._shown:
                self.board.sources.pop(name, None)
                self.board.missing.pop(name, None)

    async def _found(self, lane: int) -> list[str]:
        failures = 0
        while not self.over.requested:
            try:
                async with self.over.allows(0):
                    found = await self.ledger.sources(lane)
            except Stopped:
                break
            except Transient as error:
                failures += 1
                say("strangers.waiting", level=log.DEBUG, partition=lane, reason=str(error))
                await self.over.sleep(pause_s(failures, LONGEST_WAIT_S))
            else:
                return sorted(name for name in found if self._is_stranger(name, lane))
        return []

    def _is_stranger(self, name: str, lane: int) -> bool:
        """Whether it is none of ours; rows that no worker would ever look for where they stand are told at once."""
        home = self.ledger.home(name)
        if home != lane:
            say(
                "state.misplaced",
                level=log.ERROR,
                source=name,
                partition=lane,
                hint=f"its rows belong to partition {home} and are not read here: P.state was copied from a topic with "
                "another number of partitions",
            )
        return home == lane and name not in self.known

    def _vigil(self, name: str) -> Vigil:
        self._shown.add(name)
        self.board.sources[name] = health = SourceHealth(name, self.owner, REST_S, utc_ms(), configured=False)
        policy = Policy(name, self.form, configuration=UNCONFIGURED, configured=False)
        return Vigil(Cycle(policy, None, self.ledger, utc_ms), health, self.board, self.over, self.pace)


class Vigil(Watch):
    """One of them: its state is restored and shown, its report written; a turn only hears whether to forget it."""

    async def _prepare(self) -> None:
        new = self._cycle.state is None
        await super()._prepare()
        if new and self._is_there():
            self._tell_that_it_is_strange()

    async def _turn(self) -> None:
        """It ends once its rows are gone."""
        if self._is_there():
            async with self._stop.allows(0):
                await self._obey()
        if not self._is_there():
            self._board.sources.pop(self._health.source, None)
            raise Stopped

    def _is_there(self) -> bool:
        state = self._cycle.state
        return state is not None and state.row is not None

    def _differs(self, report: Report) -> None:
        """The line of a stranger says it."""

    def _tell_that_it_is_strange(self) -> None:
        health = self._health
        health.last_verdict, health.last_reason = "rejected", MISMATCH
        say(
            "source.unknown",
            level=log.WARNING,
            source=health.source,
            epoch=health.epoch,
            sequence=health.last_sequence,
            tokens=health.tokens,
            hint=HINT,
        )
