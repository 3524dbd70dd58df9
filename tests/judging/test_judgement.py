"""What a look means: distrust, holds and verdicts filter the diff; the report counts; some of it is remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.absence import Weighed, moids_sha256
from streamer.errors import Rejected
from streamer.events import UserInfo
from streamer.judging.judgement import Look, Memory, accept
from streamer.state import Hold, SourceRow, SourceState, Status, TokenRow
from streamer.tokens import Audit, AuditRecord, Gone, Rights, Token, Unsure
from tests.builders import ACCOUNT, EPOCH, NOON, SECOND, row, sighting, snapshot, token
from tests.judging.stage import (
    DELETION,
    FRESH,
    HOLD,
    KNOWN,
    LAG,
    NEWER,
    OLDER,
    POLICY,
    STANDING,
    STARTED,
    STOOD,
    deleted,
    held,
    judged,
    written,
)

# Distrust...


def test_a_stale_row_is_kept_out_and_counted() -> None:
    """Neither event nor row; it is remembered since when."""
    found = judged({"a": row(NEWER)}, [OLDER])

    assert written(found) == {}
    assert (found.report.stale, found.report.unchanged, found.report.modified) == (1, 0, 0)
    assert found.memory.stale == {"a": STARTED}


def test_a_stale_row_is_believed_at_last_and_its_bound_is_honest() -> None:
    """It may have been so since the row was written: the snapshots that were not believed are no bound."""
    found = judged({"a": row(NEWER)}, [OLDER], memory=Memory(stale={"a": STARTED - LAG - 1}))

    event = written(found)["a"].event
    assert event is not None
    assert (event.event_type, event.not_before) == ("modified", NOON - 120 * SECOND)
    assert (found.report.stale, found.memory.stale) == (0, {})


@pytest.mark.parametrize("status", [Status.WAITING, Status.HELD])
def test_a_stale_row_ends_no_absence(status: Status) -> None:
    """It says how the token was, not that it is; what was held stays in the hold, which goes on."""
    known = row(NEWER, status, hold_id=HOLD if status is Status.HELD else None, absent_since=NOON - 400 * SECOND)

    found = judged({"a": known}, [OLDER], source=STANDING if status is Status.HELD else KNOWN)

    count = int(status is Status.HELD)
    assert written(found) == {}
    assert (found.report.stale, found.report.held, found.report.waiting) == (1, count, 0)
    assert found.accepted.hold == (replace(STOOD, moids_sha256=moids_sha256("a")) if count else None)


def test_a_ghost_is_kept_out_and_counted() -> None:
    """No return so soon after a proven deletion; its row stays as it is."""
    found = judged({"a": deleted()}, [token()])

    assert written(found) == {}
    assert (found.report.stale, found.report.created, found.report.unchanged) == (1, 0, 0)


def test_a_return_that_is_believed_takes_the_deletion_back() -> None:
    """After the lag; bounded by the last snapshot that surely lacked it."""
    found = judged({"a": deleted(at=STARTED - LAG - 1)}, [token()])

    event = written(found)["a"].event
    assert event is not None
    assert (event.event_type, event.retracts, event.baseline) == ("created", DELETION, False)
    assert event.not_before == STARTED - LAG - 1 - SECOND


def test_a_return_much_later_is_bounded_by_the_last_snapshot() -> None:
    """No replica could have shown a ghost in that one, so it surely lacked the token."""
    event = written(judged({"a": deleted(at=NOON - 1000 * SECOND)}, [token()]))["a"].event

    assert event is not None
    assert event.not_before == NOON - 61 * SECOND


# Holds...


def test_what_is_held_is_written_and_told() -> None:
    """The rows name the hold; the source's row counts and hashes them; creations and modifications go on."""
    known = {moid: row(token(moid)) for moid in "abc"}
    weighed = Weighed(frozenset("bc"), (), "threshold")

    found = judged(known, [token("a", client_name="x"), token("d")], weighed=weighed)

    steps = written(found)
    assert {moid: step.row.status for moid, step in steps.items() if step.row} == {
        "a": Status.LIVE,
        "b": Status.HELD,
        "c": Status.HELD,
        "d": Status.LIVE,
    }
    assert steps["b"].row == replace(
        known["b"], status=Status.HELD, hold_id=FRESH, seen_at=STARTED, absent_since=NOON - 61 * SECOND
    )
    assert steps["b"].event is None
    assert found.accepted.hold == Hold(FRESH, NOON, "threshold", 2, moids_sha256("bc"))
    assert (found.report.held, found.report.waiting, found.report.hold_id) == (2, 0, FRESH)


def test_what_is_missing_joins_a_standing_hold() -> None:
    """Which keeps its name; the rows that stood in it already are not written again."""
    known = {"a": held("a"), "b": row(token("b"))}

    found = judged(known, [], source=STANDING, weighed=Weighed(frozenset("ab"), (), "threshold"))

    assert set(written(found)) == {"b"}
    assert found.accepted.hold == replace(STOOD, count=2, moids_sha256=moids_sha256("ab"))


