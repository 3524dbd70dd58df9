"""README's section for the SIEM, held to what is true: its events are made, its commands and configurations exist."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import pytest

from streamer import avro
from streamer.commands.siem import command
from streamer.invocation import Invocation
from streamer.siem.forms import FORMS
from streamer.siem.pipelines import kafka_connect, logstash
from streamer.siem.pipelines.catalogue import PIPELINES
from streamer.siem.pipelines.filebeat import DATA_STREAM
from tests.golden.cases import CASES
from tests.services import kusto
from tests.services.kusto import Engine
from tests.siem import shapes, workspace

README: Final = Path(__file__).parents[2] / "README.md"
TEXT: Final = README.read_text(encoding="utf-8")
SECTION: Final = TEXT.partition("## Feed your SIEM\n")[2].partition("\n## ")[0]
SHOWN: Final = "deleted-revoked"
WIDTH: Final = 120
CALLS: Final = re.findall(r"^streamer siem (.*?)(?: *[>|#].*)?$", TEXT, re.MULTILINE)
NAMED: Final = re.findall(rf"`((?:{'|'.join(PIPELINES)})(?: --\w+ [\w-]+)?)`", SECTION)


def wrapped(line: str) -> str:
    """One line of JSON on lines of at most 120 letters: it is broken between values only, and is the same JSON."""
    rows: list[str] = []
    row = ""
    for part in re.findall(r'(?:"(?:\\.|[^"\\])*"|[^",])+,?|,', line):
        if row and len(row) + len(part) > WIDTH:
            rows, row = [*rows, row], ""
        row += part
    return "\n".join([*rows, row])


def shown_event(form: str) -> str:
    """The event of README in a form, as its block holds it."""
    return wrapped(line(form).decode())


def line(form: str) -> bytes:
    """The event as one line."""
    (case,) = (case for case in CASES if case.name == SHOWN)
    return FORMS[form](avro.decode_event(case.avro))


def shown_shape(name: str, kql: Callable[[], Engine]) -> str:
    """The event of README as a collector hands it on; its columns, for Sentinel, are made by an engine."""
    event = shapes.golden(SHOWN)
    made = workspace.rows_of(kql(), [event])[0] if name == "sentinel" else SHAPES[name](event)
    return wrapped(json.dumps(made, separators=(",", ":"), ensure_ascii=False))


SHAPES: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "splunk": lambda event: shapes.hec(event, "event_time", "cisco.intersight.oauth-token.deleted"),
    "document": lambda event: shapes.document(event, "event_time"),
    "flink": shapes.flink,
}


def block(form: str) -> str:
    """README's block of a form."""
    return SECTION.partition(f"<!-- {form}")[2].partition("```json\n")[2].partition("\n```")[0]


@pytest.mark.parametrize("form", FORMS)
def test_the_events_shown_are_made(form: str) -> None:
    """Each block is what today's code makes of a kept event; to renew them: `python -m tests.siem.test_readme_siem`."""
    assert block(form) == shown_event(form)
    assert json.loads(block(form)) == json.loads(shown_event(form))


@pytest.mark.parametrize("name", [*SHAPES, "sentinel"])
def test_the_shapes_shown_are_made(name: str, request: pytest.FixtureRequest) -> None:
    """Each is what a collector's output is compared with elsewhere, for the same kept event."""
    assert block(name) == shown_shape(name, lambda: cast(Engine, request.getfixturevalue("kql")))


def test_the_syslog_header_shown_is_the_one_that_is_sent() -> None:
    """What stands before the line is what rsyslog's output is compared with."""
    event = json.loads(line("json"))
    header = shapes.frame(b"", "HOST", event["event_time"], event["event_id"], event["event_type"]).decode()

    assert f"`{header.rstrip()}`" in SECTION


@pytest.mark.parametrize("call", [*CALLS, *NAMED])
def test_every_call_is_one(call: str) -> None:
    """Each configuration that is named exists, with the choice it is named with."""
    name, *arguments = shlex.split(call)

    command.commands[name].make_context(name, arguments, obj=Invocation({}))


def test_every_collector_is_told() -> None:
    """A collector that README does not name is one that nobody finds."""
    assert {call.split()[0] for call in NAMED} >= set(PIPELINES)


def test_what_collectors_need_is_said_as_it_is() -> None:
    """The worker's two lines, Sentinel's streams and Elastic's data stream are those of the renderings."""
    assert all(line in SECTION for line in kafka_connect.PROVIDERS)
    assert all(stream in SECTION for stream in logstash.STREAMS.values())
    assert DATA_STREAM in SECTION


if __name__ == "__main__":
    with kusto.engine(kusto.engine_installed()) as _engine:
        _shown = {form: shown_event(form) for form in FORMS}
        _shown |= {name: shown_shape(name, lambda: _engine) for name in (*SHAPES, "sentinel")}
    for _name, _made in _shown.items():
        _head, _mark, _rest = TEXT.partition(f"<!-- {_name}")
        _note, _fence, _old = _rest.partition("```json\n")
        TEXT = f"{_head}{_mark}{_note}{_fence}{_made}\n```{_old.partition('```')[2]}"  # type: ignore[misc]
    README.write_text(TEXT, encoding="utf-8")
