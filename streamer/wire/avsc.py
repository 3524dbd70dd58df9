"""Where the hand-written `.avsc` files are, what they say, and the schemas that are derived from them.

The files are the one source of truth: nothing is generated from code, no schema is written down twice. Schemas are
plain JSON values here; this room knows no Avro library and reads nothing but its own folder, once, at import.

Question: where are the files? Choice: inside the installed package (`streamer/schemas`), else at the top of the
checkout, from which an editable install runs. Rejected: a top-level `schemas` in site-packages (anybody's name).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from streamer.errors import Misconfigured

_SUFFIX: Final = ".avsc"


def find_schemas(package: Traversable, checkout: Path) -> Traversable:
    """The folder of the `.avsc` files of an installed package, else of a checkout.

    Raises:
        Misconfigured: neither is there.
    """
    for folder in (package / "schemas", checkout / "schemas"):
        if folder.is_dir():
            return folder
    raise Misconfigured(
        f"no schemas: neither {package / 'schemas'} nor {checkout / 'schemas'} is a folder",
        hint="install the package again: this one is not whole",
    )


def _texts() -> dict[str, str]:
    folder = find_schemas(resources.files("streamer"), Path(__file__).parents[2])
    found = {file.name: file.read_bytes().decode() for file in folder.iterdir() if file.name.endswith(_SUFFIX)}
    return {name.removesuffix(_SUFFIX): found[name] for name in sorted(found)}


_TEXTS: Final = _texts()


def schema_names() -> tuple[str, ...]:
    """The schemas' names, sorted: the stems of their files."""
    return tuple(_TEXTS)


def schema_text(name: str) -> str:
    """A schema as its file says it, character for character: what is registered.

    Raises:
        Misconfigured: there is none of this name.
    """
    if name not in _TEXTS:
        raise Misconfigured(f"there is no schema {name!r}, wanted one of {', '.join(_TEXTS)}")
    return _TEXTS[name]


def schema_json(name: str) -> Any:
    """A schema as a JSON value; a new one at every call."""
    return json.loads(schema_text(name))


def without_logical_types(schema: Any) -> Any:
    """The schema of the same bytes whose instants are plain integers."""
    if isinstance(schema, list):
        return [without_logical_types(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "logicalType" in schema and isinstance(schema.get("type"), str):
        return schema["type"]
    return {key: without_logical_types(value) for key, value in schema.items()}


def part(record: Mapping[str, Any], start: int | None, stop: int | None) -> dict[str, Any]:
    """The record of the fields from `start` to before `stop`: its bytes are that part of the whole record's bytes."""
    return {**record, "fields": record["fields"][start:stop]}
