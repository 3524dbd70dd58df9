"""Holds from their beginning to their end, whole turns of the wheel: what waits for a person, and what a person does.

What is in a hold leaves it in three ways: it returns, it is released, or it is discarded. Time is none.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.errors import Doubt
from tests.builders import FORM, NOON, SECOND, token
from tests.held import ALL, TIGHT, check, ends, holding, narrowed, there
from tests.stage import POLICY, SOURCE, Stage

# How it begins...


async def test_too_many_at_once_are_held_and_all_else_goes_on() -> None:
    """Nobody is asked for them; creations and modifications are told as ever."""
    stage = Stage(policy=TIGHT)
    await stage.turn(*there(ALL))

    told = await stage.turn(token("a", client_name="x"), token("z"), *there("bcd"))

    assert (told.held, told.waiting, told.created, told.modified, told.deleted) == (4, 0, 1, 1, 0)
    assert stage.account.asked == []
    assert told.hold_id == stage.row.hold.hold_id if stage.row.hold else None
    check(stage, "efgh")


async def test_a_hold_stands_poll_after_poll_and_over_restarts() -> None:
    """It writes nothing anew and keeps its name."""
    stage = await holding()
    before = stage.log.state(SOURCE)

    stage.cycle = stage.worker()
    told = await stage.turn(*there("abc"))

    assert (told.held, told.deleted) == (5, 0)
    after = stage.log.state(SOURCE)
    assert after.tokens == before.tokens
    assert after.row is not None
    assert before.row is not None
    assert after.row.hold == before.row.hold
    check(stage, "defgh")


async def test_what_goes_missing_while_a_hold_stands_joins_it_or_not() -> None:
    """With what is held it is too many; alone it would not have been, and once the rest is back it is not."""
    stage = await holding()
    assert (await stage.turn(*there("ab"))).held == 6
    check(stage, "cdefgh")

    told = await stage.turn(*there("bcdefg"))

    assert (told.held, told.deleted) == (1, 1)
    assert ends(stage) == ["a"]
    check(stage, "h")


async def test_many_small_steps_are_one_large_one() -> None:
    """What was published within the window counts, whatever pace it comes at; after the window it does not."""
    stage = Stage(policy=TIGHT)
    await stage.turn(*there(ALL))
    for shown in ("bcdefgh", "cdefgh", "defgh"):
        assert (await stage.turn(*there(shown))).deleted == 1

    assert (await stage.turn(*there("efgh"))).held == 1
    check(stage, "d")
    stage.clock.now += 600 * SECOND
    assert (await stage.turn(*there("fgh"))).deleted == 1
    assert ends(stage) == ["a", "b", "c", "e"]


@pytest.mark.parametrize("at", range(4, 12))
async def test_a_crash_while_a_hold_is_written_does_not_get_past_it(at: int) -> None:
    """A list of seven went empty; whatever part of it was held before the crash, the rest is held after it."""
    stage = Stage(policy=replace(POLICY, form=replace(FORM, records=4)))
    await stage.turn(*there("abcdefg"))
    stage.gates._fail_at = len(stage.gates.passed) + at

    with pytest.raises(Doubt):
        await stage.turn()
    told = await stage.turn()

    assert (told.held, told.deleted, stage.account.asked) == (7, 0, [])
    check(stage, "abcdefg")


# How it ends by itself...


async def test_what_returns_leaves_the_hold() -> None:
    """Without an event; the last one ends it, and the next absence is judged anew."""
    stage = await holding()
    told = len(stage.events)

    assert (await stage.turn(*there("abcde"))).held == 3
    check(stage, "fgh")
    done = await stage.turn(*there(ALL))

    assert (done.held, done.hold_id, len(stage.events)) == (0, None, told)
    check(stage, "")
    assert (await stage.turn(*there("bcdefgh"))).deleted == 1


async def test_a_held_token_that_changed_meanwhile_is_modified() -> None:
    """It returns, and is bounded by when it was last shown."""
    stage = await holding()
    shown_at = stage.clock.now - 61 * SECOND

    told = await stage.turn(*there("abcdefg"), token("h", client_name="x"))

    assert (told.modified, stage.events[-1]["not_before"]) == (1, shown_at)
    check(stage, "")


async def test_what_is_held_stays_held_when_it_expires() -> None:
    """Time passes no verdict in place of a person."""
    stage = await holding(expiration_time=NOON + 300 * SECOND)
    stage.clock.now += 3600 * SECOND

    told = await stage.turn()

    assert (told.held, told.deleted, ends(stage)) == (5, 3, ["a", "b", "c"])  # those had expired when they vanished
    check(stage, "defgh")


# What we may see...


async def test_a_lost_privilege_holds_even_one_and_its_return_ends_it() -> None:
    """By itself; what is deleted after that is told as ever."""
    stage = Stage(policy=TIGHT)
    await stage.turn(*there(ALL))
    stage.account.rights_seen = "less"

    told = await stage.turn(*there("bcdefgh"))
    assert (told.held, stage.row.hold and stage.row.hold.reason) == (1, "rights_changed")
    assert (await stage.turn(*there("cdefgh"))).held == 2  # and whatever else vanishes while that stands
    stage.account.rights_seen = "all"
    back = await stage.turn(*there(ALL))
    check(stage, "")
    after = await stage.turn(*there("abcdefg"))

    assert (back.held, back.created, after.held, after.deleted) == (0, 0, 0, 1)


async def test_regained_rights_flag_nothing_as_new() -> None:
    """Of 5,000 in small: what was held returns without an event, what was made out of our sight is a baseline."""
    stage = await holding()
    stage.account.rights_seen = "less"
    made_at = stage.clock.now
    for _ in range(5):
        await stage.turn(*there("abc"))
    stage.account.rights_seen = "all"

    told = await stage.turn(*there(ALL), token("z", create_time=made_at))

    assert (told.created, told.held) == (1, 0)
    assert (stage.events[-1]["moid"], stage.events[-1]["baseline"]) == ("z", True)


async def test_rejected_polls_move_no_remembered_rights() -> None:
    """Another account's, a failure of ours: the next poll that is believed finds the change."""
    stage = Stage(policy=TIGHT)
    await stage.turn(*there(ALL))
    stage.account.rights_seen, stage.account.known_as = "less", "0" * 24
    assert (await stage.turn(*there("bcdefgh"))).reason == "wrong_account"
    assert stage.row.rights == "all"

    stage.account.known_as = token().account_moid
    assert (await stage.turn(*there("bcdefgh"))).held == 1


