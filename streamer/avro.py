"""Records as bytes and back: tokens, events, reports and state rows in Avro, and what stands around it on the wire.

The only room that imports fastavro; pure and synchronous. It never asks a registry, and never changes a value but for
one thing: a lone surrogate, which UTF-8 cannot carry, becomes U+FFFD here at the latest, so that no text stops a feed.

Question: how can state and events hold the same token bytes and encode them once? Choice: an Avro record is the
concatenation of its fields, so an event is a head, a union index, the token's bytes as they are, and a tail; head and
tail are derived from the one `.avsc`. Rejected: a token as `bytes` inside the event (no reader would see its fields).

Question: may an instant be a `datetime`? Choice: integers of ms in both directions, by leaving the logical types out
of the schemas used inside. Rejected: `datetime`: it ends with the year 9999 and takes a naive value for local time.

Question: what of bytes beyond the end of a datum? Choice: an event or report without its writer's schema may have
them, because later versions append fields and a static reader must go on; everywhere else they are an error.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import fastavro

from streamer.errors import Damaged, Misconfigured
from streamer.events import Event
from streamer.report import Report
from streamer.tokens import DIGEST_SIZE, TOKEN_FIELDS, Extra, Tag, Token
from streamer.wire import binary, jsonform
from streamer.wire.avsc import part, schema_json, schema_names, without_logical_types
from streamer.wire.jsonform import without_surrogates

EVENT: Final = "oauth_token_event"
REPORT: Final = "snapshot_report"
CONTENT_TYPES: Final = {
    "confluent": "application/vnd.confluent.avro",
    "avro": "application/avro",
    "json": "application/json",
}

_NULL: Final = b"\x00"  # the index of null in ["null", X]
_SOME: Final = b"\x02"  # the index of X
_FRAME: Final = struct.Struct(">bI")  # Confluent's: a zero byte, then the schema's id
_UNREADABLE: Final = (EOFError, ValueError, LookupError, OverflowError, RecursionError)  # what fastavro raises
_NO_SCHEMA: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(slots=True)
class Counts:
    """Work done since the process started: what is unchanged must cost neither."""

    tokens_encoded: int = 0
    tokens_decoded: int = 0


counts: Final = Counts()


# The schemas, as fastavro wants them...


def _parsed(schema: Any) -> Any:
    return fastavro.parse_schema(without_logical_types(schema))


_PARSED: Final = {name: _parsed(schema_json(name)) for name in schema_names()}
_FORMS: Final = {name: jsonform.compiled(schema_json(name)) for name in schema_names()}

_WHOLE: Final = schema_json(EVENT)
_NAMES: Final = [field["name"] for field in _WHOLE["fields"]]
_BEFORE: Final = _NAMES.index("before")
_AFTER: Final = _NAMES.index("after")
_UNIQUE: Final = ("event_id", "sequence", "moid", "event_time")
_HEAD: Final = binary.compiled(part(_WHOLE, None, _BEFORE), _UNIQUE)
_TAIL: Final = binary.compiled(part(_WHOLE, _AFTER + 1, None))
_TOKEN: Final = {"namespace": _WHOLE["namespace"]} | _WHOLE["fields"][_BEFORE]["type"][1]
_TOKEN_WHOLE: Final = _parsed(_TOKEN)
_TOKEN_FORM: Final = jsonform.compiled(_TOKEN)


# Tokens...


def encode_token(token: Token) -> tuple[bytes, bytes]:
    """A token's bare Avro bytes in two parts: all that a diff compares, then `extras`; joined they are its datum."""
    return encode_values(binary.values_of(token))


def encode_values(values: binary.Values) -> tuple[bytes, bytes]:
    """The same, of the values of a token's fields in their order."""
    counts.tokens_encoded += 1
    return binary.written(values)


def decode_token(datum: bytes) -> Token:
    """The token of a bare Avro datum.

    Raises:
        Damaged: the bytes are not those of one token.
    """
    counts.tokens_decoded += 1
    values = binary.read(datum)
    if values is not None:
        return Token(*values)
    record = _read(datum, _TOKEN_WHOLE, what="OAuthToken")
    return Token(
        **record
        | {
            "owners": tuple(record["owners"]),
            "permission_resources": tuple(record["permission_resources"]),
            "tags": tuple(Tag(**tag) for tag in record["tags"]),
            "extras": tuple(Extra(**extra) for extra in record["extras"]),
        }
    )


def token_record(token: Token) -> dict[str, Any]:
    """A token as a decoded event shows it in `after`: instants in ms, nested records as dicts."""
    record = {name: getattr(token, name) for name in TOKEN_FIELDS}
    return record | {name: [_shallow(one) for one in record[name]] for name in ("tags", "extras")}


def token_form(token: Token) -> dict[str, Any]:
    """A token in the one JSON form, as a value."""
    form: dict[str, Any] = _TOKEN_FORM(token_record(token))
    return form


def token_datum(record: Mapping[str, Any]) -> bytes:
    """The bare Avro datum of a token as a decoded event has it."""
    return _written(_TOKEN_WHOLE, record)


def digest(data: bytes) -> bytes:
    """BLAKE2b of some bytes, `DIGEST_SIZE` long: who can name a client must not be able to make two texts alike."""
    return blake2b(data, digest_size=DIGEST_SIZE).digest()


# Records...


def encode(name: str, record: Mapping[str, Any]) -> bytes:
    """A record as a bare Avro datum of a named schema; instants in ms, nested records as mappings.

    Raises:
        ValueError, TypeError: the record is not one of this schema (a field too many, missing, or of another type).
    """
    return _written(_PARSED[name], record)


