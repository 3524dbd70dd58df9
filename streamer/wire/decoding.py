"""From a record's value to an event or a report, whatever format it was written in; by its bytes alone.

Question: how is the format known? Choice: by the first byte, because no two can be taken for one another: Confluent's
prefix begins with 00, JSON with `{`, and a bare datum with the length of a UUID's text, which is always 36 (`H`). So
one topic may hold all three, as it does after an operator changed `kafka.value_format`, and headers (which repeat facts
and may be switched off) are not needed. Rejected: the `content-type` header, or the configured format, which is only
what is written from now on.

This room must never guess at a value it cannot read: that is `Undecodable`, and whoever reads decides what to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from streamer import avro
from streamer.errors import Misconfigured, StreamerError
from streamer.wire.avsc import schema_json

_CONFLUENT: Final = 0x00
_JSON: Final = ord("{")
_DATUM: Final = 2 * 36  # Avro's zigzag of the length of a UUID's text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_PLAIN: Final[Mapping[str, type]] = {"string": str, "long": int, "boolean": bool}
_LONGS: Final = 1 << 63  # of each sign


def _records(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every record defined within a schema, by the name that later fields refer to it by."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _records(branch)
    elif isinstance(schema, dict):
        if schema["type"] == "record":
            yield schema["name"], schema
        for inner in (schema.get("items"), *(field["type"] for field in schema.get("fields", ()))):
            yield from _records(inner)


_SCHEMAS: Final = {name: schema_json(name) for name in (avro.EVENT, avro.REPORT)}
_RECORDS: Final = dict(record for schema in _SCHEMAS.values() for record in _records(schema))
_OF_DATUM: Final = {avro.EVENT: avro.decode_event, avro.REPORT: avro.decode_report}
_CALLED: Final = {avro.EVENT: "event", avro.REPORT: "report"}


class Undecodable(StreamerError):
    """A value that is no event, or no report, in any of the three formats; the message says why."""


class Schemas(Protocol):
    """Where a writer's schema is found: the schema registry."""

    async def schema(self, schema_id: int) -> str:
        """The text of the schema with this id."""


class Decoder:
    """Decodes values.

    Args:
        schemas: the registry, which remembers what it was asked; None where no value can be in Confluent's format.
    """

    def __init__(self, schemas: Schemas | None = None) -> None:
        self._schemas = schemas

    async def event(self, value: bytes | None) -> dict[str, Any]:
        """The event of a record's value: the fields of our schema in its order, instants in ms.

        Raises:
            Undecodable: it is none.
            Unready: the registry must be asked for the writer's schema, and does not answer.
            Misconfigured: it refuses us, or knows no such schema: a wrong registry must not pass for bad records.
        """
        return await self._decoded(avro.EVENT, value)

    async def report(self, value: bytes | None) -> dict[str, Any]:
        """The report of a record's value; as `event`."""
        return await self._decoded(avro.REPORT, value)

    async def _decoded(self, name: str, value: bytes | None) -> dict[str, Any]:
        if not value:
            raise Undecodable(f"it has no value; {_CALLED[name]} topics never carry tombstones")
        match value[0]:
            case first if first == _CONFLUENT:
                return await self._framed(name, value)
            case first if first == _JSON:
                return _of_json(name, value)
            case first if first == _DATUM:
                return _of_datum(name, value)
        raise Undecodable(f"its value begins with {value[:5].hex(' ')}: neither Confluent's prefix, nor Avro, nor JSON")

    async def _framed(self, name: str, value: bytes) -> dict[str, Any]:
        try:
            schema_id, datum = avro.unframe(value)
        except Misconfigured as error:
            raise Undecodable(str(error)) from error
        if self._schemas is None:
            raise Undecodable(f"its schema {schema_id} stands in a registry, and none is known here")
        return _of_datum(name, datum, await self._schemas.schema(schema_id))


def _of_datum(name: str, datum: bytes, writer: str | None = None) -> dict[str, Any]:
    try:
        return _OF_DATUM[name](datum, writer)
    except Misconfigured as error:
        raise Undecodable(str(error)) from error


def _of_json(name: str, value: bytes) -> dict[str, Any]:
    """The record of the one JSON form; what a later version appended is left out, what an earlier one lacks is null."""
    try:
        record: dict[str, Any] = _read(_SCHEMAS[name], json.loads(value))
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise Undecodable(f"its JSON is no {_CALLED[name]}: {error}") from error
    return record


def _read(schema: Any, value: Any) -> Any:
    """A JSON value as its Avro type has it."""
    if isinstance(schema, list):
        return None if value is None else _read(schema[1], value)
    if isinstance(schema, str):
        return _read(_RECORDS[schema], value) if schema in _RECORDS else _checked(_PLAIN[schema], value)
    if schema.get("logicalType") == "timestamp-millis":
        return (datetime.fromisoformat(value) - _EPOCH) // _MS
    match schema["type"]:
        case "array":
            return [_read(schema["items"], part) for part in value]
        case "record":
            fields = ((f["name"], f["type"], value.get(f["name"])) for f in schema["fields"])
            return {name: _read(form, part) for name, form, part in fields}
        case plain:
            return _checked(_PLAIN[plain], value)


def _checked(wanted: type, value: Any) -> Any:
    if type(value) is not wanted:
        raise TypeError(f"{value!r:.60} stands where a {wanted.__name__} is wanted")
    if isinstance(value, int) and not -_LONGS <= value < _LONGS:
        raise OverflowError(f"a number of {value.bit_length()} bits stands where a long is wanted")
    return value
