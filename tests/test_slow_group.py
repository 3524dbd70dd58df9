"""A broker that lets an empty group wait for more members, as brokers do by default: a lone worker polls meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer.kafka import members
from streamer.kafka.connection import Connection
from tests.chaos.fleet import SHARE, fleet
from tests.installation import ACCEPTED, Around, installed
from tests.kafka.stage import GATHERING
from tests.services.kafka import Broker, Options

LONG_S, SHORT_S = 35, 8
DELAY = "group.initial.rebalance.delay.ms"


@pytest.fixture
def broker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker of this test alone."""
    own = Broker(tmp_path / "kafka", Options(properties={DELAY: str(1000 * request.param)}))
    own.start()
    yield own
    own.stop()


@pytest.mark.parametrize("broker", [LONG_S], indirect=True)
async def test_a_lone_worker_does_not_wait(broker: Broker, registry: Any, prefix: str, tmp_path: Path) -> None:
    """While the group has not spoken polls are accepted, and go on when it has; it ends as it was asked to."""
    around = Around.of(broker, registry, prefix)
    async with installed(around, tmp_path, tokens=20, acts_per_second=5) as there:
        await there.process.start()
        await there.process.says(ACCEPTED)
        group = await members.roster(Connection((broker.bootstrap,)), f"{prefix}-workers")
        assert group.state == GATHERING
        await there.process.says(ACCEPTED, times=2)
        assert await there.process.stop() == 0


@pytest.mark.parametrize("broker", [SHORT_S], indirect=True)
async def test_two_that_start_together_come_to_terms(
    broker: Broker, registry: Any, prefix: str, tmp_path: Path
) -> None:
    """Whoever begins with everything, or both: in the end they share, and nothing is lost, nothing stands twice."""
    around = Around.of(broker, registry, prefix)
    accounts = ("berlin", "lagos", "lima", "osaka")
    async with fleet(around, tmp_path, accounts=accounts, workers=2, acts_per_second=10) as here:
        await here.starts()
        for worker in here.workers:
            await worker.says(SHARE)
        broken = await here.verdict()
        assert broken == []
        for worker in here.workers:
            assert await worker.stop() == 0, worker.said()[-3000:]
