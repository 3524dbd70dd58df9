"""What a relay makes of a record: a line, or a dead letter that says why; and whose fault an unknown schema id is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import avro
from streamer.errors import Misconfigured, Unready
from streamer.registry import UnknownSchema
from streamer.siem import relay
from streamer.siem.forms import FORMS
from streamer.siem.relay import PATIENCE_S, Origin, Patient, Undeliverable, UnknownId, converter
from streamer.wire.avsc import schema_json
from streamer.wire.decoding import Decoder
from tests.services.feed import event

ORIGIN = Origin("p.created", 3, 77, "p.relay-json")
FAULT = Undeliverable("undecodable", "its value begins with ff")
HEADERS = st.lists(st.tuples(st.text(max_size=12), st.none() | st.binary(max_size=8)), max_size=6).map(tuple)


@given(headers=HEADERS)
def test_headers_are_kept_but_for_the_content_type(headers: relay.Headers) -> None:
    """Names and order are those of the record; every content type says JSON, and none is added."""
    kept = relay.passed_on(headers)

    assert [name for name, _ in kept] == [name for name, _ in headers]
    assert all(
        new == (relay.JSON if name == "content-type" else old)
        for (name, new), (_, old) in zip(kept, headers, strict=True)
    )


def test_a_dead_letter_says_why_and_from_where() -> None:
    """Behind its own headers, of which none may pass for ours."""
    told = relay.dead((("ce_id", b"1"), ("dead-letter-topic", b"x"), ("none", None)), ORIGIN, FAULT)

    assert told == (
        ("ce_id", b"1"),
        ("none", None),
        ("dead-letter-reason", b"undecodable"),
        ("dead-letter-detail", b"its value begins with ff"),
        ("dead-letter-topic", b"p.created"),
        ("dead-letter-partition", b"3"),
        ("dead-letter-offset", b"77"),
        ("dead-letter-relay", b"p.relay-json"),
    )


def test_a_reason_is_bounded_and_always_text() -> None:
    """Details quote what comes from outside: cut at 1000 characters, and a lone surrogate does not stop the letter."""
    detail = dict(relay.dead((), ORIGIN, Undeliverable("unmappable", "\ud800" + "x" * 5000)))["dead-letter-detail"]

    assert detail == b"\\ud800" + b"x" * 999


def test_a_letter_that_does_not_fit_loses_its_value_first() -> None:
    """Then its key and headers; where it stands whole is told in each, and the last one fits everywhere."""
    whole, short, least = relay.letters(b"k", b"v" * 50, (("a", b"1"),), ORIGIN, FAULT)

    assert whole == (b"k", b"v" * 50, relay.dead((("a", b"1"),), ORIGIN, FAULT))
    assert short == (b"k", None, relay.dead((("a", b"1"),), ORIGIN, FAULT, 50))
    assert least == (None, None, relay.dead((), ORIGIN, FAULT, 50))
    assert ("dead-letter-value-bytes", b"50") in least[2]


async def test_an_event_becomes_its_line() -> None:
    """Whatever format it was written in, by the form that was asked for."""
    datum = avro.encode_event(event(1))
    line = await converter(Decoder().event, FORMS["json"])(datum)

    assert line == avro.json_line(avro.decode_event(datum), avro.EVENT)


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{", b"H" + b"x" * 20])
async def test_what_is_no_event_is_undecodable(value: bytes | None) -> None:
    """Its own fault, whatever it is."""
    with pytest.raises(Undeliverable) as raised:
        await converter(Decoder().event, FORMS["json"])(value)
    assert raised.value.reason == "undecodable"


@pytest.mark.parametrize(
    "fault", [KeyError("a"), ValueError("b"), TypeError("c"), ZeroDivisionError(), AttributeError()]
)
async def test_a_fault_of_a_form_is_unmappable(fault: Exception) -> None:
    """Ours, and nobody waits for it."""

    def broken(_: Mapping[str, Any]) -> bytes:
        raise fault

    with pytest.raises(Undeliverable) as raised:
        await converter(Decoder().event, broken)(avro.encode_event(event(1)))
    assert raised.value.reason == "unmappable"


# Reports...


async def test_a_report_is_decoded_from_every_format() -> None:
    """As an event is."""
    record = {
        name: value
        for name, value in json.loads(REPORT).items()
        if name in {field["name"] for field in schema_json(avro.REPORT)["fields"]}
    }
    decoded = await Decoder().report(REPORT)
    datum = avro.encode(avro.REPORT, decoded)

    assert json.loads(avro.json_line(decoded, avro.REPORT)) == record
    assert await Decoder().report(datum) == decoded


# Schema ids...


class Known:
    """A registry that knows one id and some subjects, until it is away."""

    def __init__(self) -> None:
        self.ids = {7: "schema"}
        self.names: tuple[str, ...] = ("p.created-value",)
        self.away = False

    async def schema(self, schema_id: int) -> str:
        """The text."""
        if self.away:
            raise Unready("away")
        if schema_id not in self.ids:
            raise UnknownSchema(f"no schema {schema_id}")
        return self.ids[schema_id]

    async def subjects(self) -> tuple[str, ...]:
        """Their names."""
        return self.names


async def test_an_unknown_id_is_given_up_only_when_nothing_else_explains_it() -> None:
    """The registry away, the wrong one, an id not known yet: wait. After half a minute it is the record's fault."""
    registry, now = Known(), 100.0
    schemas = Patient(registry, "p.created-value", lambda: now)
    assert await schemas.schema(7) == "schema"

    registry.away = True
    with pytest.raises(Unready, match="away"):
        await schemas.schema(8)
    registry.away, registry.names = False, ()
    with pytest.raises(Unready, match="nor the subject p"):
        await schemas.schema(8)
    registry.names = ("p.created-value",)
    with pytest.raises(Unready, match="no schema 8, yet"):
        await schemas.schema(8)
    now += PATIENCE_S - 1
    with pytest.raises(Unready, match="yet"):
        await schemas.schema(8)
    now += 1
    with pytest.raises(UnknownId):
        await schemas.schema(8)
    with pytest.raises(Unready, match="no schema 9, yet"):
        await schemas.schema(9)
    registry.ids[8] = "late"
    assert await schemas.schema(8) == "late"


