"""Tokens as a list: whatever a name holds, it shows itself and does nothing; JSON says it exactly."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from streamer import avro
from streamer.events import Event
from streamer.output.listing import OUTPUTS, listing
from streamer.tokens import TOKEN_FIELDS, Extra, Tag, Token
from tests.builders import EPOCH, NOON, sighting, token

HOSTILE = {
    "escape": "\x1b]0;owned\x07\x1b[2J",
    "c1": "\x9b31mred",
    "direction": "\u202egnp.exe\u2066",
    "lines": "one\ntwo\r\u2028three\tfour",
    "delete": "a\x7fb",
    "surrogate": "\ud800",
    "quotes": "O'Brien's \"app\", [bold]x[/bold] \\n",
    "wide": "名前 🦊 é",
}
FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "  =1", "\uff1d1", "a;=1+1", "a; @x;-2", "\t=1"]


def shown(capsysbinary: pytest.CaptureFixture[bytes], output: str, *tokens: Token, several: bool = False) -> str:
    """What a whole list of these looks like."""
    made = listing(output, several=several)
    made.take("prod", tokens)
    made.end(whole=True)
    return capsysbinary.readouterr().out.decode()


def full(moid: str = "a", **fields: Any) -> Token:
    """A token with something of everything."""
    more = {"owners": ("o",), "tags": (Tag("k", "v"),), "extras": (Extra("New", '{"a": 1}'),)}
    return token(moid, **{**more, **fields})


def published(one: Token) -> Any:
    """The token as the `after` of an event shows it."""
    event = Event(
        "e", "created", "prod", EPOCH, 1, None, one.moid, NOON, NOON, None, NOON, "s", after=sighting(one).datum
    )
    return json.loads(avro.json_line(avro.decode_event(avro.encode_event(event)), avro.EVENT))["after"]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_acts(capsysbinary: pytest.CaptureFixture[bytes], output: str, name: str) -> None:
    """No letter that ends a line, moves a cursor or turns a direction gets out, in whatever form."""
    told = shown(capsysbinary, output, token("a", client_name=HOSTILE[name]), token("b"))

    assert [letter for letter in told.replace("\n", "") if not letter.isprintable() and letter != "\t"] == []
    assert len(told.splitlines()) == {"table": 3, "json": 4, "ndjson": 2, "csv": 3}[output]


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "surrogate"])
@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_json_says_it_exactly(capsysbinary: pytest.CaptureFixture[bytes], output: str, name: str) -> None:
    """Each token in its one JSON form, as in an event's `after`: every field, in the schema's order."""
    tokens = [full("a", client_name=HOSTILE[name]), full("b")]
    told = shown(capsysbinary, output, *tokens)
    rows = json.loads(told) if output == "json" else [json.loads(line) for line in told.splitlines()]

    assert rows == [published(one) for one in tokens]
    assert list(rows[0]) == list(TOKEN_FIELDS)
    assert rows[0]["client_name"] == HOSTILE[name]
    assert rows[0]["create_time"] == "2025-11-25T11:00:00.000Z"
    assert (rows[0]["tags"], rows[0]["extras"]) == ([{"key": "k", "value": "v"}], [{"name": "New", "json": '{"a": 1}'}])
    assert rows[0]["expiration_time"] is None


@pytest.mark.parametrize("formula", FORMULAS)
def test_csv_holds_no_formula(capsysbinary: pytest.CaptureFixture[bytes], formula: str) -> None:
    """Nothing that a spreadsheet would compute stands at the beginning of a cell, by whichever separator it reads."""
    told = shown(capsysbinary, "csv", token("a", client_name=formula))
    (row,) = csv.DictReader(io.StringIO(told))

    for cell in row["client_name"].split(";"):
        assert cell.lstrip()[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20"), cell
    assert row["client_name"].replace("'", "").endswith(formula[-2:].replace("'", ""))


def test_csv_leaves_all_else_as_it_is(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """All fields by name; times as in JSON, nothing as an empty cell, lists as JSON."""
    told = shown(capsysbinary, "csv", full("a", client_name='a-b "c", d=e'), several=True)
    (row,) = csv.DictReader(io.StringIO(told))

    assert list(row) == ["source", *TOKEN_FIELDS]
    assert (row["source"], row["client_name"]) == ("prod", 'a-b "c", d=e')
    assert (row["create_time"], row["expiration_time"]) == ("2025-11-25T11:00:00.000Z", "")
    assert json.loads(row["tags"]) == [{"key": "k", "value": "v"}]
    assert json.loads(row["owners"]) == ["o"]


def test_lines_are_what_a_person_asks_for_first(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Apart by tabs where it is no terminal, below a heading: the client by its id if it has no name."""
    tokens = (
        token("a", client_ip_address="192.0.2.1", expiration_time=NOON),
        token("b", client_name=None, client_id="c", user_moid="u"),
    )
    told = shown(capsysbinary, "table", *tokens, several=True)

    assert told.splitlines() == [
        "source\tmoid\tclient\tuser\taddress\tcreated\texpires",
        "prod\ta\tportal\t\t192.0.2.1\t2025-11-25T11:00:00.000Z\t2025-11-25T12:00:00.000Z",
        "prod\tb\tc\tu\t\t2025-11-25T11:00:00.000Z\t",
    ]


@pytest.mark.parametrize(
    ("output", "told"), [("table", ""), ("json", "[]\n"), ("ndjson", ""), ("csv", f"{','.join(TOKEN_FIELDS)}\n")]
)
def test_nothing_is_an_answer(capsysbinary: pytest.CaptureFixture[bytes], output: str, told: str) -> None:
    """An empty list of each kind."""
    assert shown(capsysbinary, output) == told


def test_a_json_array_is_closed_only_if_it_is_whole(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Half an answer is no JSON; over several pages it is one array."""
    for whole in (True, False):
        made = listing("json", several=True)
        made.take("prod", [token("a"), token("b")])
        made.take("prod", [])
        made.take("lab", [token("c")])
        made.end(whole=whole)
        told = capsysbinary.readouterr().out
        if whole:
            assert [(row["source"], row["moid"]) for row in json.loads(told)] == [
                *[("prod", "a"), ("prod", "b")],
                ("lab", "c"),
            ]
        else:
            with pytest.raises(json.JSONDecodeError):
                json.loads(told)
