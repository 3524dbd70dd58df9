"""Deletions that wait for a person: a source with a hold, and a stage that holds more than three of eight tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from streamer.absence import Guard, moids_sha256
from streamer.state import Hold, SourceRow
from streamer.tokens import ServerClock, Token
from tests.builders import EPOCH, NOON, SECOND, token
from tests.stage import POLICY, Stage

AHEAD = ServerClock(5 * SECOND, 6 * SECOND)  # the server's clock is 5 to 6 s ahead of ours
HOLD = "9c0a2f8e-7d41-4b9e-8a55-1f2e3d4c5b6a"
OTHER = "11111111-2222-4333-8444-555555555555"
HELD = Hold(HOLD, NOON, "threshold", 1, "")
CALM = SourceRow(EPOCH)
HOLDING = SourceRow(EPOCH, hold=HELD)
RELEASED = SourceRow(EPOCH, hold=replace(HELD, released_at=NOON))
OVER: dict[str, Any] = {"expiration_time": NOON - SECOND}

TIGHT = replace(POLICY, guard=Guard(10, 3, 3))
ALL = "abcdefgh"


def there(moids: str, **fields: Any) -> tuple[Token, ...]:
    """These tokens."""
    return tuple(token(moid, **fields) for moid in moids)


async def holding(shown: str = "abc", **fields: Any) -> Stage:
    """A stage on which all but the shown tokens were just held."""
    stage = Stage(policy=TIGHT)
    await stage.turn(*there(ALL, **fields))
    told = await stage.turn(*there(shown, **fields))
    assert (told.held, told.deleted) == (len(ALL) - len(shown), 0)
    return stage


async def narrowed() -> Stage:
    """A stage on which a token went as what we may see changed, and is held for that."""
    stage = Stage(policy=TIGHT)
    await stage.turn(*there(ALL))
    stage.account.rights_seen = "less"
    await stage.turn(*there("bcdefgh"))
    return stage


def ends(stage: Stage) -> list[str]:
    """The Moids published as deleted, in order."""
    return [event["moid"] for event in stage.events if event["event_type"] == "deleted"]


def check(stage: Stage, held: str) -> None:
    """The log keeps its promises, and the hold is of exactly these tokens: their rows, their number, their hash."""
    stage.check()
    hold = stage.row.hold
    named = {moid for moid, row in stage.tokens.items() if hold and (row.status, row.hold_id) == (2, hold.hold_id)}
    assert named == set(held)
    assert (hold is None) is not bool(held)
    if hold:
        assert (hold.count, hold.moids_sha256) == (len(held), moids_sha256(held))
