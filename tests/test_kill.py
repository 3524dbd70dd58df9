"""The promise under SIGKILL: the real `streamer run`, killed at random moments, loses nothing and repeats nothing."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from tests.installation import UNHELD, Around, installed
from tests.process import Process
from tests.services.reader import read_all

SEED = 20_261_125
KILLS = 32
MOST_KILLS = 96  # on a busy machine a few more, until each kind of damage was done at least once
TOKENS = 300
ACTS_PER_SECOND = 150.0  # and a handful of records a transaction: most of a second is spent within transactions
RECORDS_IN_A_TRANSACTION = "12"
EARLY_S = (0.2, 1.5)  # after the start of the process: it connects, fences, restores
BUSY_S = (0.0, 1.2)  # after its state is restored: it looks, and writes many transactions


@pytest.mark.timeout(420)
async def test_killed_at_random_moments(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """At least 32 SIGKILLs: each token's last event equals the API, ids are unique, sequences gapless, reports tile.

    Each event stands in the topic of all too, and knows which clients its user had before.
    The kills must have hit: the broker aborted transactions, and snapshots were cut off between two of them.
    All lives join the same group, whose sessions are longer than most of them: each shows its predecessor out.
    """
    chance = random.Random(SEED)
    around = Around.of(kafka, registry, prefix, all_topic=True)
    environ = {"STREAMER_KAFKA__TRANSACTION__RECORDS": RECORDS_IN_A_TRANSACTION, **UNHELD}
    kills = aborted = interrupted = 0
    async with installed(
        around, tmp_path, tokens=TOKENS, acts_per_second=ACTS_PER_SECOND, seed=SEED, environ=environ
    ) as here:
        while kills < KILLS or (kills < MOST_KILLS and not (aborted and interrupted)):
            await _lived_and_killed(here.process, chance)
            kills += 1
            if kills % 8 == 0 and kills >= KILLS:
                aborted, interrupted = await _damage(around)
        await here.process.start()
        await here.quiet()
        assert await here.process.stop() == 0
        broken = await here.verdict()

    aborted, interrupted = await _damage(around)
    print(f"seed {SEED}: {kills} kills, {aborted} transactions aborted, {interrupted} snapshots interrupted")
    assert broken == []
    assert aborted > 0
    assert interrupted > 0


async def _lived_and_killed(process: Process, chance: random.Random) -> None:
    await process.start()
    if chance.random() < 0.25:
        await asyncio.sleep(chance.uniform(*EARLY_S))
    else:
        await process.says("source.restored")
        await asyncio.sleep(chance.uniform(*BUSY_S))
    await process.kill()


async def _damage(around: Around) -> tuple[int, int]:
    """Transactions that only a read_uncommitted reader sees, and reports of interrupted snapshots.

    Every transaction writes the source's own row, so those rows are counted.
    """
    topic = f"{around.prefix}.state"
    seen, committed = [
        sum(m.key == b"prod" for m in await read_all(around.bootstrap, [topic], isolation))
        for isolation in ("read_uncommitted", "read_committed")
    ]
    log = await around.log()
    return seen - committed, sum(report["verdict"] == "interrupted" for report in log.reports)
