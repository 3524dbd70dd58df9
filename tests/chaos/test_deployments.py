"""Two deployments that know nothing of each other, on the same topics."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import Fenced
from tests.chaos.fleet import fleet
from tests.installation import Around


@pytest.mark.timeout(240)
async def test_groups_that_share_topics(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """They fence each other until one has ended with status 4; nothing stands twice.

    The other has all the sources then, and tells what was seen of them by whichever. They fight for one partition,
    where they take turns: of several, each may lose another one for the third time, and both end.
    """
    around = Around.of(kafka, registry, prefix)
    async with fleet(around, tmp_path, workers=2, partitions=1) as here:
        here.workers[1].environ["STREAMER_KAFKA__GROUP"] = f"{prefix}-others"
        for worker in here.workers:
            await worker.start()
        over = [asyncio.create_task(worker.running.wait()) for worker in here.workers]
        await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in over if task.done()] == [Fenced.exit_code]
        here.workers = [worker for worker, task in zip(here.workers, over, strict=True) if not task.done()]
        await here.recovers()
        assert await here.verdict() == []
        await here.ends()
        await asyncio.wait(over)
