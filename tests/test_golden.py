"""Golden bytes: what was written once is written so for ever, and is read by every reader there ever was."""

import json
from pathlib import Path

import pytest

from streamer import avro
from streamer.wire import jsonform
from streamer.wire.avsc import schema_names
from tests.golden import cases, make, static


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: f"{case.schema}-{case.name}")
def test_todays_bytes_are_the_golden_ones(case: cases.Case) -> None:
    """The same value is written as the same bytes and the same JSON line, for ever."""
    golden = make.versions(case.schema)[-1] / case.name
    assert case.avro == golden.with_suffix(".avro").read_bytes()
    assert case.json + b"\n" == golden.with_suffix(".json").read_bytes()


GOLDEN = sorted(path for name in schema_names() for folder in make.versions(name) for path in folder.glob("*.avro"))


def _id(path: Path) -> str:
    return "-".join(path.with_suffix("").parts[-3:])


@pytest.mark.parametrize("path", GOLDEN, ids=_id)
def test_golden_bytes_are_read_by_their_own_schema(path: Path) -> None:
    """A reader that is not us, with the schema of that version, reads the JSON form that stands beside."""
    written = json.loads((path.parent / make.SCHEMA).read_text("utf-8"))
    record, rest = static.read(written, path.read_bytes())
    assert rest == b""
    line = jsonform.line(jsonform.compiled(written)(record))
    assert line + b"\n" == path.with_suffix(".json").read_bytes()


@pytest.mark.parametrize("path", [p for p in GOLDEN if p.parts[-3] in (avro.EVENT, avro.REPORT)], ids=_id)
def test_every_version_is_read_with_the_first_schema(path: Path) -> None:
    """Static readers never update: the first `.avsc`, without resolution, reads every later event and report."""
    first = json.loads((make.versions(path.parts[-3])[0] / make.SCHEMA).read_text("utf-8"))
    record, _ = static.read(first, path.read_bytes())
    told = json.loads(path.with_suffix(".json").read_bytes())
    plain = json.loads(avro.json_line(avro.decode(path.parts[-3], path.read_bytes()), path.parts[-3]))
    assert list(record) == list(told)[: len(record)]
    assert {name: plain[name] for name in record} == {name: told[name] for name in record}


@pytest.mark.parametrize("path", [p for p in GOLDEN if p.parts[-3] == avro.EVENT], ids=_id)
def test_every_version_is_read_today(path: Path) -> None:
    """With its writer's schema, resolved to ours: what it said then it says now."""
    record = avro.decode_event(path.read_bytes(), (path.parent / make.SCHEMA).read_text("utf-8"))
    told = json.loads(path.with_suffix(".json").read_bytes())
    now = json.loads(avro.json_line(record, avro.EVENT))
    assert {name: now[name] for name in told} == told
