"""The real cycle with the real source, over HTTP, against the real simulator, and a judge who knows what happened.

Only Kafka is left out (a ledger in memory stands for it) and time is the test's: one clock for the world and, off by
`skew_ms`, for the worker; it creeps on with every request, and every sleep moves it. After each poll the judge holds
the new events to the world's own ledger. It must never ask the streamer what is true.

Question: which timeout of HTTP. Choice: the usual one, which no lie ever reaches: slowness passes in the play's time
and takes none of ours. So a reply that does not come is a stall and shows as one, and how busy the machine is decides
nothing. Deadlines are the business of `tests/intersight/test_transport.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from streamer import avro, control
from streamer.absence import Guard
from streamer.batch import SNAPSHOTS, STATE
from streamer.config import ApiKey, SourceSettings
from streamer.control import Command
from streamer.cycle import Cycle
from streamer.demo.credentials import Credentials
from streamer.demo.lies.line import with_line
from streamer.demo.lies.rows import Rows
from streamer.demo.lies.wire import Skew
from streamer.demo.life import Life
from streamer.demo.shapes import Account, User
from streamer.demo.shorthand import read_fault
from streamer.demo.simulator import Simulator
from streamer.demo.world import Customs
from streamer.errors import Doubt
from streamer.intersight.source import IntersightSource
from streamer.judging.judgement import Policy
from streamer.report import Report
from streamer.serving import serve
from streamer.state import SourceState
from tests import judge, laws
from tests.builders import FORM
from tests.demo.stage import Clock, still
from tests.fakes import Gates, Log, MemoryLedger
from tests.truth.happened import LAG_MS, Broken, Judge
from tests.truth.reported import Account as Accounting
from tests.truth.told import Ear, compared

SOURCE: Final = "prod"
INTERVAL_MS: Final = 10_000
REQUEST_MS: Final = 5  # the clock moves on so much with every request
AUDIT_WAIT: Final = 1
POLICY: Final = Policy(
    SOURCE,
    replace(FORM, records=8),  # a diff of any size is a row of transactions, so a crash may fall between two
    guard=Guard(percent=10, at_least=3, at_most=50, window_ms=60_000),
    replica_lag_ms=LAG_MS,
    audit_wait=AUDIT_WAIT,
    users=True,
    configuration="c",
)
QUIET_POLLS: Final = 2 + AUDIT_WAIT
MANY: Final = 40  # polls after which a quiet account must have been understood, holds and silences included

ACCOUNT: Final = Account("5f3a1c9e7564612d30c1a2b0", "5f3a1c9e7564612d30c1a2b1", "5f3a1c9e7564612d30c1a2b2")
ADMIN: Final = User("5f3a1c9e7564612d30c1a2b3", "Ada Admin", "admin@example.com")
CREDENTIALS: Final = Credentials.new(ACCOUNT, ADMIN)


class Play:
    """A world that a test moves, and one worker at a time that looks at it.

    Attributes:
        world, simulator, clock: the account, what serves it, and the time.
        log: what is committed, whoever wrote it.
        policy: the operator's, for the next worker.
        judged: events are held to what happened; False where only a true clock could tell an old view from a new one.
        events, reports: of the log, decoded, in order.
        polls: how many were accepted.
    """

    def __init__(
        self,
        url: str,
        simulator: Simulator,
        world: Life,
        clock: Clock,
        ear: Ear,
        *,
        skew_ms: int,
        settings: Mapping[str, Any],
    ) -> None:
        self.url, self.simulator, self.world, self.clock = url, simulator, world, clock
        self.log = Log()
        self.events: list[judge.Event] = []
        self.reports: list[judge.Event] = []
        self.polls = 0
        self.judged = True
        self.policy = POLICY
        self._skew_ms, self._settings = skew_ms, settings
        self._read = 0
        self._judge, self._accounting = Judge(world, ear.told), Accounting()
        self._since: int | None = None  # start of the last accepted poll, if nothing lied in it
        self._source: IntersightSource | None = None
        self._cycle: Cycle | None = None

    # What a test does.

    def arm(self, *faults: str) -> None:
        """Let the simulator lie."""
        self.simulator.faults.arm(*map(read_fault, faults))

    @property
    def lies(self) -> bool:
        """Whether anything is armed."""
        return bool(self.simulator.faults.armed())

    @property
    def _told_skew_ms(self) -> int | None:
        """How wrong `Date` may be; as wrong as our own clock where there is none to be read; None: it is right."""
        skews = [fault for fault in self.simulator.faults.armed() if isinstance(fault, Skew)]
        wrong = [abs(self._skew_ms) if fault.text else round(abs(fault.by) * 1000) for fault in skews]
        return max(wrong, default=None)

    def wait(self, milliseconds: int) -> None:
        """Time goes by; what is due happens."""
        self.clock.now += milliseconds
        self.world.tick()

    async def sleep(self, seconds: float) -> None:
        """What the streamer and the simulator wait with: it takes no time but the clock's."""
        self.wait(int(seconds * 1000))
        await asyncio.sleep(0)

    async def crash(self) -> None:
        """The worker is gone, with all that it knew; what it committed stays."""
        if self._source is not None:
            await self._source.aclose()
        self._source = self._cycle = None

    async def close(self) -> None:
        """No worker any more."""
        await self.crash()

    async def poll(self, *, fail_at: int = 0) -> Report | None:
        """One turn of the worker, judged; None if it crashed at the ledger's `fail_at`-th step."""
        if fail_at:
            await self.crash()
        cycle = self._worker(Gates(fail_at=fail_at))
        forgiven, skew_ms = self._judge.forgiven, self._told_skew_ms
        started_at, honest, told = self.clock.now, not (self.lies or forgiven.lingers), len(self.events)
        forgiven.begin(lies=self.lies, skew_ms=skew_ms)
        try:
            await cycle.prepare()
            await cycle.obey()
            report = await cycle.settle(await cycle.look())
        except Doubt:
            report = None
            await self.crash()
        self.check(started_at)
        read = report is not None and report.verdict == "accepted"
        forgiven.lingers = skew_ms is not None or (forgiven.lingers and not read)
        if report is not None and read:
            self.polls += 1
            if honest:
                self._judge.demand(self._judge.unseen(self.believed, started_at, self.clock.now))
                if self._since is not None:
                    self._judge.demand(self._judge.loose(self.events[told:], self._since, self.clock.now))
            self._since = started_at if honest else None
        return report

    async def quiet(self) -> Report:
        """Nothing lies any more, and time goes by, until all is understood; a person deals with what is held.

        Raises:
            Broken: readers still believe something else after so long.
        """
        self.simulator.faults.clear()
        self.wait(LAG_MS + INTERVAL_MS)
        told = 0
        for _ in range(MANY):
            self.wait(INTERVAL_MS)
            report = await self.poll()
            told = told + 1 if report is not None and report.verdict == "accepted" and not self.held else 0
            wrong = self.differences()
            if told >= QUIET_POLLS and (wrong or self.held):
                raise Broken(f"after {told} quiet polls: {wrong}, held {self.held}")
            if told >= QUIET_POLLS and report is not None:
                laws.check(self.log.records, self.state)
                self._judge.demand(judge.faults(judge.Log(self.events, self.reports)))
                return report
            if self.held and not self.is_released:
                self.order(control.RELEASE)
        raise Broken(f"{MANY} quiet polls were not enough: {self.reports[-1]}")

    def order(self, action: str) -> None:
        """A person sees what is held and orders about exactly that."""
        held = control.Held.of(SOURCE, self.state)
        if held is None:
            return
        now = self.clock.now + self._skew_ms
        told = (held.hold_id, len(held.moids), held.moids_sha256, now, "ada", now + control.LIFE_MS)
        command = Command(str(uuid4()), SOURCE, held.epoch, action, *told)
        self.log.commands.setdefault(SOURCE, []).append(command.to_bytes())

    # What is known.

    @property
    def state(self) -> SourceState:
        """What a restart would know."""
        return self.log.state(SOURCE)

    @property
    def held(self) -> tuple[str, ...]:
        """The Moids whose deletion waits for a person."""
        held = control.Held.of(SOURCE, self.state)
        return held.moids if held else ()

    @property
    def is_released(self) -> bool:
        """Whether a person let the hold go, or has ordered so, and it still stands."""
        state = self.state
        row = state.row
        ordered = len(self.log.commands.get(SOURCE, ())) > (row.control_offset or 0 if row else 0)
        return ordered or (row is not None and row.hold is not None and row.hold.released)

    @property
    def believed(self) -> dict[str, judge.Event]:
        """What readers of the events take for true, by Moid."""
        last = judge.Log(self.events).last()
        return {moid: compared(after) for moid, after in last.items() if after is not None}

    def differences(self) -> list[str]:
        """Where readers are wrong now."""
        shown = {moid: judge.as_published(row) for moid, row in self.world.tokens.items()}
        return judge.differences(judge.Log(self.events), shown)

    def false_deletes(self) -> list[str]:
        """Moids that were published as deleted and are there."""
        return sorted({e["moid"] for e in self.events if e["event_type"] == "deleted"} & self.world.tokens.keys())

    def check(self, started_at: int) -> None:
        """Judge what was committed since the last time, by a poll that began at `started_at`.

        Raises:
            Broken: it breaks a promise.
        """
        records, self._read = self.log.records[self._read :], len(self.log.records)
        new = [avro.decode_event(r.value) for r in records if r.topic not in {STATE, SNAPSHOTS} and r.value is not None]
        told = [avro.decode_report(r.value) for r in records if r.topic == SNAPSHOTS and r.value is not None]
        faults = self._judge.faults(self.events, new, started_at, judged=self.judged)
        faults += self._accounting.faults(new, told)
        self.events += new
        self.reports += told
        self._judge.demand(faults)

    def _worker(self, gates: Gates) -> Cycle:
        if self._source is None or self._cycle is None:
            key = ApiKey(id=CREDENTIALS.ec.id, pem=SecretStr(CREDENTIALS.ec.pem))
            given = {"name": SOURCE, "url": self.url, "api_key": key, "page_size": 7, **self._settings}
            self._source = IntersightSource(SourceSettings(**given), clock=self._ours, sleep=self.sleep)
            self._cycle = Cycle(self.policy, self._source, MemoryLedger(self.log, gates), self._ours)
        return self._cycle

    def _ours(self) -> int:
        """The worker's clock."""
        return self.clock.now + self._skew_ms


@asynccontextmanager
async def playing(
    *, seed: int, tokens: int, skew_ms: int = 0, linger_ms: int = 0, noise: float = 0.1, **settings: Any
) -> AsyncIterator[Play]:
    """A play with so many tokens; the seed is of all chance in it, the client's jitter too."""
    random.seed(seed)
    clock = Clock()
    customs = Customs(linger_ms=linger_ms)
    world = still(tokens, clock=clock, seed=seed, account=ACCOUNT, admin=ADMIN, customs=customs)

    def tells() -> bool:
        return any(isinstance(fault, Rows) for fault in simulator.faults.armed())

    async def creeping(scope: Scope, receive: Receive, send: Send) -> None:
        clock.now += REQUEST_MS
        await ear(scope, receive, send)

    async def nap(seconds: float) -> None:
        await play.sleep(seconds)

    simulator = Simulator(world, CREDENTIALS, noise=noise, seed=seed, sleep=nap)
    ear = Ear(simulator.app, clock, tells)
    async with serve(with_line(creeping)) as url:
        play = Play(url, simulator, world, clock, ear, skew_ms=skew_ms, settings=settings)
        try:
            yield play
        finally:
            await play.close()
