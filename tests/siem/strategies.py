"""Any event that our schema allows, for properties: made of the `.avsc` itself, so no field is ever forgotten.

Half of the values are wild (any text, any long, any type and cause), half are what an event really holds: an address
that parses or nearly does, one of our types, an e-mail address.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from streamer import avro
from streamer.wire.avsc import schema_json

TEXT = st.text(st.characters(), max_size=20)  # lone surrogates too
LONG = st.integers(-(2**63), 2**63 - 1)
LIKELY = st.sampled_from(
    (
        *("created", "modified", "deleted", "revoked", "expired", "logout", "removed", "lookup"),
        *("203.0.113.7", "::ffff:203.0.113.7", "2001:DB8::0:1", "fe80::1%eth0", "1.2.3", "1.2.3.4:5", " 1.2.3.4", "::"),
        *("ada@example.com", "ada@example.com\n", "ada@localhost", "@", "", "\n", "\x00", "\ud800"),
    )
)
SIMPLE: dict[str, st.SearchStrategy[Any]] = {"string": LIKELY | TEXT, "long": LONG, "boolean": st.booleans()}


def values(schema: Any, named: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Values of an Avro type as `avro.decode` gives them."""
    if isinstance(schema, list):
        return st.none() | values(schema[1], named)
    if isinstance(schema, str):
        return named[schema] if schema in named else SIMPLE[schema]
    match schema["type"]:
        case "record":
            fields = {field["name"]: values(field["type"], named) for field in schema["fields"]}
            named[schema["name"]] = st.fixed_dictionaries(fields)
            return named[schema["name"]]
        case "array":
            return st.lists(values(schema["items"], named), max_size=3)
    return SIMPLE[schema["type"]]


EVENTS: st.SearchStrategy[dict[str, Any]] = values(schema_json(avro.EVENT), {})
