"""The rendering for Redpanda Connect, read by the engine it is built on, over what `streamer run` wrote.

Redpanda Connect itself is not free software, so it is not fetched; `tests/services/processor` says what stands in.
"""

from __future__ import annotations

from pathlib import Path

from tests.services import processor, wanted
from tests.siem.collectors.recorded import Recorded
from tests.siem.shapes import document

VARIABLES = {"ELASTICSEARCH_URL": "http://127.0.0.1:9200", "ELASTICSEARCH_USER": "u", "ELASTICSEARCH_PASSWORD": "p"}


async def test_every_record_once_with_its_types_and_nothing_that_was_aborted(
    recorded: Recorded, tmp_path: Path
) -> None:
    """Each event and report is one document, under its own id, with `@timestamp` and else only its fields."""
    wanted.installed(processor.installed)
    count = len(recorded.events) + len(recorded.reports)

    async with processor.running(recorded.rendered("redpanda-connect"), tmp_path, VARIABLES) as process:
        found = await processor.documents(process, count)

    said = (tmp_path / "processor.log").read_text()
    prefix = recorded.around.prefix
    for kind, of, time in (
        ("events", recorded.decoded_events, "event_time"),
        ("snapshots", recorded.decoded_reports, "finished_at"),
    ):
        lines = [line for line in found if line["index"] == f"{prefix}.{kind}"]
        assert {line["id"]: line["document"] for line in lines} == {
            identity: document(record, time) for identity, record in of.items()
        }, said
    assert len(found) == count, said
    assert {line["action"] for line in found} == {"index"}
