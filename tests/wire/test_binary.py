"""The bytes written by hand are those of a general encoder, and are read back; what is no token is not read."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

import fastavro
from hypothesis import given
from hypothesis import strategies as st

from streamer import avro
from streamer.tokens import Extra, Tag, Token
from streamer.wire import binary
from streamer.wire.avsc import schema_json, without_logical_types

EVENT = schema_json(avro.EVENT)
BEFORE = next(field for field in EVENT["fields"] if field["name"] == "before")
SCHEMA = fastavro.parse_schema(without_logical_types({"namespace": EVENT["namespace"]} | BEFORE["type"][1]))
TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
LONG = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**42)
TAGS = st.lists(st.builds(Tag, TEXT, st.none() | TEXT), max_size=3).map(tuple)
EXTRAS = st.lists(st.builds(Extra, TEXT, TEXT), max_size=3).map(tuple)
TOKENS = st.builds(
    Token,
    TEXT,
    *[st.none() | TEXT] * 5,
    *[st.none() | LONG] * 5,
    *[st.none() | TEXT] * 9,
    *[st.lists(TEXT, max_size=3).map(tuple)] * 2,
    TAGS,
    EXTRAS,
)


def _generally(token: Token) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, asdict(token), strict=True)
    return out.getvalue()


@given(TOKENS)
def test_a_token_is_written_as_a_general_encoder_does_and_read_back(token: Token) -> None:
    """Byte for byte, whatever the values; and the bytes give the values again."""
    values = binary.values_of(token)
    datum = b"".join(binary.written(values))

    assert datum == _generally(token)
    assert binary.read(datum) == values


@given(TOKENS, st.data())
def test_no_cut_and_no_surplus_is_read(token: Token, data: Any) -> None:
    """A part of a token's bytes, or more than them, is none."""
    datum = b"".join(binary.written(binary.values_of(token)))

    assert binary.read(datum[: data.draw(st.integers(0, len(datum) - 1))]) is None
    assert binary.read(datum + b"\x00") is None


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_reading_them_ends(data: bytes) -> None:
    """Bytes that are no token are None, never an error, never something else than a general decoder would say."""
    found = binary.read(data)

    assert found is None or _generally(Token(*found)) is not None


def test_a_lone_surrogate_becomes_the_replacement_character() -> None:
    """UTF-8 cannot carry it, and no text stops a feed."""
    found = binary.read(b"".join(binary.written(binary.values_of(Token("a", client_name="x\ud800")))))

    assert found == binary.values_of(Token("a", client_name="x\ufffd"))


def test_a_length_below_zero_is_no_text() -> None:
    """Odd is negative in zigzag: such bytes would be read backwards."""
    datum = b"".join(binary.written(binary.values_of(Token("a"))))

    assert binary.read(b"\x03" + datum[1:]) is None
