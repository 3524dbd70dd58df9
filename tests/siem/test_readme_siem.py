"""README's section for the SIEM, held to what is true: its events are made, its commands and configurations exist."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from streamer import avro
from streamer.commands.siem import command
from streamer.invocation import Invocation
from streamer.siem.forms import FORMS
from streamer.siem.pipelines import kafka_connect, logstash
from streamer.siem.pipelines.catalogue import PIPELINES
from streamer.siem.pipelines.filebeat import DATA_STREAM
from tests.golden.cases import CASES

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
    (case,) = (case for case in CASES if case.name == SHOWN)
    return wrapped(FORMS[form](avro.decode_event(case.avro)).decode())


def block(form: str) -> str:
    """README's block of a form."""
    return SECTION.partition(f"<!-- {form}")[2].partition("```json\n")[2].partition("\n```")[0]


@pytest.mark.parametrize("form", FORMS)
def test_the_events_shown_are_made(form: str) -> None:
    """Each block is what today's code makes of a kept event; to renew them: `python -m tests.siem.test_readme_siem`."""
    assert block(form) == shown_event(form)
    assert json.loads(block(form)) == json.loads(shown_event(form))


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
    for _form in FORMS:
        _head, _mark, _rest = TEXT.partition(f"<!-- {_form}")
        _note, _fence, _old = _rest.partition("```json\n")
        TEXT = f"{_head}{_mark}{_note}{_fence}{shown_event(_form)}\n```{_old.partition('```')[2]}"  # type: ignore[misc]
    README.write_text(TEXT, encoding="utf-8")
