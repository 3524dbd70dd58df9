"""What a look means: which changes are believed, what is written for them, and what the poll's report says.

Pure: everything that was asked of anybody stands in the `Look`. Suppression, distrust of lagging replicas, holds and
verdicts are filters of what `diff` found, applied once, here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from streamer import absence, diff, report
from streamer.absence import Deleted, Guard, Weighed, Witness
from streamer.batch import Form
from streamer.diff import REFRESH, Found, Kind, change_kinds
from streamer.errors import Rejected
from streamer.events import Poll, UserInfo
from streamer.judging import history, steps
from streamer.judging.lag import Distrust
from streamer.judging.steps import Step, UserStep
from streamer.known import Known
from streamer.report import Report
from streamer.sightings import Sightings
from streamer.state import Complete, Hold, SourceRow, SourceState, Status
from streamer.tokens import Audit, Finding, Gone, Rights, Snapshot

USUAL: Final = Guard()
NOTHING_MISSING: Final = Weighed()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided for one source.

    Attributes:
        source: its name.
        form: how records are written.
        guard: when deletions at once are too many.
        suppress: refresh events are not published.
        silent: tokens that were there at the first look are not published.
        replica_lag_ms: how far behind a replica of the API may be.
        audit_wait: polls to wait for an audit record that tells why a token went; None: nobody is asked.
        users: names and addresses of the users of changed tokens are resolved.
        configuration: hash of the source's configuration, for other workers to compare.
        configured: False for a source that only its rows tell of.
    """

    source: str
    form: Form
    guard: Guard = USUAL
    suppress: bool = False
    silent: bool = False
    replica_lag_ms: int = 120_000
    audit_wait: int | None = None
    users: bool = False
    configuration: str = ""
    configured: bool = True


@dataclass(frozen=True, slots=True)
class Look:
    """What one poll saw, or the reason to believe nothing.

    Attributes:
        started_at: the worker's clock before the first request.
        snapshot: complete, with the rows that look-ups found.
        weighed: the missing tokens, before anybody was asked for them.
        findings: what look-ups found, by Moid; proofs of earlier polls too.
        owners: the user's Moid of each token that is proven gone.
        audit: who may have deleted them; None: nobody was asked.
        users: by Moid, as resolved.
        rights: what we may see; None: nobody had to ask.
        requests: all that the poll sent, whatever for.
        damaged: values that were cut, repaired or nulled.
        unknown: properties met that this version does not know.
        trace_ids: of the look-ups' replies, in order.
        rejected: why nothing is believed.
    """

    started_at: int
    snapshot: Snapshot | None = None
    weighed: Weighed = NOTHING_MISSING
    findings: Mapping[str, Finding] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    audit: Audit | None = None
    users: Mapping[str, UserInfo] = field(default_factory=dict)
    rights: Rights | None = None
    requests: int = 0
    damaged: int = 0
    unknown: int = 0
    trace_ids: tuple[str, ...] = ()
    rejected: Rejected | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What is worth knowing from the accepted polls before, and safe to lose with the process.

    Attributes:
        suppressed: Moid -> meaning of a refresh that a report has counted.
        stale: Moid -> start of the first snapshot in a row that showed an older row than we know.
        proven: Moid -> the API's word that it is gone, while a record of why is waited for.
        waited: Moid -> polls it was waited for.
    """

    suppressed: Mapping[str, bytes] = field(default_factory=dict)
    stale: Mapping[str, int] = field(default_factory=dict)
    proven: Mapping[str, Gone] = field(default_factory=dict)
    waited: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an accepted poll writes, and what to remember once it is written."""

    report: Report
    steps: Iterator[Step | UserStep]
    accepted: SourceRow
    memory: Memory


