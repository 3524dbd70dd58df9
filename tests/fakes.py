"""Borders in memory: a ledger that can fail at each step, and an account whose tokens a test sets.

The ledger is held to the contract suite of `tests/kafka/test_ledger.py`, which runs on a real broker too. It keeps
rows as bytes and restores from those, so that nothing survives in it that would not survive in Kafka.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final
from uuid import UUID

from streamer.batch import STATE, Batch, Record
from streamer.errors import Doubt, Rejected
from streamer.events import UserInfo
from streamer.known import Known
from streamer.state import SourceRow, SourceState, TokenRow, UserRow
from streamer.tokens import Audit, AuditRecord, Finding, Gone, Rights, ServerClock, Snapshot, Token, Unsure
from tests.builders import ACCOUNT, NOON, SAME_CLOCK, sighting, snapshot

LEDGER: Final = "ledger"


class Clock:
    """The worker's clock: it stands still unless a test moves it."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def __call__(self) -> int:
        """Now, in ms."""
        return self.now


class Gates:
    """Every await of the borders passes one; a test lets the n-th fail, or hang until it is cancelled.

    Attributes:
        passed: the names of all gates reached, in order.
        hangs: set once somebody hangs at the gate that was asked for.
    """

    def __init__(self, *, fail_at: int = 0, hang_at: int = 0) -> None:
        self.passed: list[str] = []
        self.hangs = asyncio.Event()
        self._fail_at = fail_at
        self._hang_at = hang_at

    async def reach(self, name: str) -> None:
        """Pass the next gate."""
        self.passed.append(name)
        if len(self.passed) == self._hang_at:
            self.hangs.set()
            await asyncio.Event().wait()
        if len(self.passed) == self._fail_at and name.startswith(LEDGER):
            raise Doubt(f"planted at {name}")
        await asyncio.sleep(0)


