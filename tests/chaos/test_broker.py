"""Several real `streamer run` while their broker dies, refuses, or is out of one's reach: they go on by themselves.

`CHAOS_ROUNDS` repeats each act so often; the judge looks after every round.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
pytestmark = pytest.mark.timeout(120 + 90 * ROUNDS)


async def killed(here: Fleet, broker: Broker, chance: random.Random) -> None:
    """SIGKILL while every worker writes; it is away for a while, comes back, and nobody starts a worker anew."""
    broker.kill()
    await asyncio.sleep(chance.uniform(0, 5))
    broker.launch()
    await asyncio.to_thread(broker.wait)
    await here.recovers()


async def paused(here: Fleet, broker: Broker, chance: random.Random) -> None:
    """It answers nobody, for less than a session or for more, and every connection stays open."""
    broker.pause()
    await asyncio.sleep(chance.uniform(2, FROZEN_S))
    broker.resume()
    await here.recovers()


async def test_a_broker_that_fails_all(owned_broker: OwnedBroker, registry: Any, prefix: str, tmp_path: Path) -> None:
    """When it is back every source is polled again, by the same processes; nothing lost, nothing twice, no gap."""
    chance = random.Random(SEED)
    broker = owned_broker()
    around = Around.of(broker, registry, prefix)
    async with fleet(around, tmp_path, workers=2) as here:
        await here.starts()
        lives = [worker.running.pid for worker in here.workers]
        for act in (killed, paused) * ROUNDS:
            await asyncio.sleep(chance.uniform(0, 1))
            await act(here, broker, chance)
            assert await here.verdict() == []
        assert [worker.running.pid for worker in here.workers] == lives
        await here.ends()


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


# The network between one of two workers and the broker...


@asynccontextmanager
async def half_behind(
    owned_broker: OwnedBroker, registry: Any, prefix: str, folder: Path
) -> AsyncIterator[tuple[Fleet, Proxy]]:
    """A fleet of two, started; the first one's only way to the broker is the proxy."""
    async with proxied() as way:
        broker = owned_broker(behind=way.at)
        way.target = broker.at("BEHIND")
        around = Around.of(broker, registry, prefix)
        async with fleet(around, folder, workers=2, bootstraps={0: way.at}) as here:
            await here.starts()
            yield here, way


async def silent(here: Fleet, way: Proxy) -> None:
    """In the midst of a transaction nothing passes; what was sent arrives when all belongs to the other worker."""
    way.pause()
    while not await here.has_one_open():
        way.resume()
        await asyncio.sleep(0.1)
        way.pause()
    before = len(here.workers[0].said())
    await asyncio.sleep(FROZEN_S)
    await here.polls(1)
    way.resume()
    await is_back(here.workers[0], before)
    assert await here.aborted() > 0


async def reset(here: Fleet, way: Proxy) -> None:
    """Every connection is reset for longer than a session; the other worker has all the sources meanwhile."""
    way.cut()
    await asyncio.sleep(FROZEN_S)
    await here.polls(1)
    before = len(here.workers[0].said())
    way.mend()
    await is_back(here.workers[0], before)


async def lost(here: Fleet, way: Proxy) -> None:
    """First nothing passes, then the connections turn out to be gone, as when a firewall has forgotten them."""
    way.pause()
    await asyncio.sleep(FROZEN_S)
    before = len(here.workers[0].said())
    way.cut()
    way.resume()
    way.mend()
    await is_back(here.workers[0], before)


async def test_a_worker_that_is_cut_off(owned_broker: OwnedBroker, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Another takes its sources over and fences it; reached again it joins anew, and nothing of the past is shown."""
    async with half_behind(owned_broker, registry, prefix, tmp_path) as (here, way):
        for act in (silent, reset, lost) * ROUNDS if ROUNDS > 1 else (silent, reset):
            await act(here, way)
            await here.recovers()
            assert await here.verdict() == []
        await here.ends()
