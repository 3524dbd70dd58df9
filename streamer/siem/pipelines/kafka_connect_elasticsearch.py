"""Confluent's Elasticsearch sink for Kafka Connect: one index for each topic, one document for each event.

Question: the sink names a document by its place in the log, or by the record's key. Choice: the key, after two
transforms have made it `event_id` (`snapshot_id` for reports): whatever comes twice, by a re-delivery or from another
topic, is one document. Our own key, the Moid, would let an event overwrite the one before.

Question: no stock transform copies a field; where does `@timestamp` come from? Choice: the index template copies
`event_time` into it (`streamer siem elasticsearch-template`), for whatever collector writes.

Instants arrive as milliseconds, which the template's dates read. Event topics have no tombstones; a null value would
stop this sink by default, so it is told to pass over them.
"""

from __future__ import annotations

import re

from streamer.siem.deployment import Deployment
from streamer.siem.pipelines import kafka_connect
from streamer.siem.pipelines.kafka_connect import refer

TRANSFORMS = "org.apache.kafka.connect.transforms"
JSON = {
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "false",
}


def render(deployment: Deployment) -> str:
    """The connector, as `POST /connectors` takes it."""
    events, reports = kafka_connect.feeds(deployment)
    settings = {
        "connector.class": "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
        "tasks.max": "1",
        "topics": ",".join(events.topics + reports.topics),
        "connection.url": refer("ELASTICSEARCH_URL"),
        "connection.username": refer("ELASTICSEARCH_USER"),
        "connection.password": refer("ELASTICSEARCH_PASSWORD"),
        "key.ignore": "false",
        "schema.ignore": "true",
        "write.method": "INSERT",
        "behavior.on.null.values": "IGNORE",
        "behavior.on.malformed.documents": "WARN",
        **(kafka_connect.avro_values(deployment) or JSON),
        "transforms": "eventId,eventKey,reportId,reportKey",
        **_keyed("event", events.form.identity, reports=False),
        **_keyed("report", reports.form.identity, reports=True),
        "predicates": "isReport",
        "predicates.isReport.type": f"{TRANSFORMS}.predicates.TopicNameMatches",
        "predicates.isReport.pattern": "|".join(map(re.escape, reports.topics)),
    }
    return kafka_connect.connector(deployment, "elasticsearch", settings)


def _keyed(name: str, field: str, *, reports: bool) -> dict[str, str]:
    """Two transforms that make a field of the value the key, for reports or for all others."""
    steps = {"Id": ("ValueToKey", "fields"), "Key": ("ExtractField$Key", "field")}
    found: dict[str, str] = {}
    for step, (transform, option) in steps.items():
        found |= {
            f"transforms.{name}{step}.type": f"{TRANSFORMS}.{transform}",
            f"transforms.{name}{step}.{option}": field,
            f"transforms.{name}{step}.predicate": "isReport",
        }
        if not reports:
            found[f"transforms.{name}{step}.negate"] = "true"
    return found
