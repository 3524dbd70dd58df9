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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamer.serving import serve
from tests.services import connect, hec, wanted
from tests.siem.collectors.recorded import Recorded, as_json

LIMIT_S = 60
TOKEN = "5f0f6a5c-hec"
SOURCETYPE = "cisco:intersight:oauth_token"
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


def as_splunk_reads(record: dict[str, Any], time: str) -> dict[str, Any]:
    """A record of the vendor's decoder as the sink writes it: its time is text already, other instants are Java's."""

    def told(value: Any) -> Any:
        if isinstance(value, datetime):
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
        if isinstance(value, dict):
            return {name: told(inner) for name, inner in value.items()}
        return [told(inner) for inner in value] if isinstance(value, list) else value

    return {**told(record), time: as_json(record[time])}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def _delivered(recorded: Recorded, form: str, folder: Path, count: int) -> list[dict[str, Any]]:
    """What the collector was given beside the sink's own first question; offsets have moved behind it."""
    collector = hec.Collector(TOKEN)
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

    of_events = [one for one in given if one["sourcetype"] == SOURCETYPE]
    of_reports = [one for one in given if one["sourcetype"] == f"{SOURCETYPE}:snapshot"]
    assert len(given) == len(of_events) + len(of_reports) == count
    for ours, theirs, identity, time in (
        (recorded.decoded_events, of_events, "event_id", "event_time"),
        (recorded.decoded_reports, of_reports, "snapshot_id", "finished_at"),
    ):
        assert {one["event"][identity]: one["event"] for one in theirs} == {
            key: as_splunk_reads(record, time) for key, record in ours.items()
        }
        assert [one["time"] for one in theirs] == [_seconds(one["event"][time]) for one in theirs]


async def test_lines_of_the_relay_pass_as_they_are(recorded: Recorded, tmp_path: Path) -> None:
    """ECS lines and the reports' JSON lines arrive letter for letter, each at its own time."""
    expected = [(message.value or b"").decode() for message in recorded.of("ecs", "snapshots.json")]

    given = await _delivered(recorded, "ecs", tmp_path, len(expected))

    assert sorted(one["event"] for one in given) == sorted(expected)
    events = [json.loads(one["event"]) for one in given]
    assert [one["time"] for one in given] == [_seconds(e.get("@timestamp") or e["finished_at"]) for e in events]
