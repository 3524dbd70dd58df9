"""One event as collectors hand it on, made from what the vendor's decoder reads; README shows them.

Each is what a real collector's output is compared with, for every recorded event: `tests/siem/collectors`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import fastavro

from streamer.wire.avsc import schema_json
from tests.golden.cases import CASES

SOURCETYPE: Final = "cisco:intersight:oauth_token"
PRIORITY: Final = 14 * 8 + 6
SCHEMA: Final = fastavro.parse_schema(schema_json("oauth_token_event"))

Record = Mapping[str, Any]


def golden(name: str) -> dict[str, Any]:
    """A kept event as the vendor's decoder reads it, whose Avro is fastavro's."""
    (case,) = (case for case in CASES if case.name == name and case.schema == "oauth_token_event")
    read = fastavro.schemaless_reader(io.BytesIO(case.avro), SCHEMA, None)
    assert isinstance(read, dict)
    return read


def _with_instants(value: Any, told: Callable[[datetime], Any]) -> Any:
    """The same value, its instants told otherwise."""
    if isinstance(value, datetime):
        return told(value)
    if isinstance(value, Mapping):
        return {name: _with_instants(inner, told) for name, inner in value.items()}
    return [_with_instants(inner, told) for inner in value] if isinstance(value, list) else value


def as_json(value: Any) -> Any:
    """In JSON's types as our JSON form has them: an instant is RFC 3339 text with three decimals."""
    return _with_instants(value, _rfc3339)


def as_numbers(value: Any) -> Any:
    """An instant is the number of ms: what readers make of Avro that do not know its logical types."""
    return _with_instants(value, lambda at: round(at.timestamp() * 1000))


def hec(record: Record, time: str, topic: str, sourcetype: str = SOURCETYPE) -> dict[str, Any]:
    """What Splunk's sink for Kafka Connect gives to HEC: its time is text already, other instants are Java's."""
    event = _with_instants({**record, time: None}, lambda at: _rfc3339(at).replace("Z", "+0000"))
    return {
        "time": record[time].timestamp(),
        "source": topic,
        "sourcetype": sourcetype,
        "event": {**event, time: as_json(record[time])},
    }


def document(record: Record, time: str) -> dict[str, Any]:
    """What Redpanda Connect writes to Elasticsearch: an instant is Go's text, without zeros at its end."""
    found: dict[str, Any] = _with_instants({**record, "@timestamp": record[time]}, lambda at: f"{_short(at, 'T')}Z")
    return found


def flink(value: Any) -> Any:
    """A row of Flink SQL as its JSON says it: a TIMESTAMP(3) in UTC, without zeros at its end."""
    return _with_instants(value, lambda at: _short(at, " "))


def frame(line: bytes, host: str, time: str, identity: str, kind: str) -> bytes:
    """What rsyslog sends for a line: RFC 5424, with the event's own time, identity and kind."""
    return f"<{PRIORITY}>1 {time} {host} streamer {identity} {kind} - ".encode() + line


def _rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _short(at: datetime, between: str) -> str:
    return _rfc3339(at).removesuffix("Z").rstrip("0").rstrip(".").replace("T", between)
