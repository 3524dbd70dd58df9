"""Filebeat (and the Elastic Agent's Custom Kafka integration, which wraps the same input) to Elasticsearch; YAML.

It decodes no Avro, so it reads JSON topics, `P.ecs` by default: the relay's ECS events land in a data stream that
Elastic's built-in templates map and its security app looks at. The other form goes to an index of ours.

Question: `document_id` of the `ndjson` parser takes the field out of the document. Choice: `copy_fields` to
`@metadata._id`. With an id Filebeat uses the action `create`, so a record that comes twice is refused as a conflict
and dropped: one document for each `event_id`.
"""

from __future__ import annotations

from typing import Any, Final

from streamer.siem.deployment import KAFKA_KEY_PASSWORD, KAFKA_PASSWORD, Deployment, Feed
from streamer.siem.pipelines.opening import opening
from streamer.siem.pipelines.writing import given, literal, yaml_text

FORMS: Final = ("ecs", "json")
DATA_STREAM: Final = "logs-cisco_intersight.oauth_token-default"
LAYOUT: Final = "2006-01-02T15:04:05.000Z"  # Go's way to write a layout


def render(deployment: Deployment, form: str = FORMS[0]) -> str:
    """The configuration, as `filebeat -c` takes it."""
    deployment.without_bearer("filebeat", "its kafka input knows PLAIN and SCRAM")
    events, reports = deployment.events_as(form), deployment.reports_as_json(form)
    index = DATA_STREAM if form == "ecs" else deployment.index("events")
    tree = {
        "filebeat.inputs": [
            _input(deployment, events, "events", index, form),
            _input(deployment, reports, "snapshots", deployment.index("snapshots"), form),
        ],
        "output.elasticsearch": {"hosts": ["${ELASTICSEARCH_URL}"], "api_key": "${ELASTICSEARCH_API_KEY}"},
        "setup.template.enabled": False,
        "setup.ilm.enabled": False,
    }
    return yaml_text(opening(f"filebeat --form {form}", (events, reports), yaml_text((), tree)), tree)


def _input(deployment: Deployment, feed: Feed, kind: str, index: str, form: str) -> dict[str, Any]:
    sasl = deployment.sasl
    return given(
        type="kafka",
        id=f"streamer-{kind}",
        hosts=list(deployment.brokers),
        topics=list(feed.topics),
        group_id=deployment.group(f"filebeat-{form}-{kind}"),
        isolation_level="read_committed",
        initial_offset="oldest",
        ssl=_ssl(deployment),
        username=sasl and literal(sasl.username, "filebeat"),
        password=sasl and f"${{{KAFKA_PASSWORD}}}",
        sasl__mechanism=sasl and sasl.mechanism,
        index=index,
        keep_null=False,
        publisher_pipeline__disable_host=True,
        parsers=[{"ndjson": {"target": "", "overwrite_keys": True, "add_error_key": True}}],
        processors=_processors(feed),
    )


def _processors(feed: Feed) -> list[dict[str, Any]]:
    identity = {"fields": [{"from": feed.form.identity, "to": "@metadata._id"}], "fail_on_error": False}
    processors: list[dict[str, Any]] = [{"copy_fields": {**identity, "ignore_missing": True}}]
    if feed.form.time != "@timestamp":
        time = {"field": feed.form.time, "layouts": [LAYOUT], "timezone": "UTC", "ignore_missing": True}
        processors.append({"timestamp": time})
    return processors


def _ssl(deployment: Deployment) -> dict[str, Any] | None:
    if (tls := deployment.tls) is None:
        return None
    return given(
        enabled=True,
        certificate_authorities=[literal(tls.ca, "filebeat")] if tls.ca else None,
        certificate=tls.cert and literal(tls.cert, "filebeat"),
        key=tls.key and literal(tls.key, "filebeat"),
        key_passphrase=f"${{{KAFKA_KEY_PASSWORD}}}" if tls.key_password else None,
        verification_mode="full" if tls.check_hostname else "certificate",
    )