async def test_a_registry_that_refuses_us_is_for_a_person() -> None:
    """A wrong password is nobody's dead letter."""

    class Refuses(Known):
        async def schema(self, schema_id: int) -> str:
            raise Misconfigured(f"401 for {schema_id}")

    with pytest.raises(Misconfigured, match="401"):
        await converter(Decoder(Patient(Refuses(), "s", lambda: 0.0)).event, FORMS["json"])(b"\0\0\0\0\1x")


async def test_ids_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever floods a topic with made-up ids costs no memory."""
    monkeypatch.setattr(relay, "REMEMBERED", 10)
    schemas = Patient(Known(), "p.created-value", lambda: 0.0)
    for schema_id in range(100, 150):
        with pytest.raises(Unready):
            await schemas.schema(schema_id)

    assert len(schemas._first_asked) <= 10


REPORT = json.dumps(
    {
        "snapshot_id": "6ff1a2a4-9b6a-4d2c-8f6e-3d1b6f0a7c11",
        "source": "prod",
        "epoch": None,
        "account_moid": None,
        "started_at": "2026-11-25T08:00:00.000Z",
        "finished_at": "2026-11-25T08:00:01.000Z",
        "server_date": None,
        "clock_offset_ms": None,
        "verdict": "rejected",
        "reason": "torn",
        "detail": None,
        "paging": "skip",
        "moids_sha256": None,
        "server_count": None,
        "baseline": False,
        "first_sequence": None,
        "last_sequence": None,
        "hold_id": None,
        "trace_ids": ["t"],
    }
    | dict.fromkeys(
        ("pages", "requests", "rows", "created", "modified", "deleted", "unchanged", "suppressed", "held", "waiting"), 0
    )
    | dict.fromkeys(("stale", "outlived"), 1)
).encode()