async def test_a_release_accepts_what_we_may_see_now() -> None:
    """A person has seen the change; from then on it is what we compare with."""
    stage = await narrowed()
    stage.order("release")
    first = await stage.turn(*there("bcdefgh"))
    second = await stage.turn(*there("cdefgh"))

    assert (first.deleted, second.deleted, stage.row.rights) == (1, 1, "less")
    check(stage, "")


async def test_a_discard_accepts_nothing() -> None:
    """The tokens are there, so we do not see all: what else vanishes is held too, until we see again what we saw."""
    stage = await narrowed()
    stage.order("discard")
    first = await stage.turn(*there("bcdefgh"))
    second = await stage.turn(*there("cdefgh"))
    assert (first.held, second.held, second.deleted, stage.row.rights) == (0, 1, 0, "all")
    check(stage, "b")
    stage.account.rights_seen = "all"
    await stage.turn(*there(ALL))

    assert (await stage.turn(*there("abcdefg"))).deleted == 1
    check(stage, "")


async def test_a_release_for_another_reason_accepts_no_rights() -> None:
    """Nobody told the person of a change: what vanishes next is held for it."""
    stage = await holding()
    stage.order("release")
    stage.account.rights_seen = "less"
    await stage.turn(*there("abc"))

    assert (await stage.turn(*there("ab"))).held == 1
    assert stage.row.rights == "all"
    check(stage, "c")


async def test_what_joins_for_lost_rights_is_told_as_that() -> None:
    """The hold had another reason; a release of all of it accepts what we may see now."""
    stage = await holding()
    stage.account.rights_seen = "less"

    await stage.turn(*there("ab"))
    assert stage.row.hold is not None
    assert (stage.row.hold.reason, stage.row.hold.count) == ("rights_changed", 6)
    stage.order("release")
    await stage.turn(*there("ab"))

    assert (stage.row.rights, len(ends(stage))) == ("less", 6)
    check(stage, "")


async def test_after_a_release_polls_go_on_while_our_rights_cannot_be_read() -> None:
    """Only the very first poll must know whom we are; what is missing besides waits."""
    stage = await narrowed()
    stage.order("release")
    stage.account.rights_seen = None

    told = await stage.turn(*there("cdefgh"), token("z"))

    assert (told.verdict, told.created, told.deleted, told.waiting, ends(stage)) == ("accepted", 1, 1, 1, ["a"])
    stage.account.rights_seen = "less"
    assert (await stage.turn(*there("cdefgh"), token("z"))).deleted == 1
    assert stage.row.rights == "less"
