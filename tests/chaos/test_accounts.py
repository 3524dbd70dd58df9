"""Several real `streamer run` whose accounts fail and lag at once, and whose own clocks are set.

`CHAOS_ROUNDS` repeats each act so often; the judge looks after every round.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from streamer.demo.faults import AnyFault
from streamer.demo.lies.sights import Lag
from streamer.demo.lies.wire import Reset, Status, Throttled, Truncated
from tests.chaos import stepped
from tests.chaos.fleet import ROUNDS, SEED, SMALL, Fleet, fleet
from tests.installation import Around

TOKENS = "/api/v1/iam/OAuthTokens"
LAG_S = 3.0
OUTAGE_S = 4.0
OUTAGES: tuple[tuple[AnyFault, ...], ...] = (
    (Status(status=503, path=TOKENS, probability=0.5),),
    (Status(status=503, path=TOKENS),),
    (Reset(path=TOKENS, probability=0.5), Truncated(path=TOKENS, probability=0.3)),
    (Throttled(path=TOKENS, probability=0.5),),
)
STEPS_S = (90.0, -90.0, 3600.0, 0.0)  # so far from the server's, an hour gets no answer but "unauthorized"
STEP_LASTS_S = 2.0  # twice an interval

pytestmark = pytest.mark.timeout(120 + 90 * ROUNDS)


async def test_accounts_that_fail_and_lag(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Replicas that are seconds behind, one request each, and half of the requests failing: no delete that was none."""
    chance = random.Random(SEED)
    around = Around.of(kafka, registry, prefix)
    async with fleet(around, tmp_path, workers=2, source={"replica_lag": f"{LAG_S + 2:g}s"}) as here:
        await here.starts()
        for _ in range(ROUNDS):
            for simulator in here.simulators:
                simulator.faults.arm(Lag(by=LAG_S, replicas=3), *chance.choice(OUTAGES))
            await asyncio.sleep(OUTAGE_S)
            for simulator in here.simulators:
                simulator.faults.clear()
            await here.recovers()
            assert await here.verdict(lag_ms=round(LAG_S * 1000)) == []
            assert all(simulator.faults.struck for simulator in here.simulators)
        await here.ends()


async def test_workers_whose_clocks_are_set(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """There and back, by more than anything lasts, one worker at a time: bounds stay true, they are the server's.

    Sources change hands in between, from a clock that is ahead to one that is not.
    """
    chance = random.Random(SEED)
    around = Around.of(kafka, registry, prefix)
    async with fleet(around, tmp_path, workers=2, environ=SMALL, program=(stepped.__file__,)) as here:
        clocks = [tmp_path / f"clock-{number}" for number in range(len(here.workers))]
        for clock, worker in zip(clocks, here.workers, strict=True):
            _set(clock, 0)
            worker.environ["STEPPED_CLOCK"] = str(clock)
        await here.starts()
        for _ in range(ROUNDS):
            await _step(here, clocks, chance)
            await here.recovers()
            assert await here.verdict(steady=False) == []
        await here.ends()


async def _step(here: Fleet, clocks: list[Path], chance: random.Random) -> None:
    for step in STEPS_S:
        number = chance.randrange(len(clocks))
        _set(clocks[number], step)
        await asyncio.sleep(STEP_LASTS_S)
        if step == STEPS_S[1]:
            assert await here.workers[number].stop() == 0
            await here.polls(1)
            await here.workers[number].start()
    for clock in clocks:
        _set(clock, 0)


def _set(clock: Path, off_s: float) -> None:
    """At once: whoever reads it just now finds the old one or the new one."""
    (new := clock.with_suffix(".new")).write_text(str(off_s))
    new.rename(clock)
