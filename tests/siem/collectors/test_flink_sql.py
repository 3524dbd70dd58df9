"""The rendering for Flink SQL, run by Flink's own client over what `streamer run` wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services import flink, wanted
from tests.siem import shapes
from tests.siem.collectors.recorded import Recorded

ENDING = "ALTER TABLE `{}` SET ('scan.bounded.mode' = 'latest-offset');\n"  # so that a query comes to an end
LOST = "SELECT `missing` FROM `lost_events`"
FEWER = "ALTER TABLE `oauth_token_events` SET ('topic' = '{}');\n"


@pytest.mark.timeout(300)
async def test_tables_hold_every_record_with_its_types_and_nothing_that_was_aborted(
    recorded: Recorded, tmp_path: Path
) -> None:
    """Each event and report is one row, with the columns of its schema; and the view of loss counts what is missing."""
    wanted.installed(flink.installed)
    statements = [
        recorded.rendered("flink-sql"),
        *(ENDING.format(table) for table in ("oauth_token_events", "snapshot_reports")),
        flink.into_file("events", tmp_path, "SELECT * FROM `oauth_token_events`"),
        flink.into_file("reports", tmp_path, "SELECT * FROM `snapshot_reports`"),
        flink.into_words("lost", LOST),
        FEWER.format(";".join(map(recorded.topic, ("created", "deleted")))),
        flink.into_words("fewer", LOST),
    ]

    said = await flink.run("".join(statements), tmp_path)

    events = list(flink.rows("events", tmp_path))
    reports = list(flink.rows("reports", tmp_path))
    assert {row["event_id"]: row for row in events} == shapes.flink(recorded.decoded_events)
    assert {row["snapshot_id"]: row for row in reports} == shapes.flink(recorded.decoded_reports)
    assert (len(events), len(reports)) == (len(recorded.events), len(recorded.reports))
    seen = max(event["sequence"] for event in recorded.events.values() if event["event_type"] != "modified")
    kept = sum(event["event_type"] != "modified" for event in recorded.events.values())
    assert (flink.last_of("lost", said), flink.last_of("fewer", said)) == (None, seen - kept)
    assert "lost> +" in said  # there was something to take back: partitions are read side by side
