"""The one JSON form of our records: what `value_format: json`, `follow --output ndjson` and `P.json` show.

Names and order are the schema's, every field is present (null included), unions are bare, instants are RFC 3339 text,
fixed bytes are hex, text is UTF-8 and unescaped, and one record is one line. This room knows Avro schemas as plain
JSON values and nothing of bytes on a wire; it never leaves a field out, whatever its value.

Question: a line is wanted thousands of times a second, and only instants and fixed bytes differ from what `json`
writes by itself. Choice: a schema is compiled once to functions, and a type that needs none has none. Rejected:
walking the schema for every record (an event has 80 fields, 12 of which need a hand).

Question: what of an instant that RFC 3339 cannot write (years before 1 and after 9999)? Choice: the nearest one that
it can: a reader that parses the field keeps working, and the exact figure stands in the Avro record. Rejected: null
(it says something else), six-digit years (parsers refuse the whole record).

Question: which encoder? Choice: msgspec's: six times as fast as the standard library's, and the same bytes for every
code point (tested); golden files hold both to it. Our schemas have no floats, the one thing they write differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

Form = Callable[[Any], Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MS  # 0001-01-01T00:00:00.000Z
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS  # 9999-12-31T23:59:59.999Z
_DAY: Final = 86_400_000  # ms
# A library's formatting takes twice as long as joining parts that are there, and a line may have 20 instants.
_MINUTES: Final = [f"T{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60)]
_SECONDS: Final = [f"{second:02}" for second in range(60)]
_MILLIS: Final = [f".{milli:03}Z" for milli in range(1000)]
_WRITER: Final = msgspec.json.Encoder()


@lru_cache(maxsize=4096)  # 0.6 MiB; most of an event's instants stand in many others too
def rfc3339(ms: int) -> str:
    """An instant (ms since 1970 UTC) with exactly three decimals and `Z`, kept within the years 1 to 9999."""
    if not _FIRST <= ms <= _LAST:
        ms = min(max(ms, _FIRST), _LAST)
    day, left = divmod(ms, _DAY)
    return f"{_date(day)}{_MINUTES[left // 60_000]}{_SECONDS[left // 1000 % 60]}{_MILLIS[left % 1000]}"


@lru_cache(maxsize=1024)
def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).date().isoformat()


def line(value: Any) -> bytes:
    """A value that a form has made, as one line of UTF-8 JSON (U+FFFD for a lone surrogate), no newline at its end."""
    try:
        return _WRITER.encode(value)
    except UnicodeEncodeError:
        return _WRITER.encode(without_surrogates(value))


def without_surrogates(value: Any) -> Any:
    """The same value with U+FFFD for every lone surrogate; the slow way, taken only when one was met."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {key: without_surrogates(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_surrogates(part) for part in value]
    return value


def compiled(schema: Mapping[str, Any]) -> Form:
    """The function that turns a record of this schema (as Avro decodes it, instants in ms) into its JSON value.

    Args:
        schema: a record as its `.avsc` says it: string, long, boolean, timestamp-millis, fixed, arrays, records and
            `["null", x]`; other types are taken as they are.
    """
    return _record(schema, {})


def _form(schema: Any, named: dict[str, Form | None]) -> Form | None:
    """What a value of this type needs; None if it is JSON already. `named` collects named types in order of writing."""
    form: Form | None = None
    match schema:
        case str():
            form = named.get(schema)
        case ["null", inner]:
            form = _nullable(_form(inner, named))
        case {"logicalType": "timestamp-millis"}:
            form = rfc3339
        case {"type": "array", "items": items}:
            form = _array(_form(items, named))
        case {"type": "record"}:
            form = _record(schema, named)
        case {"type": "fixed", "name": name}:
            form = named[name] = bytes.hex
    return form


def _nullable(inner: Form | None) -> Form | None:
    return None if inner is None else lambda value: None if value is None else inner(value)


def _array(inner: Form | None) -> Form | None:
    return None if inner is None else lambda values: [inner(value) for value in values]


def _record(schema: Mapping[str, Any], named: dict[str, Form | None]) -> Form:
    forms = {field["name"]: _form(field["type"], named) for field in schema["fields"]}
    plan = [(name, inner) for name, inner in forms.items() if inner is not None]

    def form(record: Mapping[str, Any]) -> dict[str, Any]:
        found = {name: record[name] for name in forms}
        for name, inner in plan:
            found[name] = inner(found[name])
        return found

    named[schema["name"]] = form
    return form
