"""The rendering for rsyslog, in a real rsyslogd that reads what a real relay wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.services import rsyslog, wanted
from tests.services.rsyslog import Line, parsed
from tests.siem.collectors.recorded import REPORTS, Recorded
from tests.siem.shapes import frame

HEADERS: dict[str, Callable[[dict[str, Any]], tuple[str, str, str]]] = {
    "json": lambda event: (event["event_time"], event["event_id"], event["event_type"]),
    "ecs": lambda event: (event["@timestamp"], event["event"]["id"], event["event"]["action"]),
}


@pytest.fixture(name="daemon", scope="module")
def _daemon() -> Path:
    return wanted.installed(rsyslog.installed)


@pytest.mark.parametrize("form", ["json", "ecs"])
async def test_every_record_once_and_nothing_that_was_aborted(
    daemon: Path, recorded: Recorded, form: str, tmp_path: Path
) -> None:
    """Each record of the relay's topics is one message, byte for byte, its header made of the record itself."""
    expected = sorted(message.value or b"" for message in recorded.of(form, f"{REPORTS}.json"))
    text = recorded.rendered("rsyslog", "--form", form).replace('consumergroup="', f'consumergroup="{form}-')
    async with rsyslog.receiver() as receiver:
        environ = {"SYSLOG_TARGET": "127.0.0.1", "SYSLOG_PORT": str(receiver.port)}
        async with rsyslog.running(daemon, text, tmp_path, environ) as said:
            await receiver.holds(len(expected))

    lines = [parsed(line) for line in receiver.lines]
    assert sorted(line.text for line in lines) == expected, said.read_text()
    assert receiver.lines == [frame(line.text, line.host, *_header(line)) for line in lines]
    told = [(line, json.loads(line.text)) for line in lines]
    events = [(_header(line), event) for line, event in told if line.process not in recorded.reports]
    reports = {line.process: (_header(line), report) for line, report in told if line.process in recorded.reports}
    assert [header for header, _ in events] == [HEADERS[form](event) for _, event in events]
    assert {identity: header for identity, (header, _) in reports.items()} == {
        identity: (report["finished_at"], identity, report["verdict"]) for identity, report in recorded.reports.items()
    }
    assert {identity: report for identity, (_, report) in reports.items()} == recorded.reports
    if form == "json":
        assert {event["event_id"]: event for _, event in events} == recorded.events


@pytest.mark.parametrize("form", ["json", "ocsf", "ecs"])
async def test_rsyslog_finds_nothing_wrong(daemon: Path, recorded: Recorded, form: str, tmp_path: Path) -> None:
    """Its own check of the configuration is silent."""
    (configuration := tmp_path / "tokens.conf").write_text(recorded.rendered("rsyslog", "--form", form))
    assert await rsyslog.refused(daemon, configuration) == ""


def _header(line: Line) -> tuple[str, str, str]:
    return line.time, line.process, line.kind
