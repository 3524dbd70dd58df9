"""Verdicts on missing tokens: only the API's own word is a proof, and nobody is named who may not have done it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from streamer.absence import Witness, hold_after, judge, moids_sha256
from streamer.events import Evidence
from streamer.state import Hold, TokenRow
from streamer.tokens import Audit, AuditRecord, Finding, Gone, Unsure
from tests.builders import NOON, SECOND, poll, row, sighting, token
from tests.held import AHEAD, CALM, HOLD, HOLDING, OTHER, OVER

# The hold...


def test_a_hold_begins_grows_and_ends() -> None:
    """It keeps its name, its age and its reason; number and hash are those of the tokens in it."""
    begun = hold_after(CALM, {"b", "a"}, hold_id=HOLD, now=NOON, reason="emptied")
    assert begun == Hold(HOLD, NOON, "emptied", 2, sha256(b"a\nb").hexdigest())

    let_go = replace(begun, released_at=NOON)
    grown = hold_after(replace(CALM, hold=let_go), {"c"}, hold_id=OTHER, now=NOON + 1, reason="threshold")

    assert grown == Hold(HOLD, NOON, "emptied", 1, sha256(b"c").hexdigest(), released_at=NOON)
    assert hold_after(HOLDING, (), hold_id=OTHER, now=NOON, reason=None) is None


@pytest.mark.parametrize("reason", ["threshold", "emptied", "rights_changed", None])
def test_the_gravest_reason_is_told(reason: str | None) -> None:
    """What joins a hold because of what we may see puts all that is in it in doubt, and a person must know."""
    grown = hold_after(HOLDING, {"a", "b"}, hold_id=OTHER, now=NOON, reason=reason)

    assert HOLDING.hold is not None
    assert grown is not None
    assert grown.reason == (reason if reason == "rights_changed" else HOLDING.hold.reason)


def test_the_hash_is_over_the_sorted_moids() -> None:
    """Joined by newlines, as the contract has it."""
    assert moids_sha256(["b", "a"]) == moids_sha256({"a": 1, "b": 2}) == sha256(b"a\nb").hexdigest()


# Verdicts...


def judged(known: TokenRow, finding: Finding | None, witness: Witness | None = None, **at: Any) -> Any:
    """The verdict; the token was last shown a minute before noon."""
    return judge(known, finding, poll(**at), not_before=NOON - 61 * SECOND, **({"witness": witness} if witness else {}))


def record(
    event: str = "Deleted iam.OAuthToken", moid: str = "a", *, at: int = NOON - SECOND, **who: Any
) -> AuditRecord:
    """What the audit tells of a token."""
    usual = {"user_moid": "admin", "actor": "ada@example.com", "actor_ip": "10.0.0.1"}
    return AuditRecord("r1", event, "iam.OAuthToken", moid, timestamp=at, **usual | who)


def logout(moid: str = "r2", user: str = "u1", *, at: int = NOON - 30 * SECOND) -> AuditRecord:
    """A user logged out."""
    return AuditRecord(moid, "Logout", "iam.User", user, user, "bob@example.com", "10.0.0.2", at)


def knows(
    *records: AuditRecord, readable: bool = True, waited: int = 0, wait: int = 1, user: str | None = "u1"
) -> Witness:
    """Who may know why."""
    return Witness(user, Audit(records, readable), waited, wait)


@pytest.mark.parametrize(
    "finding", [None, Unsure("a", "timeout"), sighting(token())], ids=["silence", "unsure", "seen"]
)
def test_no_verdict_without_a_proof(finding: Finding | None) -> None:
    """Not asked, no clear answer, or a token after all: the deletion waits, whatever the audit says."""
    assert judged(row(token()), finding) is None
    assert judged(row(token(**OVER)), finding, knows(record())) is None


@pytest.mark.parametrize("method", ["lookup", "filter"])
def test_a_proof_names_when_and_how_it_was_had(method: str) -> None:
    """`checked_at` is the server's time as well as it is known, `not_after` the same rounded up."""
    verdict = judged(row(token()), Gone("a", NOON, method, trace_id="t1"), clock=AHEAD)

    assert verdict.evidence == Evidence(method, NOON + 5 * SECOND)
    assert (verdict.cause, verdict.not_after, verdict.trace_id) == ("removed", NOON + 6 * SECOND, "t1")


