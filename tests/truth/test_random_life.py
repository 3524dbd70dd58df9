"""A random life: whatever happens, is lied about or crashes, what is published is what happened.

A life is a walk of random steps from one seed. A failure names its seed: `TRUTH_SEED=<seed> TRUTH_STEPS=<number>`
replays that life alone.

Question: is this not the business of hypothesis? Choice: of both. `test_stateful_life` lets hypothesis lead many lives
of 50 steps, which it shortens to the few that matter when one fails. But it cannot lead long ones, and much shows late:
a hold within a hold, a history of hundreds of events, a deletion that is forgotten. Hence these, and one of a thousand.
"""

from __future__ import annotations

import os
import random
from typing import Final

import pytest

from tests.truth.life import ACTS, LIES, PAUSES, SKEWS, STEPS_OF_A_POLL, TOKENS, WAITS, Walk
from tests.truth.model import playing

STEPS: Final = 250
LIVES: Final = [(seed, STEPS) for seed in range(1, 9)] + [(9, 1500)]
if "TRUTH_SEED" in os.environ:
    LIVES[:] = [(int(os.environ["TRUTH_SEED"]), int(os.environ.get("TRUTH_STEPS", STEPS)))]
WEIGHTS: Final = {
    "poll": 40,
    "act": 30,
    "lie": 12,
    "honest": 5,
    "wait": 4,
    "crash": 2,
    "fail": 3,
    "person": 3,
    "quiet": 1,
}


async def _step(walk: Walk, chance: random.Random) -> None:
    """One thing happens."""
    (what,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
    pause_ms, pick = chance.choices(PAUSES, (2, 1, 1))[0], chance.randrange(1 << 16)
    if what == "poll":
        await walk.poll(pause_ms)
    elif what == "fail":
        await walk.poll(0, fail_at=chance.randint(1, STEPS_OF_A_POLL))
    elif what == "act":
        await walk.act(chance.choices(list(ACTS), list(ACTS.values()))[0], pick)
    elif what == "lie":
        await walk.lie(chance.choice(LIES))
    elif what == "wait":
        await walk.wait(chance.choices(WAITS, (8, 8, 8, 8, 2, 1))[0])
    elif what == "person":
        await walk.person(discards=chance.random() < 0.5)
    else:
        await {"honest": walk.honest, "crash": walk.crash, "quiet": walk.quiet}[what]()


async def lived(seed: int, steps: int) -> Walk:
    """A life of so many steps, quiet at its end."""
    chance = random.Random(seed)
    async with playing(seed=seed, tokens=TOKENS, skew_ms=chance.choice(SKEWS)) as play:
        walk = Walk(play)
        number = 0
        try:
            for number in range(steps):  # noqa: B007  told when it fails
                await _step(walk, chance)
            await play.quiet()
        except AssertionError as error:
            armed = play.simulator.faults.armed()
            error.add_note(f"replay: TRUTH_SEED={seed} TRUTH_STEPS={steps} (failed at step {number}; armed: {armed})")
            raise
        return walk


@pytest.mark.timeout(600)  # half a minute for the longest on a quiet machine
@pytest.mark.parametrize(("seed", "steps"), LIVES)
async def test_what_is_published_is_what_happened(seed: int, steps: int) -> None:
    """No false delete, no wrong moment, no gap, nothing lost; and in the end readers know exactly what is there."""
    walk = await lived(seed, steps)

    print(f"seed {seed}: {walk.told()}")
    assert walk.done["accepted"] > steps // 20


@pytest.mark.skipif("TRUTH_SEED" in os.environ, reason="one life is replayed")
async def test_a_seed_leads_the_same_life_again() -> None:
    """What a seed did once it does again: the same polls, and the same events but for names that are drawn anew."""
    first, second = [await lived(3, 100) for _ in range(2)]

    drawn = {"event_id", "epoch", "snapshot_id", "trace_id", "retracts"}
    told = [
        [{name: value for name, value in event.items() if name not in drawn} for event in walk.play.events]
        for walk in (first, second)
    ]
    assert told[0] == told[1]
    assert first.done == second.done
    assert len(first.play.reports) == len(second.play.reports)
