"""The index template of Elasticsearch and OpenSearch for what collectors write there: JSON, `PUT _index_template`.

Types come from the `.avsc` files: texts are keywords, instants dates, addresses `ip`. Both record schemas share one
template, for no field of one contradicts a field of the other (a test says so). Fields that later versions append are
mapped as they come.

Question: whatever the collector, `@timestamp` must be the event's own time, and not each can set it. Choice:
`copy_to` from `event_time` and `finished_at`. Question: what of a value that does not fit its type (an address that is
none, a year that Elasticsearch cannot count)? Choice: `ignore_malformed`: the document is kept, the field is not
searchable. A text over 8191 letters is kept and not searchable either: a longer term would refuse the whole document.

Question: why plain indices and no data stream? Choice: a document's id is unique within one index only; behind a data
stream that has rolled over, an event that comes again would be a second document. Tokens are few. The ECS form goes to
a data stream, as Elastic's own integrations do: see `filebeat`.
"""

from __future__ import annotations

import json
from typing import Any, Final

from streamer.siem.deployment import Deployment
from streamer.wire.avsc import schema_json

KINDS: Final = (
    *("events", "created", "modified", "deleted", "all", "json"),
    *("snapshots", "snapshots.json"),
)  # indices that collectors name by the topic, or by `events` and `snapshots`
PRIORITY: Final = 500  # above the templates that come with Elasticsearch
LONGEST_KEYWORD: Final = 8191  # letters of up to 4 bytes; a term has at most 32,766
ADDRESSES: Final = {"client_ip_address", "last_login_client", "actor_ip"}
TIMES: Final = {"event_time", "finished_at"}

_KEYWORD: Final = {"type": "keyword", "ignore_above": LONGEST_KEYWORD}
_DATE: Final = {"type": "date", "format": "strict_date_optional_time||epoch_millis", "ignore_malformed": True}


def render(deployment: Deployment) -> str:
    """The template, as `PUT _index_template/<name>` takes it."""
    properties = {"@timestamp": _DATE}
    for name in ("oauth_token_event", "snapshot_report"):
        properties |= _properties(schema_json(name), {})
    template = {
        "index_patterns": [deployment.index(kind) for kind in KINDS],
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
        "_meta": {"description": "Cisco Intersight OAuth2 tokens, made by `streamer siem elasticsearch-template`"},
    }
    return json.dumps(template, indent=2) + "\n"


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
        return {"type": "ip", "ignore_malformed": True}
    if name == "json":  # raw text of unknown properties: carried, not searched
        return {"type": "keyword", "index": False, "doc_values": False}
    return _KEYWORD if kind == "string" else {"type": kind}
