"""Flink SQL: a table of events and one of reports, with the fields of our schemas as typed columns.

Columns are made from the `.avsc` files, so they are the schema of this version; a later one appends fields, which a
table without them does not see. Instants are `TIMESTAMP(3)` in UTC from Avro and `TIMESTAMP_LTZ(3)` from JSON, each as
the format maps them.

Question: how does SQL refer to a secret? It does not. Choice: `${NAME}` where a secret goes, to be filled by
`envsubst` with exactly the names of the comments, on the way to `sql-client.sh -f /dev/stdin`. Rejected: secrets in
the text; a session that is set up by hand.

Question: what is the event's time? Choice: `event_time`, with a watermark of 15 minutes: a change is seen a poll after
it happened, and a lagging replica may show it some minutes later still. Baseline events are older than any watermark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from streamer.siem.deployment import REGISTRY_PASSWORD, REGISTRY_TOKEN, SCHEMAS, Deployment, Feed, Registry
from streamer.siem.pipelines import java
from streamer.siem.pipelines.opening import opening, variables
from streamer.siem.pipelines.writing import comments, literal
from streamer.wire.avsc import schema_json

TABLES: Final = {"events": "oauth_token_events", "snapshots": "snapshot_reports"}
SHADED: Final = "org.apache.flink.kafka.shaded."  # the connector's jar has renamed Kafka's classes
FORMATS: Final = {"confluent": "avro-confluent", "avro": "avro", "json": "json"}
JARS: Final = {"confluent": ("flink-sql-avro-confluent-registry",), "avro": ("flink-sql-avro",), "json": ()}
TYPES: Final = {"string": "STRING", "long": "BIGINT", "boolean": "BOOLEAN"}


def refer(name: str) -> str:
    """How `envsubst` finds a variable."""
    return f"${{{name}}}"


def render(deployment: Deployment) -> str:
    """The statements, as `sql-client.sh -f` takes them once `envsubst` has filled in what is secret."""
    feeds = (deployment.events, deployment.reports)
    tables = [_table(deployment, feed, kind) for feed, kind in zip(feeds, TABLES, strict=True)]
    body = "\n".join(tables) + _views()
    return comments([*opening("flink-sql", feeds, body), *_notes(deployment, body)], "--") + body


def _notes(deployment: Deployment, body: str) -> Iterator[str]:
    yield f"Needs the jars {' and '.join(('flink-sql-connector-kafka', *JARS[deployment.encoding]))}."
    if names := variables(body):
        listed = " ".join(refer(name) for name in names)
        yield "Flink SQL has no references of its own; fill them in on the way:"
        yield f"  streamer siem flink-sql | envsubst '{listed}' | sql-client.sh -f /dev/stdin"
    yield from java.stores(deployment)
    yield from java.allowed_urls(deployment)


def _table(deployment: Deployment, feed: Feed, kind: str) -> str:
    name, schema = TABLES[kind], SCHEMAS[kind]
    instant = "TIMESTAMP_LTZ(3)" if feed.encoding == "json" else "TIMESTAMP(3)"
    named: dict[str, str] = {}
    fields = schema_json(schema)["fields"]
    columns = [f"  {_name(field['name'])} {_type(field['type'], instant, named)}" for field in fields]
    time = feed.form.time
    columns.append(f"  WATERMARK FOR `{time}` AS `{time}` - INTERVAL '15' MINUTE")
    options = ",\n".join(
        f"  {_quoted(key)} = {_quoted(value)}" for key, value in _options(deployment, feed, kind).items()
    )
    listed = ",\n".join(columns)
    return f"CREATE TABLE `{name}` (\n{listed}\n) WITH (\n{options}\n);\n"


def _options(deployment: Deployment, feed: Feed, kind: str) -> dict[str, str]:
    client = {
        "bootstrap.servers": ",".join(deployment.brokers),
        "group.id": deployment.group(f"flink-{kind}"),
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        **java.client(deployment, refer, shaded=SHADED),
    }
    return {
        "connector": "kafka",
        "topic": ";".join(feed.topics),
        "scan.startup.mode": "group-offsets",
        **{f"properties.{name}": value for name, value in client.items()},
        "format": FORMATS[feed.encoding],
        **(_registry(deployment.registry) if deployment.registry else {}),
        **({"json.timestamp-format.standard": "ISO-8601"} if feed.encoding == "json" else {}),
    }


def _registry(registry: Registry) -> dict[str, str]:
    found = {"url": literal(registry.url, "flink-sql")}
    if registry.username:
        found["basic-auth.credentials-source"] = "USER_INFO"
        found["basic-auth.user-info"] = f"{literal(registry.username, 'flink-sql')}:{refer(REGISTRY_PASSWORD)}"
    if registry.bearer:
        found["bearer-auth.credentials-source"] = "STATIC_TOKEN"
        found["bearer-auth.token"] = refer(REGISTRY_TOKEN)
    for store, place, password in java.registry_stores(registry, refer):
        found[f"ssl.{store}.location"] = place
        found[f"ssl.{store}.password"] = password
    return {f"avro-confluent.{name}": value for name, value in found.items()}


def _type(schema: Any, instant: str, named: dict[str, str]) -> str:
    """The SQL type of an Avro type; a union with null is a type that may be null."""
    if isinstance(schema, list):
        return _bare(next(part for part in schema if part != "null"), instant, named)
    return f"{_bare(schema, instant, named)} NOT NULL"


def _bare(schema: Any, instant: str, named: dict[str, str]) -> str:
    if isinstance(schema, str):
        return TYPES.get(schema) or named[schema]
    if schema.get("logicalType") == "timestamp-millis":
        return instant
    if schema["type"] == "array":
        return f"ARRAY<{_type(schema['items'], instant, named)}>"
    return _row(schema, instant, named)


def _row(schema: Mapping[str, Any], instant: str, named: dict[str, str]) -> str:
    fields = ", ".join(f"{_name(field['name'])} {_type(field['type'], instant, named)}" for field in schema["fields"])
    named[schema["name"]] = f"ROW<{fields}>"
    return named[schema["name"]]


def _views() -> str:
    return """
-- Loss, once events are read from their beginning: a source and epoch whose numbers have a gap.
CREATE VIEW `lost_events` AS
SELECT `source`, `epoch`, MAX(`sequence`) - COUNT(DISTINCT `sequence`) AS `missing`
FROM `oauth_token_events`
GROUP BY `source`, `epoch`
HAVING MAX(`sequence`) > COUNT(DISTINCT `sequence`);
"""


def _name(text: str) -> str:
    return f"`{text}`"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
