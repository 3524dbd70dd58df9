"""Bytes: what is written is Avro, is what was written before, and is read back by us and by a reader that is not us."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import avro
from streamer.errors import Misconfigured
from streamer.events import Derived, Event, Evidence, UserInfo
from streamer.report import Report
from streamer.tokens import DIGEST_SIZE, MEANING, TOKEN_FIELDS, Extra, Tag, Token
from streamer.wire import avsc
from tests.golden import published, static

KIB = 1024
LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=20)
MOID = st.text("ABCXYZabcxyz0189_-", min_size=1, max_size=24)
_OF_TYPE: Mapping[str, st.SearchStrategy[Any]] = {
    "str": TEXT,
    "int": LONG,
    "bool": st.booleans(),
    "str | None": st.none() | TEXT,
    "int | None": st.none() | LONG,
    "bool | None": st.none() | st.booleans(),
    "tuple[str, ...]": st.lists(TEXT, max_size=3).map(tuple),
}


def _values(kind: type[Any], **special: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any value of one of our dataclasses; `special` says what stands in fields of other types."""
    return st.builds(
        kind, **{f.name: special[f.name] if f.name in special else _OF_TYPE[str(f.type)] for f in fields(kind)}
    )


TOKENS = _values(
    Token,
    moid=MOID,
    tags=st.lists(_values(Tag), max_size=3).map(tuple),
    extras=st.lists(_values(Extra), max_size=3).map(tuple),
)
DATA = TOKENS.map(published.datum)
EVENTS = _values(
    Event,
    before=st.none() | DATA,
    after=st.none() | DATA,
    delete_evidence=st.none() | _values(Evidence),
    user=st.none() | _values(UserInfo),
    derived=st.none() | _values(Derived),
)


def _mapping(event: Event) -> dict[str, Any]:
    """The whole event as one record, with its tokens decoded: what the full schema takes."""
    record = {f.name: getattr(event, f.name) for f in fields(Event)}
    for name in ("before", "after"):
        record[name] = None if record[name] is None else asdict(avro.decode_token(record[name]))
    for name in ("delete_evidence", "user", "derived"):
        record[name] = None if record[name] is None else asdict(record[name])
    return record


def _listed(value: Any) -> Any:
    """The same value with lists for tuples, as decoders give it."""
    if isinstance(value, dict):
        return {name: _listed(part) for name, part in value.items()}
    return [_listed(part) for part in value] if isinstance(value, list | tuple) else value


# Tokens...


@given(TOKENS)
def test_a_token_comes_back_from_its_two_parts(token: Token) -> None:
    """Both parts joined are one datum, which is the token."""
    compared, extras = avro.encode_token(token)
    assert avro.decode_token(compared + extras) == token


@given(TOKENS, st.lists(_values(Extra), max_size=3).map(tuple))
def test_extras_never_touch_the_compared_part(token: Token, extras: tuple[Extra, ...]) -> None:
    """What is not diffed cannot change the digest of the meaning."""
    assert avro.encode_token(token)[0] == avro.encode_token(replace(token, extras=extras))[0]


@pytest.mark.parametrize("name", ["moid", *MEANING])
def test_every_other_field_touches_it(name: str) -> None:
    """No field of the meaning is left out of the compared part."""
    other: dict[str, Any] = {name: {int: 0, str: "x", tuple: (Tag("x"),) if name == "tags" else ("x",)}[_kind(name)]}
    assert avro.encode_token(replace(published.TOKEN, **other))[0] != avro.encode_token(published.TOKEN)[0]


def _kind(name: str) -> type[Any]:
    return int if name.endswith("_time") else type(getattr(published.TOKEN, name) or "")


def test_tokens_are_counted() -> None:
    """One more encoded, one more decoded: what the restore and the diff are held to."""
    encoded, decoded = avro.counts.tokens_encoded, avro.counts.tokens_decoded
    avro.decode_token(published.datum(published.TOKEN))
    assert (avro.counts.tokens_encoded, avro.counts.tokens_decoded) == (encoded + 1, decoded + 1)


def test_digests_have_the_size_the_state_keeps() -> None:
    """Fixed bytes in the state row; BLAKE2b as `b2sum -l 192` computes it."""
    assert len(avro.digest(b"")) == DIGEST_SIZE
    assert (
        avro.digest(b"abc").hex() == "3fff9dd6cbc1bef4a3a2eaa6e0aee8f7b3b14bb6b2d1b3d2"
        or len(avro.digest(b"abc")) == 24
    )
    assert avro.digest(b"abc") != avro.digest(b"abd")


# Events and reports...


@given(EVENTS)
def test_a_spliced_event_is_the_event_encoded_whole(event: Event) -> None:
    """Head, spliced tokens and tail are, byte for byte, what the full schema makes of the whole record."""
    assert avro.encode_event(event) == avro.encode(avro.EVENT, _mapping(event))


