"""The rendering for Splunk's own sink, in a real worker, up to an HTTP Event Collector.

The sink is in no package registry. Build version 2.2.1 from its source, put its jar and those of its dependencies into
a folder, and name that: `SPLUNK_SINK=/path/to/jars pytest tests/siem/collectors/test_splunk_sink.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streamer.serving import serve
from tests.services import connect, hec, wanted
from tests.siem.collectors.recorded import Recorded

LIMIT_S = 60
TOKEN = "5f0f6a5c-hec"
SINK = Path(os.environ.get("SPLUNK_SINK", "."))


@asynccontextmanager
async def _worker(recorded: Recorded, folder: Path, url: str) -> AsyncIterator[connect.Worker]:
    wanted.installed(connect.installed)
    environ = {"SPLUNK_HEC_URL": url, "SPLUNK_HEC_TOKEN": TOKEN}
    worker = connect.Worker(folder / "worker", recorded.around.bootstrap, environ, SINK)
    try:
        worker.launch()
        await asyncio.to_thread(worker.wait)
        yield worker
    finally:
        await asyncio.to_thread(worker.remove)


@pytest.mark.parametrize("form", ["json", "ecs"])
async def test_every_record_is_an_event_of_splunk_at_its_own_time(
    recorded: Recorded, form: str, tmp_path: Path
) -> None:
    """Each record is one event with all fields, `time` its own, acknowledged; nothing of an aborted transaction."""
    collector = hec.Collector(TOKEN)
    connector = json.loads(recorded.rendered("kafka-connect-splunk", "--form", form))
    if form == "json":
        connector["config"] = connect.by_apicurio(connector["config"])
    wanted_events = len(recorded.events) + len(recorded.reports)
    async with serve(collector.app) as url, _worker(recorded, tmp_path, url) as worker:
        await asyncio.to_thread(worker.call, "POST", "/connectors", connector)
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        while len(collector.events) < wanted_events and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
        said = worker.log

    (tmp_path / "hec.json").write_text(json.dumps(collector.events))
    print(tmp_path, said[-2000:])
    assert len(collector.events) == wanted_events, said
