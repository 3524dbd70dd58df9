"""What a missing Moid means: pure verdicts over gathered evidence.

A token that a snapshot lacks is a candidate and nothing more. First it is weighed how many are missing at once: too
many, all at once, or a change of what we may see, and they are held for a person, before anybody is asked. The others
are believed to be deleted only when the API itself says, asked for them by Moid, that they do not exist; every other
answer means that nobody knows, and the deletion waits. No verdict is ever reached from silence.

Question: which clock tells what is young or expired, where the server's `Date` may be wrong. Choice: the server's, and
ours against it: what we published less than the lag ago, and is young by our own clock, is young whatever `Date` says;
and for the guards nothing expires by a `Date` over an hour ahead of us, or any date would open them. Rejected: ours
alone, which a worker's wrong clock would put in the place of the truth; to remember births in memory, which a crash
forgets: the row knows all that is asked.

Question: what becomes of tokens whose hold was discarded, while they are still missing? Choice: a person said that they
are there, so they stay known and are let alone: until they are seen again, until they expire, or for seven days, as
long as a wrong deletion is remembered; then they are weighed like any other. Rejected: to weigh them anew at once, for
they would be held again a poll later, or, where few are missing, be published against that person's word; to let them
alone for ever, for what is really gone would never be told and never leave the state.

Question: what of tokens past their time, when too many others are missing. Choice: they wait too, unasked: how long the
service lists a token after its end is not known, so a lost privilege may hide those as well, and the answer by Moid is
then as worthless as for the others. Rejected: to hold them, for nobody needs to look into what ends by itself.

Question: what we may see has changed, and be it that a right was added. Choice: from then on every unexpired deletion
is held, since nobody can tell whether another right was lost with it. What we may see is remembered once; only the
release of a hold with that reason accepts what it has become. If it becomes again what it was, all that vanishes after
that goes its usual way; what is held stays held until it returns or is released. A discard accepts nothing: who says
that the tokens are there says that we do not see them all. Rejected: to accept a change by ourselves after a while.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from streamer.events import Evidence, Poll
from streamer.known import Known
from streamer.state import Hold, SourceRow, Status, TokenRow
from streamer.tokens import Audit, AuditRecord, Finding, Gone

OF_TOKENS: Final = "iam.OAuthToken"
OF_USERS: Final = "iam.User"
LOGOUT: Final = "Logout"
RIGHTS_CHANGED: Final = "rights_changed"  # the gravest reason of a hold: what the API says by Moid is in doubt, too
DISCARDED_FOR_MS: Final = 7 * 86_400_000  # a person's word that tokens are there, for those that do not expire before
OTHER_DEEDS: Final = ("creat", "modif", "updat", "patch", "post", "login")  # how records begin that tell of no deletion
MOST_AHEAD_MS: Final = 3_600_000  # of our clock, for the guards to go by the server's
A_LIST: Final = 5  # a list of so many that goes empty is not believed


@dataclass(frozen=True, slots=True)
class Guard:
    """When deletions at once are too many: above `percent` of the known unexpired tokens, within two bounds.

    Deletions published within `window_ms` before count too, but for those that a person released.
    """

    percent: float = 10
    at_least: int = 10
    at_most: int = 500
    window_ms: int = 600_000

    def threshold(self, known: int) -> float:
        """How many of `known` unexpired tokens may be missing at once."""
        return min(max(known * self.percent / 100, self.at_least), self.at_most)


@dataclass(frozen=True, slots=True)
class Weighed:
    """The missing tokens before anybody is asked: each is held, may be asked for, or just waits.

    `reason` is that of a new or standing hold: `threshold`, `emptied` or `rights_changed`.
    """

    held: frozenset[str] = frozenset()
    askable: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The token is gone.

    `not_after` is the server's time of the proof, rounded up; `moment` when it happened, where somebody tells.
    """

    cause: str
    evidence: Evidence
    not_after: int
    moment: int | None = None
    trace_id: str | None = None


