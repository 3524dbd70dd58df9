"""Several real `streamer run` share the sources: whatever is done to them, nothing is lost, nothing stands twice.

`CHAOS_ROUNDS` repeats all acts so often; the judge looks after every one.
"""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from streamer.kafka.connection import Connection
from streamer.kafka.group import Membership
from tests.chaos.fleet import ROUNDS, SEED, SHARE, Fleet, fleet, is_back
from tests.installation import ACCEPTED, Around

TURNS = 3  # of a member that comes, and goes about a second later


async def killed(here: Fleet, chance: random.Random) -> None:
    """One dies at a random moment; the others have all its sources, then it comes back."""
    victim = chance.choice(here.workers)
    await asyncio.sleep(chance.uniform(0, 1))
    await victim.kill()
    await here.recovers()
    await victim.start()
    await victim.says(ACCEPTED)


async def frozen(here: Fleet, chance: random.Random) -> None:
    """One sleeps in the midst of a transaction until its session is over and its sources are another's, then wakes."""
    victim = chance.choice(here.workers)
    victim.running.send_signal(signal.SIGSTOP)
    while not await here.has_one_open(victim):
        victim.running.send_signal(signal.SIGCONT)
        await asyncio.sleep(chance.uniform(0, 0.2))
        victim.running.send_signal(signal.SIGSTOP)
    before = len(victim.said())
    await here.recovers()
    victim.running.send_signal(signal.SIGCONT)
    await is_back(victim, before)
    assert await here.aborted() > 0


async def rolled(here: Fleet, _: random.Random) -> None:
    """All are stopped and started, one after the other, as an upgrade does it."""
    for worker in here.workers:
        assert await worker.stop() == 0, worker.said()[-3000:]
        await worker.start()
        await worker.says(SHARE)
    await here.recovers()


async def churned(here: Fleet, chance: random.Random) -> None:
    """A member that wants none of the partitions comes and goes: a rebalance every second, and polls go on."""
    connection, topic = Connection((here.around.bootstrap,)), f"{here.around.prefix}.control"
    for _ in range(TURNS):
        async with Membership(connection, here.group, [topic]):
            await asyncio.sleep(chance.uniform(0.8, 1.2))
        await asyncio.sleep(chance.uniform(0.8, 1.2))
    for worker in here.workers:
        assert worker.said().count(SHARE) > TURNS
    await here.recovers()


@pytest.mark.timeout(120 + 120 * ROUNDS)
async def test_workers_share_sources(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """After each act every token's last event equals the API, ids are unique, sequences gapless, reports tile.

    How long it took until every source was polled again is printed.
    """
    chance = random.Random(SEED)
    async with fleet(Around.of(kafka, registry, prefix), tmp_path, workers=3) as here:
        await here.starts()
        for act in (frozen, killed, rolled, churned) * ROUNDS:
            print(act.__name__)
            await act(here, chance)
            broken = await here.verdict()
            assert broken == [], f"after {act.__name__}"
        await here.ends()
