"""From a change to what is written for its token: bounds, names, suppression, waiting, retraction, the end of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import diff
from streamer.absence import judge
from streamer.events import Event, Poll, event_id
from streamer.judging.steps import REMEMBER_DELETED_MS, Step, Writing, last_shown, steps, tombstones
from streamer.state import Status, TokenRow
from streamer.tokens import Finding, Gone, ServerClock, Sighting, Token
from tests.builders import ACCOUNT, EPOCH, NOON, SECOND, poll, row, sighting, snapshot, token

DELETION = "6f1d8a3e-94f2-5b53-8a0c-3f0e2b8f1d11"
REFRESHED = token(access_expiration_time=NOON, mod_time=NOON - SECOND)
RENAMED = token(client_name="other", mod_time=NOON - 5 * SECOND)


def written(
    rows: Mapping[str, TokenRow],
    seen: Iterable[Token | Sighting],
    *,
    at: Poll | None = None,
    findings: Mapping[str, Finding] | None = None,
    **how: Any,
) -> tuple[Step, ...]:
    """What a poll that sees these tokens writes on top of these rows."""
    at = at or poll()
    found = diff.changes(rows, snapshot(seen, known=rows.values(), clock=at.clock))
    judged = {m: judge(rows[m], f, at, not_before=last_shown(at, rows[m])) for m, f in (findings or {}).items()}
    return tuple(steps(at, found, Writing({m: v for m, v in judged.items() if v}, **how)))


def event(made: tuple[Step, ...]) -> Event:
    """The event of the only step."""
    (step,) = made
    assert step.event is not None
    return step.event


def deleted(*, at: int = NOON - 60 * SECOND, seen_at: int = NOON - 61 * SECOND) -> TokenRow:
    """The row of a token published as deleted."""
    gone = {"deleted_event_id": DELETION, "deleted_at": at, "absent_since": NOON - 120 * SECOND}
    return row(token(), Status.DELETED, seen_at=seen_at, **gone)


# Creations...


def test_a_new_token_is_created_with_all_that_was_seen() -> None:
    """Bounds: the last complete snapshot did not show it, this reply did; the moment is its CreateTime."""
    new = sighting(token(create_time=NOON - 30 * SECOND), arrived_at=NOON - 7)

    made = event(written({}, [new]))

    assert (made.event_type, made.moid, made.account_moid, made.trace_id) == ("created", "a", ACCOUNT, "trace")
    assert (made.before, made.after) == (None, new.datum)
    assert (made.not_before, made.event_time, made.not_after) == (NOON - 61 * SECOND, NOON - 30 * SECOND, NOON - 7)
    assert (made.detected_at, made.baseline, made.retracts) == (NOON, False, None)
    assert made.event_id == event_id(EPOCH, "a", "created", not_before=NOON - 61 * SECOND, before=None, after=new.datum)


def test_a_baseline_keeps_the_moment_before_we_looked() -> None:
    """Only there the event's time lies outside its bounds."""
    old = NOON - 30 * 86_400 * SECOND

    made = event(written({}, [token(create_time=old)], at=poll(last_complete=None)))
    late = event(written({}, [token(create_time=old)]))

    assert (made.baseline, made.not_before, made.event_time) == (True, None, old)
    assert (late.baseline, late.not_before, late.event_time) == (True, NOON - 61 * SECOND, old)


def test_a_baseline_without_create_time_happened_when_it_was_seen() -> None:
    """Nothing tells when it was made: the moment of detection, within the bounds."""
    made = event(written({}, [token(create_time=None)], at=poll(last_complete=None)))

    assert (made.baseline, made.event_time) == (True, NOON)


def test_a_row_says_what_its_event_said() -> None:
    """The state keeps the very bytes that the event carries, and when it was told."""
    (step,) = written({}, [token(expiration_time=NOON)])

    assert step.event is not None
    assert step.row is not None
    assert (step.row.datum, step.row.status) == (step.event.after, Status.LIVE)
    assert (step.row.seen_at, step.row.last_event_at, step.row.expiration_time) == (NOON - SECOND, NOON, NOON)


# Modifications...


def test_a_change_lies_between_the_snapshots_that_showed_both_states() -> None:
    """`before` is byte for byte the `after` of the event before; the moment is ModTime."""
    known = row(token())

    made = event(written({"a": known}, [RENAMED]))

    assert (made.event_type, made.before, made.after) == ("modified", known.datum, sighting(RENAMED).datum)
    assert (made.changed_fields, made.change_kinds) == (("client_name", "mod_time"), ("client",))
    assert (made.not_before, made.event_time, made.not_after) == (NOON - 61 * SECOND, NOON - 5 * SECOND, NOON)


