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
from datetime import datetime
from pathlib import Path
from typing import Any

from streamer.serving import serve
from tests.services import connect, wanted
from tests.services.hec import Collector
from tests.siem.collectors.recorded import REPORTS, Recorded
from tests.siem.shapes import SOURCETYPE, hec

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


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def _delivered(recorded: Recorded, form: str, folder: Path, count: int) -> list[dict[str, Any]]:
    """What the collector was given beside the sink's own first question; offsets have moved behind it."""
    collector = Collector(TOKEN)
    connector = json.loads(recorded.rendered("kafka-connect-splunk", "--form", form))
    connector["name"] += f"-{form}"  # and so is its consumer group
    if form == "json":
        connector["config"] = connect.by_apicurio(connector["config"])
    async with serve(collector.app) as url, _worker(recorded, folder, url) as worker:
        await asyncio.to_thread(worker.call, "POST", "/connectors", connector)
        await collector.holds(count + 1, LIMIT_S)
        status = await asyncio.to_thread(worker.call, "GET", f"/connectors/{connector['name']}/status")
        assert [task["state"] for task in status["tasks"]] == ["RUNNING"], worker.log
    assert collector.events[0]["event"] == "Splunk HEC Configuration Check"
    return collector.events[1:]


async def test_avro_becomes_events_of_splunk(recorded: Recorded, tmp_path: Path) -> None:
    """Each record is one event with all its fields and at its own time; nothing of an aborted transaction."""
    count = len(recorded.events) + len(recorded.reports)

    given = await _delivered(recorded, "json", tmp_path, count)

    assert {one["event"].get("event_id") or one["event"]["snapshot_id"]: one for one in given} == {
        **{key: hec(e, "event_time", recorded.topic(e["event_type"])) for key, e in recorded.decoded_events.items()},
        **{
            key: hec(report, "finished_at", recorded.topic(REPORTS), f"{SOURCETYPE}:snapshot")
            for key, report in recorded.decoded_reports.items()
        },
    }
    assert len(given) == count


async def test_lines_of_the_relay_pass_as_they_are(recorded: Recorded, tmp_path: Path) -> None:
    """ECS lines and the reports' JSON lines arrive letter for letter, each at its own time."""
    expected = [(message.value or b"").decode() for message in recorded.of("ecs", "snapshots.json")]

    given = await _delivered(recorded, "ecs", tmp_path, len(expected))

    assert sorted(one["event"] for one in given) == sorted(expected)
    events = [json.loads(one["event"]) for one in given]
    assert [one["time"] for one in given] == [_seconds(e.get("@timestamp") or e["finished_at"]) for e in events]
