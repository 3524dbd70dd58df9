"""What may stand beside what: the rules of schema resolution, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.demo.compatibility import Invalid, conflicts, parse

FULL = "FULL"
A: dict[str, Any] = {"name": "a", "type": "string"}
OPTIONAL: dict[str, Any] = {"name": "o", "type": ["null", "long"], "default": None}
INNER: dict[str, Any] = {"type": "record", "name": "I", "fields": [A]}
TREE: dict[str, Any] = {"type": "record", "name": "T", "fields": [{"name": "next", "type": ["null", "T"]}]}


def record(*fields: dict[str, Any], **keys: Any) -> str:
    """The text of a record's schema."""
    return json.dumps({"type": "record", "name": "R", "namespace": "n", "fields": fields} | keys)


def typed(kind: Any) -> str:
    """The text of a record with one field of this type."""
    return record({"name": "x", "type": kind})


def enum(*symbols: str, **keys: Any) -> dict[str, Any]:
    """An enum's type."""
    return {"type": "enum", "name": "E", "symbols": symbols} | keys


def under(level: str, new: str, old: str) -> tuple[str, ...]:
    """What forbids `new` beside `old`."""
    return conflicts(level, parse(new), parse(old))


@pytest.mark.parametrize(
    ("new", "old"),
    [
        pytest.param(record(A), record(A), id="the same"),
        pytest.param(record(A, OPTIONAL), record(A), id="an optional field more"),
        pytest.param(record(A), record(A, OPTIONAL), id="an optional field less"),
        pytest.param(record(OPTIONAL, A), record(A, OPTIONAL), id="another order"),
        pytest.param(record(A, namespace="m"), record(A), id="another namespace"),
        pytest.param(typed({"type": "long", "logicalType": "timestamp-millis"}), typed("long"), id="a logical type"),
        pytest.param(typed("bytes"), typed("string"), id="bytes and text"),
        pytest.param(typed(["string", "null"]), typed(["null", "string"]), id="a union in another order"),
        pytest.param(typed(["null", INNER]), typed(["null", INNER]), id="a record in a union"),
        pytest.param(typed({"type": "array", "items": "long"}), typed({"type": "array", "items": "long"}), id="arrays"),
        pytest.param(typed(TREE), typed(TREE), id="a recursive record"),
        pytest.param(typed(enum("a", "b", default="a")), typed(enum("a", default="a")), id="symbols with a default"),
    ],
)
def test_what_may_stand_under_full(new: str, old: str) -> None:
    """Data of either is readable by the other."""
    assert under(FULL, new, old) == ()


@pytest.mark.parametrize(
    ("reader", "writer", "why"),
    [
        pytest.param(record(A), record(), "field 'a' of R is missing, and has no default", id="field"),
        pytest.param(typed("int"), typed("long"), "field 'x' of R is long, wanted int", id="narrower"),
        pytest.param(typed("string"), typed(INNER), "field 'x' of R is record, wanted string", id="kind"),
        pytest.param(
            typed("long"), typed(["null", "long"]), "field 'x' of R is null, wanted long", id="no longer null"
        ),
        pytest.param(typed(["null", "int"]), typed(["int", "string"]), "'x' of R may be string, which", id="branch"),
        pytest.param(
            typed(["null", INNER]), typed({**INNER, "name": "J"}), "may be J, which the union", id="named branch"
        ),
        pytest.param(typed(INNER), typed({**INNER, "name": "J"}), "field 'x' of R is called J, wanted I", id="name"),
        pytest.param(
            typed(["null", {**INNER, "fields": [A, {"name": "new", "type": "long"}]}]),
            typed(["null", INNER]),
            "field 'new' of I is missing",
            id="nested in a union",
        ),
        pytest.param(
            typed({"type": "array", "items": "int"}),
            typed({"type": "array", "items": "string"}),
            "field 'x' of R's items is string, wanted int",
            id="items",
        ),
        pytest.param(
            typed({"type": "map", "values": INNER}),
            typed({"type": "map", "values": "string"}),
            "field 'x' of R's values is string, wanted record",
            id="values",
        ),
        pytest.param(
            typed(enum("a")), typed(enum("a", "b")), "field 'x' of R may be b, which the enum lacks", id="symbol"
        ),
        pytest.param(
            typed({"type": "fixed", "name": "F", "size": 2}),
            typed({"type": "fixed", "name": "F", "size": 3}),
            "field 'x' of R has 3 bytes, wanted 2",
            id="size",
        ),
    ],
)
def test_what_a_reader_stumbles_over(reader: str, writer: str, why: str) -> None:
    """BACKWARD asks the new schema to read the old one's data, FORWARD the other way round, FULL both, NONE nothing."""
    (backward,) = under("BACKWARD", reader, writer)
    (forward,) = under("FORWARD", writer, reader)

    assert backward.startswith("the new schema cannot read the old: ")
    assert why in backward
    assert forward.startswith("the old schema cannot read the new: ")
    assert why in forward
    assert set(under("FULL_TRANSITIVE", reader, writer)) >= {backward}
    assert set(under("FULL_TRANSITIVE", writer, reader)) >= {forward}
    assert under("NONE", reader, writer) == ()


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("long", "int"),
        ("float", "long"),
        ("double", "float"),
        (["null", "long"], "int"),
        (["null", "string"], "string"),
    ],
)
def test_promotions_go_one_way(wide: Any, narrow: Any) -> None:
    """A wider type reads a narrower one's data, not the other way round."""
    assert under("BACKWARD", typed(wide), typed(narrow)) == ()
    assert under("FORWARD", typed(wide), typed(narrow)) != ()


def test_every_problem_is_told() -> None:
    """The answer lists all that is wrong, not the first thing."""
    assert len(under(FULL, record(A, {"name": "x", "type": "int"}), record({"name": "x", "type": "string"}))) == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{nope", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('"text"', "unknown type 'text'"),
        ("7", "wanted a type, got 7"),
        ('{"name": "R"}', "wanted a type"),
        ('{"type": "record", "name": "R"}', "no 'fields'"),
        ('{"type": "record", "fields": []}', "no 'name'"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a"}]}', "no 'type'"),
        ('{"type": "record", "name": "R", "fields": [{"type": "int"}]}', "no 'name'"),
        ('{"type": "record", "name": "R", "fields": ["a"]}', "wanted a field"),
        ('{"type": "record", "name": "R", "fields": 7}', "'fields' is no list"),
        ('{"type": "enum", "name": "E", "symbols": 7}', "'symbols' is no list"),
        ('{"type": "fixed", "name": "F", "size": "big"}', "'size' is no int"),
        ('{"type": "array"}', "no 'items'"),
        ('{"type": "enum", "name": "E"}', "no 'symbols'"),
        ('{"type": "fixed", "name": "F"}', "no 'size'"),
        (typed("Other"), "unknown type 'n.Other'"),
        (record({"name": "x", "type": INNER}, {"name": "y", "type": INNER}), "'n.I' is defined twice"),
    ],
)
def test_what_is_no_schema_is_named(text: str, why: str) -> None:
    """A text that is no Avro schema is Invalid, and the message says where."""
    with pytest.raises(Invalid) as raised:
        parse(text)

    assert why in str(raised.value)
