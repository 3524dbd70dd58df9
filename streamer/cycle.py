"""One turn of the wheel: look, judge, write. It sees the borders only through the two Protocols below.

The order of a turn is fixed: a complete snapshot; look-ups of what it lacks; the rows found that way merged in; the
diff, once; suppression and verdicts as filters of its result; transactions. Whatever fails, the whole turn is what is
repeated, from what Kafka holds: a snapshot never outlives the state it was compared with.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final, Protocol
from uuid import uuid4

from streamer import absence, batch, diff, report, steps
from streamer.batch import Batch, Form
from streamer.errors import Rejected
from streamer.events import Poll
from streamer.report import Report
from streamer.state import Complete, SourceRow, SourceState
from streamer.tokens import Change, Finding, Kind, Sighting, Snapshot

LOOK_UPS_AT_ONCE: Final = 8  # connections to one account besides the walk's own


class Source(Protocol):
    """Where tokens are seen."""

    async def snapshot(self, known: Mapping[bytes, str]) -> Snapshot:
        """All tokens, or `Rejected`. `known`: by digest, the Moid of every row that need not be decoded again."""

    async def look_up(self, moid: str) -> Finding:
        """What the API says of one Moid; a failure is a finding too."""


class Ledger(Protocol):
    """Where events and state are kept. Whatever it raises, its user must restore before it writes again."""

    async def restore(self, source: str) -> SourceState:
        """What the log says of a source, read after every other writer was fenced."""

    async def commit(self, source: str, written: Batch) -> None:
        """All of a batch or nothing, on top of what `restore` gave; `Doubt` or `Fenced` if that is not certain."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided for one source.

    Attributes:
        source: its name.
        form: how records are written.
        suppress: refresh events are not published.
        replica_lag_ms: how far behind a replica of the API may be.
        configuration: hash of the source's configuration, for other workers to compare.
    """

    source: str
    form: Form
    suppress: bool = False
    replica_lag_ms: int = 120_000
    configuration: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What one poll saw: a snapshot with what look-ups found of the Moids it lacks, or the reason to believe nothing.

    `started_at` is the worker's clock before the first request.
    """

    started_at: int
    snapshot: Snapshot | None = None
    findings: Mapping[str, Finding] = field(default_factory=dict)
    rejected: Rejected | None = None


