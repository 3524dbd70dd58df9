"""A provider's many accounts on three workers that are killed, frozen and rolled, one after the other, without a rest.

In CI for some seconds; the long one is `CHAOS_SECONDS=300 CHAOS_ACCOUNTS=60`. With `CHAOS_REST=15` the next fault waits
until every account was polled again, and so many seconds more. The judge looks when it is over.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.fleet import FROZEN_S, SEED, SHARE, SMALL, fleet
from tests.installation import Around
from tests.process import Process

SECONDS = float(os.environ.get("CHAOS_SECONDS", "12"))
ACCOUNTS = int(os.environ.get("CHAOS_ACCOUNTS", "12"))
REST_S = float(os.environ.get("CHAOS_REST", "0"))
INTERVAL_S = max(1, ACCOUNTS // 12)  # of the long one 5
TOKENS = 20
ACTS_PER_SECOND = 0.5
LIMIT_S = 180.0


async def _killed(victim: Process, chance: random.Random) -> None:
    """It comes back at once, or when its session is over."""
    await victim.kill()
    await asyncio.sleep(chance.uniform(0, FROZEN_S))
    await victim.start()


async def _frozen(victim: Process, chance: random.Random) -> None:
    """For less than its session, or for more."""
    victim.running.send_signal(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(1, FROZEN_S + 3))
    victim.running.send_signal(signal.SIGCONT)


async def _rolled(victim: Process, _: random.Random) -> None:
    """Stopped as an upgrade does it, and started; the next is no sooner than it has a share."""
    assert await victim.stop() == 0, victim.said()[-3000:]
    await victim.start()
    await victim.says(SHARE)


def _acts(chance: random.Random) -> Iterator[Callable[[Process, random.Random], Awaitable[None]]]:
    """By chance, and each before any comes again."""
    while True:
        yield from chance.sample((_frozen, _killed, _rolled), 3)


@pytest.mark.timeout(300 + 2 * SECONDS)
async def test_a_storm(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Nothing is lost, nothing stands twice, nothing is deleted that is there; the longest silences are told."""
    chance = random.Random(SEED)
    done: Counter[str] = Counter()
    async with fleet(
        Around.of(kafka, registry, prefix),
        tmp_path,
        workers=3,
        accounts=[f"account-{number}" for number in range(ACCOUNTS)],
        acts_per_second=ACTS_PER_SECOND,
        tokens=TOKENS,
        source={"interval": f"{INTERVAL_S}s"},
        environ=SMALL,
        partitions=16,
    ) as here:
        await here.starts()
        until = time.monotonic() + SECONDS
        acts = _acts(chance)
        while time.monotonic() < until:
            act = next(acts)
            for victim in here.workers if act is _rolled else [chance.choice(here.workers)]:
                await act(victim, chance)
                if REST_S:
                    await here.recovers(LIMIT_S)
                    await asyncio.sleep(REST_S)
            done[act.__name__.strip("_")] += 1
            await asyncio.sleep(chance.uniform(0, 3))
        await here.recovers(LIMIT_S)
        print(f"seed {SEED}, {ACCOUNTS} accounts every {INTERVAL_S} s, {SECONDS:g} s of {dict(done)}")
        broken = await here.verdict(limit_s=LIMIT_S)
        await here.ends()

    assert broken == []