def poll_of(policy: Policy, row: SourceRow, snapshot: Snapshot, account: str | None, now: int) -> Poll:
    """What all events of a snapshot share, judged at `now` (the worker's clock); `account` is the one pinned."""
    clock, first = snapshot.clock, row.first_started_at
    return Poll(
        source=policy.source,
        epoch=row.epoch,
        snapshot_id=snapshot.snapshot_id,
        account_moid=account or snapshot.account_moid,
        detected_at=now,
        started_at=clock.earliest(snapshot.started_at),
        clock=clock,
        last_complete=row.complete.started_at if row.complete else None,
        first_started_at=clock.best(snapshot.started_at) if first is None else first,
        replica_lag_ms=policy.replica_lag_ms,
    )


def accept(policy: Policy, state: SourceState, look: Look, memory: Memory, *, now: int, hold_id: str) -> Judgement:
    """Judge a complete snapshot.

    Args:
        policy: the operator's.
        state: what is known; its source row exists.
        look: what was seen; it has a snapshot.
        memory: of the accepted poll before.
        now: the worker's clock.
        hold_id: a fresh UUID, in case deletions are held.
    """
    if look.snapshot is None or state.row is None:
        raise ValueError("only a snapshot can be accepted, and only on top of a history")
    account = state.row.account_moid or (look.rights.account_moid if look.rights else None)
    poll = poll_of(policy, state.row, look.snapshot, account, now)
    rows = Sightings.of(look.snapshot.rows)
    judged = _Case(policy, Known.of(state.tokens), state.row, look, look.snapshot, rows, memory, poll).judged(hold_id)
    return replace(judged, steps=history.remembering(judged.steps, state, poll))


def is_quiet(policy: Policy, known: Known, one: Found, rows: Sightings) -> bool:
    """Whether it is a refresh that is not published: an access token was renewed, and nothing else changed."""
    may_be = policy.suppress and one.kind is Kind.MODIFIED
    return may_be and change_kinds(diff.change(known, one, rows.at).fields) == REFRESH


