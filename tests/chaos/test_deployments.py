"""Two deployments that know nothing of each other, on the same topics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.errors import Fenced
from tests.chaos.fleet import fleet
from tests.installation import ACCEPTED, Around


@pytest.mark.timeout(240)
async def test_groups_that_share_topics(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """They fence each other, partition by partition, until one has ended with status 4; nothing stands twice.

    The other has all the sources then, and tells what was seen of them by whichever. It is the first one that ends: it
    is fenced first everywhere; of two that begin together each may be so somewhere, and both would end.
    """
    around = Around.of(kafka, registry, prefix)
    async with fleet(around, tmp_path, workers=2) as here:
        first, second = here.workers
        second.environ["STREAMER_KAFKA__GROUP"] = f"{prefix}-others"
        await first.start()
        for name in here.accounts:
            await first.says(f"{ACCEPTED} source={name} ")
        await second.start()
        assert await first.running.wait() == Fenced.exit_code
        here.workers = [second]
        await here.recovers()
        assert await here.verdict() == []
        await here.ends()
