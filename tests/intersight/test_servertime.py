"""What is believed of a server's clock from poll to poll: what it says, unless it jumps there and back."""

from __future__ import annotations

from streamer.intersight.servertime import JUMP_MS, SET_MS, OwnTime, ServerTime
from streamer.tokens import ServerClock

TRUE, NEAR = ServerClock(5_000, 6_000), ServerClock(5_000 + JUMP_MS, 6_500 + JUMP_MS)
AHEAD, STILL_AHEAD, BEHIND = ServerClock(300_000, 301_000), ServerClock(301_000, 302_000), ServerClock(-90_000, -89_000)


def believed(*told: ServerClock | None) -> list[ServerClock]:
    """What is believed after each."""
    time = ServerTime()
    return [time.after(one) for one in told]


def test_what_it_says_is_believed() -> None:
    """The first word has nothing to be held against, and small steps are a clock that is kept."""
    assert believed(AHEAD, STILL_AHEAD) == [AHEAD, STILL_AHEAD]
    assert believed(TRUE, NEAR) == [TRUE, NEAR]


def test_a_jump_there_and_back_is_none() -> None:
    """One node with a wrong clock, or two that are wrong in two ways, change nothing."""
    assert believed(TRUE, AHEAD, TRUE) == [TRUE, TRUE, TRUE]
    assert believed(TRUE, AHEAD, BEHIND, AHEAD) == [TRUE] * 4
    assert believed(TRUE, AHEAD, TRUE, AHEAD) == [TRUE] * 4


def test_a_jump_that_is_said_twice_is_believed() -> None:
    """A clock was set, be it ours."""
    assert believed(TRUE, AHEAD, STILL_AHEAD, AHEAD) == [TRUE, TRUE, STILL_AHEAD, AHEAD]


def test_silence_changes_nothing() -> None:
    """A reply whose `Date` cannot be read is no word of an offset of nothing; before any word there is none."""
    assert believed(None, TRUE, None, AHEAD, None, AHEAD) == [ServerClock(), TRUE, TRUE, TRUE, TRUE, AHEAD]


def test_our_own_clock_is_no_jump_of_theirs() -> None:
    """What is believed moves with it, and so does a jump of which the second word is still to come."""
    time = ServerTime()
    time.moved(7)  # nothing is believed yet
    assert [time.after(TRUE), time.after(AHEAD)] == [TRUE, TRUE]
    time.moved(90_000)
    moved = ServerClock(AHEAD.lowest - 90_000, AHEAD.highest - 90_000)
    assert time.after(None) == ServerClock(TRUE.lowest - 90_000, TRUE.highest - 90_000)
    assert time.after(moved) == moved


def test_our_own_clock_was_set() -> None:
    """It went on by more or less than time passed; what `Date` could not show is none, and each step is told once."""
    utc, passed = 1_700_000_000_000, 5_000
    own = OwnTime(lambda: utc, lambda: passed)
    told = []
    for set_by, later in ((0, 60_000), (SET_MS, 0), (90_000, 1_000), (0, 1_000), (-3_600_000, 0), (0, 0)):
        utc, passed = utc + set_by + later, passed + later
        told.append(own.was_set_by())

    assert told == [0, 0, 90_000, 0, -3_600_000, 0]
