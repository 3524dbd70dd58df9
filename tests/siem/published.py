"""The schemas as their publishers give them, and what they say about a value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

OCSF = "1.8.0"
ECS = json.loads((Path(__file__).parent / "ecs-9.4.0.json").read_text("utf-8"))
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
OURS = "cisco.intersight.oauth_token."


@cache
def _validator() -> Draft202012Validator:
    """The class Entity Management with all its objects in one schema, no profile, nothing additional allowed."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF)).get_class_schema(class_name="entity_management")
    return Draft202012Validator(schema)


def wrong_in_ocsf(value: Any) -> list[str]:
    """What the published JSON Schema, and the arithmetic that it leaves to the reader, have against an event."""
    said = [f"{'.'.join(map(str, error.path))}: {error.message}" for error in _validator().iter_errors(value)]
    if value["type_uid"] != value["class_uid"] * 100 + value["activity_id"]:
        said.append(f"type_uid {value['type_uid']} is not that of activity {value['activity_id']}")
    return said


def flat(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a document by their dotted names; objects inside a list are a field's value."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from flat(inner, f"{above}{name}.")
        else:
            yield f"{above}{name}", inner


def wrong_in_ecs(value: Any) -> Iterator[str]:
    """Every field that is neither ours nor in the published list, or is of another type than it says."""
    for name, found in flat(value):
        if name.startswith(OURS):
            continue
        listed = ECS["fields"].get(name) or (name.startswith("labels.") and {"type": "keyword"})
        if not listed:
            yield f"{name} is no field of ECS"
        elif isinstance(found, list) != listed.get("array", False):
            yield f"{name} is {found!r}: one or many?"
        else:
            for each in found if isinstance(found, list) else [found]:
                yield from _wrong(name, each, listed)


def _wrong(name: str, value: Any, listed: Any) -> Iterator[str]:
    if not _is(listed["type"], value):
        yield f"{name} is {value!r}, wanted {listed['type']}"
    if value not in listed.get("allowed", [value]):
        yield f"{name} is {value!r}, which ECS does not allow"


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "keyword":
            return isinstance(value, str)
        case "long":
            return type(value) is int and -(2**63) <= value < 2**63
        case "date":
            return bool(RFC3339.fullmatch(value) and datetime.fromisoformat(value))
        case "ip":
            return "%" not in value and str(ip_address(value)) == value
    return False
