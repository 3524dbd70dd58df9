"""Kafka Connect: what the Splunk and the Elasticsearch sink have in common; JSON for `POST /connectors`.

The consumer's settings stand in the connector (`consumer.override.*`, which a worker allows unless told otherwise), so
the worker may belong to another cluster, and reads committed events whatever its own default is.

Question: how does Connect refer to a secret? Choice: `${env:NAME}`, by the provider that comes with Apache Kafka since
3.5; the worker needs the two lines of `PROVIDERS`. Rejected: `${file:...}`, for the file's place differs from worker
to worker. JSON knows no comments, so what stands on top of other renderings is said beside this one (`notes`).

Question: what becomes of a record that no converter reads? Choice: the sink goes on, and the record goes to
`P.connect-dead-letter` in the worker's own cluster, made with its default of replicas, the reason in its headers.
Rejected: to stop (one foreign record would end the feed), and to log only (then nobody has it any more).

Question: what of bare Avro (`kafka.value_format: avro`)? No converter reads it without a registry: the relay's JSON
topics are read. JSON values pass as text to Splunk (the line stays as it is) and as maps to Elasticsearch.
"""

from __future__ import annotations

import json
from typing import Final

from streamer.siem.deployment import Deployment, Feed
from streamer.siem.pipelines import java
from streamer.siem.pipelines.opening import opening
from streamer.siem.pipelines.writing import literal

STRINGS: Final = "org.apache.kafka.connect.storage.StringConverter"
PROVIDERS: Final = (
    "config.providers=env",
    "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider",
)


def refer(name: str) -> str:
    """How a connector refers to a variable of its worker."""
    return f"${{env:{name}}}"


def feeds(deployment: Deployment, form: str = "json") -> tuple[Feed, Feed]:
    """Events and reports in an encoding that Connect can read."""
    if deployment.encoding == "avro" or form != "json":
        return deployment.events_as(form), deployment.reports_as_json(form)
    return deployment.events, deployment.reports


def notes(name: str, deployment: Deployment, text: str, form: str = "json") -> list[str]:
    """What whoever starts the connector must know, sentence by sentence."""
    chosen = "" if form == "json" else f" --form {form}"
    said = opening(f"{name}{chosen}", feeds(deployment, form), text)
    worker = f"The worker needs {' and '.join(PROVIDERS)}; a record it cannot read goes to {dead_letters(deployment)}."
    return [*said, worker, *java.stores(deployment), *java.allowed_urls(deployment)]


def dead_letters(deployment: Deployment) -> str:
    """The topic of records that no converter reads."""
    return deployment.names.of("connect-dead-letter")


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
        "errors.deadletterqueue.topic.name": dead_letters(deployment),
        "errors.deadletterqueue.topic.replication.factor": "-1",  # as many as that cluster has by default
        "errors.deadletterqueue.context.headers.enable": "true",
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
