"""Logstash to Elasticsearch, OpenSearch or Microsoft Sentinel; its own configuration language.

With a registry its Kafka input takes a list of topics only, wants `<topic>-value` of each to be registered before it
starts (our service registers them at its start), and decodes instants as integers; a `date` filter that knows both
ways makes them `@timestamp`. Bare Avro goes through the codec with the schema's file, JSON through the JSON codec.

Question: what is done about events that come twice? Choice: Elasticsearch and OpenSearch get `event_id` as the
document's id with the action `index`. Sentinel keeps both; `summarize arg_max(TimeGenerated, *) by event_id` is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from streamer.errors import Misconfigured
from streamer.siem.deployment import FORMS as FORM_OF
from streamer.siem.deployment import REGISTRY_PASSWORD, SCHEMAS, Deployment, Feed
from streamer.siem.pipelines import java
from streamer.siem.pipelines.opening import opening
from streamer.siem.pipelines.writing import comments, literal, quoted

TO: Final = ("elasticsearch", "opensearch", "sentinel")
FORMS: Final = ("json", "ecs")
DATA_STREAM: Final = {  # where Elastic's own templates and its security app look
    "data_stream": '"true"',
    "data_stream_type": '"logs"',
    "data_stream_dataset": '"cisco_intersight.oauth_token"',
    "data_stream_namespace": '"default"',
    "action": '"create"',
}
STREAMS: Final = {
    "events": "Custom-CiscoIntersightOAuthToken",
    "snapshots": "Custom-CiscoIntersightOAuthTokenSnapshot",
}
BYTES: Final = "org.apache.kafka.common.serialization.ByteArrayDeserializer"
FOLDER: Final = "/etc/logstash/schemas"

Options = Mapping[str, str]


def refer(name: str) -> str:
    """How Logstash refers to a variable or to an entry of its key store."""
    return f"${{{name}}}"


def render(deployment: Deployment, to: str = TO[0], form: str = FORMS[0]) -> str:
    """The configuration, as `logstash -f` takes it."""
    feeds = {"events": deployment.events, "snapshots": deployment.reports}
    if form != "json":
        feeds = {"events": deployment.events_as(form), "snapshots": deployment.reports_as_json(form)}
    asks = any(feed.encoding == "confluent" for feed in feeds.values())
    if asks and deployment.registry and deployment.registry.bearer:
        raise Misconfigured(
            "logstash cannot use registry.bearer_token: its kafka input knows basic authentication and mTLS",
            hint="give the collector a user of the registry (registry.username), or read the relay's lines: --form ecs",
        )
    inputs = "".join(_plugin("kafka", _input(deployment, feed, kind, form)) for kind, feed in feeds.items())
    filters = "".join(_condition(kind, _plugin("date", _date(feed), 2)) for kind, feed in feeds.items())
    output: Callable[[Deployment, Feed, str], str] = _sentinel if to == "sentinel" else _indexed(to)
    outputs = "".join(_condition(kind, output(deployment, feed, kind)) for kind, feed in feeds.items())
    body = f"input {{\n{inputs}}}\n\nfilter {{\n{filters}}}\n\noutput {{\n{outputs}}}\n"
    return (
        comments([*opening(f"logstash --to {to} --form {form}", feeds.values(), body), *_notes(deployment, feeds)])
        + body
    )


def _notes(deployment: Deployment, feeds: Mapping[str, Feed]) -> Iterator[str]:
    yield "With `queue.type: persisted` in logstash.yml nothing is lost between Kafka and the output."
    if feeds["events"].encoding == "confluent":
        yield "Logstash starts when the subjects of all topics are registered, which the service does at its start."
    if feeds["events"].encoding == "avro":
        for name in SCHEMAS.values():
            yield f"  streamer schemas show {name} > {FOLDER}/{name}.avsc"
    yield from java.stores(deployment)
    yield from java.allowed_urls(deployment)


def _input(deployment: Deployment, feed: Feed, kind: str, form: str) -> dict[str, str]:
    found = {
        "id": f'"streamer-{kind}"',
        "bootstrap_servers": quoted(",".join(deployment.brokers), "logstash"),
        "topics": _list(feed.topics),
        "group_id": quoted(deployment.group(f"logstash-{form}-{kind}"), "logstash"),
        "isolation_level": '"read_committed"',
        "auto_offset_reset": '"earliest"',
        "enable_auto_commit": "false",
        "auto_create_topics": "false",
        "max_partition_fetch_bytes": str(4 * 2**20),
    }
    for name, value in java.client(deployment, refer).items():
        found[name.replace(".", "_")] = _secret_or_text(value)
    if feed.encoding == "confluent":
        found |= _registry(deployment)
    if feed.encoding == "avro":
        path = quoted(f"{FOLDER}/{SCHEMAS[kind]}.avsc", "logstash")
        found["value_deserializer_class"] = f'"{BYTES}"'
        found["codec"] = f'avro {{ schema_uri => {path} encoding => "binary" ecs_compatibility => "disabled" }}'
    else:
        found["codec"] = 'json { ecs_compatibility => "disabled" }'
    return found | {"tags": f'["streamer-{kind}"]'}


def _registry(deployment: Deployment) -> dict[str, str]:
    if (registry := deployment.registry) is None:
        return {}
    found = {"schema_registry_url": quoted(literal(registry.url, "logstash"), "logstash")}
    if registry.username:
        found["schema_registry_key"] = quoted(literal(registry.username, "logstash"), "logstash")
        found["schema_registry_secret"] = f'"{refer(REGISTRY_PASSWORD)}"'
    for store, place, password in java.registry_stores(registry, refer):
        found[f"schema_registry_ssl_{store}_location"] = f'"{place}"'
        found[f"schema_registry_ssl_{store}_password"] = f'"{password}"'
        found[f"schema_registry_ssl_{store}_type"] = '"PKCS12"'
    return found


def _date(feed: Feed) -> dict[str, str]:
    return {"match": f'["{feed.form.time}", "UNIX_MS", "ISO8601"]'}


def _indexed(to: str) -> Callable[[Deployment, Feed, str], str]:
    """Elasticsearch or OpenSearch: plain indices whose documents are named by the events."""

    def output(deployment: Deployment, feed: Feed, kind: str) -> str:
        name = to.upper()
        options = {"hosts": f'["{refer(f"{name}_URL")}"]'}
        document = '"%{' + "".join(f"[{step}]" for step in feed.form.identity.split(".")) + '}"'
        if to == "elasticsearch":
            options |= {"api_key": f'"{refer("ELASTICSEARCH_API_KEY")}"'}
            if feed.form is FORM_OF["ecs"]:
                return _plugin(to, options | DATA_STREAM | {"document_id": document}, 2)
            options |= {"data_stream": '"false"', "ilm_enabled": '"false"'}
        else:
            options |= {"user": f'"{refer(f"{name}_USER")}"', "password": f'"{refer(f"{name}_PASSWORD")}"'}
        options |= {
            "index": quoted(deployment.index("ecs" if feed.form is FORM_OF["ecs"] else kind), "logstash"),
            "document_id": document,
            "action": '"index"',
            "manage_template": "false",
        }
        return _plugin(to, options, 2)

    return output


def _sentinel(_: Deployment, __: Feed, kind: str) -> str:
    names = {
        "client_app_Id": "AZURE_CLIENT_ID",
        "client_app_secret": "AZURE_CLIENT_SECRET",
        "tenant_id": "AZURE_TENANT_ID",
        "data_collection_endpoint": "AZURE_DATA_COLLECTION_ENDPOINT",
        "dcr_immutable_id": "AZURE_DCR_IMMUTABLE_ID",
    }
    options = {option: f'"{refer(name)}"' for option, name in names.items()}
    options["dcr_stream_name"] = f'"{STREAMS[kind]}"'
    return _plugin("microsoft-sentinel-log-analytics-logstash-output-plugin", options, 2)


def _plugin(name: str, options: Options, depth: int = 1) -> str:
    """One plugin with its options, one a line."""
    margin = "  " * depth
    return f"{margin}{name} {{\n" + "".join(f"{margin}  {k} => {v}\n" for k, v in options.items()) + f"{margin}}}\n"


def _condition(kind: str, plugins: str) -> str:
    return f'  if "streamer-{kind}" in [tags] {{\n{plugins}  }}\n'


def _list(texts: Any) -> str:
    return f"[{', '.join(quoted(text, 'logstash') for text in texts)}]"


def _secret_or_text(value: str) -> str:
    """JAAS holds double quotes and references, so it stands between single ones; the rest may hold neither."""
    if "'" in value or not value.isprintable():
        raise Misconfigured(f"{value!r} cannot stand in a string of logstash, which has no escapes")
    return f"'{value}'" if '"' in value else f'"{value}"'