def weigh(
    row: SourceRow,
    tokens: Mapping[str, TokenRow],
    missing: Collection[str],
    poll: Poll,
    guard: Guard,
    *,
    emptied: bool,
    rights_changed: bool,
) -> Weighed:
    """Whether the missing tokens may be asked for.

    What is held stays held, also when it expires; a person lets it go, or it returns. What is missing because its time
    is over counts for nothing, held or not, nor does what is let alone after a discard; but while too much is missing
    it waits as well. A token no older than the replica lag may not be everywhere yet, and waits.

    Args:
        row: the source's row; its hold is the one that stands.
        tokens: all that is known.
        missing: the Moids that the snapshot lacks.
        poll: gives the clocks.
        guard: the bounds.
        emptied: the snapshot has no row at all.
        rights_changed: what we may see is not what it was.
    """
    now = _credible(poll, poll.detected_at)
    open_ = [moid for moid in missing if not _is_let_alone(row, tokens[moid], now)]
    standing = {moid for moid in open_ if in_hold(row, tokens[moid])}
    released = row.hold is not None and row.hold.released
    unsettled = {m for m in open_ if not _expired(tokens[m], now) and not (released and m in standing)}
    listed = sum(_was_listed(row, token) for token in tokens.values()) if emptied else 0
    reason = _reason(tokens, unsettled, poll, guard, emptied=listed >= A_LIST, rights_changed=rights_changed)
    held = standing | (unsettled if reason else set())
    stopped = set(open_) if reason else held
    if released:  # one hold at a time: what would be a new one waits until this one is done
        held, stopped = set(), stopped - standing
    askable = tuple(m for m in open_ if m not in stopped and not _young(tokens[m], poll))
    return Weighed(frozenset(held), askable, reason if held - standing else None)


def in_hold(row: SourceRow, token: TokenRow) -> bool:
    """Whether a token stands in the hold of its source; a hold that was discarded holds nothing any more."""
    return token.status is Status.HELD and row.hold is not None and token.hold_id == row.hold.hold_id


def is_discarded(row: SourceRow, token: TokenRow) -> bool:
    """Whether a token is missing and a person said that it is there all the same; once written so, it has no hold."""
    return token.status is Status.HELD and not in_hold(row, token)


def _is_let_alone(row: SourceRow, token: TokenRow, now: int) -> bool:
    """Whether it was discarded a short time ago, which its row tells from the next accepted poll on, and lives on."""
    if not is_discarded(row, token) or _expired(token, now):
        return False
    return token.hold_id is not None or now - token.seen_at <= DISCARDED_FOR_MS


def _was_listed(row: SourceRow, token: TokenRow) -> bool:
    """Whether it belongs to the list that is empty now, be it since an earlier poll, of which a crash may be a part."""
    emptied = row.hold is not None and row.hold.reason == "emptied" and in_hold(row, token)
    return token.status is Status.LIVE or emptied


def _reason(
    tokens: Mapping[str, TokenRow],
    unsettled: Collection[str],
    poll: Poll,
    guard: Guard,
    *,
    emptied: bool,
    rights_changed: bool,
) -> str | None:
    if not unsettled:
        return None
    if rights_changed:
        return RIGHTS_CHANGED
    if emptied:
        return "emptied"
    now = _credible(poll, poll.detected_at)
    known = Known.of(tokens)
    since = poll.detected_at - guard.window_ms
    recent = sum(_counts_as_recent(token, since, poll) for token in known.deleted().values())
    return "threshold" if len(unsettled) + recent > guard.threshold(known.existing() - len(known.over(now))) else None


def _counts_as_recent(token: TokenRow, since: int, poll: Poll) -> bool:
    """Whether its deletion was published since then, neither released by a person nor an expiry."""
    if token.deleted_at is None or token.known or token.deleted_at < since or token.hold_id is not None:
        return False
    return not _expired(token, _credible(poll, token.deleted_at))


def _expired(token: TokenRow, now: int) -> bool:
    return token.expiration_time is not None and token.expiration_time <= now


def _credible(poll: Poll, ours: int) -> int:
    """The server's time at our time `ours`, unless it is so far ahead that it would end every token."""
    return min(poll.clock.best(ours), ours + MOST_AHEAD_MS)


