"""Kafka Connect: what the Splunk and the Elasticsearch sink have in common; JSON for `POST /connectors`.

The consumer's settings stand in the connector (`consumer.override.*`, which a worker allows unless told otherwise), so
the worker may belong to another cluster, and reads committed events whatever its own default is.

Question: how does Connect refer to a secret? Choice: `${env:NAME}`, by the provider that comes with Apache Kafka since
3.5; the worker needs the two lines of `PROVIDERS`. Rejected: `${file:...}`, for the file's place differs from worker
to worker. JSON knows no comments, so what must be said stands in README.

Question: what of bare Avro (`kafka.value_format: avro`)? No converter reads it without a registry: the relay's JSON
topics are read. JSON values pass as text to Splunk (the line stays as it is) and as maps to Elasticsearch.
"""

from __future__ import annotations

import json
from typing import Final

from streamer.siem.deployment import Deployment, Feed
from streamer.siem.pipelines import java
from streamer.siem.pipelines.writing import literal

STRINGS: Final = "org.apache.kafka.connect.storage.StringConverter"
PROVIDERS: Final = (
    "config.providers=env",
    "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider",
)


def refer(name: str) -> str:
    """How a connector refers to a variable of its worker."""
    return f"${{env:{name}}}"


def feeds(deployment: Deployment) -> tuple[Feed, Feed]:
    """Events and reports in an encoding that Connect can read."""
    if deployment.encoding == "avro":
        return deployment.events_as("json"), deployment.reports_as_json("json")
    return deployment.events, deployment.reports


def connector(deployment: Deployment, sink: str, settings: dict[str, str]) -> str:
    """The body of `POST /connectors`.

    Args:
        deployment: this one.
        sink: the end of the connector's name; its consumer group is `connect-<name>`.
        settings: class, topics and all that is the sink's own.
    """
    overrides = {
        "bootstrap.servers": ",".join(deployment.brokers),
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        **java.client(deployment, refer),
    }
    config = {
        **settings,
        "key.converter": STRINGS,
        "errors.tolerance": "all",
        "errors.log.enable": "true",
        "errors.log.include.messages": "false",
        **{f"consumer.override.{name}": value for name, value in overrides.items()},
    }
    named = {"name": f"{deployment.names.prefix}-{sink}", "config": config}
    return json.dumps(named, indent=2, ensure_ascii=False) + "\n"


def avro_values(deployment: Deployment) -> dict[str, str]:
    """Confluent's converter, which looks the writer's schema up by the id on the wire; empty without a registry."""
    if (registry := deployment.registry) is None:
        return {}
    found = {"schema.registry.url": literal(registry.url, "kafka-connect"), **java.registry_client(registry, refer)}
    return {
        "value.converter": "io.confluent.connect.avro.AvroConverter",
        **{f"value.converter.{name}": value for name, value in found.items()},
    }
