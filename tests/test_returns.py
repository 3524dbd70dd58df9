"""What comes back, or into our view later than replicas lag: taken back by name, and young again."""

from __future__ import annotations

import pytest

from tests.builders import SECOND, token
from tests.stage import SOURCE, Stage


async def test_a_token_that_was_gone_is_taken_back() -> None:
    """Wrong is undone: created again, with the name of the deletion, once no replica can be so far behind.

    It may have come back as soon as the snapshot that lacked it had begun: those that were not believed are no bound.
    """
    stage = Stage()
    await stage.turn(token("a"))
    await stage.turn()
    deletion, lacked_at = stage.events[-1], stage.clock.now - SECOND

    told = [await stage.turn(token("a")) for _ in range(4)]

    assert [(one.stale, one.created, one.unchanged) for one in told] == [(1, 0, 0)] * 2 + [(0, 1, 0), (0, 0, 1)]
    made = stage.events[-1]
    assert (made["retracts"], made["baseline"], made["not_before"]) == (deletion["event_id"], False, lacked_at)
    stage.clock.now += 120 * SECOND
    await stage.turn()
    assert stage.events[-1]["event_type"] == "deleted"
    stage.clock.now += 8 * 86_400 * SECOND
    await stage.turn()
    assert stage.log.state(SOURCE).tokens == {}
    stage.check()


@pytest.mark.parametrize("known", [True, False], ids=["deleted before", "never shown before"])
async def test_a_token_that_was_hidden_is_as_young_as_its_return(*, known: bool) -> None:
    """A replica that is behind lacks it still, and denies it by Moid; nothing is proven before the lag is over."""
    stage = Stage()
    await stage.turn(*[token("a")] * known, token("b"))
    await stage.turn(token("b"))
    stage.clock.now += 120 * SECOND
    await stage.turn(token("a"), token("b"))
    assert stage.events[-1]["event_type"] == "created"
    await stage.turn(token("a", client_name="x"), token("b"))

    told = [await stage.turn(token("b")) for _ in range(2)]

    assert [(one.waiting, one.deleted) for one in told] == [(1, 0), (0, 1)]
    stage.check()
