"""Verdicts on missing tokens: only the API's own word about one Moid is a proof, and the server's clock the judge."""

from __future__ import annotations

import pytest

from streamer.absence import judge
from streamer.events import Evidence
from streamer.tokens import Finding, Gone, ServerClock, Unsure
from tests.builders import NOON, SECOND, row, sighting, token

AHEAD = ServerClock(5 * SECOND, 6 * SECOND)  # the server's clock is 5 to 6 s ahead of ours


@pytest.mark.parametrize(
    "finding", [None, Unsure("a", "timeout"), sighting(token())], ids=["silence", "unsure", "seen"]
)
def test_no_verdict_without_a_proof(finding: Finding | None) -> None:
    """Not asked, no clear answer, or a token after all: the deletion waits."""
    assert judge(row(token()), finding, ServerClock()) is None


def test_a_proof_names_when_and_how_it_was_had() -> None:
    """`checked_at` is the server's time as well as it is known, `not_after` the same rounded up."""
    verdict = judge(row(token()), Gone("a", NOON, trace_id="t1"), AHEAD)

    assert verdict is not None
    assert verdict.evidence == Evidence("lookup", NOON + 5 * SECOND)
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
    verdict = judge(row(token(expiration_time=ends)), Gone("a", NOON), AHEAD)

    assert verdict is not None
    assert verdict.cause == cause
