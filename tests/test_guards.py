"""Too many missing tokens at once: they are held before anybody is asked, and what is held stays held."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.absence import DISCARDED_FOR_MS, Guard, Weighed, in_hold, is_discarded, weigh
from streamer.state import SourceRow, Status, TokenRow
from streamer.tokens import ServerClock
from tests.builders import EPOCH, NOON, SECOND, poll, row, token
from tests.held import AHEAD, CALM, HELD, HOLD, HOLDING, OTHER, OVER, RELEASED


def rows(count: int, status: Status = Status.LIVE, *, first: int = 0, **fields: Any) -> dict[str, TokenRow]:
    """So many tokens, alike."""
    seen = {name: fields.pop(name) for name in ("expiration_time", "create_time") if name in fields}
    return {f"{n:04}": row(token(f"{n:04}", **seen), status, **fields) for n in range(first, first + count)}


def held(count: int, *, first: int = 9000, hold_id: str | None = HOLD, **fields: Any) -> dict[str, TokenRow]:
    """So many in a hold; None: in one that was discarded."""
    return rows(count, Status.HELD, first=first, hold_id=hold_id, absent_since=NOON - 300 * SECOND, **fields)


def weighed(
    known: dict[str, TokenRow],
    missing: set[str] | int,
    source: SourceRow = CALM,
    guard: Guard | None = None,
    **how: Any,
) -> Weighed:
    """Of what is known these are missing, or so many of the first."""
    lost = sorted(known)[:missing] if isinstance(missing, int) else sorted(missing)
    usual = {"emptied": False, "rights_changed": False}
    return weigh(source, known, lost, how.pop("at", poll()), guard or Guard(), **usual | how)


# Guards...


@pytest.mark.parametrize(
    ("known", "threshold"), [(0, 10), (50, 10), (100, 10), (101, 10.1), (2000, 200), (5000, 500), (100_000, 500)]
)
def test_the_threshold_is_a_part_of_the_known_kept_within_bounds(known: int, threshold: float) -> None:
    """Ten percent, at least 10, at most 500."""
    assert Guard().threshold(known) == pytest.approx(threshold)


@pytest.mark.parametrize(("known", "most"), [(20, 10), (300, 30), (6000, 500)])
def test_what_is_missing_is_held_above_the_threshold_and_not_at_it(known: int, most: int) -> None:
    """As many as are allowed may be asked for; one more, and nobody is asked for any."""
    at = weighed(rows(known), most)
    above = weighed(rows(known), most + 1)

    assert (at.held, len(at.askable), at.reason) == (frozenset(), most, None)
    assert (len(above.held), above.askable, above.reason) == (most + 1, (), "threshold")


def test_expired_tokens_count_for_nothing() -> None:
    """Neither as missing nor as known."""
    over = rows(400, first=5000, **OVER)
    many = weighed(rows(100) | over, {*rows(10), *over})

    assert (many.held, len(many.askable)) == (frozenset(), 410)


@pytest.mark.parametrize("how", [{}, {"emptied": True}, {"rights_changed": True}])
def test_expired_tokens_wait_while_too_much_is_missing(how: dict[str, Any]) -> None:
    """Some are listed past their time: what hides the others hides those, and tells the same lie when asked."""
    over = rows(400, first=5000, **OVER)

    hidden = weighed(rows(100) | over, {*rows(11), *over}, **how)
    released = weighed(rows(100) | over | held(5), {*rows(11), *over, *held(5)}, RELEASED, **how)

    assert (set(hidden.held), hidden.askable) == (set(rows(11)), ())
    assert (released.held, set(released.askable)) == (frozenset(), set(held(5)))


def test_expiry_is_judged_by_the_server_before_anybody_is_asked() -> None:
    """By our own clock they would have 5 s to live."""
    over = rows(11, expiration_time=NOON + 5 * SECOND)

    assert weighed(over, 11, at=poll(clock=AHEAD)).held == frozenset()
    assert len(weighed(over, 11).held) == 11


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, True),
        ({"hold_id": HOLD}, False),  # a person released it
        ({"deleted_at": NOON - 601 * SECOND}, False),  # the window is over
        ({"deleted_at": NOON - 600 * SECOND}, True),
        ({"expiration_time": NOON - 120 * SECOND}, False),  # it had expired
        ({"expiration_time": NOON - 30 * SECOND}, True),  # it expired after
    ],
)
def test_what_was_published_lately_counts(fields: dict[str, Any], *, counts: bool) -> None:
    """Ten a minute are as many as a hundred in ten minutes."""
    gone = rows(7, Status.DELETED, first=8000, **{"deleted_at": NOON - 60 * SECOND} | fields)

    many = weighed(rows(50) | gone, 4)

    assert (many.reason == "threshold") is counts
    assert weighed(rows(50) | gone, 3).held == frozenset()


@pytest.mark.parametrize(("known", "reason"), [(4, None), (5, "emptied"), (6, "emptied")])
def test_a_list_that_goes_empty_is_held(known: int, reason: str | None) -> None:
    """From five tokens on, however few that is."""
    assert weighed(rows(known), known, emptied=True).reason == reason
    assert weighed(rows(known), known - 1).reason is None


def test_a_list_that_went_empty_while_a_crash_cut_its_hold_is_held_whole() -> None:
    """Most of it stands in the hold already; the rest was in that list, too."""
    known = rows(2) | held(6)
    cut = SourceRow(EPOCH, hold=replace(HELD, reason="emptied"))

    assert weighed(known, set(known), cut, emptied=True).held == set(known)
    assert weighed(known, set(known), HOLDING, emptied=True).held == set(held(6))


def test_a_change_of_what_we_may_see_holds_all_that_is_missing() -> None:
    """Even one; but nothing if all that is missing has expired."""
    assert weighed(rows(50), 1, rights_changed=True) == Weighed(frozenset({"0000"}), (), "rights_changed")
    assert weighed(rows(50, **OVER), 1, rights_changed=True) == Weighed(frozenset(), ("0000",), None)


def test_what_is_held_stays_held() -> None:
    """Also below the threshold, also when it expires; what is missing beside it goes its own way."""
    known = rows(50) | held(3) | held(3, first=9500, **OVER)

    few = weighed(known, {"0000", *held(3), *held(3, first=9500)}, HOLDING)
    many = weighed(known, {*rows(8), *held(3), *held(3, first=9500)}, HOLDING)

    assert (set(few.held), few.askable, few.reason) == ({*held(3), *held(3, first=9500)}, ("0000",), None)
    assert (len(many.held), many.askable, many.reason) == (14, (), "threshold")


def test_a_held_token_that_expired_does_not_count() -> None:
    """Held as it is, it makes no other deletion one too many."""
    known = rows(50) | held(30, **OVER)

    assert weighed(known, {*rows(10), *held(30)}, HOLDING).askable == tuple(rows(10))


def test_what_was_released_is_asked_for_and_counts_no_more() -> None:
    """Thousands may go; what else is missing is weighed without them."""
    known = rows(50) | held(1000)

    alone = weighed(known, {*rows(10), *held(1000)}, RELEASED)

    assert (alone.held, len(alone.askable), alone.reason) == (frozenset(), 1010, None)


@pytest.mark.parametrize("rights_changed", [False, True])
def test_there_is_one_hold_at_a_time(*, rights_changed: bool) -> None:
    """While a released one is not done, what would be held waits, and is not asked for."""
    known = rows(50) | held(4)

    second = weighed(known, {*rows(11), *held(4)}, RELEASED, rights_changed=rights_changed)

    assert (second.held, set(second.askable), second.reason) == (frozenset(), set(held(4)), None)


@pytest.mark.parametrize("source", [CALM, SourceRow(EPOCH, hold=replace(HELD, hold_id=OTHER)), RELEASED])
def test_what_was_discarded_is_let_alone(source: SourceRow) -> None:
    """A person said that it is there: it is neither held anew nor asked for, and counts for nothing."""
    just = held(40, hold_id="22222222-2222-4333-8444-555555555555")
    written = held(40, first=8000, hold_id=None, seen_at=NOON - DISCARDED_FOR_MS)
    known = rows(50) | just | written

    few = weighed(known, {*rows(10), *just, *written}, source, rights_changed=False)

    assert (few.held, few.askable) == (frozenset(), tuple(rows(10)))


@pytest.mark.parametrize("source", [CALM, RELEASED])
def test_what_was_discarded_and_is_missing_at_its_end_is_weighed_anew(source: SourceRow) -> None:
    """Expired it is asked for like any other; after seven days too, where it may be too much again."""
    just = held(40, hold_id=OTHER, **OVER)
    written = held(40, first=8000, hold_id=None, **OVER)
    old: dict[str, Any] = {"hold_id": None, "seen_at": NOON - DISCARDED_FOR_MS - 1}

    over = weighed(rows(50) | just | written, {*just, *written}, source)
    few = weighed(rows(50) | held(10, **old), set(held(10)), source)
    many = weighed(rows(50) | held(11, **old), set(held(11)))

    assert (over.held, set(over.askable)) == (frozenset(), {*just, *written})
    assert (few.held, set(few.askable)) == (frozenset(), set(held(10)))
    assert (set(many.held), many.askable, many.reason) == (set(held(11)), (), "threshold")


def test_no_date_ends_a_discard() -> None:
    """A server whose clock is a month ahead neither expires what was discarded nor lets the week be over."""
    month = ServerClock(30 * 86_400 * SECOND, 30 * 86_400 * SECOND)
    known = held(1, hold_id=None, expiration_time=NOON + 86_400 * SECOND) | held(1, first=8000, hold_id=None)

    assert weighed(known, set(known), at=poll(clock=month)) == Weighed()


@pytest.mark.parametrize(("age_s", "asked"), [(0, False), (120, False), (121, True)])
def test_a_young_token_is_not_asked_for(age_s: int, *, asked: bool) -> None:
    """A replica that is behind by the whole lag may not have it yet; it counts all the same."""
    young = rows(10, create_time=NOON - SECOND - age_s * SECOND)

    assert weighed(young, 1).askable == (("0000",) if asked else ())
    assert weighed(young | rows(1, first=5000), 11).reason == "threshold"


@pytest.mark.parametrize(("age_s", "asked"), [(120, False), (121, True)])
def test_a_token_without_a_birthday_is_as_young_as_its_row(age_s: int, *, asked: bool) -> None:
    """Its CreateTime may be unreadable: nobody knows it to be older than the snapshot that wrote its row."""
    unknown = rows(10, create_time=None, seen_at=NOON - SECOND - age_s * SECOND)

    assert weighed(unknown, 1).askable == (("0000",) if asked else ())


@pytest.mark.parametrize(("age_s", "asked"), [(120, False), (121, True)])
def test_a_birthday_that_is_still_to_come_keeps_nobody_young(age_s: int, *, asked: bool) -> None:
    """A CreateTime of the year 9999 is nobody's, or its token would wait until then after it is gone."""
    unborn = rows(10, create_time=253_402_300_799_999, seen_at=NOON - SECOND - age_s * SECOND)

    assert weighed(unborn, 1).askable == (("0000",) if asked else ())