@pytest.mark.parametrize(
    ("ends", "cause"),
    [
        (None, "removed"),
        (NOON, "expired"),
        (NOON + 5 * SECOND, "expired"),  # by our own clock it would have 5 s to live
        (NOON + 5 * SECOND + 1, "removed"),
    ],
)
def test_expiry_is_judged_by_the_server(ends: int | None, cause: str) -> None:
    """A token past its ExpirationTime when it was looked up expired; any other was removed."""
    verdict = judged(row(token(expiration_time=ends)), Gone("a", NOON), clock=AHEAD)

    assert (verdict.cause, verdict.moment) == (cause, ends if cause == "expired" else None)


def test_the_first_cause_that_holds_is_told() -> None:
    """A record of the deletion, then the expiry, then a logout, then nothing known."""
    over, lives = row(token(**OVER)), row(token())
    gone, told = Gone("a", NOON), knows(logout(), record(), waited=1)

    causes = [
        judged(over, gone, told).cause,
        judged(over, gone, knows(logout(), waited=1)).cause,
        judged(lives, gone, knows(logout(), waited=1)).cause,
        judged(lives, gone, knows(waited=1)).cause,
    ]

    assert causes == ["revoked", "expired", "logout", "removed"]


def test_who_revoked_it_is_told_and_when() -> None:
    """As the record says; where there are several, the last."""
    verdict = judged(row(token()), Gone("a", NOON), knows(record(actor="eve", at=NOON - 9), record()))

    assert verdict.moment == NOON - SECOND
    assert verdict.evidence == Evidence("lookup", NOON, "r1", "Deleted iam.OAuthToken", "ada@example.com", "10.0.0.1")


@pytest.mark.parametrize("event", ["Created iam.OAuthToken", "Modified", "updated", "Login", "PATCH iam.OAuthToken"])
def test_who_did_something_else_to_it_is_not_its_revoker(event: str) -> None:
    """An actor is never guessed: who made the token has not deleted it."""
    verdict = judged(row(token()), Gone("a", NOON), knows(record(event), waited=1))

    assert (verdict.cause, verdict.evidence) == ("removed", Evidence("lookup", NOON))


@pytest.mark.parametrize(
    ("records", "user"),
    [
        ([record(moid="b")], "u1"),  # of another token
        ([replace(record(), object_type="iam.User")], "u1"),  # of something else with that name
        ([logout(user="u2")], "u1"),  # another user's
        ([logout()], None),  # nobody knows whose token it was
        ([replace(logout(), user_moid=None, object_moid="x")], None),
        ([logout(), logout("r3")], "u1"),  # one of two
        ([logout(at=NOON - 62 * SECOND)], "u1"),  # before it was last shown
        ([logout(at=NOON + 1)], "u1"),  # after it was gone
        ([replace(logout(), object_type="iam.Session")], "u1"),
    ],
)
def test_nobody_is_named_who_may_not_have_done_it(records: list[AuditRecord], user: str | None) -> None:
    """A record of another token, of another user, of another time, or one of several: nothing is told."""
    verdict = judged(row(token()), Gone("a", NOON), knows(*records, waited=1, user=user))

    assert (verdict.cause, verdict.evidence) == ("removed", Evidence("lookup", NOON))


@pytest.mark.parametrize(("waited", "wait", "waits"), [(0, 0, False), (0, 1, True), (1, 1, False), (1, 2, True)])
def test_a_late_record_is_waited_for(waited: int, wait: int, *, waits: bool) -> None:
    """So many polls, where nothing else explains the deletion; not where nobody may read the records."""
    lives, gone = row(token()), Gone("a", NOON)

    assert (judged(lives, gone, knows(waited=waited, wait=wait)) is None) is waits
    assert judged(lives, gone, knows(waited=waited, wait=wait, readable=False)).cause == "removed"
    assert judged(lives, gone, Witness("u1", None, waited, wait)).cause == "removed"
    assert judged(lives, gone, knows(record(), waited=waited, wait=wait)).cause == "revoked"
    assert judged(row(token(**OVER)), gone, knows(waited=waited, wait=wait)).cause == "expired"
