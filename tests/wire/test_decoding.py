"""Any of the three value formats becomes the same event, known by its first byte."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import avro
from streamer.avro import Values
from streamer.errors import Misconfigured
from streamer.events import Derived, Evidence
from streamer.tokens import Extra, Tag
from streamer.wire.avsc import schema_json, schema_text
from streamer.wire.decoding import Decoder, Undecodable
from tests.services.feed import event, token

RICH = event(
    2,
    "modified",
    before=token(tags=(Tag("a"), Tag("b", "c")), owners=("o",), extras=(Extra("X", "1"),), mod_time=-5),
    after=token(),
    not_before=-1,
    delete_evidence=Evidence("lookup", 123),
    derived=Derived(lifetime_s=5, outlived_expiry=False),
)
PLAIN = avro.decode_event(avro.encode_event(RICH))


class _Known:
    """A registry with one schema."""

    async def schema(self, schema_id: int) -> str:
        if schema_id != 7:
            raise Misconfigured(f"no schema {schema_id}")
        return schema_text(avro.EVENT)


def _json() -> bytes:
    return avro.json_line(PLAIN, avro.EVENT)


@pytest.mark.parametrize("value_format", ["confluent", "avro", "json"])
async def test_every_format_becomes_the_same_event(value_format: str) -> None:
    """A topic may hold all three, as after a change of `kafka.value_format`."""
    (value,) = Values(value_format, {"modified": 7}).events(("modified",), RICH)
    assert await Decoder(_Known()).event(value) == PLAIN


@pytest.mark.parametrize("kind", ["created", "deleted"])
async def test_half_an_event_is_an_event(kind: str) -> None:
    """One of `before` and `after` is null, whichever it is: the other one is read all the same."""
    half = (
        replace(RICH, event_type=kind, before=None) if kind == "created" else replace(RICH, event_type=kind, after=None)
    )

    (value,) = Values("json").events((kind,), half)

    assert await Decoder().event(value) == avro.decode_event(avro.encode_event(half))


async def test_a_later_writers_schema_is_resolved() -> None:
    """A field that a later version appended is passed over; ours are all there."""
    later = schema_json(avro.EVENT)
    later["fields"].append({"name": "weather", "type": ["null", "string"], "default": None})

    class Later:
        async def schema(self, _: int) -> str:
            return json.dumps(later)

    value = avro.frame(avro.encode_event(RICH) + b"\x02\x06sun", 9)
    assert await Decoder(Later()).event(value) == PLAIN


async def test_json_of_other_versions() -> None:
    """What a later version appended is left out, what an earlier one had not is null."""
    value = json.loads(_json())
    del value["derived"]
    assert await Decoder().event(json.dumps(value | {"weather": "sun"}).encode()) == PLAIN | {"derived": None}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no value"),
        (b"", "no value"),
        (b"\xff\x00", "begins with ff 00"),
        (b"\x00\x01", "wanted 00 and a schema id"),
        (b"\x00\x00\x00\x00\x07H", "no Avro"),
        (b"H" + b"x" * 36, "no Avro"),
        (b"{}", "its JSON is no event"),
        (b"{", "its JSON is no event"),
        (b'{"event_id": 5}', "its JSON is no event"),
        (b"\xef\xbb\xbf{}", "begins with ef bb bf"),
    ],
)
async def test_what_is_no_event_says_why(value: bytes | None, why: str) -> None:
    """Each is `Undecodable`, and nothing is guessed."""
    with pytest.raises(Undecodable, match=why):
        await Decoder(_Known()).event(value)


async def test_a_wrong_registry_is_not_the_records_fault() -> None:
    """An unknown schema id is `Misconfigured`: to skip everything would lose everything; no registry is told apart."""
    value = avro.frame(avro.encode_event(RICH), 8)
    with pytest.raises(Misconfigured, match="no schema 8"):
        await Decoder(_Known()).event(value)
    with pytest.raises(Undecodable, match="its schema 8 stands in a registry"):
        await Decoder().event(value)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("sequence", "5"),
        ("sequence", True),
        ("sequence", 2**63),
        ("sequence", -(2**63) - 1),
        ("moid", None),
        ("before", []),
    ],
)
async def test_json_of_a_wrong_type_is_refused(key: str, wrong: Any) -> None:
    """A field is what the schema says, or the record is no event."""
    value = json.loads(_json()) | {key: wrong}
    with pytest.raises(Undecodable, match="its JSON is no event"):
        await Decoder().event(json.dumps(value).encode())


@given(st.binary())
async def test_no_bytes_break_it(value: bytes) -> None:
    """Any value is an event or `Undecodable`, never another error; a schema nobody knows is the registry's word."""
    for head in (b"", b"{", b"H", b"\x00\x00\x00\x00\x07"):
        framed_by_another = value[:1] == b"\x00" and head == b""
        with contextlib.suppress(Undecodable, *((Misconfigured,) if framed_by_another else ())):
            await Decoder(_Known()).event(head + value)
