"""What `streamer follow` prints of a long history, line by line; `FOLLOW_EVENTS=100000` makes it really long."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import recording
from tests.installation import Around
from tests.services.kafka import Given as Broker
from tests.services.registry import Given as Schemas
from tests.siem.published import wrong_in_ecs, wrong_in_ocsf

EVENTS = int(os.environ.get("FOLLOW_EVENTS", "500"))
WRONG = {"ocsf": wrong_in_ocsf, "ecs": wrong_in_ecs}
COMMAND = [sys.executable, "-m", "streamer", "follow", "--from-beginning", "--until-end", "--output"]


@pytest.mark.timeout(120 + EVENTS // 20)
async def test_every_line_of_a_long_history_is_valid(
    kafka: Broker, registry: Schemas, prefix: str, tmp_path: Path
) -> None:
    """Each event that the service published is one line, by the published OCSF schema and the ECS field list."""
    told = await recording.record(Around.of(kafka, registry, prefix), tmp_path, EVENTS)

    for output, wrong in WRONG.items():
        with (tmp_path / output).open("w+b") as out:
            await asyncio.to_thread(subprocess.run, [*COMMAND, output], cwd=tmp_path, stdout=out, check=True)
            out.seek(0)
            lines = 0
            for line in out:
                lines += 1
                assert not list(wrong(json.loads(line))), line
        assert lines == told >= EVENTS
