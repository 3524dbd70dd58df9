"""Several real `streamer run` while their broker dies, refuses, or is out of one's reach: they go on by themselves.

`CHAOS_ROUNDS` repeats all acts so often; the judge looks after every one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.chaos.fleet import FROZEN_S, ROUNDS, SEED, SMALL, Fleet, fleet, is_back
from tests.chaos.proxy import Proxy, proxied
from tests.conftest import OwnedBroker
from tests.installation import Around
from tests.judge import EVENT_TOPICS
from tests.services.kafka import Broker, admin

FAILED = "turn.failed"
HASTY = {**SMALL, "STREAMER_KAFKA__TRANSACTION__TIMEOUT": "5s"}
pytestmark = pytest.mark.timeout(120 + 150 * ROUNDS)


@dataclass(frozen=True)
class Scene:
    """A fleet of two, started; the first one's only way to the broker is the proxy."""

    here: Fleet
    broker: Broker
    way: Proxy
    chance: random.Random


@asynccontextmanager
async def half_behind(owned_broker: OwnedBroker, registry: Any, prefix: str, folder: Path) -> AsyncIterator[Scene]:
    """It is gone when the block ends."""
    async with proxied() as way:
        broker = owned_broker(behind=way.at)
        way.target = broker.at("BEHIND")
        around = Around.of(broker, registry, prefix)
        async with fleet(around, folder, workers=2, bootstraps={0: way.at}) as here:
            await here.starts()
            yield Scene(here, broker, way, random.Random(SEED))


# The network between one worker and the broker...


async def silent(scene: Scene) -> None:
    """In the midst of a transaction nothing passes; what was sent arrives when all belongs to the other worker."""
    here, way = scene.here, scene.way
    way.pause()
    while not await here.has_one_open(here.workers[0]):
        way.resume()
        await asyncio.sleep(0.1)
        way.pause()
    before = len(here.workers[0].said())
    await here.polls(1)
    way.resume()
    await is_back(here.workers[0], before)
    assert await here.aborted() > 0


async def reset(scene: Scene) -> None:
    """Every connection is reset for longer than a session; the other worker has all the sources meanwhile."""
    here, way = scene.here, scene.way
    way.cut()
    await here.polls(1)
    before = len(here.workers[0].said())
    way.mend()
    await is_back(here.workers[0], before)


async def lost(scene: Scene) -> None:
    """First nothing passes, then the connections turn out to be gone, as when a firewall has forgotten them."""
    here, way = scene.here, scene.way
    way.pause()
    await asyncio.sleep(FROZEN_S)
    before = len(here.workers[0].said())
    way.cut()
    way.resume()
    way.mend()
    await is_back(here.workers[0], before)


# The broker itself...


async def killed(scene: Scene) -> None:
    """SIGKILL while every worker writes; it is away for a while, comes back, and nobody starts a worker anew."""
    scene.broker.kill()
    await asyncio.sleep(scene.chance.uniform(0, 5))
    scene.broker.launch()
    await asyncio.to_thread(scene.broker.wait)


async def paused(scene: Scene) -> None:
    """It answers nobody, for less than a session or for more, and every connection stays open."""
    scene.broker.pause()
    await asyncio.sleep(scene.chance.uniform(2, FROZEN_S))
    scene.broker.resume()


async def test_a_broker_that_fails_or_cannot_be_reached(
    owned_broker: OwnedBroker, registry: Any, prefix: str, tmp_path: Path
) -> None:
    """When it is back every source is polled again, by the same processes; nothing lost, nothing twice, no gap.

    Who alone is cut off is fenced by whoever takes its sources over; reached again it joins anew, and nothing of the
    past is shown.
    """
    async with half_behind(owned_broker, registry, prefix, tmp_path) as scene:
        lives = [worker.running.pid for worker in scene.here.workers]
        for act in (silent, reset, lost, killed, paused) * ROUNDS if ROUNDS > 1 else (silent, reset, killed, paused):
            print(act.__name__)
            await act(scene)
            await scene.here.recovers()
            broken = await scene.here.verdict()
            assert broken == [], f"after {act.__name__}"
        assert [worker.running.pid for worker in scene.here.workers] == lives
        await scene.here.ends()


# A cluster of which the smaller half is gone can only be read...


async def test_a_cluster_that_can_only_be_read(
    owned_broker: OwnedBroker, registry: Any, prefix: str, tmp_path: Path
) -> None:
    """One of two brokers dies, and every write wants both: polls fail, and go on as soon as it is back."""
    copies = {f"{topic}.replication.factor": "2" for topic in ("offsets.topic", "transaction.state.log")}
    broker = owned_broker(properties=copies)
    other = owned_broker(beside=broker, properties=copies)
    around = Around.of(broker, registry, prefix)
    async with fleet(around, tmp_path, workers=2, environ=HASTY) as here:
        await here.starts()
        await _want_both(broker, [f"{prefix}.{suffix}" for suffix in ("state", "snapshots", *EVENT_TOPICS)])
        for _ in range(ROUNDS):
            failed = [worker.said().count(FAILED) for worker in here.workers]
            other.kill()
            for worker, times in zip(here.workers, failed, strict=True):
                await worker.says(FAILED, times + 1)
            other.launch()
            await asyncio.to_thread(other.wait)
            await here.recovers()
            assert await here.verdict() == []
        await here.ends()


async def _want_both(broker: Broker, topics: list[str]) -> None:
    """Writes to these are refused unless both brokers have them; of a topic with one replica one is enough."""
    entry = ConfigEntry("min.insync.replicas", "2", incremental_operation=AlterConfigOpType.SET)
    changes = [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry]) for topic in topics]
    client = admin(broker.bootstrap)  # its replies come only while it is held
    for done in client.incremental_alter_configs(changes).values():
        await asyncio.to_thread(done.result, 30)
