"""The lines a consumer may be given: one line each, UTF-8, for ever the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from streamer import avro
from streamer.siem.ecs import ecs
from streamer.siem.forms import FORMS
from streamer.siem.ocsf import ocsf
from tests.golden.siem import make
from tests.golden.siem.cases import CASES
from tests.siem.strategies import EVENTS


def _id(path: Path) -> str:
    return f"{path.parent.parent.name}-{path.stem}"


WANTED = dict(make.wanted())


@pytest.mark.parametrize("path", WANTED, ids=_id)
def test_todays_lines_are_the_golden_ones(path: Path) -> None:
    """The same event is the same line for ever, in every schema of this version."""
    assert WANTED[path] == path.read_bytes()


@pytest.mark.parametrize("path", sorted(make.kept()), ids=_id)
def test_no_golden_line_is_orphaned(path: Path) -> None:
    """Every line that is kept is one of a case; a case that went away would leave its promise unwatched."""
    assert path in WANTED


def test_there_are_three() -> None:
    """`relay --format` and `follow --output` offer what is here."""
    assert list(FORMS) == ["json", "ocsf", "ecs"]


@pytest.mark.parametrize("name", CASES)
def test_a_line_is_its_schemas_value(name: str) -> None:
    """What a parser reads is what the function gave; `json` is the one JSON form."""
    event = CASES[name]
    assert FORMS["json"](event) == avro.json_line(event, avro.EVENT)
    assert json.loads(FORMS["ocsf"](event)) == ocsf(event)
    assert json.loads(FORMS["ecs"](event)) == ecs(event)


@pytest.mark.parametrize("form", FORMS)
@given(event=EVENTS)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_any_event_is_one_line(form: str, event: dict[str, Any]) -> None:
    """Whatever a text holds: no line end, no lone surrogate, strict JSON that is an object."""
    line = FORMS[form](event)
    assert len(line.splitlines()) == 1
    assert isinstance(json.loads(line.decode(), parse_constant=pytest.fail), dict)


@pytest.mark.parametrize("form", FORMS)
def test_a_lone_surrogate_becomes_a_mark(form: str) -> None:
    """A JSON topic can hold one; it is U+FFFD, and what stands beside it is as it was."""
    after = CASES["created"]["after"] | {"client_name": "a\ud800b\U0001f916"}
    line = FORMS[form](CASES["created"] | {"after": after})
    assert "a\ufffdb\U0001f916" in line.decode()
