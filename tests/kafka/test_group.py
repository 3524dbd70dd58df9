"""A share of a group: who may begin something with it, and who may not any more."""

from __future__ import annotations

import pytest

from streamer.errors import Doubt
from streamer.kafka.share import HEARTBEAT_MS, Share
from streamer.stop import Stopped

SESSION_S = 6.0
HEARD_S = 2 * HEARTBEAT_MS / 1000


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Now, in seconds."""
        return self.now


async def test_what_was_taken_is_over_for_good() -> None:
    """Whoever works on it hears of it, and may begin nothing; also where it was given up for another reason before."""
    share = Share({0: []})
    share.check()
    share.over.request()
    share.check()  # a stop of ours: what is in hand is finished

    share.take()

    assert share.over.requested
    for _ in range(2):
        with pytest.raises(Stopped):
            share.check()
        with pytest.raises(Stopped):
            share.make_sure()


async def test_whoever_was_frozen_waits_for_word_of_the_group() -> None:
    """Half a session without a sign of life of our own is no ownership, until two heartbeats had the time to fail."""
    hands = Hands()
    share = Share({0: []}, session_s=SESSION_S, monotonic=hands)
    hands.now += SESSION_S / 2 + 0.1

    share.check()  # what a fence makes safe need not wait
    with pytest.raises(Doubt, match="stood still"):
        share.make_sure()
    hands.now += HEARD_S - 0.1
    with pytest.raises(Doubt):
        share.make_sure()
    hands.now += 0.2

    share.make_sure()


async def test_signs_of_life_keep_it() -> None:
    """However long nothing is begun; a freeze that is seen by the sign of life itself counts as well."""
    hands = Hands()
    share = Share({0: []}, session_s=SESSION_S, monotonic=hands)
    for _ in range(10):
        hands.now += SESSION_S / 2
        share.beat()
    share.make_sure()

    hands.now += SESSION_S
    share.beat()

    with pytest.raises(Doubt):
        share.make_sure()


async def test_what_the_group_confirms_goes_on() -> None:
    """A provisional share that is given word for word stays, once; any other word ends it."""
    mine = Share({0: [], 1: []}, provisional=True)
    assert mine.confirmed_by(Share({0: [], 1: []}))
    assert not mine.provisional
    mine.check()

    other = Share({0: [], 1: []}, provisional=True)
    assert not other.confirmed_by(Share({0: []}))
    assert other.provisional


async def test_a_provisional_share_ends_with_a_dispute() -> None:
    """Somebody else writes there: until the group has spoken that one may be right; a given share is not given up."""
    given = Share({0: []})
    given.disputed()
    given.check()

    provisional = Share({0: []}, provisional=True)
    provisional.disputed()

    with pytest.raises(Stopped):
        provisional.check()
    assert not provisional.confirmed_by(Share({0: []}))
