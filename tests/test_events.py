"""The rules by which a change becomes an event: its name, its bounds, whether it is baseline, what is derived."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import events
from streamer.tokens import ServerClock
from tests.builders import EPOCH, NOON, SECOND, poll, token

HOUR = 3600 * SECOND


def test_the_name_is_the_one_of_the_contract() -> None:
    """UUIDv5 of `epoch/moid/event_type/<not_before>/<SHA-256 hex of before then after>`, computed by hand here."""
    before, after = b"\x02a\x00", b"\x02b\x01"
    digest = hashlib.sha256(before + after).hexdigest()
    text = f"{EPOCH}/m/modified/1764071880000/{digest}"
    namespace = uuid.UUID("8d63d314-d7bb-423f-a5f7-98a95e06fd8b")
    by_hand = uuid.UUID(bytes=hashlib.sha1(namespace.bytes + text.encode()).digest()[:16], version=5)

    name = events.event_id(EPOCH, "m", "modified", not_before=1_764_071_880_000, before=before, after=after)

    assert name == str(by_hand)


def test_nothing_known_before_counts_as_zero_and_as_no_bytes() -> None:
    """A first look has no `not_before`, a creation no `before`, a deletion no `after`."""
    digest = hashlib.sha256(b"T").hexdigest()
    named = str(uuid.uuid5(events.NAMESPACE, f"{EPOCH}/m/created/0/{digest}"))

    assert events.event_id(EPOCH, "m", "created", not_before=None, before=None, after=b"T") == named
    assert events.event_id(EPOCH, "m", "created", not_before=None, before=b"T", after=None) == named


@pytest.mark.parametrize(
    ("created_at", "not_before", "baseline"),
    [
        (NOON - 600 * SECOND, None, True),  # at the start of the first look
        (NOON - 600 * SECOND + 1, None, False),  # after it, while its pages were read
        (NOON - HOUR, NOON - 61 * SECOND, True),  # before it, seen late
        (NOON - 181 * SECOND, NOON - 61 * SECOND, False),  # as late as a lagging replica may show it
        (NOON - 181 * SECOND - 1, NOON - 61 * SECOND, True),  # rights regained
        (None, None, True),  # no CreateTime: old on the first look
        (None, NOON - 61 * SECOND, False),  # and new on any other
    ],
)
def test_baseline_is_what_was_there_before_we_could_see_it(
    created_at: int | None, not_before: int | None, *, baseline: bool
) -> None:
    """Older than our first look, or than the last look that did not show it, less what a replica may lag behind."""
    assert events.is_baseline(poll(), created_at, not_before) is baseline


@settings(deadline=None)
@given(st.none() | st.integers(), st.none() | st.integers(), st.integers())
def test_an_estimate_is_kept_within_the_bounds(estimate: int | None, not_before: int | None, not_after: int) -> None:
    """Below and above it is clamped; without one the moment of detection is the estimate."""
    not_before = None if not_before is None else min(not_before, not_after)

    moment = events.within(estimate, poll(), not_before, not_after)

    assert moment <= not_after
    assert not_before is None or not_before <= moment
    wanted = NOON if estimate is None else estimate
    if wanted <= not_after and (not_before is None or not_before <= wanted):
        assert moment == wanted


@settings(deadline=None)
@given(st.integers(-HOUR, HOUR), st.integers(0, 5000), st.integers(0, 5000), st.integers(NOON, NOON + SECOND))
def test_a_date_header_proves_an_interval_that_holds_the_truth(offset: int, there: int, back: int, now: int) -> None:
    """Whatever the offset and the delays on the way: a whole second's Date never excludes the true offset."""
    made_at = now + there
    date = (made_at + offset) // SECOND * SECOND

    clock = ServerClock.of_reply(date, now, made_at + back)

    assert clock.lowest <= offset < clock.highest
    assert clock.earliest(now) <= now + offset <= clock.latest(now)
    assert clock.earliest(now) <= clock.best(now) <= clock.latest(now)


def test_clocks_that_agree_have_no_offset_and_others_the_nearer_bound() -> None:
    """A `Date` that may be ours is taken for ours; a clock that was set is believed anew."""
    assert ServerClock(-300, 700).offset == 0
    assert ServerClock(200, 900).offset == 200
    assert ServerClock(-900, -200).offset == -200
    assert ServerClock(0, 900).narrowed(ServerClock(-300, 700)) == ServerClock(0, 700)
    assert ServerClock(0, 900).narrowed(ServerClock(5000, 6000)) == ServerClock(5000, 6000)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("10.0.0.1", "10.0.0.254", False),
        ("10.0.0.1", "10.0.1.1", True),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", False),
        ("2001:db8::1", "2001:db8:0:1::1", True),
        ("10.0.0.1", "::a00:1", True),
        ("10.0.0.1", "somewhere", None),
        ("somewhere", "somewhere", None),
        (None, "10.0.0.1", None),
        ("10.0.0.1", None, None),
    ],
)
def test_a_login_from_another_network_is_told(old: str | None, new: str | None, *, changed: bool | None) -> None:
    """Another /24 or /64; null where an address is missing or is none."""
    before, after = token(last_login_client=old), token(last_login_client=new)

    assert events.derived(before, after).login_network_changed is changed


def test_figures_of_a_token_are_whole_seconds() -> None:
    """Lifetime is expiration less creation, idleness the new login less the old one; null where one is missing."""
    old = token(create_time=NOON, expiration_time=NOON + 90_999, last_login_time=NOON)
    new = replace(old, last_login_time=NOON + 5500)

    assert (events.derived(old, new).lifetime_s, events.derived(old, new).idle_s) == (90, 5)
    assert events.derived(None, new).idle_s is None
    assert events.derived(replace(old, last_login_time=None), new).idle_s is None
    assert events.derived(old, replace(new, expiration_time=None)).lifetime_s is None
    assert events.derived(old, new).new_client_for_user is None


@pytest.mark.parametrize(
    ("ends", "mod_time", "login", "outlived"),
    [
        (NOON, NOON + 1, None, True),
        (NOON, NOON, NOON + 1, True),
        (NOON, NOON, NOON, False),
        (NOON, None, None, False),
        (None, NOON, NOON, None),
    ],
)
def test_use_after_the_end_is_told(
    ends: int | None, mod_time: int | None, login: int | None, *, outlived: bool | None
) -> None:
    """Judged by the expiry it had until then: a change that sets a later one does not excuse itself."""
    before = token(expiration_time=ends)
    after = replace(before, mod_time=mod_time, last_login_time=login, expiration_time=NOON + HOUR)

    assert events.derived(before, after).outlived_expiry is outlived
