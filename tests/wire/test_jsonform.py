"""The one JSON form: instants, bytes, order, one line."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire import jsonform

INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
SCHEMA = {
    "type": "record",
    "name": "Outer",
    "fields": [
        {"name": "z", "type": "string"},
        {"name": "at", "type": INSTANT},
        {"name": "maybe", "type": ["null", INSTANT]},
        {
            "name": "inner",
            "type": ["null", {"type": "record", "name": "Inner", "fields": [{"name": "t", "type": INSTANT}]}],
        },
        {"name": "again", "type": ["null", "Inner"]},
        {"name": "many", "type": {"type": "array", "items": "Inner"}},
        {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 2}},
        {"name": "codes", "type": {"type": "array", "items": "Code"}},
        {"name": "a", "type": "long"},
    ],
}
RECORD = {
    "a": 2**63 - 1,
    "again": {"t": 2},
    "at": 0,
    "code": b"\x00\xff",
    "codes": [b"ab"],
    "inner": {"t": 1},
    "many": [{"t": 3}],
    "maybe": None,
    "z": 'é\n"\u2028\x00',
}


def test_order_and_presence_are_the_schemas() -> None:
    """Whatever order a mapping has, a line has the schema's; null is shown; named types are known where they return."""
    found = jsonform.line(jsonform.compiled(SCHEMA)(RECORD)).decode()
    assert found == (
        '{"z":"é\\n\\"\u2028\\u0000","at":"1970-01-01T00:00:00.000Z","maybe":null,'
        '"inner":{"t":"1970-01-01T00:00:00.001Z"},"again":{"t":"1970-01-01T00:00:00.002Z"},'
        '"many":[{"t":"1970-01-01T00:00:00.003Z"}],"code":"00ff","codes":["6162"],"a":9223372036854775807}'
    )


@pytest.mark.parametrize("lost", RECORD)
def test_a_record_that_lacks_a_field_is_refused(lost: str) -> None:
    """A field is never left out silently, and never invented."""
    with pytest.raises(KeyError, match=lost):
        jsonform.compiled(SCHEMA)({name: value for name, value in RECORD.items() if name != lost})


@given(st.text())
def test_any_text_is_one_line_and_comes_back(text: str) -> None:
    """No text breaks the line or is changed by it."""
    found = jsonform.line({"t": text})
    assert b"\n" not in found
    assert b"\r" not in found
    assert json.loads(found) == {"t": text}


def test_every_code_point_is_written_as_the_standard_library_writes_it() -> None:
    """The encoder may be changed, the bytes may not: golden lines were written with `json`."""
    texts = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    values: tuple[Any, ...] = (texts, ["".join(texts)], {"\u2028": [None, True, False, -(2**63), 2**63 - 1, {}, []]})
    for value in values:
        assert jsonform.line(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@given(st.text(st.characters()))
def test_what_is_no_text_is_marked(text: str) -> None:
    """A lone surrogate becomes U+FFFD wherever it stands; a pair of them is the letter that it means."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(jsonform.line({"t": [{"u": text}, (text,)]})) == {"t": [{"u": whole}, [whole]]}


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_161_600_007, "2026-11-20T08:00:00.007Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (-62_135_596_800_001, "0001-01-01T00:00:00.000Z"),
        (-(2**63), "0001-01-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "9999-12-31T23:59:59.999Z"),
        (2**63 - 1, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_instants_end_with_the_years_that_rfc_3339_has(ms: int, text: str) -> None:
    """Exactly three decimals and Z; before year 1 and after 9999 the nearest instant that can be written."""
    assert jsonform.rfc3339(ms) == text


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_instant_is_written_and_read_back_within_its_years(ms: int) -> None:
    """An independent parser reads the same instant, for all that an Avro long holds."""
    text = jsonform.rfc3339(ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    if -62_135_596_800_000 <= ms <= 253_402_300_799_999:
        assert (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) == timedelta(milliseconds=ms)