@pytest.mark.parametrize(
    ("age_s", "told_s", "asked"),
    [(120, 120, False), (121, 120, True), (120, 121, True), (-3400, 120, False), (-3400, 121, True), (60, None, True)],
)
def test_what_we_told_lately_is_young_by_our_clock_too(age_s: int, told_s: int | None, *, asked: bool) -> None:
    """A `Date` an hour ahead makes no token old; our own clock an hour behind delays no verdict beyond the lag."""
    told = None if told_s is None else NOON - told_s * SECOND
    known = rows(10, create_time=NOON - age_s * SECOND, last_event_at=told)
    ahead = poll(started_at=NOON + 3600 * SECOND, clock=ServerClock(3600 * SECOND, 3601 * SECOND))

    assert weighed(known, 1, at=ahead).askable == (("0000",) if asked else ())


@pytest.mark.parametrize("ahead_s", [3600, 10**6, 10**9])
def test_no_date_opens_the_guards(ahead_s: int) -> None:
    """Tokens that end within a day are not expired because the server's clock runs away: they are held."""
    ahead = ServerClock(ahead_s * SECOND, (ahead_s + 1) * SECOND)
    day = rows(50, expiration_time=NOON + 24 * 3600 * SECOND)

    assert len(weighed(day, 20, at=poll(clock=ahead)).held) == 20


