"""An Avro reader as static-schema collectors have it: one `.avsc`, no resolution, no library; from the specification.

It is also the independent witness of what `streamer.avro` writes. Instants stay ms, fixed stay bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any


def read(schema: Mapping[str, Any], datum: bytes) -> tuple[dict[str, Any], bytes]:
    """The record that this schema finds at the start of a datum, and the bytes it leaves over."""
    named: dict[str, Any] = {}
    _collect(schema, named)
    source = io.BytesIO(datum)
    record: dict[str, Any] = _value(schema, source, named)
    return record, source.read()


def _collect(schema: Any, named: dict[str, Any]) -> None:
    """Every named type of the schema, wherever it is defined: also where this datum has null."""
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, named)
    elif isinstance(schema, dict):
        if "name" in schema:
            named[schema["name"]] = schema
        for part in (schema.get("items"), *(field["type"] for field in schema.get("fields", ()))):
            _collect(part, named)


def _value(schema: Any, source: io.BytesIO, named: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return _value(schema[_long(source)], source, named)
    if isinstance(schema, str) and schema in named:
        return _value(named[schema], source, named)
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "record":
        return {field["name"]: _value(field["type"], source, named) for field in schema["fields"]}
    if kind == "array":
        return _array(schema["items"], source, named)
    return _exactly(schema["size"], source) if kind == "fixed" else _SIMPLE[kind](source)


def _array(items: Any, source: io.BytesIO, named: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []
    while count := _long(source):
        if count < 0:
            _long(source)  # the block's size in bytes, for those who skip it
        found.extend(_value(items, source, named) for _ in range(abs(count)))
    return found


def _long(source: io.BytesIO) -> int:
    zigzag, shift = 0, 0
    while True:
        byte = _exactly(1, source)[0]
        zigzag |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (zigzag >> 1) ^ -(zigzag & 1)


def _exactly(size: int, source: io.BytesIO) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError
    return data


_SIMPLE: dict[str, Callable[[io.BytesIO], Any]] = {
    "null": lambda _: None,
    "boolean": lambda source: bool(_exactly(1, source)[0]),
    "long": _long,
    "string": lambda source: _exactly(_long(source), source).decode(),
}