def decode(name: str, data: bytes) -> dict[str, Any]:
    """The record of a bare Avro datum that was written with our schema of this name; all bytes must be its own.

    Raises:
        Damaged: they are not.
    """
    return _read(data, _PARSED[name], what=name)


def encode_event(event: Event) -> bytes:
    """An event as a bare `OAuthTokenEvent`; the bytes of its tokens are spliced in as they are."""
    return b"".join((_HEAD(event), _optional(event.before), _optional(event.after), _TAIL(event)))


def encode_report(report: Report) -> bytes:
    """A report as a bare `SnapshotReport`."""
    return _written(_PARSED[REPORT], _shallow(report))


def decode_event(datum: bytes, writer: str | None = None) -> dict[str, Any]:
    """The record of a bare `OAuthTokenEvent`: our fields, in our order, nested records as dicts, instants in ms.

    Args:
        datum: the bytes, without Confluent's prefix.
        writer: text of the schema they were written with, resolved to ours. None takes ours, as a static reader
            does: what a later version appended is passed over.

    Raises:
        Damaged: the bytes are not those of an event, or the writer's schema does not resolve to ours.
    """
    return _resolved(EVENT, datum, writer)


def decode_report(datum: bytes, writer: str | None = None) -> dict[str, Any]:
    """The record of a bare `SnapshotReport`; see `decode_event`."""
    return _resolved(REPORT, datum, writer)


def json_line(record: Mapping[str, Any], name: str) -> bytes:
    """A decoded record of a named schema in the one JSON form: one line of UTF-8, no newline in it or after it."""
    return jsonform.line(_FORMS[name](record))


# Values, as they stand in the log...


def frame(body: bytes, schema_id: int) -> bytes:
    """A bare datum behind Confluent's prefix: a zero byte and the schema's registered id (big-endian, 4 bytes)."""
    return _FRAME.pack(0, schema_id) + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """The schema id and the bare datum of a value with Confluent's prefix.

    Raises:
        Misconfigured: it has none.
    """
    if len(value) < _FRAME.size or value[0]:
        raise Misconfigured(
            f"a value begins with {value[: _FRAME.size].hex(' ') or 'nothing'}, wanted 00 and a schema id of 4 bytes",
            hint="this topic is not in Confluent's format: set kafka.value_format to the one it was written in",
        )
    return _FRAME.unpack_from(value)[1], value[_FRAME.size :]


@dataclass(frozen=True, slots=True)
class Values:
    """Events and reports as the configured `kafka.value_format` wants them.

    Attributes:
        value_format: `confluent` (prefix and datum), `avro` (bare datum) or `json` (the one JSON form).
        ids: the registered schema's id by topic suffix (`created`, `snapshots`, ...); only `confluent` asks for them.
    """

    value_format: str
    ids: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.value_format not in CONTENT_TYPES:
            raise Misconfigured(
                f"kafka.value_format is {self.value_format!r}, wanted one of {', '.join(CONTENT_TYPES)}"
            )

    @property
    def content_type(self) -> str:
        """The media type of the values."""
        return CONTENT_TYPES[self.value_format]

    def events(self, topic_suffixes: Sequence[str], event: Event) -> tuple[bytes, ...]:
        """The record values of one event in several topics: it is encoded once."""
        datum = encode_event(event)
        return tuple(self._value(EVENT, suffix, datum) for suffix in topic_suffixes)

    def report(self, report: Report) -> bytes:
        """The record value of a report."""
        return self._value(REPORT, "snapshots", encode_report(report))

    def _value(self, name: str, topic_suffix: str, datum: bytes) -> bytes:
        match self.value_format:
            case "avro":
                return datum
            case "json":
                return json_line(decode(name, datum), name)
            case _:
                return frame(datum, self.ids[topic_suffix])


# The doorstep of fastavro...


def _written(schema: Any, record: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, schema, record, strict=True)
    except UnicodeEncodeError:
        return _written(schema, without_surrogates(record))
    return out.getvalue()


def _resolved(name: str, datum: bytes, text: str | None) -> dict[str, Any]:
    if text is None:
        return _read(datum, _PARSED[name], what=name, whole=False)
    writer, reader = _resolution(name, text)
    return _read(datum, writer, reader, what=name)


@lru_cache(maxsize=64)  # more versions of ours than one topic will ever hold
def _resolution(name: str, text: str) -> tuple[Any, Any]:
    """The writer's schema, and ours where it differs: registries are free to write the same schema in another way."""
    ours = _PARSED[name]
    try:
        writer = _parsed(json.loads(text))
    except (*_NO_SCHEMA, fastavro.schema.SchemaParseException) as error:
        raise Misconfigured(f"the schema that {name} was written with is not Avro: {error!r:.200}") from error
    return (writer, None) if writer == ours else (writer, ours)


def _read(data: bytes, writer: Any, reader: Any = None, *, what: str, whole: bool = True) -> dict[str, Any]:
    source = io.BytesIO(data)
    try:
        record: dict[str, Any] = fastavro.schemaless_reader(source, writer, reader)
    except (*_UNREADABLE, fastavro.read.SchemaResolutionError) as error:
        raise Damaged(f"{len(data)} bytes are no Avro {what}: {error!r:.200}") from error
    if whole and source.tell() != len(data):
        raise Damaged(f"{len(data)} bytes are no Avro {what}: it ends after {source.tell()} of them")
    return record


def _optional(datum: bytes | None) -> bytes:
    return _NULL if datum is None else _SOME + datum


def _shallow(value: Any) -> Any:
    """A slotted dataclass as a dict of its fields; None stays None."""
    return None if value is None else {name: getattr(value, name) for name in value.__slots__}
