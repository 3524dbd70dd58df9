"""Vector: one Kafka source for each record schema, VRL that sets the time, a sink of choice; YAML.

Vector's Avro codec has ONE static schema for each source, skips the registry's prefix unread, and shows instants as
integers. So the schemas stand in the configuration, without their docs; they stay right, for later versions only
append fields, which a static reader never sees.

Question: how is an event that comes twice kept once? Choice: Elasticsearch and OpenSearch get `event_id` as the
document's id, with the action `index`: the second writes the same document over the first. Splunk and Google SecOps
keep both; their searches deduplicate by `event_id`.

Rejected: OAUTHBEARER. Vector's own builds link librdkafka to a static curl that switches OIDC off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from streamer.siem.deployment import KAFKA_KEY_PASSWORD, KAFKA_PASSWORD, SCHEMAS, Deployment, Feed
from streamer.siem.pipelines.opening import opening
from streamer.siem.pipelines.writing import given, literal, yaml_text
from streamer.wire.avsc import schema_json

TO: Final = ("elasticsearch", "opensearch", "splunk", "google-secops")


def render(deployment: Deployment, to: str = TO[0]) -> str:
    """The configuration, as `vector --config` takes it; each destination gets events and reports."""
    deployment.without_bearer("vector", "its builds come without OIDC (libcurl) in librdkafka")
    feeds = {"events": deployment.events, "snapshots": deployment.reports}
    tree = {
        "sources": {kind: _source(deployment, feed, kind) for kind, feed in feeds.items()},
        "transforms": {
            f"{kind}_timed": {"type": "remap", "inputs": [kind], "source": _remap(feed)} for kind, feed in feeds.items()
        },
        "sinks": {f"{kind}_out": _sink(deployment, feed, kind, to) for kind, feed in feeds.items()},
    }
    body = yaml_text((), tree)
    return yaml_text(opening(f"vector --to {to}", feeds.values(), body), tree)


def _source(deployment: Deployment, feed: Feed, kind: str) -> dict[str, Any]:
    """Topics as they are named: a pattern would take in what another release adds."""
    source: dict[str, Any] = {
        "type": "kafka",
        "bootstrap_servers": ",".join(deployment.brokers),
        "group_id": deployment.group(f"vector-{kind}"),
        "topics": list(feed.topics),
        "auto_offset_reset": "earliest",
        "librdkafka_options": {"isolation.level": "read_committed"},
        "decoding": _decoding(feed, kind),
    }
    if (tls := deployment.tls) is not None:
        password = f"${{{KAFKA_KEY_PASSWORD}}}" if tls.key_password else None
        files = {"ca_file": tls.ca, "crt_file": tls.cert, "key_file": tls.key}
        shown = {name: None if path is None else literal(path, "vector", doubles=True) for name, path in files.items()}
        source["tls"] = given(enabled=True, **shown, key_pass=password)
        if not tls.check_hostname:
            source["librdkafka_options"]["ssl.endpoint.identification.algorithm"] = "none"
    if (sasl := deployment.sasl) is not None:
        source["sasl"] = {
            "enabled": True,
            "mechanism": sasl.mechanism,
            "username": literal(sasl.username, "vector", doubles=True),
            "password": f"${{{KAFKA_PASSWORD}}}",
        }
    return source


def _decoding(feed: Feed, kind: str) -> dict[str, Any]:
    if feed.encoding == "json":
        return {"codec": "json"}
    schema = json.dumps(_undocumented(schema_json(SCHEMAS[kind])))
    return {"codec": "avro", "avro": {"schema": schema, "strip_schema_id_prefix": feed.encoding == "confluent"}}


def _undocumented(schema: Any) -> Any:
    """The schema of the same bytes without its docs, which make most of it."""
    if isinstance(schema, Mapping):
        return {key: _undocumented(value) for key, value in schema.items() if key != "doc"}
    return [_undocumented(part) for part in schema] if isinstance(schema, list) else schema


def _remap(feed: Feed) -> str:
    """VRL: the record's own time, and none of what Vector puts beside the value but its place in the log."""
    time = f'parse_timestamp!(.{feed.form.time}, "%+")'
    if feed.encoding != "json":
        time = f'from_unix_timestamp!(.{feed.form.time}, unit: "milliseconds")'
    return (
        f".timestamp = {time}\n"
        f'."@timestamp" = .timestamp\n'
        ".kafka = {\n"
        '  "topic": del(.topic),\n'
        '  "partition": del(.partition),\n'
        '  "offset": del(.offset)\n'
        "}\n"
        "del(.headers)\n"
        "del(.message_key)\n"
        "del(.source_type)\n"
    )


def _sink(deployment: Deployment, feed: Feed, kind: str, to: str) -> dict[str, Any]:
    common = {"inputs": [f"{kind}_timed"], "acknowledgements": {"enabled": True}}  # offsets move once it is delivered
    if to == "splunk":
        sourcetype = "cisco:intersight:oauth_token" + (":snapshot" if kind == "snapshots" else "")
        return {
            "type": "splunk_hec_logs",
            **common,
            "endpoint": "${SPLUNK_HEC_URL}",
            "default_token": "${SPLUNK_HEC_TOKEN}",
            "sourcetype": sourcetype,
            "timestamp_key": "timestamp",
            "encoding": {"codec": "json", "except_fields": ["timestamp", "@timestamp"]},
        }
    if to == "google-secops":
        return {
            "type": "gcp_chronicle_unstructured",
            **common,
            "endpoint": "${SECOPS_ENDPOINT}",
            "customer_id": "${SECOPS_CUSTOMER_ID}",
            "credentials_path": "${SECOPS_CREDENTIALS_FILE}",
            "log_type": "${SECOPS_LOG_TYPE}",
            "encoding": {"codec": "json", "except_fields": ["timestamp"]},
        }
    name = to.upper()
    return {
        "type": "elasticsearch",
        **common,
        "endpoints": [f"${{{name}_URL}}"],
        "auth": {"strategy": "basic", "user": f"${{{name}_USER}}", "password": f"${{{name}_PASSWORD}}"},
        "mode": "bulk",
        "bulk": {"index": deployment.index(kind), "action": "index"},
        "id_key": feed.form.identity,
        "encoding": {"except_fields": ["timestamp"]},
    }