def test_a_row_written_after_the_last_complete_snapshot_bounds_its_next_change() -> None:
    """The snapshot that a crash cut off showed the old state, too."""
    made = event(written({"a": row(token(), seen_at=NOON - 20 * SECOND)}, [RENAMED]))

    assert made.not_before == NOON - 20 * SECOND


@pytest.mark.parametrize("status", [Status.WAITING, Status.HELD])
def test_a_token_that_was_absent_and_returns_changed_was_last_seen_before(status: Status) -> None:
    """Its old state was last shown when it was last shown; the absence is over."""
    known = row(token(), status, absent_since=NOON - 300 * SECOND, seen_at=NOON - 60 * SECOND)

    (step,) = written({"a": known}, [RENAMED])

    assert event((step,)).not_before == NOON - 300 * SECOND
    assert step.row is not None
    assert (step.row.status, step.row.absent_since) == (Status.LIVE, None)


# Suppression...


def test_a_suppressed_refresh_writes_nothing() -> None:
    """Neither event nor state, so that a later event's `before` is still the last `after`."""
    known = {"a": row(token())}

    assert event(written(known, [REFRESHED])).change_kinds == ("refresh",)
    assert written(known, [REFRESHED], quiet={"a"}) == ()


def test_a_suppressed_refresh_still_ends_an_absence() -> None:
    """The token is there; its row goes on saying what its last event said."""
    known = row(token(), Status.WAITING, absent_since=NOON - 300 * SECOND)

    (step,) = written({"a": known}, [REFRESHED], quiet={"a"})

    assert step == Step("a", replace(known, status=Status.LIVE, absent_since=None, seen_at=NOON - SECOND))


# Absences...


def test_an_absence_without_a_verdict_is_remembered_once() -> None:
    """The row keeps since when; the next poll without a verdict adds nothing."""
    known = row(token())

    (step,) = written({"a": known}, [])
    assert step.row is not None
    again = written({"a": step.row}, [], at=poll(started_at=NOON + 59 * SECOND, last_complete=NOON - SECOND))

    assert step.event is None
    assert (step.row.status, step.row.absent_since) == (Status.WAITING, NOON - 61 * SECOND)
    assert (step.row.datum, step.row.last_event_at) == (known.datum, known.last_event_at)
    assert again == ()


def test_a_late_verdict_is_bounded_by_the_last_sight() -> None:
    """However many polls it waited, the deletion may have come right after the token was last shown."""
    waiting = row(token(), Status.WAITING, absent_since=NOON - 600 * SECOND, seen_at=NOON - 540 * SECOND)

    (step,) = written({"a": waiting}, [], findings={"a": Gone("a", NOON + 300)})

    made = event((step,))
    assert (made.event_type, made.before, made.after) == ("deleted", waiting.datum, None)
    assert (made.not_before, made.event_time, made.not_after) == (NOON - 600 * SECOND, NOON, NOON + 300)
    assert (made.delete_cause, made.account_moid) == ("removed", ACCOUNT)
    assert step.row is not None
    assert (step.row.status, step.row.datum) == (Status.DELETED, waiting.datum)
    assert (step.row.deleted_event_id, step.row.deleted_at) == (made.event_id, NOON)


@pytest.mark.parametrize(("ended", "moment"), [(-30, -30), (-3600, -61)])
def test_an_expiry_tells_when(ended: int, moment: int) -> None:
    """The ExpirationTime is the moment, unless the token was still listed after it."""
    known = row(token(expiration_time=NOON + ended * SECOND))

    made = event(written({"a": known}, [], findings={"a": Gone("a", NOON)}))

    assert (made.delete_cause, made.event_time) == ("expired", NOON + moment * SECOND)
    assert made.derived is not None
    assert made.derived.lifetime_s == 3600 + ended


def test_a_returned_absence_leaves_no_trace() -> None:
    """Same meaning again: the row is live as if nothing had been, under the bytes its event carried."""
    known = row(token(), Status.HELD, absent_since=NOON - 300 * SECOND, hold_id=DELETION)

    (step,) = written({"a": known}, [sighting(token(), noise="link")])

    assert step == Step("a", replace(known, status=Status.LIVE, absent_since=None, hold_id=None, seen_at=NOON - SECOND))


# Retractions and the end of a row...