def test_a_token_that_returns_leaves_the_hold_and_the_last_ends_it() -> None:
    """By itself, without an event."""
    found = judged({"a": held("a"), "b": held("b")}, [token("a")], source=STANDING, weighed=Weighed(frozenset("b")))
    last = judged({"b": held("b")}, [token("b")], source=STANDING)

    assert (found.report.held, found.accepted.hold and found.accepted.hold.count) == (1, 1)
    assert (last.report.held, last.report.hold_id, last.accepted.hold) == (0, None, None)
    step = written(last)["b"]
    assert step.row is not None
    assert (step.event, step.row.status, step.row.hold_id, step.row.absent_since) == (None, Status.LIVE, None, None)


def test_a_released_token_is_published_when_it_is_proven_gone() -> None:
    """What is not stays in the hold; the row tells for ever that it was released."""
    known = {moid: held(moid) for moid in "abc"}
    released = replace(STANDING, hold=replace(STOOD, released_at=NOON))

    found = judged(
        known,
        [token("c")],
        source=released,
        weighed=Weighed(),
        findings={"a": Gone("a", NOON), "b": Unsure("b", "503")},
    )

    steps = written(found)
    assert set(steps) == {"a", "c"}
    assert steps["a"].event is not None
    assert (steps["a"].event.event_type, steps["a"].event.not_before) == ("deleted", NOON - 400 * SECOND)
    assert steps["a"].row is not None
    assert (steps["a"].row.status, steps["a"].row.hold_id) == (Status.DELETED, HOLD)
    assert found.accepted.hold == replace(STOOD, released_at=NOON, count=1, moids_sha256=moids_sha256("b"))


def test_what_was_discarded_is_let_alone() -> None:
    """Its row tells since when, once; it is no part of any hold, and waits for its return."""
    found = judged({"a": held("a")}, [], source=KNOWN)

    told = written(found)["a"]
    assert told.row == replace(held("a"), hold_id=None, seen_at=STARTED)
    assert (told.event, found.report.held, found.report.waiting, found.accepted.hold) == (None, 0, 1, None)
    assert written(judged({"a": told.row}, [], source=KNOWN)) == {}
    back = judged({"a": told.row}, [token("a")], source=KNOWN)
    assert written(back)["a"].event is None


# What we may see...


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [(None, "all", "all"), ("all", "less", "all"), ("all", None, "all"), (None, None, None)],
)
def test_what_we_may_see_is_remembered_once(before: str | None, asked: str | None, after: str | None) -> None:
    """Else a privilege that comes back would look like a change again."""
    rights = Rights(ACCOUNT, asked) if asked else None

    assert judged({}, [], source=replace(KNOWN, rights=before), rights=rights).accepted.rights == after


def test_the_account_is_the_one_we_are_taken_for() -> None:
    """Pinned with the first accepted snapshot, also if that is empty."""
    found = judged({}, [], source=SourceRow(EPOCH), rights=Rights("ours", "all"))

    assert (found.accepted.account_moid, found.report.account_moid) == ("ours", "ours")


# Verdicts...


def test_a_proof_is_remembered_while_a_record_is_waited_for() -> None:
    """Poll by poll, up to the wait; then nobody is named."""
    policy, known, proof = replace(POLICY, audit_wait=2), {"a": row(token())}, Gone("a", NOON)
    saw: dict[str, Any] = {
        "findings": {"a": proof},
        "audit": Audit((), readable=True),
        "weighed": Weighed(askable=("a",)),
    }

    first = judged(known, [], policy=policy, **saw)
    second = judged(known, [], policy=policy, memory=first.memory, **saw)
    third = judged(known, [], policy=policy, memory=second.memory, **saw)

    assert (first.memory.proven, first.memory.waited, first.report.waiting) == ({"a": proof}, {"a": 1}, 1)
    assert (second.memory.waited, second.report.waiting) == ({"a": 2}, 1)
    assert (third.memory.waited, third.memory.proven, third.report.waiting) == ({}, {}, 0)
    event = written(third)["a"].event
    assert event is not None
    assert event.delete_cause == "removed"


def test_a_logout_counts_from_when_this_token_was_last_shown() -> None:
    """Not from when another one was."""
    known = {
        "a": row(token("a")),
        "b": row(token("b"), Status.WAITING, absent_since=NOON - 900 * SECOND),
    }
    audit = Audit((AuditRecord("r", "Logout", "iam.User", "u", "u", "bob", None, NOON - 500 * SECOND),), readable=True)

    found = judged(
        known,
        [],
        policy=replace(POLICY, audit_wait=0),
        findings={moid: Gone(moid, NOON) for moid in "ab"},
        owners=dict.fromkeys("ab", "u"),
        audit=audit,
    )

    assert {m: s.event.delete_cause for m, s in written(found).items() if s.event} == {"a": "removed", "b": "logout"}


# The first look...