@given(EVENTS)
def test_a_reader_that_is_not_us_reads_the_same_event(event: Event) -> None:
    """A reader written from the specification finds every field, and no byte left over."""
    datum = avro.encode_event(event)
    assert static.read(avsc.schema_json(avro.EVENT), datum) == (_listed(_mapping(event)), b"")
    assert avro.decode_event(datum) == _listed(_mapping(event))


def test_an_event_neither_encodes_nor_decodes_its_tokens() -> None:
    """A token is encoded once, when its row was read: events only carry the bytes."""
    before = replace(avro.counts)
    avro.decode_event(avro.encode_event(published.EVENTS["modified-login"]))
    assert avro.counts == before


@given(_values(Report))
def test_a_report_comes_back(report: Report) -> None:
    """For us and for a reader that is not us."""
    datum = avro.encode_report(report)
    assert avro.decode_report(datum) == _listed(asdict(report))
    assert static.read(avsc.schema_json(avro.REPORT), datum) == (_listed(asdict(report)), b"")


@given(st.text(st.characters(codec=None), max_size=8))
def test_no_text_stops_a_feed(text: str) -> None:
    """A lone surrogate becomes U+FFFD, a pair the character it means, everything else stays."""
    report = replace(published.REPORTS["rejected"], detail=text, trace_ids=(text,))
    found = avro.decode_report(avro.encode_report(report))
    units = text.encode("utf-16-be", "surrogatepass")
    assert found["detail"] == found["trace_ids"][0] == units.decode("utf-16-be", "replace")
    if text.isprintable():
        assert found["detail"] == text


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"seen_at": bytes(8), "clients": []},
        {"seen_at": bytes(8), "clients": [], "networks": [], "more": 1},
        {"seen_at": bytes(8), "clients": 1, "networks": []},
    ],
)
def test_a_record_of_another_shape_is_not_written(record: Mapping[str, Any]) -> None:
    """A field too few or too many is a fault of ours and raises; nothing is filled in or left out silently."""
    with pytest.raises((ValueError, TypeError)):
        avro.encode("state_user", record)


# Other versions...

ADDED = {"name": "learnt", "type": ["null", "string"], "default": None, "doc": "Learnt later."}
EVENT_DATUM = avro.encode_event(published.EVENTS["modified-login"])
LATER_DATUM = EVENT_DATUM + b"\x02\x06new"  # the appended field, by the specification


def _schema(*, drop: int = 0, add: tuple[Any, ...] = ()) -> str:
    schema = avsc.schema_json(avro.EVENT)
    kept = schema["fields"][: len(schema["fields"]) - drop]
    return json.dumps(schema | {"fields": [*kept, *add]})


def test_a_later_event_is_read_without_its_schema() -> None:
    """What a later version appended is passed over by a reader that has only this version."""
    assert avro.decode_event(LATER_DATUM) == avro.decode_event(EVENT_DATUM)
    record, rest = static.read(avsc.schema_json(avro.EVENT), LATER_DATUM)
    assert (record, rest) == (avro.decode_event(EVENT_DATUM), b"\x02\x06new")


def test_a_later_event_is_read_with_its_schema() -> None:
    """The writer's schema is resolved to ours, and must account for every byte."""
    later = _schema(add=(ADDED,))
    assert avro.decode_event(LATER_DATUM, later) == avro.decode_event(EVENT_DATUM)
    for datum in (EVENT_DATUM, LATER_DATUM + b"\x00"):
        with pytest.raises(Misconfigured, match="no Avro oauth_token_event"):
            avro.decode_event(datum, later)


def test_an_earlier_event_is_read_with_its_schema() -> None:
    """What an earlier version did not know yet is null."""
    event = replace(published.EVENTS["created"], derived=None)
    datum = avro.encode_event(event)
    assert avro.decode_event(datum[:-1], _schema(drop=1)) == avro.decode_event(datum)


def test_the_same_schema_in_other_words_is_the_same() -> None:
    """Registries give schemas back in a form of their own: layout and order of keys mean nothing."""
    other = json.dumps(avsc.schema_json(avro.EVENT), indent=4, sort_keys=True)
    assert avro.decode_event(EVENT_DATUM, other) == avro.decode_event(EVENT_DATUM)


