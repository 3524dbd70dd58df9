"""A judgement at noon, each with a default for all that a test does not speak of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from streamer.judging.judgement import Judgement, Look, Memory, Policy, accept
from streamer.judging.steps import Step
from streamer.state import Complete, Hold, SourceRow, SourceState, Status, TokenRow
from streamer.tokens import Token
from tests.builders import ACCOUNT, EPOCH, FORM, NOON, SECOND, row, snapshot, token

HOLD = "9c0a2f8e-7d41-4b9e-8a55-1f2e3d4c5b6a"
FRESH = "11111111-2222-4333-8444-555555555555"
DELETION = "6f1d8a3e-94f2-5b53-8a0c-3f0e2b8f1d11"
LAG = 120 * SECOND
STARTED = NOON - SECOND
KNOWN = SourceRow(
    EPOCH,
    account_moid=ACCOUNT,
    first_started_at=NOON - 600 * SECOND,
    complete=Complete("s", NOON - 61 * SECOND, NOON - 60 * SECOND),
    rights="all",
)
STOOD = Hold(HOLD, NOON - 300 * SECOND, "threshold", 1, "")
STANDING = replace(KNOWN, hold=STOOD)
POLICY = Policy("prod", FORM)
NEWER, OLDER = token(mod_time=NOON - 5 * SECOND), token(mod_time=NOON - 500 * SECOND, client_name="older")


def judged(
    known: dict[str, TokenRow],
    shown: Iterable[Token],
    *,
    source: SourceRow = KNOWN,
    policy: Policy = POLICY,
    memory: Memory | None = None,
    **saw: Any,
) -> Judgement:
    """What a look at noon means that saw these tokens."""
    seen = snapshot(shown, known=known.values())
    look = Look(STARTED, seen, **saw)
    return accept(policy, SourceState(source, known), look, memory or Memory(), now=NOON, hold_id=FRESH)


def written(found: Judgement) -> dict[str, Step]:
    """The tokens' steps, by Moid."""
    return {step.moid: step for step in found.steps if isinstance(step, Step)}


def held(moid: str, **fields: Any) -> TokenRow:
    """A token in the standing hold."""
    return row(token(moid), Status.HELD, hold_id=HOLD, absent_since=NOON - 400 * SECOND, **fields)


def deleted(*, at: int = NOON - 60 * SECOND) -> TokenRow:
    """A token published as deleted."""
    return row(token(), Status.DELETED, seen_at=at - SECOND, deleted_event_id=DELETION, deleted_at=at)
