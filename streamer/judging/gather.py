"""Everything that one poll asks of the API, in its order; nothing is judged here that is not needed to ask.

A complete snapshot; what is missing from it, weighed before anybody is asked; what we may see, if any of it may be
asked for or would be held; look-ups; the rows found that way merged in; who deleted what is gone; who the users are. A
token that was proven gone in an earlier poll, while a record of why is waited for, is not asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol

from streamer import absence, avro, diff, log
from streamer.absence import Weighed
from streamer.diff import Kind
from streamer.errors import Rejected
from streamer.events import Poll, UserInfo
from streamer.judging.judgement import Look, Memory, Policy, is_quiet, poll_of
from streamer.judging.lag import Distrust
from streamer.judging.steps import last_shown, was_first
from streamer.known import Known
from streamer.log import say
from streamer.sightings import Sightings
from streamer.state import SourceRow, SourceState, TokenRow
from streamer.tokens import Audit, Finding, Gone, Rights, Sighting, Snapshot, Unsure

AUDIT_HINT: Final = (
    "deletions are told without an actor; let the role read aaa/AuditRecords, or set audit.enabled: false"
)


class Source(Protocol):
    """Where tokens are seen. What it raises is `Rejected`, with as much of the walk as there was."""

    @property
    def requests(self) -> int:
        """How many it sent so far, whatever for."""

    @property
    def damaged(self) -> int:
        """How many values it cut or left out so far, of users and of audit records."""

    async def rights(self, known: str | None = None) -> Rights:
        """Whom the API takes us for, and what we may see; `known`: as remembered, so that a change is made sure of."""

    async def snapshot(self, known: Known) -> Snapshot:
        """All tokens; of those whose row in `known` says what is shown, be it in other bytes, only the Moid."""

    async def look_up(self, moids: Collection[str]) -> Mapping[str, Finding]:
        """What the API says of each Moid; a failure is a finding too, and nothing is raised."""

    async def audit(self, moids: Collection[str], users: Collection[str], since: int, until: int) -> Audit:
        """Records of what was done to these tokens, and of these users' logouts, between two instants (server's)."""

    async def users(self, moids: Collection[str]) -> Mapping[str, UserInfo]:
        """The users, as far as they can be resolved; nothing is raised."""


class Gatherer:
    """Asks `source` on behalf of `policy`; `clock` is the worker's, ms UTC."""

    def __init__(self, policy: Policy, source: Source, clock: Callable[[], int]) -> None:
        self._policy = policy
        self._source = source
        self._clock = clock
        self._may_read_audit = True  # as far as we know; said once when it turns out to be wrong

    async def look(self, state: SourceState, row: SourceRow, memory: Memory) -> Look:
        """Read a snapshot and what belongs to it. Writes nothing and may be cancelled at any point."""
        requests, damaged = self._source.requests, self._source.damaged
        look = await self._look(state, row, memory)
        rows = Sightings.of(look.snapshot.rows if look.snapshot else {})
        return replace(
            look,
            requests=self._source.requests - requests,
            damaged=self._source.damaged - damaged + rows.damaged,
            unknown=look.snapshot.unknown if look.snapshot else 0,
        )

    async def _look(self, state: SourceState, row: SourceRow, memory: Memory) -> Look:
        started_at = self._clock()
        try:
            rights = await self._first_rights(row)
            seen = await self._source.snapshot(Known.of(state.tokens))
            account = row.account_moid or (rights.account_moid if rights else None)
            _check_account(account, seen.account_moid, seen)
            look = await self._weighed(state, row, memory, Look(started_at, seen, rights=rights), seen)
            _check_account(account, look.rights.account_moid if look.rights else None, seen)
        except Rejected as rejected:
            return Look(started_at, rejected=rejected)
        poll = poll_of(self._policy, row, seen, account, self._clock())
        look = await self._looked_up(memory, poll, look, seen)
        return await self._with_witnesses(state.tokens, memory, poll, look)

    async def _first_rights(self, row: SourceRow) -> Rights | None:
        """What we may see, where it is not remembered; it can wait once it is known whose the tokens are."""
        if row.account_moid is not None and row.rights is not None:
            return None
        try:
            return await self._source.rights(row.rights)
        except Rejected:
            if row.account_moid is None:
                raise
            return None

    async def _weighed(self, state: SourceState, row: SourceRow, memory: Memory, look: Look, seen: Snapshot) -> Look:
        """Weigh what is missing, by what we may see now; without an answer about that nobody is asked for it."""
        missing = diff.missing(state.tokens, seen)
        if not missing:
            return look
        poll = poll_of(self._policy, row, seen, row.account_moid, self._clock())

        def weigh(*, rights_changed: bool) -> Weighed:
            guard, emptied = self._policy.guard, len(seen) == 0
            return absence.weigh(
                row, state.tokens, missing, poll, guard, emptied=emptied, rights_changed=rights_changed
            )

        weighed, rights = weigh(rights_changed=False), look.rights
        settled = {m for m in missing if m in memory.proven or absence.in_hold(row, state.tokens[m])}
        if rights is None and not settled.issuperset((*weighed.askable, *weighed.held)):
            try:
                rights = await self._source.rights(row.rights)
            except Rejected:
                askable = tuple(moid for moid in weighed.askable if moid in settled)
                return replace(look, weighed=replace(weighed, askable=askable))
        if rights is not None and row.rights is not None and rights.seen != row.rights:
            weighed = weigh(rights_changed=True)
        return replace(look, weighed=weighed, rights=rights)

    async def _looked_up(self, memory: Memory, poll: Poll, look: Look, seen: Snapshot) -> Look:
        """Add what the API says of the tokens that may be asked for; those it shows are as good as listed."""
        known = {moid: memory.proven[moid] for moid in look.weighed.askable if moid in memory.proven}
        asked = [moid for moid in look.weighed.askable if moid not in known]
        answers = await self._source.look_up(asked) if asked else {}
        findings = {**known, **answers}
        found = [
            finding
            for finding in findings.values()
            if isinstance(finding, Sighting) and agree(poll.account_moid, finding.token.account_moid)
        ]
        merged = replace(seen, rows=Sightings.of(seen.rows).with_(found)) if found else seen
        traces = (answer.trace_id for answer in answers.values() if not isinstance(answer, Unsure))
        return replace(look, snapshot=merged, findings=findings, trace_ids=tuple(filter(None, traces)))

    async def _with_witnesses(self, tokens: Mapping[str, TokenRow], memory: Memory, poll: Poll, look: Look) -> Look:
        """Add whose the gone tokens were, who may have deleted them, and who the users of changed tokens are."""
        gone = {moid: f for moid, f in look.findings.items() if isinstance(f, Gone)}
        owned = {moid: avro.decode_token(tokens[moid].datum).user_moid for moid in gone}
        owners = {moid: user for moid, user in owned.items() if user is not None}
        audit = await self._audit(tokens, poll, gone, owners) if gone and self._policy.audit_wait is not None else None
        users: Mapping[str, UserInfo] = {}
        if self._policy.users and look.snapshot is not None:
            told = self._users_of(Known.of(tokens), look.snapshot, memory, poll)
            wanted = set(told) | set(owners.values())
            users = await self._source.users(sorted(wanted)) if wanted else {}
        return replace(look, owners=owners, audit=audit, users=users)

    def _users_of(self, known: Known, snapshot: Snapshot, memory: Memory, poll: Poll) -> Iterator[str]:
        """The users of the rows that will give an event: nobody is asked for that of one that gives none."""
        rows = Sightings.of(snapshot.rows)
        for one in Distrust(known, poll, memory.stale).believed(diff.found(known, snapshot, rows)):
            if one.seen is None or one.seen.user_moid is None or one.kind is Kind.RETURNED:
                continue
            silent = self._policy.silent and one.place is None and was_first(poll, one.seen.create_time)
            if not silent and not is_quiet(self._policy, known, one, rows):
                yield one.seen.user_moid

    async def _audit(
        self, tokens: Mapping[str, TokenRow], poll: Poll, gone: Mapping[str, Gone], owners: Mapping[str, str]
    ) -> Audit:
        """The records; if they cannot be had just now, it is as if they were still to come.

        A replica may have shown a token for a while after it was deleted, so they are asked for from before that on.
        """
        since = min(last_shown(poll, tokens[moid]) for moid in gone) - poll.replica_lag_ms
        until = max(poll.clock.latest(finding.checked_at) for finding in gone.values())
        try:
            found = await self._source.audit(sorted(gone), sorted(set(owners.values())), since, until)
        except Rejected:
            return Audit((), readable=True)
        if self._may_read_audit and not found.readable:
            say("audit.unreadable", level=log.WARNING, source=poll.source, hint=AUDIT_HINT)
        self._may_read_audit = found.readable
        return found


def agree(ours: str | None, shown: str | None) -> bool:
    """Whether what was shown may belong to our account; null is unknown, not another."""
    return None in {ours, shown} or ours == shown


def _check_account(ours: str | None, shown: str | None, seen: Snapshot) -> None:
    """Raise `Rejected` if a snapshot is of another account, or if it is another one that we are taken for."""
    if not agree(ours, shown):
        error = Rejected(
            "wrong_account",
            f"the API shows account {shown}, wanted {ours}, which this source's state belongs to",
            hint="check the source's url and credential; another account needs another source name",
        )
        error.walk = seen.walk
        raise error
