"""A life of the real process: every lie of the simulator at its chance, then quiet, and the truth at the end.

Nothing is left out here: `streamer run`, HTTP, Kafka, the registry, real time. So little fits into a usual run;
`TRUTH_SECONDS=600 TRUTH_TOKENS=2000` leads a long life, and `TRUTH_SEED` another one.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from streamer.demo.faults import AnyFault
from streamer.demo.shorthand import read_set
from streamer.demo.truth import Entry
from tests import judge, person
from tests.installation import ACCEPTED, Around, Installation, health, installed

SECONDS: Final = int(os.environ.get("TRUTH_SECONDS", "10"))
TOKENS: Final = int(os.environ.get("TRUTH_TOKENS", "200"))
SEED: Final = int(os.environ.get("TRUTH_SEED", "1"))
ACTS_PER_SECOND: Final = 6.0
LAG_S: Final = 4  # the simulator's replicas are behind by 3 s, and `Date` has seconds
QUIET_POLLS: Final = LAG_S + 3  # a poll a second
HOLDS: Final = 5  # that a person may have to deal with at the end; one is usual
PHASE_S: Final = (1.0, 4.0)
CHANCES: Final = (1.0, 0.4, 0.1)
PRIVILEGES: Final = frozenset({"hidden", "account"})  # a privilege is not lost for one request and there for the next

pytestmark = pytest.mark.timeout(180 + 2 * SECONDS)


def _made(number: int, chance: float) -> AnyFault:
    """A fault, in one of its variants, that strikes by that chance."""
    return read_set(f"all:{chance}")[number]


def _name(fault: AnyFault) -> str:
    return str(fault.__struct_config__.tag)


async def _polls(here: Installation, more: int) -> None:
    await here.process.says(ACCEPTED, here.process.said().count(ACCEPTED) + more)


async def _lied_to(here: Installation, chance: random.Random) -> None:
    """One or two lies for some seconds; a lost privilege alone, and between polls that nobody lies to."""
    faults = here.simulator.faults
    numbers = chance.sample(range(len(read_set("all"))), chance.choice((1, 1, 2)))
    chosen = [_made(number, chance.choice(CHANCES)) for number in numbers]
    lost = [_made(number, 1.0) for number, fault in zip(numbers, chosen, strict=True) if _name(fault) in PRIVILEGES]
    faults.arm(*(lost[:1] or chosen))
    await asyncio.sleep(chance.uniform(*PHASE_S))
    faults.clear()
    if lost:
        await _polls(here, 2)


async def _quiet(here: Installation, folder: Path) -> None:
    """Nothing happens and nothing lies, for longer than a replica lags; a person deals with what is held."""
    here.life.settle()
    await _polls(here, QUIET_POLLS)
    for _ in range(HOLDS):
        held = await person.held(folder)
        if not held:
            return
        assert here.life.tokens.keys().isdisjoint(held[0]["moids"])
        await person.release(folder, held[0]["hold_id"], held[0]["count"])
        await _polls(here, QUIET_POLLS)
    raise AssertionError(f"after {HOLDS} releases still held: {held}")


def _false_deletes(events: Iterable[judge.Event], truth: Iterable[Entry]) -> list[str]:
    """Deletions of what was there when they were told; the simulator has our own clock."""
    ends = {entry.moid: entry.at for entry in truth if entry.what == "deleted"}
    return [
        f"{e['moid']} ({e['delete_cause']}) was told at {e['detected_at']}, it went at {ends.get(e['moid'])}"
        for e in events
        if e["event_type"] == "deleted" and not ends.get(e["moid"], 1 << 62) <= e["detected_at"]
    ]


async def test_lied_to_for_a_life(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """No false delete, the process lives, the log keeps its promises, and after quiet readers know the truth."""
    around = Around.of(kafka, registry, prefix)
    chance = random.Random(SEED)
    environ = {"STREAMER_SOURCES__0__REPLICA_LAG": f"{LAG_S}s", "STREAMER_SOURCES__0__TIMEOUT": "2s"}
    environ["STREAMER_SOURCES__0__PAGE_SIZE"] = str(max(TOKENS // 7, 2))
    async with installed(
        around, tmp_path, tokens=TOKENS, acts_per_second=ACTS_PER_SECOND, seed=SEED, environ=environ
    ) as here:
        await here.process.start()
        await _polls(here, 2)
        ends_at = asyncio.get_running_loop().time() + SECONDS
        while asyncio.get_running_loop().time() < ends_at:
            await _lied_to(here, chance)
        await _quiet(here, tmp_path)
        sources = await health(here.process, "/sources")
        assert await here.process.stop() == 0
        struck = here.simulator.faults.struck
        shown = {moid: judge.as_published(row) for moid, row in here.life.tokens.items()}

    log = await around.log()
    told = Counter(event["event_type"] for event in log.events)
    reasons = Counter(report["reason"] for report in log.reports)
    print(f"seed {SEED}: {dict(told)}; polls {dict(reasons)}; struck {dict(sorted(struck.items()))}")
    assert _false_deletes(log.events, here.life.truth) == []
    assert judge.faults(log) == []
    assert judge.differences(log, shown) == []
    assert sources.json()[0]["held"] == 0
    assert struck
