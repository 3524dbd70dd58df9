"""A stage for whole turns of the wheel: an account, a log, and workers between them that come and go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from streamer import control
from streamer.absence import moids_sha256
from streamer.control import Command
from streamer.cycle import Cycle
from streamer.judging.judgement import Policy
from streamer.report import Report
from streamer.state import Answer, SourceRow, TokenRow
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

    answers: list[Answer] = field(default_factory=list)

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
        return await self.again()

    async def again(self) -> Report:
        """The wheel turns once, now; what people ordered is answered in `answers`."""
        await self.cycle.prepare()
        self.answers += await self.cycle.obey()
        return await self.cycle.settle(await self.cycle.look())

    def order(self, action: str, **differences: Any) -> Command:
        """A person sees what is held and orders about it, but for these differences."""
        state = self.log.state(SOURCE)
        held, row = control.held_moids(state), self.row
        seen: dict[str, Any] = {
            "command_id": str(uuid4()),
            "source": SOURCE,
            "epoch": row.epoch,
            "action": action,
            "hold_id": row.hold.hold_id if row.hold else None,
            "expect": len(held),
            "moids_sha256": moids_sha256(held),
            "issued_at": self.clock(),
            "issued_by": "ada",
            "expires_at": self.clock() + control.LIFE_MS,
        }
        command = Command(**seen | differences)
        self.log.commands.setdefault(SOURCE, []).append(command.to_bytes())
        return command

    @property
    def row(self) -> SourceRow:
        """The source's own row in the log."""
        row = self.log.state(SOURCE).row
        assert row is not None
        return row

    @property
    def tokens(self) -> dict[str, TokenRow]:
        """The tokens' rows in the log."""
        return dict(self.log.state(SOURCE).tokens)

    @property
    def events(self) -> list[laws.Read]:
        """All events so far."""
        return laws.events(self.log.records)

    def check(self) -> None:
        """The log keeps its promises, and memory is what a restart would know."""
        laws.check(self.log.records, self.log.state(SOURCE), silent=self.policy.silent)
        assert self.cycle.state == self.log.state(SOURCE)
