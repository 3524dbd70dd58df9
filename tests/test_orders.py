"""What a person does about a hold: releases it, discards it, or orders what is refused; each acts once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streamer.absence import DISCARDED_FOR_MS, moids_sha256
from streamer.errors import Doubt, Rejected
from streamer.state import Status
from streamer.wire.jsonform import rfc3339
from tests import laws
from tests.builders import FORM, NOON, SECOND
from tests.fakes import Gates
from tests.held import ALL, TIGHT, check, ends, holding, there
from tests.stage import SOURCE, Stage

# Release...


async def test_a_release_publishes_what_is_gone_and_keeps_what_is_there() -> None:
    """Each is looked up again, by the very poll that follows; once each."""
    stage = await holding()
    command = stage.order("release")

    told = await stage.turn(*there("abcd"), hidden="d", unsure="e")

    assert [(one.command_id, one.outcome) for one in stage.answers] == [(command.command_id, "done")]
    assert stage.account.asked == list("defgh")
    assert (told.deleted, told.held, ends(stage)) == (3, 1, ["f", "g", "h"])
    check(stage, "e")
    assert (await stage.turn(*there("abcd"))).deleted == 1
    check(stage, "")
    assert ends(stage) == ["f", "g", "h", "e"]
    assert {row.hold_id is not None for row in stage.tokens.values() if not row.known} == {True}


async def test_what_was_released_makes_no_other_deletion_one_too_many() -> None:
    """Published as it is within the window, a person answers for it."""
    stage = await holding()
    stage.order("release")
    await stage.turn(*there("abc"))

    told = await stage.turn()

    assert (told.deleted, told.held) == (3, 0)


async def test_a_release_waits_for_a_late_record_too() -> None:
    """It goes on from what was proven; nobody is asked again."""
    stage = Stage(policy=replace(TIGHT, audit_wait=1))
    await stage.turn(*there(ALL))
    await stage.turn(*there("abc"))
    stage.order("release")

    first = await stage.turn(*there("abc"))
    second = await stage.turn(*there("abc"))

    assert (first.deleted, first.held, second.deleted, second.held) == (0, 5, 5, 0)
    assert stage.account.asked == list("defgh")


async def test_a_second_hold_waits_until_the_released_one_is_done() -> None:
    """Nothing of it is asked for meanwhile; then it stands under a name of its own."""
    stage = await holding("abcd")
    first = stage.row.hold
    stage.order("release")

    told = await stage.turn(unsure="e")
    assert (told.deleted, told.held, told.waiting) == (3, 1, 4)
    assert set(stage.account.asked) == set("efgh")
    check(stage, "e")
    done = await stage.turn()

    assert (done.deleted, done.held, done.waiting) == (1, 0, 4)
    third = await stage.turn()
    assert (third.deleted, third.held) == (0, 4)
    assert first is not None
    assert third.hold_id not in (None, first.hold_id)
    check(stage, "abcd")


@pytest.mark.parametrize("at", range(1, 15))
async def test_a_release_is_published_once_through_a_kill_in_the_middle(at: int) -> None:
    """At every gate of the turn, with a transaction a token: killed, started again, and told once each."""
    gates = Gates()
    stage = Stage(policy=replace(TIGHT, form=replace(FORM, records=4)), gates=gates)
    await stage.turn(*there(ALL))
    await stage.turn(*there("abc"))
    stage.order("release")
    gates._fail_at = len(gates.passed) + at

    try:
        await stage.turn(*there("abc"))
    except Doubt:
        stage.cycle = stage.worker()
        await stage.turn(*there("abc"))

    assert ends(stage) == list("defgh")
    assert [one["verdict"] for one in laws.reports(stage.log.records)][-1] == "accepted"
    check(stage, "")
    assert sum(answer.outcome == "done" for answer in stage.answers) <= 1


# Discard...


async def test_a_discard_keeps_the_tokens_known() -> None:
    """The hold is gone and does not come back, however few are missing; they are let alone until they are seen."""
    stage = await holding()
    events = len(stage.events)
    stage.order("discard")

    told = await stage.turn(*there("abc"))
    assert (told.held, told.hold_id, told.deleted, told.waiting) == (0, None, 0, 5)
    assert stage.answers[-1].outcome == "done"
    check(stage, "")
    assert sum(row.known for row in stage.tokens.values()) == 8
    few = await stage.turn(*there("abcdefg"))

    assert (few.held, few.deleted, few.waiting) == (0, 0, 1)
    assert stage.account.asked == []
    await stage.turn(*there(ALL))
    assert len(stage.events) == events
    assert (await stage.turn(*there("abcdefg"))).deleted == 1
    stage.check()


async def test_what_was_discarded_is_told_when_it_expires() -> None:
    """It was gone after all: looked up like any other, told with that cause, and no part of the state for ever."""
    stage = await holding(expiration_time=NOON + 3600 * SECOND)
    stage.order("discard")
    for _ in range(3):
        assert (await stage.turn(*there("abc"))).waiting == 5
    stage.clock.now = NOON + 3600 * SECOND

    told = await stage.turn(*there("abc"), unsure="d")

    assert (told.deleted, told.waiting, stage.account.asked) == (4, 1, list("defgh"))
    assert {event["delete_cause"] for event in stage.events if event["event_type"] == "deleted"} == {"expired"}
    assert (await stage.turn(*there("abc"))).deleted == 1
    stage.check()


async def test_what_was_discarded_is_weighed_anew_after_a_week() -> None:
    """A week after the discard, however old the hold was: too many once more, a person is asked once more."""
    stage = await holding()
    stage.clock.now += DISCARDED_FOR_MS
    before = stage.row.hold
    stage.order("discard")
    await stage.turn(*there("abc"))
    stage.cycle = stage.worker()

    stage.clock.now += DISCARDED_FOR_MS - 120 * SECOND
    last = await stage.turn(*there("abc"))
    first = await stage.turn(*there("abc"))

    assert (last.held, last.waiting, first.held, first.waiting, ends(stage)) == (0, 5, 5, 0, [])
    assert before is not None
    assert first.hold_id not in {None, before.hold_id}
    check(stage, "defgh")


async def test_a_release_can_be_called_off() -> None:
    """What is published is published; the rest stays known."""
    stage = await holding()
    stage.order("release")
    await stage.turn(*there("abc"), unsure="de")
    stage.order("discard")

    told = await stage.turn(*there("abc"))

    assert ([answer.outcome for answer in stage.answers], told.waiting) == (["done", "done"], 2)
    assert ends(stage) == ["f", "g", "h"]
    check(stage, "")


async def test_what_was_discarded_counts_for_nothing() -> None:
    """Else it would make every other deletion one too many for ever."""
    stage = await holding()
    stage.order("discard")
    await stage.turn(*there("abc"))

    assert (await stage.turn(*there("ab"))).deleted == 1
    assert ends(stage) == ["c"]


# What is refused...


@pytest.mark.parametrize(
    "differences",
    [
        {"hold_id": "11111111-2222-4333-8444-555555555555"},
        {"expect": 4},
        {"moids_sha256": moids_sha256("defg")},
        {"epoch": "11111111-2222-4333-8444-555555555555"},
        {"source": "other"},
        {"expires_at": NOON},
        {"action": "forget"},
        {"action": "publish"},
    ],
)
async def test_a_command_that_differs_from_what_is_held_does_nothing(differences: dict[str, Any]) -> None:
    """It is answered, its place in the topic is passed, and the hold stands."""
    stage = await holding()
    stage.order(**{"action": "release"} | differences)

    told = await stage.turn(*there("abc"))

    assert [answer.outcome for answer in stage.answers] == ["refused"]
    assert stage.row.answer == stage.answers[0]
    assert (stage.row.control_offset, told.held, told.deleted, stage.account.asked) == (1, 5, 0, [])
    check(stage, "defgh")


async def test_what_changed_since_it_was_seen_is_not_released() -> None:
    """A token joined the hold after the person had looked."""
    stage = await holding()
    stage.order("release")
    stale = stage.log.commands.pop(SOURCE)
    await stage.turn(*there("ab"))
    stage.log.commands[SOURCE] = stale

    told = await stage.turn(*there("ab"))

    assert ([answer.outcome for answer in stage.answers], told.deleted) == (["refused"], 0)
    check(stage, "cdefgh")


async def test_a_record_that_is_no_command_is_passed_over() -> None:
    """No bytes stop a worker; the command behind it acts, once."""
    stage = await holding()
    stage.log.commands[SOURCE] = [b"", b"\x01garbage", b"\xff" * 2000]
    stage.order("release")

    await stage.turn(*there("abc"))
    stage.cycle = stage.worker()
    await stage.turn(*there("abc"))

    assert [answer.outcome for answer in stage.answers] == ["refused", "refused", "refused", "done"]
    assert (stage.row.control_offset, ends(stage)) == (4, list("defgh"))


async def test_a_command_acts_once() -> None:
    """Sent twice, the second finds no hold; read again, it is refused for its hold too."""
    stage = await holding()
    stage.order("discard")
    stage.log.commands[SOURCE] *= 2

    await stage.turn(*there("abc"))

    assert [answer.outcome for answer in stage.answers] == ["done", "refused"]


async def test_a_second_release_is_refused_while_the_first_is_at_work() -> None:
    """Whoever sees the rest of the hold is told that it is on its way; nothing is begun anew."""
    stage = await holding()
    stage.order("release")
    released_at = stage.clock.now + 60 * SECOND
    await stage.turn(*there("abc"), unsure="de")
    stage.order("release")

    told = await stage.turn(*there("abc"), unsure="d")

    assert [answer.outcome for answer in stage.answers] == ["done", "refused"]
    since = rfc3339(released_at)
    assert stage.answers[-1].detail == f"it was released at {since}, and 2 deletions are still being verified"
    assert stage.row.hold is not None
    assert (stage.row.hold.released_at, told.deleted, told.held) == (released_at, 1, 1)
    check(stage, "d")


async def test_a_rejected_poll_keeps_the_hold_and_the_order() -> None:
    """The release acts on the next poll that is believed."""
    stage = await holding()
    stage.order("release")
    stage.account.error = Rejected("torn", "Count changed")
    assert (await stage.turn(*there("abc"))).verdict == "rejected"
    check(stage, "defgh")
    stage.account.error = None

    assert (await stage.turn(*there("abc"))).deleted == 5


async def test_a_restore_throws_proofs_away() -> None:
    """A look-up never outlives the state that it was made under: it is asked for again."""
    stage = Stage(policy=replace(TIGHT, audit_wait=2))
    await stage.turn(*there("ab"))
    await stage.turn(*there("a"))
    assert (await stage.again()).waiting == 1
    stage.cycle.forget()

    await stage.turn(*there("ab"), hidden="b")

    assert stage.account.asked == ["b", "b"]
    assert stage.tokens["b"].status is Status.LIVE
    assert ends(stage) == []
