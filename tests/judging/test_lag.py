"""Lagging replicas: what may be an old view is not believed yet, and everything else at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import diff
from streamer.events import Poll
from streamer.judging.lag import Distrust, Since
from streamer.known import Known
from streamer.sightings import Sightings
from streamer.state import Status, TokenRow
from streamer.tokens import ServerClock, Token
from tests.builders import NOON, SECOND, poll, row, snapshot, token

LAG = 120 * SECOND
NEW, OLD = token(mod_time=NOON - 10 * SECOND), token(mod_time=NOON - 20 * SECOND, client_name="old")


def at(started_at: int, **fields: Any) -> Poll:
    """A poll that began then."""
    return poll(started_at=started_at, **fields)


def distrusted(known: dict[str, TokenRow], shown: list[Token], now: Poll, before: Since | None = None) -> Distrust:
    """What is not believed of a snapshot of these tokens; everything else is."""
    rows, seen = Known.of(known), snapshot(shown)
    distrust = Distrust(rows, now, before or {})
    found = list(diff.found(rows, seen, Sightings.of(seen.rows)))
    believed = {one.moid for one in distrust.believed(found)}
    assert believed == {one.moid for one in found} - distrust.stale.keys() - distrust.ghosts
    return distrust


def stale(known: TokenRow | None, seen: Token, before: Since | None = None, *, now: Poll | None = None) -> Since:
    """Since when a token is shown as it was, by a snapshot that has no other."""
    return distrusted({} if known is None else {"a": known}, [seen], now or poll(), before).stale


def gone(deleted_at: int = NOON) -> dict[str, TokenRow]:
    """A token published as deleted."""
    return {"a": row(token(), Status.DELETED, deleted_at=deleted_at)}


# Stale rows...


@pytest.mark.parametrize("status", [Status.LIVE, Status.WAITING, Status.HELD])
def test_a_row_older_than_what_we_know_is_stale(status: Status) -> None:
    """By ModTime alone, whatever we think of the token."""
    assert stale(row(NEW, status), OLD) == {"a": NOON - SECOND}


@pytest.mark.parametrize(
    ("known", "seen"),
    [
        (NEW, NEW),
        (NEW, token(mod_time=NEW.mod_time, client_name="same moment")),
        (OLD, NEW),
        (token(mod_time=None), OLD),
        (NEW, token(mod_time=None)),
        (None, OLD),
    ],
)
def test_every_other_row_is_believed_at_once(known: Token | None, seen: Token) -> None:
    """Newer, as old, without a ModTime, or of a token that is new to us."""
    assert stale(row(known) if known else None, seen) == {}


def test_a_deleted_token_has_no_older_row() -> None:
    """It is a ghost or a return; its ModTime means nothing."""
    assert stale(row(NEW, Status.DELETED), OLD) == {}


def test_a_stale_row_is_believed_once_no_replica_is_so_far_behind() -> None:
    """When every accepted snapshot over more than the lag has shown it; one that did not begins the time anew."""
    known, first = row(NEW), NOON - SECOND

    last = stale(known, OLD, {"a": first}, now=at(first + LAG))
    assert last == {"a": first}
    assert stale(known, OLD, last, now=at(first + LAG + 1)) == {}
    between = stale(known, NEW, {"a": first}, now=at(first + SECOND))
    assert stale(known, OLD, between, now=at(first + LAG + 1)) == {"a": first + LAG + 1}


# Ghosts...


@pytest.mark.parametrize(("after_ms", "ghost"), [(-SECOND, True), (0, True), (LAG, True), (LAG + 1, False)])
def test_a_return_soon_after_a_deletion_is_a_ghost(after_ms: int, *, ghost: bool) -> None:
    """Until the lag has passed since the deletion was proven."""
    assert distrusted(gone(), [token()], at(NOON + after_ms)).ghosts == ({"a"} if ghost else set())


def test_the_servers_clock_is_the_judge_of_ghosts() -> None:
    """The deletion was told by our clock; the snapshot began by the server's."""
    ahead = ServerClock(300 * SECOND, 301 * SECOND)

    assert distrusted(gone(), [token()], at(NOON + 301 * SECOND + LAG, clock=ahead)).ghosts == {"a"}
    assert distrusted(gone(), [token()], at(NOON + 301 * SECOND + LAG + 1, clock=ahead)).ghosts == set()


def test_only_what_is_shown_and_was_deleted_is_a_ghost() -> None:
    """Not a known token, not one that nobody shows, and none at all where replicas do not lag."""
    assert distrusted({"a": row(token())}, [token()], poll()).ghosts == set()
    assert distrusted(gone(), [], poll()).ghosts == set()
    assert distrusted(gone(), [token()], poll(replica_lag_ms=0)).ghosts == set()


@settings(deadline=None)
@given(
    moments=st.lists(st.integers(1, 200 * SECOND), min_size=1, max_size=12),
    shown=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_an_old_view_is_believed_only_after_a_whole_lag_of_it(moments: list[int], shown: list[bool]) -> None:
    """Over any row of polls: a stale row that is believed was shown by all snapshots of more than a lag."""
    known, now = row(NEW), NOON
    since: Since = {}
    began: int | None = None
    for step, old in zip(moments, shown, strict=False):
        now += step
        began = (now if began is None else began) if old else None
        since = stale(known, OLD if old else NEW, since, now=at(now))
        believed = old and "a" not in since
        assert believed is (began is not None and now - began > LAG)
        if believed:
            return
