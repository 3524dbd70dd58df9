"""The ledger can be read at any past moment, from the beginning or from the end."""

from __future__ import annotations

from streamer.demo.life import Life, Rates
from tests.demo.stage import START, Clock


def test_the_past_is_the_same_from_both_ends() -> None:
    """What is undone from now on back to a moment leaves what is replayed from the beginning up to it."""
    clock = Clock()
    world = Life(clock, rates=Rates(per_second=5), tokens=30)
    clock.now += 60_000
    world.tick()
    moments = [entry.at for entry in world.truth]

    assert {"created", "modified", "deleted"} <= set(world.truth.counts)
    for at in {START - 1, *moments, *(at - 1 for at in moments), clock.now + 1}:
        assert world.truth.past(world.tokens, at) == world.truth.state(at)