@dataclass(frozen=True, slots=True)
class _Seen:
    """What differs, sorted out.

    Attributes:
        distrust: what is not believed.
        kinds: how many there are of each, of the rest.
        missing: the candidates for deletion.
        returned: the tokens that were absent or deleted, and are there.
        quiet: the refreshes that are not published, each with its meaning.
    """

    distrust: Distrust
    kinds: Counter[Kind] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    returned: set[str] = field(default_factory=set)
    quiet: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Case:
    """All that a judgement rests on."""

    policy: Policy
    tokens: Known
    row: SourceRow
    look: Look
    snapshot: Snapshot
    rows: Sightings
    memory: Memory
    poll: Poll

    def judged(self, hold_id: str) -> Judgement:
        poll, tokens, weighed = self.poll, self.tokens, self.look.weighed
        seen = self._sorted_out()
        verdicts = self._verdicts(seen.missing)
        held = weighed.held | self._stays(seen, verdicts)
        hold = absence.hold_after(self.row, held, hold_id=hold_id, now=poll.detected_at, reason=weighed.reason)
        writing = steps.Writing(
            verdicts=verdicts,
            held=held,
            hold_id=hold.hold_id if hold else None,
            users=self.look.users,
            owners=self.look.owners,
            quiet=seen.quiet.keys(),
            silent=self.policy.silent,
        )
        told = replace(
            self._counted(seen),
            waiting=sum(moid not in verdicts and moid not in held for moid in seen.missing),
            held=len(held),
            hold_id=writing.hold_id,
        )
        passed_over = seen.distrust.stale.keys() | seen.distrust.ghosts | (seen.quiet.keys() - seen.returned)
        changes = (
            diff.change(tokens, one, self.rows.hand_over) for one in self._found() if one.moid not in passed_over
        )
        return Judgement(
            report=told,
            steps=chain(
                steps.steps(poll, changes, writing),
                steps.tombstones(poll, tokens.deleted(), seen.returned),
            ),
            accepted=self._accepted(hold),
            memory=self._remembered(seen, verdicts),
        )

    def _found(self) -> Iterator[Found]:
        """All that differs, in order."""
        return diff.found(self.tokens, self.snapshot, self.rows)

    def _sorted_out(self) -> _Seen:
        """What differs, sorted out and counted; nothing is decoded but what may be a refresh that is not published."""
        seen = _Seen(Distrust(self.tokens, self.poll, self.memory.stale))
        for one in seen.distrust.believed(self._found()):
            seen.kinds[one.kind] += 1
            if one.kind is Kind.MISSING:
                seen.missing.append(one.moid)
            elif one.place is not None and self.tokens.status(one.place) is not Status.LIVE:
                seen.returned.add(one.moid)
            if one.seen and is_quiet(self.policy, self.tokens, one, self.rows):
                seen.quiet[one.moid] = one.seen.meaning
        return seen

    def _verdicts(self, missing: list[str]) -> dict[str, Deleted]:
        """The deletions that are believed."""
        found: dict[str, Deleted] = {}
        for moid in missing:
            row, finding = self.tokens[moid], self.look.findings.get(moid)
            waited = self.memory.waited.get(moid, 0)
            witness = Witness(self.look.owners.get(moid), self.look.audit, waited, self.policy.audit_wait or 0)
            not_before = steps.last_shown(self.poll, row)
            if verdict := absence.judge(row, finding, self.poll, not_before=not_before, witness=witness):
                found[moid] = verdict
        return found

    def _stays(self, seen: _Seen, verdicts: Mapping[str, Deleted]) -> set[str]:
        """What stood in the hold and neither returned nor is deleted; a stale row is no return."""
        if self.row.hold is None:
            return set()
        left = verdicts.keys() | seen.returned
        return {moid for moid, token in self.tokens.absent().items() if absence.in_hold(self.row, token)} - left

    def _counted(self, seen: _Seen) -> Report:
        """The report with what is counted without writing anything.

        Every row of the snapshot is created, modified, suppressed, stale or unchanged.
        """
        snapshot, poll = self.snapshot, self.poll
        told = report.accepted(
            poll,
            snapshot,
            baseline=self.row.complete is None,
            finished_at=poll.detected_at,
            requests=self.look.requests,
            looked_up=self.look.trace_ids,
        )
        suppressed = sum(self.memory.suppressed.get(moid) != meaning for moid, meaning in seen.quiet.items())
        stale = len(seen.distrust.stale) + len(seen.distrust.ghosts)
        published = seen.kinds[Kind.CREATED] + seen.kinds[Kind.MODIFIED] - len(seen.quiet)
        return replace(
            told,
            unchanged=len(snapshot) - published - suppressed - stale,
            suppressed=suppressed,
            stale=stale,
            outlived=self._outlived(poll.clock.best(snapshot.finished_at)),
        )

    def _outlived(self, now: int) -> int:
        """How many tokens are listed although their ExpirationTime is over; `now` is the server's clock."""
        unchanged = self.snapshot.unchanged
        return sum([moid in unchanged for moid in self.tokens.over(now)]) + self.rows.over(now)

    def _accepted(self, hold: Hold | None) -> SourceRow:
        """The source's row after this poll, but for the last sequence.

        What we may see is remembered once; after that only a person makes us forget it, who releases a hold for that.
        """
        seen = self.look.rights.seen if self.look.rights else None
        return replace(
            self.row,
            account_moid=self.poll.account_moid,
            first_started_at=self.poll.first_started_at,
            complete=Complete(self.snapshot.snapshot_id, self.poll.started_at, self.poll.detected_at),
            hold=hold,
            rights=seen if self.row.rights is None else self.row.rights,
            configuration=self.policy.configuration,
        )

    def _remembered(self, seen: _Seen, verdicts: Mapping[str, Deleted]) -> Memory:
        findings = self.look.findings
        proven = {m: f for m in seen.missing if m not in verdicts and isinstance(f := findings.get(m), Gone)}
        waited = {moid: self.memory.waited.get(moid, 0) + 1 for moid in proven}
        return Memory(suppressed=seen.quiet, stale=seen.distrust.stale, proven=proven, waited=waited)
