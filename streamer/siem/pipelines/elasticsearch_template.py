"""The index template of Elasticsearch and OpenSearch for what collectors write there: JSON, `PUT _index_template`.

Types come from the `.avsc` files: texts are keywords, instants dates, addresses `ip`. Both record schemas share one
template, for no field of one contradicts a field of the other (a test says so). Fields that later versions append are
mapped as they come.

Question: whatever the collector, `@timestamp` must be the event's own time, and not each can set it. Choice:
`copy_to` from `event_time` and `finished_at`. Question: what of a value that does not fit its type (an address that is
none, a year that Elasticsearch cannot count)? Choice: `ignore_malformed`: the document is kept, the field is not
searchable. A text over 8191 letters is kept and not searchable either: a longer term would refuse the whole document.

Question: why plain indices and no data stream? Choice: a document's id is unique within one index only; behind a data
stream that has rolled over, an event that comes again would be a second document. Tokens are few.

Question: what of the ECS form? It goes to a data stream that Elastic's own templates type: see `filebeat`. An index
that it goes to (OpenSearch, Fluent Bit) nobody types: texts would be cut into words, `oauth-token-deleted` be found
where `oauth-token-created` is asked for, and nothing be grouped. Choice: a template of its own, for `source` is an
object in ECS.
"""

from __future__ import annotations

import json
from typing import Any, Final

from streamer.siem import ecs
from streamer.siem.deployment import SCHEMAS, Deployment
from streamer.wire.avsc import schema_json

FORMS: Final = ("json", "ecs")
KINDS: Final = (
    *("events", "created", "modified", "deleted", "all", "json"),
    *("snapshots", "snapshots.json"),
)  # indices that collectors name by the topic, or by `events` and `snapshots`
PRIORITY: Final = 500  # above the templates that come with Elasticsearch
LONGEST_KEYWORD: Final = 8191  # letters of up to 4 bytes; a term has at most 32,766
ADDRESSES: Final = {"client_ip_address", "last_login_client", "actor_ip"}
TIMES: Final = {"event_time", "finished_at"}

_KEYWORD: Final = {"type": "keyword", "ignore_above": LONGEST_KEYWORD}
_ADDRESS: Final = {"type": "ip", "ignore_malformed": True}
_DATE: Final = {"type": "date", "format": "strict_date_optional_time||epoch_millis", "ignore_malformed": True}


def render(deployment: Deployment, form: str = FORMS[0]) -> str:
    """The template, as `PUT _index_template/<name>` takes it."""
    kinds, properties = (KINDS, _ours()) if form == "json" else ((form,), _ecs())
    command = "streamer siem elasticsearch-template" + (f" --form {form}" if form != FORMS[0] else "")
    template = {
        "index_patterns": [deployment.index(kind) for kind in kinds],
        "priority": PRIORITY,
        "template": {
            "settings": {"number_of_shards": 1, "index.mapping.ignore_malformed": True},
            "mappings": {
                "dynamic": True,
                "date_detection": False,
                "dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": _KEYWORD}}],
                "properties": properties,
            },
        },
        "_meta": {"description": f"Cisco Intersight OAuth2 tokens, made by `{command}`"},
    }
    return json.dumps(template, indent=2) + "\n"


def _ours() -> dict[str, Any]:
    """Of events and reports."""
    properties = {"@timestamp": _DATE}
    for name in SCHEMAS.values():
        properties |= _properties(schema_json(name), {})
    return properties


def _ecs() -> dict[str, Any]:
    """Of the ECS form: its instants and addresses, and our own fields under our name; texts come by themselves."""
    event = _properties(schema_json(SCHEMAS["events"]), {})
    token = event["after"]["properties"]
    kept = {name: event[name] for name in (*ecs.AS_THEY_ARE, *ecs.NESTED, "before", "after")}
    addresses = {name: {"properties": {"ip": _ADDRESS}} for name in ("client", "source", "related")}
    return {
        "@timestamp": _DATE,
        "event": {"properties": dict.fromkeys(("created", "start", "end"), _DATE)},
        "entity": {"properties": {"lifecycle": {"properties": {"last_activity": _DATE}}}},
        **addresses,
        "cisco": {"properties": {"intersight": {"properties": {"oauth_token": {"properties": token | kept}}}}},
    }


def _properties(record: Any, named: dict[str, Any]) -> dict[str, Any]:
    found = {field["name"]: _mapping(field["name"], field["type"], named) for field in record["fields"]}
    named[record["name"]] = {"properties": found}
    return found


def _mapping(name: str, schema: Any, named: dict[str, Any]) -> dict[str, Any]:
    """The mapping of a field; arrays are mapped as what they hold."""
    if isinstance(schema, list):
        return _mapping(name, next(part for part in schema if part != "null"), named)
    if isinstance(schema, str):
        return named.get(schema) or _plain(name, schema)
    if schema.get("logicalType") == "timestamp-millis":
        return _DATE | ({"copy_to": "@timestamp"} if name in TIMES else {})
    if schema["type"] == "array":
        return _mapping(name, schema["items"], named)
    return {"properties": _properties(schema, named)}


def _plain(name: str, kind: str) -> dict[str, Any]:
    if name in ADDRESSES:
        return _ADDRESS
    if name == "json":  # raw text of unknown properties: carried, not searched
        return {"type": "keyword", "index": False, "doc_values": False}
    return _KEYWORD if kind == "string" else {"type": kind}