class Cycle:
    """Turns for one source: `prepare`, `look`, `settle`, again and again; `clock` is UTC ms of the worker."""

    def __init__(self, policy: Policy, source: Source, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._policy = policy
        self._source = source
        self._ledger = ledger
        self._clock = clock
        self._state: SourceState | None = None
        self._suppressed: Mapping[str, bytes] = {}  # Moid -> meaning of a refresh that a report has counted

    @property
    def state(self) -> SourceState | None:
        """What the last turn left; None while that is not certain."""
        return self._state

    def forget(self) -> None:
        """The state may no longer be the log's: the next turn restores it."""
        self._state = None

    async def prepare(self) -> None:
        """Restore if need be, begin a history or close a snapshot that a crash cut off; else nothing."""
        if self._state is not None:
            return
        restored = await self._ledger.restore(self._policy.source)
        self._state = restored
        if restored.row is None:
            epoch = str(uuid4())
            await self._commit(batch.begin(self._policy.source, epoch, self._policy.configuration, self._clock()))
        elif restored.row.open is not None:
            await self._commit(batch.interrupted(self._policy.form, restored.row, self._clock()))

    async def look(self) -> Look:
        """Read a snapshot, and look up what it lacks. Writes nothing and may be cancelled at any point."""
        (state, row), started_at = self._known(), self._clock()
        try:
            seen = await self._source.snapshot({t.raw: moid for moid, t in state.tokens.items() if t.known})
            _check_account(row, seen)
            findings = await self._look_up(diff.missing(state.tokens, seen))
        except Rejected as rejected:
            return Look(started_at, rejected=rejected)
        account = row.account_moid or seen.account_moid
        found = {
            moid: finding
            for moid, finding in findings.items()
            if isinstance(finding, Sighting) and _agree(account, finding.token.account_moid)
        }
        return Look(started_at, replace(seen, rows={**seen.rows, **found}), findings)

    async def settle(self, look: Look) -> Report:
        """Write what a look means, transaction by transaction; returns the report that ended it."""
        _, row = self._known()
        if look.snapshot is not None:
            return await self._accept(row, look.snapshot, look.findings)
        if look.rejected is None:
            raise ValueError("a look has a snapshot or a reason to believe nothing")
        told = report.rejected(
            look.rejected,
            snapshot_id=str(uuid4()),
            source=self._policy.source,
            epoch=row.epoch,
            account_moid=row.account_moid,
            started_at=look.started_at,
            finished_at=self._clock(),
            baseline=row.complete is None,
        )
        await self._commit(batch.rejected(self._policy.form, row, told))
        return told

    async def _accept(self, row: SourceRow, snapshot: Snapshot, findings: Mapping[str, Finding]) -> Report:
        tokens = self._known()[0].tokens
        poll = self._poll(row, snapshot)
        changes = diff.changes(tokens, snapshot)
        missing = [change.moid for change in changes if change.kind is Kind.MISSING]
        judged = {moid: absence.judge(tokens[moid], findings.get(moid), poll.clock) for moid in missing}
        verdicts = {moid: verdict for moid, verdict in judged.items() if verdict is not None}
        quiet = {c.moid: c.after.meaning for c in changes if c.after and self._is_quiet(c)}
        told = self._counted(poll, snapshot, changes, quiet, baseline=row.complete is None)
        told = replace(told, waiting=len(missing) - len(verdicts), requests=told.requests + len(findings))
        written = chain(
            steps.steps(poll, tokens, changes, verdicts, suppress=self._policy.suppress),
            steps.tombstones(poll, tokens, {change.moid for change in changes}),
        )
        accepted = replace(
            row,
            account_moid=poll.account_moid,
            first_started_at=poll.first_started_at,
            complete=Complete(snapshot.snapshot_id, poll.started_at, poll.detected_at),
            configuration=self._policy.configuration,
        )
        for part in batch.plan(self._policy.form, told, written, row=row, accepted=accepted, clock=self._clock):
            await self._commit(part)
            told = part.report or told
        self._suppressed = quiet
        return told

    def _poll(self, row: SourceRow, snapshot: Snapshot) -> Poll:
        clock, first = snapshot.clock, row.first_started_at
        return Poll(
            source=self._policy.source,
            epoch=row.epoch,
            snapshot_id=snapshot.snapshot_id,
            account_moid=row.account_moid or snapshot.account_moid,
            detected_at=self._clock(),
            started_at=clock.earliest(snapshot.started_at),
            clock=clock,
            last_complete=row.complete.started_at if row.complete else None,
            first_started_at=clock.best(snapshot.started_at) if first is None else first,
            replica_lag_ms=self._policy.replica_lag_ms,
        )

    def _is_quiet(self, change: Change) -> bool:
        return self._policy.suppress and steps.is_suppressed(change)

    def _counted(
        self, poll: Poll, snapshot: Snapshot, changes: Iterable[Change], quiet: Mapping[str, bytes], *, baseline: bool
    ) -> Report:
        """The report with what is counted without writing anything; `quiet` are the refreshes not published."""
        told = report.accepted(poll, snapshot, baseline=baseline, finished_at=poll.detected_at)
        suppressed = sum(self._suppressed.get(moid) != meaning for moid, meaning in quiet.items())
        kinds = Counter(change.kind for change in changes)
        published = kinds[Kind.CREATED] + kinds[Kind.MODIFIED] - len(quiet)
        return replace(
            told,
            unchanged=len(snapshot) - published - suppressed,
            suppressed=suppressed,
            outlived=self._outlived(snapshot, poll.clock.best(snapshot.finished_at)),
        )

    def _outlived(self, snapshot: Snapshot, now: int) -> int:
        """How many tokens are listed although their ExpirationTime is over; `now` is the server's clock."""
        tokens = self._known()[0].tokens
        ends = chain(
            (tokens[moid].expiration_time for moid in snapshot.unchanged),
            (seen.token.expiration_time for seen in snapshot.rows.values()),
        )
        return sum(end is not None and end <= now for end in ends)

    async def _look_up(self, moids: Iterable[str]) -> dict[str, Finding]:
        places = asyncio.Semaphore(LOOK_UPS_AT_ONCE)

        async def one(moid: str) -> Finding:
            async with places:
                return await self._source.look_up(moid)

        async with asyncio.TaskGroup() as group:
            asked = {moid: group.create_task(one(moid)) for moid in moids}
        return {moid: task.result() for moid, task in asked.items()}

    async def _commit(self, written: Batch) -> None:
        state = self._state
        self._state = None  # until it is certain again
        await self._ledger.commit(self._policy.source, written)
        self._state = batch.fold(state or SourceState(), written)

    def _known(self) -> tuple[SourceState, SourceRow]:
        if self._state is None or self._state.row is None:
            raise ValueError("prepare() comes first")
        return self._state, self._state.row


def _agree(ours: str | None, shown: str | None) -> bool:
    """Whether what was shown may belong to our account; null is unknown, not another."""
    return None in {ours, shown} or ours == shown


def _check_account(row: SourceRow, seen: Snapshot) -> None:
    if not _agree(row.account_moid, seen.account_moid):
        error = Rejected(
            "wrong_account",
            f"the API shows tokens of account {seen.account_moid}, wanted {row.account_moid}, which this source's "
            "state belongs to",
            hint="check the source's url and credential; another account needs another source name",
        )
        error.walk = seen.walk
        raise error
