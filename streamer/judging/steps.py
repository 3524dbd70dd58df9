"""From a change to what is written for its token: an event and a row, or a row alone, or nothing.

This is where suppression and verdicts are applied, as filters of what `diff` found. After each step the last event of
its token says exactly what its row says.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamer import avro, events
from streamer.absence import Deleted
from streamer.diff import ABSENT, Change, Kind, change_kinds
from streamer.events import Derived, Event, Poll, UserInfo
from streamer.frozen import Frozen, replace
from streamer.judging import lag
from streamer.state import Status, TokenRow, UserRow
from streamer.tokens import Sighting, Token

REMEMBER_DELETED_MS = 7 * 86_400_000  # a token that returns within this time is taken back by name


@dataclass(frozen=True, slots=True)
class UserStep:
    """The new row of the user `moid`; None: a tombstone."""

    moid: str
    row: UserRow | None


class Step(Frozen, frozen=True):
    """What one transaction writes for one token, all of it or nothing.

    Attributes:
        moid: the token.
        row: its new row; None: a tombstone.
        event: its event, without a number yet; None: readers learn nothing new.
        seen: the token that the row now shows, where that is new.
        user: what is remembered of its user from now on, where that is new.
    """

    moid: str
    row: TokenRow | None
    event: Event | None = None
    seen: Token | None = None
    user: UserStep | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """How changes are written.

    Attributes:
        verdicts: the deletions that are believed, by Moid.
        held: the absences that wait for a person, in the hold `hold_id`; any other one waits for a verdict, or, if it
            stood in a hold that was discarded, for nothing but time: then its row names no hold.
        users: those that were resolved, by Moid.
        owners: by the Moid of a token that is gone, that of its user.
        quiet: the refreshes that are not published, by Moid; they leave the state as it is.
        silent: tokens that were there at the first look are not published, the state is written all the same.
    """

    verdicts: Mapping[str, Deleted] = field(default_factory=dict)
    held: Container[str] = frozenset()
    hold_id: str | None = None
    users: Mapping[str, UserInfo] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    quiet: Container[str] = frozenset()
    silent: bool = False


def steps(poll: Poll, changes: Iterable[Change], writing: Writing) -> Iterator[Step]:
    """What is to be written, change by change, in their order.

    Args:
        poll: what all events share.
        changes: what `diff` found.
        writing: how.
    """
    for change in changes:
        row = change.row
        if row is None or not row.known:
            step = _created(poll, row, _seen(change))
            silent = writing.silent and row is None and was_first(poll, _seen(change).token.create_time)
            yield _silenced(step) if silent else _of_user(step, writing)
        elif change.kind is Kind.MISSING:
            yield from _missing(poll, change.moid, row, writing)
        elif change.kind is Kind.MODIFIED and change.moid not in writing.quiet:
            yield _of_user(_modified(poll, row, change), writing)
        elif row.status in ABSENT:
            yield Step(change.moid, _present(poll, row))


def _missing(poll: Poll, moid: str, row: TokenRow, writing: Writing) -> Iterator[Step]:
    """A deletion; or the row learns what its absence waits for, unless it says so already."""
    if verdict := writing.verdicts.get(moid):
        yield _of_user(_deleted(poll, moid, row, verdict), writing)
        return
    held = moid in writing.held
    status = Status.HELD if held or row.status is Status.HELD else Status.WAITING
    hold_id = writing.hold_id if held else None
    if (row.status, row.hold_id) != (status, hold_id):
        absent_since = last_shown(poll, row)
        yield Step(
            moid, replace(row, status=status, seen_at=poll.started_at, absent_since=absent_since, hold_id=hold_id)
        )


def _of_user(step: Step, writing: Writing) -> Step:
    owner = step.seen.user_moid if step.seen else writing.owners.get(step.moid)
    user = None if owner is None else writing.users.get(owner)
    return replace(step, event=replace(step.event, user=user)) if user and step.event else step


def was_first(poll: Poll, create_time: int | None) -> bool:
    """Whether a token that is new to us was there at the first look, whichever poll is the first to show it."""
    return poll.last_complete is None if create_time is None else create_time <= poll.first_started_at


def _silenced(step: Step) -> Step:
    return replace(step, event=None, row=replace(step.row, last_event_at=None) if step.row else None)


def is_forgotten(row: TokenRow, now: int) -> bool:
    """Whether its deletion was published more than 7 days before `now` (the worker's clock)."""
    return row.deleted_at is not None and now - row.deleted_at > REMEMBER_DELETED_MS


def tombstones(poll: Poll, deleted: Mapping[str, TokenRow], returned: Container[str]) -> Iterator[Step]:
    """The end of rows of deleted tokens that are forgotten, but for the tokens that just returned."""
    for moid, row in deleted.items():
        if is_forgotten(row, poll.detected_at) and moid not in returned:
            yield Step(moid, None)


def last_shown(poll: Poll, row: TokenRow) -> int:
    """Start of the last snapshot that showed the token as the row has it: no change of it can be older."""
    return _last_true(poll, row) if row.absent_since is None else row.absent_since


def _last_true(poll: Poll, row: TokenRow) -> int:
    """Start of the last snapshot that agreed with the row; the one that wrote it may be later than the complete one."""
    return row.seen_at if poll.last_complete is None else max(row.seen_at, poll.last_complete)


def _last_gone(poll: Poll, row: TokenRow) -> int:
    """Start of the last snapshot that lacked a deleted token; one that may have shown it as a ghost is no witness."""
    last = _last_true(poll, row)
    return row.seen_at if lag.may_be_a_ghost(row, poll, last) else last


def _last_shown_newer(poll: Poll, row: TokenRow, seen: Sighting) -> int:
    """As `last_shown`; an older row is believed because every snapshot showed it for a time: none of them counts."""
    is_old = row.absent_since is None and lag.is_before(seen.token.mod_time, row.mod_time)
    return row.seen_at if is_old else last_shown(poll, row)


def _seen(change: Change) -> Sighting:
    if change.after is None:
        raise ValueError(f"{change.moid} is {change.kind.value} and nobody saw it")
    return change.after


def _row(poll: Poll, seen: Sighting, visible_since: int | None) -> TokenRow:
    return TokenRow(
        Status.LIVE,
        poll.started_at,
        seen.raw,
        seen.meaning,
        seen.datum,
        expiration_time=seen.token.expiration_time,
        mod_time=seen.token.mod_time,
        visible_since=visible_since,
        last_event_at=poll.detected_at,
    )


def _present(poll: Poll, row: TokenRow) -> TokenRow:
    """The row of a token whose absence ended and that still says what its last event said."""
    return replace(row, status=Status.LIVE, seen_at=poll.started_at, absent_since=None, hold_id=None)


def _created(poll: Poll, row: TokenRow | None, seen: Sighting) -> Step:
    token = seen.token
    not_before = _last_gone(poll, row) if row else poll.last_complete
    not_after = poll.clock.latest(seen.arrived_at)
    retracts = row.deleted_event_id if row and not is_forgotten(row, poll.detected_at) else None
    event = _event(
        poll,
        token.moid,
        "created",
        after=seen.datum,
        not_before=not_before,
        not_after=not_after,
        estimate=token.create_time,
        account_moid=token.account_moid or poll.account_moid,
        baseline=retracts is None and events.is_baseline(poll, token.create_time, not_before),
        retracts=retracts,
        derived=events.derived(None, token),
        trace_id=seen.trace_id,
    )
    visible_since = not_after if events.was_hidden(poll, token.create_time, not_before) else token.create_time
    return Step(token.moid, _row(poll, seen, visible_since), event, token)


def _modified(poll: Poll, row: TokenRow, change: Change) -> Step:
    seen = _seen(change)
    event = _event(
        poll,
        change.moid,
        "modified",
        before=row.datum,
        after=seen.datum,
        not_before=_last_shown_newer(poll, row, seen),
        not_after=poll.clock.latest(seen.arrived_at),
        estimate=seen.token.mod_time,
        account_moid=seen.token.account_moid or poll.account_moid,
        changed_fields=change.fields,
        change_kinds=change_kinds(change.fields),
        derived=events.derived(change.before, seen.token),
        trace_id=seen.trace_id,
    )
    times = [time for time in (row.visible_since, seen.token.create_time) if time is not None]
    return Step(change.moid, _row(poll, seen, max(times, default=None)), event, seen.token)


def _deleted(poll: Poll, moid: str, row: TokenRow, verdict: Deleted) -> Step:
    not_before, token = last_shown(poll, row), avro.decode_token(row.datum)
    event = _event(
        poll,
        moid,
        "deleted",
        before=row.datum,
        not_before=not_before,
        not_after=verdict.not_after,
        estimate=verdict.moment,
        account_moid=poll.account_moid,
        delete_cause=verdict.cause,
        delete_evidence=verdict.evidence,
        derived=Derived(lifetime_s=events.lifetime_s(token.create_time, token.expiration_time)),
        trace_id=verdict.trace_id,
    )
    gone = replace(
        row,
        status=Status.DELETED,
        seen_at=poll.started_at,
        absent_since=not_before,
        hold_id=row.hold_id if row.status is Status.HELD else None,  # then a person released it
        deleted_event_id=event.event_id,
        deleted_at=poll.detected_at,
        last_event_at=poll.detected_at,
    )
    return Step(moid, gone, event)


def _event(
    poll: Poll,
    moid: str,
    event_type: str,
    *,
    before: bytes | None = None,
    after: bytes | None = None,
    not_before: int | None,
    not_after: int,
    estimate: int | None,
    baseline: bool = False,
    **facts: Any,
) -> Event:
    """An event with its name and what it shares with the poll; its number comes when it is known to be written.

    `estimate` is when it happened, if anything tells. Where a clock was set back, so that the new state arrived before
    the old one was asked for, the bounds meet at the later moment: it is the one that the log knows already.
    """
    not_after = not_after if not_before is None else max(not_before, not_after)
    within = events.within(estimate, poll, not_before, not_after)
    return Event(
        event_id=events.event_id(poll.epoch, moid, event_type, not_before=not_before, before=before, after=after),
        event_type=event_type,
        source=poll.source,
        epoch=poll.epoch,
        sequence=0,
        moid=moid,
        detected_at=poll.detected_at,
        event_time=within if not baseline else poll.detected_at if estimate is None else estimate,
        not_before=not_before,
        not_after=not_after,
        snapshot_id=poll.snapshot_id,
        baseline=baseline,
        before=before,
        after=after,
        **facts,
    )
