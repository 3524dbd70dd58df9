"""Watches one source for as long as the service runs: when to turn the wheel, and what a failed turn means.

Nothing one source does may end another: whatever goes wrong in a turn, its state is forgotten, the failure is said,
and the turn is repeated after a pause, from what Kafka holds. Only what a person must change leaves this room, unless
it is one source's alone: rows that cannot be read. That one is red, with the row's key, until they can.

Question: what if people's commands cannot be read? Choice: the poll goes on without them, also where a right lacks: the
feed must not fall silent for that. It is said once, and again when they can be read; a command stands in its topic, and
acts when it is heard within its hour.

Question: when is the first poll of a source that was just given to us? Choice: an interval after its last accepted one,
whoever made that, so that a rebalance changes nobody's schedule and asks no account twice; at once if that has passed.
What is overdue for longest goes first (`pace`). Rejected: at once in any case; with every worker that comes or goes
all accounts would be asked together.

Question: and after a turn that failed, or took longer than an interval? Choice: at once, then on the schedule it had.
Rejected: a new schedule from there on; after an hour without Kafka all sources would go on together for ever.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Final

from streamer import log
from streamer.backoff import pause_s
from streamer.cycle import Cycle
from streamer.errors import Damaged, Fenced, Misconfigured, StreamerError, Transient, Unheard, Unready
from streamer.health import Board, SourceHealth
from streamer.judging.judgement import Look
from streamer.log import say
from streamer.pace import Crowded, Pace, Place, kind_of
from streamer.report import Report
from streamer.state import Hold
from streamer.stop import Stop, Stopped

FINISH_S: Final = 20.0  # after a request to stop, what is left of a snapshot may take this long to be written
LONGEST_PAUSE_S: Final = 600.0  # a source whose transactions keep failing is parked
STATE_DAMAGED: Final = "state_damaged"
LONGEST_WAIT_S: Final = 5.0  # while Kafka is away; asking is cheap, and silence is what we fight


class Watch:
    """Turns a cycle every `interval_s`, for as long as the source is ours: `stop` is requested when it is not."""

    def __init__(self, cycle: Cycle, health: SourceHealth, board: Board, stop: Stop, pace: Pace) -> None:
        self._cycle = cycle
        self._health = health
        self._board = board
        self._stop = stop
        self._pace = pace
        self._monotonic = pace.monotonic
        self._failures = 0
        self._due = pace.monotonic()  # since then a turn is owed
        self._kind = 0  # of its looks, see `pace`
        self._last_reason: str | None = None
        self._last_hold: str | None = None
        self._hears = True

    async def run(self) -> None:
        """Until a stop is requested.

        Raises:
            Fenced, Misconfigured: the process must end with that.
        """
        due = self._monotonic()
        begun = False
        while not self._stop.requested:
            try:
                await self._prepare()
                if not begun:
                    begun = True
                    due = await self._begin()
                await self._turn()
            except Stopped:
                return
            except Crowded:
                continue  # among the slower ones, as soon as there is a place
            except Exception as error:  # noqa: BLE001 - one source's failure, whatever it is, must not end another's
                self._cycle.forget()
                await self._stop.sleep(self._pause(error))
                due = last_due(due, self._health.interval_s, self._monotonic())
            else:
                self._failures = 0
                self._due = due = last_due(due + self._health.interval_s, self._health.interval_s, self._monotonic())
                await self._stop.sleep(max(0.0, due - self._monotonic()))

    async def _prepare(self) -> None:
        async with self._stop.allows(0):
            if self._cycle.state is None:
                mismatch = await self._cycle.prepare()
                self._restored()
                if mismatch is not None:
                    self._differs(mismatch)

    async def _begin(self) -> float:
        """Wait until a first turn is due; when (monotonic) it would have been due, for the turns after it.

        One that is not waited for begins a new schedule, whose phase is chosen by chance.
        """
        interval_s = self._health.interval_s
        early_s = self._pace.early_s(self._health.last_accepted_at, interval_s)
        self._due = self._monotonic() + early_s
        if early_s > 0:
            await self._stop.sleep(early_s)
            return self._monotonic()
        return self._monotonic() - interval_s * (1 - self._pace.phase())

    async def _turn(self) -> None:
        async with AsyncExitStack() as held:
            async with self._stop.allows(0):
                await self._obey()
                look = await self._look(await held.enter_async_context(self._pace.places.one(self._kind, self._due)))
            async with self._stop.allows(FINISH_S):
                held_before = self._hold
                report = await self._cycle.settle(look)
        self._tell(report, held_before)

    async def _look(self, place: Place) -> Look:
        began = self._monotonic()
        try:
            async with place.look():
                look = await self._cycle.look()
        except Crowded:
            self._kind = place.kind + 1
            raise
        self._kind = kind_of(self._monotonic() - began)
        self._health.damaged += look.damaged
        self._health.unknown += look.unknown
        return look

    def _restored(self) -> None:
        """The source is ready once its state is known; its page shows what the state says."""
        health = self._health
        self._board.missing.pop(health.source, None)
        health.damaged_state = False
        self._health.show(self._cycle.state)
        say(
            "source.restored",
            source=health.source,
            epoch=health.epoch,
            sequence=health.last_sequence,
            tokens=health.tokens,
        )

    def _differs(self, report: Report) -> None:
        """Another configuration had this source: a line, and the page shows it until the next poll."""
        self._health.last_verdict, self._health.last_reason = report.verdict, report.reason
        say(
            "source.config_mismatch",
            level=log.WARNING,
            source=report.source,
            detail=report.detail,
            hint="if its configuration was not changed on purpose, give all workers of the group the same file",
        )

    async def _obey(self) -> None:
        """Let commands act and say how each was answered; one line when they cannot be heard, and when they can again.

        Nothing was done where they cannot be read, so the state is still certain.
        """
        source = self._health.source
        try:
            answers = await self._cycle.obey()
        except Unheard as unheard:
            if self._hears:
                say("commands.unheard", level=log.WARNING, source=source, reason=str(unheard), hint=unheard.hint)
            self._hears = False
            return
        if not self._hears:
            say("commands.heard", source=source)
        self._hears = True
        for answer in answers:
            say("command.answered", source=source, outcome=answer.outcome, detail=answer.detail)

    @property
    def _hold(self) -> Hold | None:
        """What waits for a person, as the state has it."""
        state = self._cycle.state
        return state.row.hold if state and state.row else None

    def _tell(self, report: Report, held_before: Hold | None) -> None:
        """One line for a poll that changed something, or whose reason to be rejected is a new one."""
        self._health.show(self._cycle.state)
        self._health.last_verdict, self._health.last_reason = report.verdict, report.reason
        changed = report.created or report.modified or report.deleted
        if report.verdict == "rejected":
            level = log.WARNING if report.reason != self._last_reason else log.DEBUG
            say("poll.rejected", level=level, source=report.source, reason=report.reason, detail=report.detail)
        else:
            say(
                "poll.accepted",
                level=log.INFO if changed or self._last_reason else log.DEBUG,
                source=report.source,
                created=report.created,
                modified=report.modified,
                deleted=report.deleted,
                waiting=report.waiting,
                held=report.held,
                tokens=self._health.tokens,
                sequence=self._health.last_sequence,
                baseline=report.baseline,
            )
            self._tell_hold(report, held_before)
        self._last_reason = report.reason

    def _tell_hold(self, report: Report, before: Hold | None) -> None:
        """One line for a hold that is a new one: a person is wanted; and for one that nobody has to decide any more."""
        hold = self._hold
        if hold is not None and hold.hold_id != self._last_hold:
            say(
                "deletions.held",
                level=log.WARNING,
                source=report.source,
                hold_id=hold.hold_id,
                held=hold.count,
                reason=hold.reason,
                hint="see `streamer deletes list`; release or discard them",
            )
        elif hold is None and before is not None and not before.released:
            say("deletions.returned", source=report.source, hold_id=before.hold_id, held=before.count)
        self._last_hold = hold.hold_id if hold else None

    def _pause(self, error: Exception) -> float:
        """Say what failed, and how long to wait before the turn is repeated.

        Raises:
            Fenced, Misconfigured: the error itself; repeating cannot help.
        """
        damaged = isinstance(error, Damaged)
        if isinstance(error, (Fenced, Misconfigured)) and not damaged:
            raise error
        if damaged:
            self._health.damaged_state = True
            self._health.last_verdict, self._health.last_reason = "rejected", STATE_DAMAGED
        self._failures += 1
        self._board.missing[self._health.source] = f"its state must be restored again: {error}"
        longest = LONGEST_WAIT_S if isinstance(error, Unready) else LONGEST_PAUSE_S
        seconds = pause_s(self._failures, longest)
        fault = None if damaged or isinstance(error, Transient) else error
        level = log.ERROR if fault or damaged else log.WARNING
        told = {"source": self._health.source, "reason": str(error), "retry_s": seconds}
        hint = {"hint": error.hint} if isinstance(error, StreamerError) and error.hint else {}
        say("turn.failed", level=level, error=fault, **told, **hint)
        return seconds


def last_due(due: float, interval_s: float, now: float) -> float:
    """`due`, or the last turn after it that is due by `now`: what was missed is not made up, the phase stays."""
    return due + interval_s * max(0, (now - due) // interval_s)