@dataclass(slots=True)
class Log:
    """What is committed; it outlives the ledgers that write it.

    Attributes:
        batches: by order of commit, each with its source.
        records: of all batches, as read_committed readers have them.
        rows: the compacted state.
        owner: whose commits count, by source: of the last ledger that restored it.
        commands: what people ordered, by source; its place in the list is a command's offset.
    """

    batches: list[tuple[str, Batch]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    rows: dict[bytes, bytes] = field(default_factory=dict)
    owner: dict[str, object] = field(default_factory=dict)
    commands: dict[str, list[bytes]] = field(default_factory=dict)

    def append(self, source: str, written: Batch) -> None:
        """All of a batch."""
        self.batches.append((source, written))
        self.records.extend(written.records)
        for record in written.records:
            if record.topic != STATE:
                continue
            if record.value is None:
                self.rows.pop(record.key, None)
            else:
                self.rows[record.key] = record.value

    def state(self, source: str) -> SourceState:
        """What a restart knows."""
        own = self.rows.get(source.encode())
        tokens = {moid: TokenRow.from_bytes(value) for moid, value in self._of(f"{source}/t/")}
        users = {moid: UserRow.from_bytes(value) for moid, value in self._of(f"{source}/u/")}
        return SourceState(SourceRow.from_bytes(own), tokens, users) if own else SourceState()

    def _of(self, head: str) -> list[tuple[str, bytes]]:
        """What stands behind a beginning of keys, with its value."""
        rows = self.rows.items()
        return [(key.decode()[len(head) :], value) for key, value in rows if key.startswith(head.encode())]


class MemoryLedger:
    """A `streamer.cycle.Ledger` on a `Log`; a second one on the same log fences it, source by source."""

    def __init__(self, log: Log, gates: Gates | None = None) -> None:
        self._log = log
        self._gates = gates or Gates()
        self._may_commit: set[str] = set()

    async def restore(self, source: str) -> SourceState:
        """See `streamer.cycle.Ledger`."""
        self._may_commit.discard(source)
        await self._gates.reach(f"{LEDGER} restores")
        self._log.owner[source] = self
        self._may_commit.add(source)
        return self._log.state(source)

    async def commit(self, source: str, written: Batch) -> None:
        """See `streamer.cycle.Ledger`."""
        if source not in self._may_commit:
            raise Doubt(f"{source} was not restored")
        self._may_commit.discard(source)
        await self._gates.reach(f"{LEDGER} commits")
        if self._log.owner.get(source) is not self:
            raise Doubt(f"{source} has another writer")
        self._log.append(source, written)
        await self._gates.reach(f"{LEDGER} has committed")
        self._may_commit.add(source)

    async def commands(self, source: str, after: int | None) -> tuple[tuple[int, bytes], ...]:
        """See `streamer.cycle.Ledger`."""
        await self._gates.reach(f"{LEDGER} reads commands")
        return tuple(enumerate(self._log.commands.get(source, ())))[after or 0 :]

    async def close(self) -> None:
        """Nothing may be committed any more."""
        self._may_commit.clear()


class Account:
    """A `streamer.judging.gather.Source` whose tokens a test sets.

    Attributes:
        tokens: what there is.
        hidden: Moids that the list lacks although they are there.
        unsure: Moids of which a look-up learns nothing.
        error: what the next list answers, instead of rows.
        noise: makes other bytes of the same meaning.
        arrived_at: when answers by Moid are complete; None: now.
        asked: the Moids looked up so far.
        gone: which of them were not there, and when.
        on_list: done before each list is answered.
        requests, damaged: as of `streamer.judging.gather.Source`; a list is one request, each look-up another.
        spoilt: values of each listed row that had to be cut or nulled.
        strange: properties in a list that nobody knows.
        rights_seen: what we may see; None: it cannot be read just now.
        rights_known: what each question about them said that they were.
        known_as: the account that our credential belongs to.
        records, readable: what the audit tells; None: it cannot be read just now.
        audited: what the audit was asked, in order: Moids, users, since, until.
        people: the users that can be resolved.
        resolved: the users asked for so far.
    """

    def __init__(self, clock: Clock, gates: Gates | None = None) -> None:
        self.tokens: dict[str, Token] = {}
        self.hidden: frozenset[str] = frozenset()
        self.unsure: frozenset[str] = frozenset()
        self.error: Rejected | None = None
        self.noise = ""
        self.server: ServerClock = SAME_CLOCK
        self.account_moid = ACCOUNT
        self.arrived_at: int | None = None
        self.asked: list[str] = []
        self.gone: set[tuple[str, int]] = set()
        self.rights_seen: str | None = "all"
        self.rights_known: list[str | None] = []
        self.known_as: str | None = ACCOUNT
        self.records: tuple[AuditRecord, ...] | None = ()
        self.readable = True
        self.audited: list[tuple[tuple[str, ...], tuple[str, ...], int, int]] = []
        self.people: dict[str, UserInfo] = {}
        self.resolved: list[str] = []
        self.on_list: Callable[[], object] = lambda: None
        self.requests = self.damaged = self.spoilt = self.strange = 0
        self._clock = clock
        self._gates = gates or Gates()
        self._ids = count(1)

    def show(self, tokens: Iterable[Token], *, hidden: Iterable[str] = (), unsure: Iterable[str] = ()) -> None:
        """From now on there are these tokens."""
        self.tokens = {one.moid: one for one in tokens}
        self.hidden, self.unsure = frozenset(hidden), frozenset(unsure)

    async def snapshot(self, known: Known) -> Snapshot:
        """See `streamer.judging.gather.Source`."""
        self.requests += 1
        await self._gates.reach("source answers with a list")
        self.on_list()
        if self.error is not None:
            raise self.error
        listed = [one for moid, one in self.tokens.items() if moid not in self.hidden]
        sights = (sighting(one, arrived_at=self._clock(), noise=self.noise) for one in listed)
        seen = [replace(one, damaged=self.spoilt) for one in sights]
        shown = snapshot(
            seen,
            known=known.values(),
            started_at=self._clock() - 1000,
            clock=self.server,
            finished_at=self._clock(),
            snapshot_id=str(UUID(int=next(self._ids))),
            unknown=self.strange,
        )
        return replace(shown, account_moid=self.account_moid if shown.rows else None)

    async def rights(self, known: str | None = None) -> Rights:
        """See `streamer.judging.gather.Source`."""
        self.rights_known.append(known)
        self.requests += 1
        await self._gates.reach("source tells our rights")
        if self.rights_seen is None:
            raise Rejected("unavailable", "503 for iam/Accounts")
        return Rights(self.known_as, self.rights_seen)

    async def look_up(self, moids: Collection[str]) -> Mapping[str, Finding]:
        """See `streamer.judging.gather.Source`."""
        self.asked += sorted(moids)
        self.requests += len(moids)
        await self._gates.reach("source answers by Moid")
        return {moid: self._finding(moid) for moid in moids}

    def _finding(self, moid: str) -> Finding:
        at = self._clock() if self.arrived_at is None else self.arrived_at
        if moid in self.unsure:
            return Unsure(moid, "timeout")
        if moid in self.tokens:
            return sighting(self.tokens[moid], arrived_at=at, noise="by Moid")
        self.gone.add((moid, at))
        return Gone(moid, at, trace_id=f"trace of {moid}")

    async def audit(self, moids: Collection[str], users: Collection[str], since: int, until: int) -> Audit:
        """See `streamer.judging.gather.Source`."""
        self.audited.append((tuple(moids), tuple(users), since, until))
        self.requests += 1
        await self._gates.reach("source tells of deeds")
        if self.records is None:
            raise Rejected("unavailable", "503 for aaa/AuditRecords")
        return Audit(self.records if self.readable else (), self.readable)

    async def users(self, moids: Collection[str]) -> Mapping[str, UserInfo]:
        """See `streamer.judging.gather.Source`."""
        self.resolved += sorted(moids)
        self.requests += 1
        await self._gates.reach("source tells of users")
        return {moid: self.people[moid] for moid in moids if moid in self.people}
