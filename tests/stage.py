"""A stage for whole turns of the wheel: an account, a log, and workers between them that come and go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from streamer.cycle import Cycle, Policy
from streamer.report import Report
from streamer.tokens import Token
from tests import laws
from tests.builders import FORM, SECOND
from tests.fakes import Account, Clock, Gates, Log, MemoryLedger

SOURCE = "prod"
POLICY = Policy(SOURCE, FORM, configuration="c")


@dataclass
class Stage:
    """An account, a log, and cycles between them."""

    log: Log = field(default_factory=Log)
    clock: Clock = field(default_factory=Clock)
    gates: Gates = field(default_factory=Gates)
    policy: Policy = POLICY

    def __post_init__(self) -> None:
        self.account = Account(self.clock, self.gates)
        self.cycle = self.worker()

    def worker(self) -> Cycle:
        """A new process, as far as the log is concerned."""
        return Cycle(self.policy, self.account, MemoryLedger(self.log, self.gates), self.clock)

    async def turn(self, *tokens: Token, **shown: Iterable[str]) -> Report:
        """A minute later these are the tokens, and the wheel turns once."""
        self.clock.now += 60 * SECOND
        self.account.show(tokens, **shown)
        await self.cycle.prepare()
        return await self.cycle.settle(await self.cycle.look())

    @property
    def events(self) -> list[laws.Read]:
        """All events so far."""
        return laws.events(self.log.records)

    def check(self) -> None:
        """The log keeps its promises, and memory is what a restart would know."""
        laws.check(self.log.records, self.log.state(SOURCE))
        assert self.cycle.state == self.log.state(SOURCE)