def test_a_return_is_told_in_silence_too() -> None:
    """Its end was told, so a reader would go on believing in that; only a first sight is not told."""
    long_gone = deleted(at=NOON - REMEMBER_DELETED_MS - 1, seen_at=NOON - REMEMBER_DELETED_MS - 1)

    assert event(written({"a": long_gone}, [token(create_time=1)], silent=True)).baseline is True
    (first,) = written({}, [token(create_time=1)], silent=True)
    assert first.event is None


def test_a_token_that_returns_is_taken_back_by_name() -> None:
    """Created again with `retracts`, and never as a baseline, however old it is."""
    made = event(written({"a": deleted()}, [token(create_time=1)]))

    assert (made.event_type, made.retracts, made.baseline, made.before) == ("created", DELETION, False, None)
    assert made.event_time == made.not_before


@pytest.mark.parametrize(("age", "retracts"), [(REMEMBER_DELETED_MS, DELETION), (REMEMBER_DELETED_MS + 1, None)])
def test_seven_days_are_remembered(age: int, retracts: str | None) -> None:
    """A later return is a token like any other."""
    gone = deleted(at=NOON - age, seen_at=NOON - age)

    assert event(written({"a": gone}, [token(create_time=1)])).retracts == retracts
    assert event(written({"a": gone}, [token(create_time=1)])).baseline is (retracts is None)


def test_a_return_is_bounded_by_the_snapshot_that_lacked_it() -> None:
    """That is the poll that published the deletion, also if a crash cut it off before it was complete.

    Else a token that comes, goes and comes again between two complete snapshots gets the same name twice.
    """
    cut_off = deleted(seen_at=NOON - 30 * SECOND)

    assert event(written({"a": cut_off}, [token()])).not_before == NOON - 30 * SECOND
    assert event(written({"a": cut_off}, [token()], at=poll(last_complete=None))).not_before == NOON - 30 * SECOND


def test_a_forgotten_row_ends_in_a_tombstone_unless_its_token_just_returned() -> None:
    """After 7 days, not before, and never on top of the row that a creation has just written."""
    rows = {
        "a": deleted(at=NOON - REMEMBER_DELETED_MS - 1),
        "b": deleted(at=NOON - REMEMBER_DELETED_MS),
        "c": row(token("c")),
    }

    assert list(tombstones(poll(), rows, set())) == [Step("a", None)]
    assert list(tombstones(poll(), rows, {"a"})) == []


# Laws...

INSTANTS = st.integers(NOON - 1000 * SECOND, NOON + 1000 * SECOND)
OFFSETS = st.integers(-1000 * SECOND, 1000 * SECOND)
CLOCKS = st.builds(lambda low, width: ServerClock(low, low + width), OFFSETS, st.integers(0, 1000))
POLLS = st.builds(
    poll,
    detected_at=INSTANTS,
    started_at=INSTANTS,
    clock=CLOCKS,
    last_complete=st.none() | INSTANTS,
    first_started_at=INSTANTS,
)
STAMPED = st.builds(
    token, mod_time=st.none() | INSTANTS, create_time=st.none() | INSTANTS, expiration_time=st.none() | INSTANTS
)
ROWS = st.none() | st.one_of(
    st.builds(row, STAMPED, seen_at=INSTANTS),
    st.builds(row, STAMPED, st.just(Status.WAITING), seen_at=INSTANTS, absent_since=INSTANTS),
    st.builds(deleted, at=INSTANTS, seen_at=INSTANTS),
)


@settings(deadline=None)
@given(POLLS, ROWS, st.none() | STAMPED, INSTANTS)
def test_the_bounds_hold_whatever_the_clocks_say(
    at: Poll, known: TokenRow | None, seen: Token | None, arrived_at: int
) -> None:
    """`not_before <= event_time <= not_after`, baselines excepted, also if a clock was set back in between."""
    rows = {} if known is None else {"a": known}
    shown = [] if seen is None else [sighting(seen, arrived_at=arrived_at)]
    absent = {"a": Gone("a", arrived_at)} if known and known.known and seen is None else {}

    for step in written(rows, shown, at=at, findings=absent):
        made = step.event
        assert made is not None or (known is not None and known.status is Status.WAITING)
        if made is None:
            continue
        assert made.not_after >= at.clock.latest(arrived_at)
        assert made.not_before is None or made.not_before <= made.not_after
        if not made.baseline:
            assert made.event_time <= made.not_after
            assert made.not_before is None or made.not_before <= made.event_time
        assert made.event_id == event_id(
            EPOCH, "a", made.event_type, not_before=made.not_before, before=made.before, after=made.after
        )
