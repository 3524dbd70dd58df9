"""What a lagging replica may be behind with, over many polls: nothing of it is believed, and nothing else doubted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.judging.judgement import Judgement, Look, Memory, accept
from streamer.state import SourceState, Status, TokenRow
from streamer.tokens import Gone, ServerClock, Token
from tests.builders import NOON, SECOND, row, snapshot, token
from tests.judging.stage import DELETION, FRESH, KNOWN, LAG, POLICY, deleted, judged, written


def turn(
    rows: dict[str, TokenRow], shown: list[Token], at: int, memory: Memory, *, gone: bool = False, ahead: int = 0
) -> Judgement:
    """A look that began at `at` and was judged a second later; `gone`: whatever is missing is proven so."""
    clock = ServerClock(ahead, ahead)
    seen = snapshot(shown, known=rows.values(), started_at=at, finished_at=at + SECOND, clock=clock)
    missing = {moid for moid, one in rows.items() if one.known} - {one.moid for one in shown}
    findings = {moid: Gone(moid, at + SECOND) for moid in missing} if gone else {}
    look = Look(at, seen, findings=findings)
    return accept(POLICY, SourceState(KNOWN, rows), look, memory, now=at + SECOND, hold_id=FRESH)


def after(rows: dict[str, TokenRow], found: Judgement) -> dict[str, TokenRow]:
    """The state once it is written."""
    rows = dict(rows)
    for moid, step in written(found).items():
        if step.row is None:
            rows.pop(moid, None)
        else:
            rows[moid] = step.row
    return rows


# Ghosts...


@settings(deadline=None)
@given(
    polls=st.lists(st.tuples(st.integers(SECOND, 90 * SECOND), st.booleans()), min_size=1, max_size=8),
    ahead=st.sampled_from([0, 300 * SECOND, -300 * SECOND]),
)
@example(polls=[(60 * SECOND, True)] * 4, ahead=0)
@example(polls=[(60 * SECOND, True), (61 * SECOND, False), (10 * SECOND, True)], ahead=0)
def test_a_deleted_token_returns_only_after_the_lag(polls: list[tuple[int, bool]], ahead: int) -> None:
    """Shown sooner it is a ghost, counted as stale and not written; later it takes its deletion back, bounded rightly.

    No snapshot within the lag is a witness of its absence, as the one that showed it as a ghost was none.
    """
    rows, now, memory = {"a": deleted(at=NOON)}, NOON, Memory()
    for wait, shown in polls:
        now += wait
        found = turn(rows, [token()] if shown else [], now, memory, ahead=ahead)
        steps, memory = written(found), found.memory
        if not shown:
            assert (steps, found.report.stale) == ({}, 0)
        elif now - NOON <= LAG:
            assert (steps, found.report.stale, found.report.created) == ({}, 1, 0)
        else:
            event = steps["a"].event
            assert event is not None
            assert (event.event_type, event.retracts, found.report.stale) == ("created", DELETION, 0)
            assert event.not_before is not None
            assert event.not_before <= max(NOON - SECOND, now - LAG + ahead)
            return


# Stale rows...


@settings(deadline=None)
@given(
    polls=st.lists(st.tuples(st.integers(SECOND, 90 * SECOND), st.sampled_from("onm")), min_size=1, max_size=10),
    status=st.sampled_from([Status.LIVE, Status.WAITING]),
)
@example(polls=[(60 * SECOND, "o")] * 4, status=Status.LIVE)
@example(polls=[(60 * SECOND, what) for what in "oonooo"], status=Status.LIVE)
@example(polls=[(60 * SECOND, what) for what in "oomooo"], status=Status.WAITING)
def test_an_older_row_is_never_written_before_a_lag_of_it(polls: list[tuple[int, str]], status: Status) -> None:
    """Older, newer and missing ones in any order: only a row of older ones over more than a lag changes the token."""
    new, old = token(mod_time=NOON - 5 * SECOND), token(mod_time=NOON - 500 * SECOND, client_name="older")
    rows, now, memory = {"a": row(new, status, absent_since=NOON if status is Status.WAITING else None)}, NOON, Memory()
    since: int | None = None
    for wait, what in polls:
        now += wait
        found = turn(rows, {"o": [old], "n": [new], "m": []}[what], now, memory)
        steps, memory = written(found), found.memory
        since = (now if since is None else since) if what == "o" else None
        events = [step.event for step in steps.values() if step.event]
        if since is not None and now - since > LAG:
            assert [event.event_type for event in events] == ["modified"]
            return
        assert events == []
        assert found.report.stale == (what == "o")
        assert found.report.waiting == (what == "m")
        rows = after(rows, found)


@pytest.mark.parametrize("status", [Status.LIVE, Status.WAITING])
def test_a_stale_row_is_no_absence_and_no_proof_against_one(status: Status) -> None:
    """It is neither missing nor returned: the row of an absence stays, and its proof is asked for again."""
    known: dict[str, Any] = {"a": row(token(mod_time=NOON), status, absent_since=NOON - 90 * SECOND)}
    memory = Memory(proven={"a": Gone("a", NOON - 60 * SECOND)}, waited={"a": 1})

    found = judged(known, [token(mod_time=NOON - SECOND)], memory=memory)

    assert (written(found), found.report.stale, found.report.waiting) == ({}, 1, 0)
    assert (found.memory.proven, found.memory.waited) == ({}, {})