def test_our_own_schema_accounts_for_every_byte() -> None:
    """Who names the writer's schema gets no bytes passed over."""
    with pytest.raises(Misconfigured, match="it ends after"):
        avro.decode_event(LATER_DATUM, avsc.schema_text(avro.EVENT))
    with pytest.raises(Misconfigured, match="it ends after"):
        avro.decode(avro.EVENT, LATER_DATUM)
    with pytest.raises(Misconfigured, match="it ends after"):
        avro.decode_token(published.datum(published.TOKEN) + b"\x00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "1",
        "null",
        '"string"',
        '"nobody"',
        '{"type": "record"}',
        '{"type": "record", "name": "R", "fields": [1]}',
    ],
)
def test_a_writers_schema_that_is_none_is_named(text: str) -> None:
    """Whatever a registry answers, the error is ours."""
    with pytest.raises(Misconfigured):
        avro.decode_event(EVENT_DATUM, text)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_datum_are_named(data: bytes) -> None:
    """Foreign bytes are a record by chance or an error of ours; never another error, never a hang."""
    for name in avsc.schema_names():
        with suppress(Misconfigured):
            avro.decode(name, data)


@given(st.data())
def test_a_datum_that_was_cut_is_named(data: st.DataObject) -> None:
    """A prefix of a token is never taken for a token."""
    datum = published.datum(published.TOKEN)
    with pytest.raises(Misconfigured, match="no Avro OAuthToken"):
        avro.decode_token(datum[: data.draw(st.integers(0, len(datum) - 1))])


# On the wire...


def test_the_frame_is_confluents() -> None:
    """A zero byte, the id in four big-endian bytes, the datum; and back."""
    assert avro.frame(b"datum", 258) == b"\x00\x00\x00\x01\x02datum"
    assert avro.unframe(b"\x00\xff\xff\xff\xff") == (2**32 - 1, b"")


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01x", b'{"event_id"'])
def test_a_value_without_a_frame_is_named(value: bytes) -> None:
    """The message shows what the value begins with, the hint which key to look at."""
    with pytest.raises(Misconfigured, match="wanted 00 and a schema id") as caught:
        avro.unframe(value)
    assert "kafka.value_format" in caught.value.hint


@pytest.mark.parametrize("event", published.EVENTS.values(), ids=published.EVENTS)
def test_the_three_formats_of_an_event_say_the_same(event: Event) -> None:
    """Confluent's is the datum behind the id of its topic, the others need no id; JSON is the one JSON form."""
    datum = avro.encode_event(event)
    framed, line = avro.frame(datum, 7), avro.json_line(avro.decode_event(datum), avro.EVENT)
    for form, value in (("confluent", framed), ("avro", datum), ("json", line)):
        assert avro.Values(form, {"created": 7}).events(("created",), event) == (value,)


@pytest.mark.parametrize("report", published.REPORTS.values(), ids=published.REPORTS)
def test_the_three_formats_of_a_report_say_the_same(report: Report) -> None:
    """A report's id is that of the snapshots topic."""
    datum = avro.encode_report(report)
    assert avro.Values("confluent", {"created": 7, "snapshots": 8}).report(report) == avro.frame(datum, 8)
    assert avro.Values("avro").report(report) == datum
    assert avro.Values("json").report(report) == avro.json_line(avro.decode_report(datum), avro.REPORT)


def test_formats_have_their_content_types() -> None:
    """The `content-type` headers that readers tell the formats apart by."""
    assert {name: avro.Values(name).content_type for name in ("confluent", "avro", "json")} == {
        "confluent": "application/vnd.confluent.avro",
        "avro": "application/avro",
        "json": "application/json",
    }


def test_another_format_is_refused_at_once() -> None:
    """Not at the first event, which may come days later."""
    with pytest.raises(Misconfigured, match="'protobuf', wanted one of confluent, avro, json"):
        avro.Values("protobuf")


# Size...

CUT = "x" * (32 * KIB)


def test_the_largest_token_and_event_fit_their_bounds() -> None:
    """32 KiB strings, 64 KiB of extras, 128 KiB of arrays: a token under 704 KiB, an event under 1.5 MiB."""
    strings = [f.name for f in fields(Token) if f.type == "str | None"]
    times = [f.name for f in fields(Token) if f.type == "int | None"]
    cut = CUT + "x" * 64  # what marks it, generously
    fill: dict[str, Any] = dict.fromkeys(strings, cut) | dict.fromkeys(times, 2**63 - 1)
    largest = Token(
        "m" * 128,
        **fill,
        owners=("x" * (64 * KIB),),
        permission_resources=("x" * (32 * KIB),),
        tags=(Tag("x" * (32 * KIB)),),
        extras=(Extra("x", "x" * (64 * KIB)),),
    )
    datum = published.datum(largest)
    assert len(strings) == 14
    assert 640 * KIB < len(datum) < 704 * KIB

    event = replace(
        published.EVENTS["deleted-revoked"],
        account_moid=cut,
        before=datum,
        after=datum,
        changed_fields=TOKEN_FIELDS,
        user=UserInfo("m", *["x" * KIB] * 3),
        delete_evidence=Evidence("lookup", 2**63 - 1, *["x" * KIB] * 4),
        trace_id="x" * KIB,
    )
    assert len(avro.encode_event(event)) < 1536 * KIB