def _young(token: TokenRow, poll: Poll) -> bool:
    """Whether it may not be everywhere yet; without a CreateTime it may be as young as what wrote its row.

    One that is still to come is none, or its token would wait until then, be it the year 9999. One that was hidden and
    came back is as young as that: a replica that is behind still answers that it is not there. By the server's clock,
    or by ours, as long as we published something of it less than the lag ago: a wrong clock of ours delays a verdict
    for no longer.
    """
    since = token.visible_since
    born = token.seen_at if since is None or since > poll.started_at else since
    told = token.last_event_at is not None and poll.detected_at - token.last_event_at <= poll.replica_lag_ms
    ours = told and since is not None and poll.detected_at - since <= poll.replica_lag_ms
    return ours or poll.started_at - born <= poll.replica_lag_ms


def hold_after(row: SourceRow, held: Collection[str], *, hold_id: str, now: int, reason: str | None) -> Hold | None:
    """The hold of the source once these Moids are held; None: there is none (any more).

    Args:
        row: the source's row before.
        held: all Moids that stand in the hold now.
        hold_id: for a new one.
        now: the worker's clock.
        reason: of a new one; `rights_changed` also takes the place of another.
    """
    if not held:
        return None
    before = row.hold or Hold(hold_id, now, reason or "threshold", 0, "")
    gravest = RIGHTS_CHANGED if reason == RIGHTS_CHANGED else before.reason
    return Hold(before.hold_id, before.since, gravest, len(held), moids_sha256(held), before.released_at)


def moids_sha256(moids: Iterable[str]) -> str:
    """Hex, over the sorted Moids joined by newlines."""
    return hashlib.sha256("\n".join(sorted(moids)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known of a token that the API says is gone, besides that.

    Attributes:
        user_moid: whose it was.
        audit: the records found; None where nobody is to be asked.
        waited: polls that passed since its absence was proven, for the sake of a late record.
        wait: polls to wait.
    """

    user_moid: str | None = None
    audit: Audit | None = None
    waited: int = 0
    wait: int = 0


NOBODY: Final = Witness()


def judge(
    row: TokenRow, finding: Finding | None, poll: Poll, *, not_before: int, witness: Witness = NOBODY
) -> Deleted | None:
    """The verdict on a token that the snapshot lacks; None: there is none yet, the deletion waits.

    Args:
        row: what we know of the token.
        finding: what the API said when asked for it; None where it was not asked.
        poll: gives the server's clock; expiry is judged by it.
        not_before: start of the last snapshot that showed it, server's clock.
        witness: who may know why.
    """
    if not isinstance(finding, Gone):
        return None
    gone = _Proof(finding, poll)
    records = witness.audit.records if witness.audit else ()
    named = [r for r in records if r.object_type == OF_TOKENS and r.object_moid == finding.moid and _may_delete(r)]
    if named:
        return gone.because("revoked", named[-1])
    if _expired(row, gone.checked_at):
        return gone.because("expired", moment=row.expiration_time)
    logouts = [
        r
        for r in records
        if r.event == LOGOUT
        and r.object_type == OF_USERS
        and witness.user_moid in {r.object_moid, r.user_moid}
        and not_before <= r.timestamp <= gone.not_after
    ]
    if witness.user_moid is not None and len(logouts) == 1:
        return gone.because("logout", logouts[0])
    may_come = witness.audit is not None and witness.audit.readable and witness.waited < witness.wait
    return None if may_come else gone.because("removed")


def _may_delete(record: AuditRecord) -> bool:
    """Whether it can tell of a deletion: the text of `event` is not fixed, but some of it speaks of other deeds."""
    return not record.event.lower().startswith(OTHER_DEEDS)


@dataclass(frozen=True, slots=True)
class _Proof:
    """The API's own word that a token does not exist."""

    finding: Gone
    poll: Poll

    @property
    def checked_at(self) -> int:
        return self.poll.clock.best(self.finding.checked_at)

    @property
    def not_after(self) -> int:
        return self.poll.clock.latest(self.finding.checked_at)

    def because(self, cause: str, record: AuditRecord | None = None, moment: int | None = None) -> Deleted:
        told = record and {
            "audit_record_moid": record.moid,
            "audit_event": record.event,
            "actor": record.actor,
            "actor_ip": record.actor_ip,
        }
        return Deleted(
            cause=cause,
            evidence=Evidence(self.finding.method, self.checked_at, **(told or {})),
            not_after=self.not_after,
            moment=record.timestamp if record else moment,
            trace_id=self.finding.trace_id,
        )
