"""Redpanda Connect: one input for events and reports, decoded by the id on the wire, to Elasticsearch; YAML.

`raw_unions` and `preserve_logical_types` give the one JSON form that the other collectors see; without them a nullable
text is `{"string": ...}` and an instant an integer. Bare Avro (`kafka.value_format: avro`) has no id on the wire, and
the processor for it knows neither option: then the relay's JSON topics are read.

A record that cannot be decoded is kept in a file beside the process and told, and never stops the feed.
"""

from __future__ import annotations

from typing import Any, Final

from streamer.errors import Misconfigured
from streamer.siem.deployment import (
    KAFKA_KEY_PASSWORD,
    KAFKA_PASSWORD,
    REGISTRY_PASSWORD,
    Deployment,
    Registry,
    Tls,
)
from streamer.siem.pipelines.opening import opening
from streamer.siem.pipelines.writing import given, literal, yaml_text

NAME: Final = "redpanda-connect"
UNDECODABLE: Final = "undecodable.ndjson"
TIMED: Final = """\
root = this
root."@timestamp" = this.event_time | this.finished_at
meta document = this.event_id | this.snapshot_id
meta index = if this.exists("event_id") { "%s" } else { "%s" }
"""
KEPT: Final = """\
root.topic = @kafka_topic
root.partition = @kafka_partition
root.offset = @kafka_offset
root.error = error()
root.value_base64 = content().encode("base64")
"""


def render(deployment: Deployment) -> str:
    """The configuration, as `redpanda-connect run` takes it."""
    deployment.without_bearer(NAME, "its OAUTHBEARER wants a ready token, and nothing renews it")
    deployment.with_hostnames(NAME)
    feeds = (deployment.events, deployment.reports)
    if deployment.encoding == "avro":
        feeds = (deployment.events_as("json"), deployment.reports_as_json("json"))
    decode = [{"schema_registry_decode": _decoding(deployment.registry)}] if deployment.registry else []
    tree = {
        "input": {"redpanda": _input(deployment, [topic for feed in feeds for topic in feed.topics])},
        "pipeline": {
            "processors": [
                *decode,
                {"mapping": TIMED % (deployment.index("events"), deployment.index("snapshots"))},
            ]
        },
        "output": {"switch": {"cases": [_kept(), {"output": {"elasticsearch_v8": _elasticsearch()}}]}},
    }
    return yaml_text(opening(NAME, feeds, yaml_text((), tree)), tree)


def _input(deployment: Deployment, topics: list[str]) -> dict[str, Any]:
    sasl, tls = deployment.sasl, deployment.tls
    user = sasl and {
        "mechanism": sasl.mechanism,
        "username": literal(sasl.username, NAME),
        "password": f"${{{KAFKA_PASSWORD}}}",
    }
    return given(
        seed_brokers=list(deployment.brokers),
        topics=topics,
        consumer_group=deployment.group(NAME),
        transaction_isolation_level="read_committed",
        start_offset="earliest",
        tls=tls and {"enabled": True, **_tls(tls, KAFKA_KEY_PASSWORD)},
        sasl=[user] if user else None,
    )


def _tls(tls: Tls, password: str) -> dict[str, Any]:
    files = {"root_cas_file": tls.ca, "cert_file": tls.cert, "key_file": tls.key}
    shown = given(**{name: literal(path, NAME) for name, path in files.items() if path})
    own = {name: path for name, path in shown.items() if name != "root_cas_file"}
    own |= {"password": f"${{{password}}}"} if tls.key_password else {}
    return given(root_cas_file=shown.get("root_cas_file"), client_certs=[own] if tls.cert else None)


def _decoding(registry: Registry) -> dict[str, Any]:
    if registry.bearer:
        raise Misconfigured(
            f"{NAME} cannot use registry.bearer_token: its registry client knows basic authentication and mTLS",
            hint="give the collector a user of the registry: set registry.username and registry.password_file",
        )
    found: dict[str, Any] = {
        "url": literal(registry.url, NAME),
        "avro": {"raw_unions": True, "preserve_logical_types": True},
    }
    if registry.username:
        found["basic_auth"] = {
            "enabled": True,
            "username": literal(registry.username, NAME),
            "password": f"${{{REGISTRY_PASSWORD}}}",
        }
    if tls := _tls(registry.tls, KAFKA_KEY_PASSWORD):
        found["tls"] = tls
    return found


def _kept() -> dict[str, Any]:
    return {
        "check": "errored()",
        "output": {
            "processors": [{"mapping": KEPT}, {"log": {"level": "ERROR", "message": "kept in " + UNDECODABLE}}],
            "file": {"path": f"./{UNDECODABLE}", "codec": "lines"},
        },
    }


def _elasticsearch() -> dict[str, Any]:
    return {
        "urls": ["${ELASTICSEARCH_URL}"],
        "basic_auth": {
            "enabled": True,
            "username": "${ELASTICSEARCH_USER}",
            "password": "${ELASTICSEARCH_PASSWORD}",
        },
        "index": "${! @index }",
        "action": "index",
        "id": "${! @document }",
    }