@pytest.mark.parametrize(("made_at", "told"), [(NOON - 600 * SECOND, False), (NOON - 600 * SECOND + 1, True)])
def test_what_was_there_at_the_first_look_is_not_told_in_silence(made_at: int, *, told: bool) -> None:
    """Whichever poll shows it first: an empty lie on the first one does not end the silence."""
    for source in (KNOWN, replace(KNOWN, complete=None)):
        found = judged({}, [token(create_time=made_at)], source=source, policy=replace(POLICY, silent=True))
        step = written(found)["a"]
        assert step.row is not None
        assert (step.event is not None, step.row.last_event_at is not None) == (told, told)


def test_silence_is_for_first_sights_alone() -> None:
    """Its changes, its end and its return are told, and so is what rights regained show of a later time."""
    quiet = replace(POLICY, silent=True)

    def types(known: dict[str, TokenRow], shown: list[Token], **saw: Any) -> list[str]:
        return [s.event.event_type for s in written(judged(known, shown, policy=quiet, **saw)).values() if s.event]

    assert types({"a": row(token())}, [token(client_name="x")]) == ["modified"]
    assert types({"a": row(token())}, [], findings={"a": Gone("a", NOON)}) == ["deleted"]
    assert types({"a": deleted(at=NOON - 1000 * SECOND)}, [token()]) == ["created"]
    assert types({}, [token(create_time=NOON - 500 * SECOND)]) == ["created"]


# Counts...


def test_users_are_told_where_they_are_known() -> None:
    """By whose token it is, also of one that is gone."""
    people = {"u1": UserInfo("u1", "Ann"), "u2": UserInfo("u2", "Bob")}

    found = judged(
        {"b": row(token("b", user_moid="u2"))},
        [token("a", user_moid="u1"), token("c", user_moid="u3")],
        findings={"b": Gone("b", NOON)},
        owners={"b": "u2"},
        users=people,
    )

    assert {m: s.event.user for m, s in written(found).items() if s.event} == {
        "a": people["u1"],
        "b": people["u2"],
        "c": None,
    }


STATUSES = st.sampled_from(list(Status))
TOKENS = st.builds(
    token,
    st.sampled_from("abcdef"),
    client_name=st.sampled_from([None, "x"]),
    access_expiration_time=st.sampled_from([None, NOON]),
    mod_time=st.sampled_from([None, NOON - 500 * SECOND, NOON - 5 * SECOND]),
)
WORLDS = st.lists(TOKENS, unique_by=lambda one: one.moid)


@settings(deadline=None)
@given(old=WORLDS, new=WORLDS, suppress=st.booleans(), data=st.data())
def test_every_row_and_every_absence_is_counted_once(
    old: list[Token], new: list[Token], *, suppress: bool, data: st.DataObject
) -> None:
    """Rows are created, modified, suppressed, stale or unchanged; absences are deleted, held or waiting."""
    known = {
        one.moid: row(one, data.draw(STATUSES), hold_id=HOLD, deleted_at=NOON - 60 * SECOND, deleted_event_id=DELETION)
        for one in old
    }
    missing = {moid for moid, one in known.items() if one.known} - {one.moid for one in new}
    gone = data.draw(st.sets(st.sampled_from(sorted(missing)))) if missing else set()
    findings = {moid: Gone(moid, NOON) for moid in gone}

    found = judged(known, new, source=STANDING, policy=replace(POLICY, suppress=suppress), findings=findings)

    made = [step.event.event_type for step in written(found).values() if step.event]
    told = found.report
    assert made.count("created") + made.count("modified") + told.suppressed + told.stale + told.unchanged == len(new)
    held_ = {m for m, one in known.items() if one.status is Status.HELD and m in missing - gone}
    assert made.count("deleted") == len(gone)
    assert told.waiting == len(missing - gone - held_)
    assert told.held == len(held_) + sum(
        known[m].status is Status.HELD for m in found.memory.stale
    )  # a stale row is no return


def test_only_a_snapshot_on_top_of_a_history_can_be_judged() -> None:
    """Anything else would be a verdict about nothing."""
    empty = Look(STARTED, rejected=Rejected("torn", ""))

    with pytest.raises(ValueError, match="only a snapshot"):
        accept(POLICY, SourceState(KNOWN), empty, Memory(), now=NOON, hold_id=FRESH)
    with pytest.raises(ValueError, match="on top of a history"):
        accept(POLICY, SourceState(), replace(empty, snapshot=snapshot([])), Memory(), now=NOON, hold_id=FRESH)


def test_a_row_found_by_its_moid_is_judged_like_any_other() -> None:
    """It may be a stale one, too: then the token is neither missing nor changed."""
    seen = snapshot([])
    look = Look(STARTED, replace(seen, rows={"a": sighting(OLDER)}))

    found = accept(POLICY, SourceState(KNOWN, {"a": row(NEWER)}), look, Memory(), now=NOON, hold_id=FRESH)

    assert (written(found), found.report.stale, found.report.waiting) == ({}, 1, 0)
