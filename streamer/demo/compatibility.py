"""May these two Avro schemas live under one subject? The rules of schema resolution, on the schemas' JSON.

It answers for the demo's registry, and must never know our own schemas: it is given texts and says what an Avro reader
would stumble over. No Avro library is used.

What it checks: a reader's record field that the writer lacks needs a default; types must be equal or promotable (int to
long to float to double, string to bytes and back); names of records, enums and fixed must agree, as must the size of
a fixed; every symbol a writer may send must be known or have a default; every branch of a writer's union must find one
in the reader's. What it does not: aliases, the value of a default, and logical types (which registries ignore as well).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED: Final = frozenset({"record", "error", "enum", "fixed"})
PROMOTED: Final = {  # reader -> what else it can read
    "long": ("int",),
    "float": ("int", "long"),
    "double": ("int", "long", "float"),
    "bytes": ("string",),
    "string": ("bytes",),
}
LEVELS: Final = frozenset(
    {"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"}
)


class Invalid(ValueError):
    """The text is not an Avro schema."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A parsed schema: its root, and its named types by full name.

    A type is a string (a primitive's or a full name), a list (a union) or an object whose `name` is full.
    """

    root: Any
    named: dict[str, dict[str, Any]]

    def resolved(self, node: Any) -> Any:
        """The definition behind a full name; anything else as it is."""
        return self.named.get(node, node) if isinstance(node, str) else node


def parse(text: str) -> Schema:
    """The schema of a JSON text.

    Raises:
        Invalid: not JSON, an unknown type, a name that is missing or stands twice, a field without name or type.
    """
    named: dict[str, dict[str, Any]] = {}
    try:
        return Schema(_typed(json.loads(text), "", named), named)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Invalid(f"not JSON: {error}") from error


def conflicts(level: str, new: Schema, old: Schema) -> tuple[str, ...]:
    """What forbids `new` beside `old` under a level of `LEVELS`; empty if nothing does."""
    kind = level.removesuffix("_TRANSITIVE")
    found: list[str] = []
    if kind in ("BACKWARD", "FULL"):
        found += (f"the new schema cannot read the old: {why}" for why in _Reading(new, old).problems())
    if kind in ("FORWARD", "FULL"):
        found += (f"the old schema cannot read the new: {why}" for why in _Reading(old, new).problems())
    return tuple(found)


# Parsing ...


def _typed(node: Any, space: str, named: dict[str, dict[str, Any]]) -> Any:
    if isinstance(node, list):
        return [_typed(branch, space, named) for branch in node]
    if isinstance(node, str):
        return _reference(node, space, named)
    if not isinstance(node, dict) or "type" not in node:
        raise Invalid(f"wanted a type, got {json.dumps(node)[:80]}")
    kind = node["type"]
    if kind in ("array", "map"):
        inner = "items" if kind == "array" else "values"
        return {"type": kind, inner: _typed(_part(node, inner), space, named)}
    if isinstance(kind, str) and kind in NAMED:
        return _definition(node, space, named)
    return _typed(kind, space, named)


def _reference(name: str, space: str, named: dict[str, dict[str, Any]]) -> str:
    if name in PRIMITIVES:
        return name
    full = _full(name, space)
    if full not in named:
        raise Invalid(f"unknown type {full!r}")
    return full


def _definition(node: dict[str, Any], space: str, named: dict[str, dict[str, Any]]) -> dict[str, Any]:
    full = _full(_part(node, "name", str), str(node.get("namespace", space)))
    if full in named:
        raise Invalid(f"{full!r} is defined twice")
    made: dict[str, Any] = {**node, "name": full}
    named[full] = made
    if "fields" in node or node["type"] == "record":
        space = full.rpartition(".")[0]
        made["fields"] = [_field(field, space, named) for field in _part(node, "fields", list)]
    elif node["type"] == "enum":
        made["symbols"] = _part(node, "symbols", list)
    else:
        made["size"] = _part(node, "size", int)
    return made


def _field(node: Any, space: str, named: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise Invalid(f"wanted a field, got {json.dumps(node)[:80]}")
    return {**node, "name": _part(node, "name", str), "type": _typed(_part(node, "type"), space, named)}


def _part(node: dict[str, Any], key: str, kind: type = object) -> Any:
    if key not in node:
        raise Invalid(f"no {key!r} in {json.dumps(node)[:80]}")
    if not isinstance(node[key], kind):
        raise Invalid(f"{key!r} is no {kind.__name__} in {json.dumps(node)[:80]}")
    return node[key]


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


# Reading ...


class _Reading:
    """One reader's schema against one writer's."""

    def __init__(self, reader: Schema, writer: Schema) -> None:
        self._reader = reader
        self._writer = writer
        self._met: set[tuple[str, str]] = set()  # pairs of records under way or done: schemas may be recursive

    def problems(self) -> tuple[str, ...]:
        return tuple(self._types(self._reader.root, self._writer.root, "the record"))

    def _types(self, reader: Any, writer: Any, at: str) -> Iterator[str]:
        reader, writer = self._reader.resolved(reader), self._writer.resolved(writer)
        if isinstance(writer, list):
            for branch in writer:
                yield from self._types(reader, branch, at)
        elif isinstance(reader, list):
            yield from self._union(reader, writer, at)
        elif _kind(reader) != _kind(writer):
            if _kind(writer) not in PROMOTED.get(_kind(reader), ()):
                yield f"{at} is {_kind(writer)}, wanted {_kind(reader)}"
        elif isinstance(reader, dict):
            yield from self._complex(reader, writer, at)

    def _union(self, reader: list[Any], writer: Any, at: str) -> Iterator[str]:
        """The branch of the writer's own kind and name, else one it can be promoted to."""
        branches = [self._reader.resolved(branch) for branch in reader]
        for branch in branches:
            if _kind(branch) == _kind(writer) and _name(branch) == _name(writer):
                yield from self._types(branch, writer, at)
                return
        if not any(_kind(writer) in PROMOTED.get(_kind(branch), ()) for branch in branches):
            yield f"{at} may be {_name(writer) or _kind(writer)}, which the union lacks"

    def _complex(self, reader: dict[str, Any], writer: dict[str, Any], at: str) -> Iterator[str]:
        kind = _kind(reader)
        if kind in ("array", "map"):
            inner = "items" if kind == "array" else "values"
            yield from self._types(reader[inner], writer[inner], f"{at}'s {inner}")
        elif _name(reader) != _name(writer):
            yield f"{at} is called {_name(writer)}, wanted {_name(reader)}"
        elif kind == "enum":
            unknown = sorted(set(writer["symbols"]) - set(reader["symbols"]))
            if unknown and "default" not in reader:
                yield f"{at} may be {', '.join(unknown)}, which the enum lacks"
        elif kind == "fixed":
            if reader["size"] != writer["size"]:
                yield f"{at} has {writer['size']} bytes, wanted {reader['size']}"
        elif (pair := (reader["name"], writer["name"])) not in self._met:
            self._met.add(pair)
            yield from self._fields(reader, writer)

    def _fields(self, reader: dict[str, Any], writer: dict[str, Any]) -> Iterator[str]:
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            at = f"field {field['name']!r} of {_name(reader)}"
            if field["name"] in written:
                yield from self._types(field["type"], written[field["name"]]["type"], at)
            elif "default" not in field:
                yield f"{at} is missing, and has no default"


def _kind(node: Any) -> str:
    return str(node["type"]) if isinstance(node, dict) else str(node)


def _name(node: Any) -> str | None:
    """The name without its namespace: that is what Avro compares."""
    return str(node["name"]).rpartition(".")[2] if isinstance(node, dict) and "name" in node else None
