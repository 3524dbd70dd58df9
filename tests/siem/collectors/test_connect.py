"""The renderings for Kafka Connect, in a real worker that reads what `streamer run` wrote.

The sinks themselves are in no package registry. Their configurations are used as they are but for three things: the
class (Connect's own file sink), a file's name, and another Avro converter. So what is shown is all that happens before
a sink: which topics, from where, committed or not, decoded, transformed, with which types.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.kafka.topics import Names
from streamer.siem.pipelines.catalogue import PIPELINES
from tests.services import connect, wanted
from tests.services.feed import feed
from tests.services.reader import read_all
from tests.siem.collectors.recorded import Recorded, filled
from tests.siem.collectors.structs import struct
from tests.siem.renderings import deployment
from tests.siem.shapes import as_json

LIMIT_S = 60
VARIABLES = {
    "SPLUNK_HEC_URL": "http://127.0.0.1:8088",
    "SPLUNK_HEC_TOKEN": "told by the worker's environment",
    "ELASTICSEARCH_URL": "http://127.0.0.1:9200",
    "ELASTICSEARCH_USER": "u",
    "ELASTICSEARCH_PASSWORD": "p",
}
AS_TEXT = {"splunk": ("event_time", "finished_at"), "elasticsearch": ()}


@pytest.fixture(scope="module", name="worker")
def _worker(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[connect.Worker]:
    wanted.installed(connect.installed)
    worker = connect.Worker(tmp_path_factory.mktemp("connect") / "worker", recorded.around.bootstrap, VARIABLES)
    try:
        worker.start()
        yield worker
    finally:
        worker.remove()


@pytest.mark.parametrize("sink", ["splunk", "elasticsearch"])
async def test_every_record_once_with_its_types_and_nothing_that_was_aborted(
    worker: connect.Worker, recorded: Recorded, sink: str, tmp_path: Path
) -> None:
    """What the sink is given is every event and report as the vendor's decoder reads them, instants as instants."""
    connector = json.loads(recorded.rendered(f"kafka-connect-{sink}"))
    out = tmp_path / "out"
    config = connect.by_apicurio(connector["config"]) | {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "file": str(out),
    }
    await asyncio.to_thread(worker.call, "POST", "/connectors", {**connector, "config": config})
    texts = dict.fromkeys(AS_TEXT[sink], as_json)
    expected = sorted(
        struct(record, texts) for record in (*recorded.decoded_events.values(), *recorded.decoded_reports.values())
    )

    found = await _written(out, len(expected))
    status = await asyncio.to_thread(worker.call, "GET", f"/connectors/{connector['name']}/status")

    assert found == expected, worker.log
    assert [task["state"] for task in status["tasks"]] == ["RUNNING"]


async def test_what_no_converter_reads_is_kept_with_its_reason(
    worker: connect.Worker, recorded: Recorded, prefix: str, tmp_path: Path
) -> None:
    """A foreign record does not stop the sink, and is not gone: it stands in the dead letters, with why."""
    bootstrap, names = recorded.around.bootstrap, Names(prefix)
    rendering = PIPELINES["kafka-connect-elasticsearch"].render(
        deployment({"bootstrap_servers": [bootstrap], "topic_prefix": prefix}, {"url": recorded.around.registry})
    )
    connector = json.loads(rendering)
    config = connect.by_apicurio(connector["config"]) | {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "file": str(tmp_path / "out"),
    }
    async with feed(bootstrap, prefix) as writing:
        await writing.write_raw(b"no Avro")
    await asyncio.to_thread(worker.call, "POST", "/connectors", {**connector, "config": config})

    letters = [names.of("connect-dead-letter")]
    await filled(bootstrap, letters, 1)
    (letter,) = await read_all(bootstrap, letters)
    headers = dict(letter.headers)
    status = await asyncio.to_thread(worker.call, "GET", f"/connectors/{connector['name']}/status")

    assert (letter.value, headers["__connect.errors.topic"]) == (b"no Avro", names.of("created").encode())
    assert headers["__connect.errors.stage"] == b"VALUE_CONVERTER"
    assert [task["state"] for task in status["tasks"]] == ["RUNNING"]


async def _written(out: Path, enough: int) -> list[str]:
    """The records of a file sink, once there are so many, or those that came in time."""
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    while True:
        if len(found := _records(out)) >= enough or asyncio.get_running_loop().time() > deadline:
            return sorted(found)
        await asyncio.sleep(0.1)


def _records(out: Path) -> list[str]:
    """Each ends with a newline; a text within may hold some too."""
    text = out.read_text(encoding="utf-8") if out.exists() else ""
    return re.split(r"\n(?=Struct\{(?:event|snapshot)_id=|$)", text)[:-1]