def test_what_was_published_lately_counts_also_if_the_date_runs_away() -> None:
    """Else every deletion of a minute ago would be an expiry."""
    ends = {"deleted_at": NOON - 60 * SECOND, "expiration_time": NOON + 24 * 3600 * SECOND}
    gone = rows(7, Status.DELETED, first=8000, **ends)
    ahead = ServerClock(10**9, 10**9 + SECOND)

    assert weighed(rows(50) | gone, 4, at=poll(clock=ahead)).reason == "threshold"


STATUSES = st.sampled_from([Status.LIVE, Status.WAITING, Status.HELD])
TOKENS = st.dictionaries(
    st.sampled_from("abcdefghij"),
    st.builds(
        row,
        st.builds(token, expiration_time=st.sampled_from([None, NOON - 1, NOON + SECOND])),
        STATUSES,
        hold_id=st.sampled_from([None, HOLD, OTHER]),
    ),
).map(lambda rows: {moid: replace(one, datum=row(token(moid)).datum) for moid, one in rows.items()})


@settings(deadline=None)
@given(
    known=TOKENS,
    source=st.sampled_from([CALM, HOLDING, RELEASED]),
    most=st.sampled_from([1, 2, 3]),
    lost=st.booleans(),
    emptied=st.booleans(),
    rights_changed=st.booleans(),
)
def test_nothing_gets_past_the_guards(
    known: dict[str, TokenRow], source: SourceRow, most: int, *, lost: bool, emptied: bool, rights_changed: bool
) -> None:
    """Whatever is known: no token is both held and asked for, no held one is asked for, never too many at once."""
    missing = set(known) if lost else {moid for moid in known if moid < "e"}

    found = weighed(known, missing, source, Guard(10, most, most), emptied=emptied, rights_changed=rights_changed)

    standing = {moid for moid in missing if in_hold(source, known[moid])}
    let_alone = {m for m in missing if is_discarded(source, known[m]) and known[m].expiration_time != NOON - 1}
    fresh = {m for m in found.askable if m not in standing and known[m].expiration_time != NOON - 1}
    released = source is RELEASED
    assert found.held.isdisjoint(found.askable)
    assert found.held >= standing or released
    assert standing.isdisjoint(found.askable) or released
    assert let_alone.isdisjoint(found.held.union(found.askable))
    assert len(fresh) <= (0 if rights_changed else most)
    assert (found.reason is not None) is bool(found.held - standing)
