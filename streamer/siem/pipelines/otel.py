"""OpenTelemetry Collector (contrib) to Splunk's HTTP Event Collector, as SOC4Kafka runs it; YAML.

Its Kafka receiver decodes no Avro, so it reads JSON topics: one receiver for each, as SOC4Kafka maps one topic to one
source type. It has no setting for the isolation level (franz-go's default is read_uncommitted), which the comments say.
Offsets move only when Splunk has taken the events (`message_marking`), and the time of a log is the event's own.
"""

from __future__ import annotations

from typing import Any, Final

from streamer.errors import Misconfigured
from streamer.siem.deployment import KAFKA_CLIENT_SECRET, KAFKA_PASSWORD, Deployment, Feed, Form, Sasl
from streamer.siem.pipelines.opening import opening
from streamer.siem.pipelines.writing import given, literal, yaml_text

FORMS: Final = ("json", "ocsf", "ecs")
SOURCETYPES: Final = {
    "json": "cisco:intersight:oauth_token",
    "ocsf": "cisco:intersight:oauth_token:ocsf",
    "ecs": "cisco:intersight:oauth_token:ecs",
}
REPORTS: Final = "cisco:intersight:oauth_token:snapshot"
LAYOUT: Final = "%Y-%m-%dT%H:%M:%S.%LZ"
TOKENS: Final = "oauth2client"


def render(deployment: Deployment, form: str = FORMS[0]) -> str:
    """The configuration, as `otelcol-contrib --config` takes it."""
    deployment.with_hostnames("otel")
    if deployment.tls and deployment.tls.key_password:
        raise Misconfigured(
            "kafka.ssl_key_password is given; otel's TLS settings have no place for a key's password",
            hint="give the collector a key that is not encrypted, readable by it alone",
        )
    feeds = {"events": deployment.events_as(form), "snapshots": deployment.reports_as_json(form)}
    tree = _tree(deployment, feeds, form, {"events": SOURCETYPES[form], "snapshots": REPORTS})
    body = yaml_text((), tree)
    return yaml_text(opening(f"otel --form {form}", feeds.values(), body, committed=False), tree)


def _tree(deployment: Deployment, feeds: dict[str, Feed], form: str, sourcetypes: dict[str, str]) -> dict[str, Any]:
    receivers = {
        kind: {
            f"kafka/{kind}_{number}": _receiver(deployment, f"{form}-{kind}", topic)
            for number, topic in enumerate(feed.topics)
        }
        for kind, feed in feeds.items()
    }
    tokens = _extension(deployment.sasl)
    return given(
        extensions=tokens,
        receivers={name: one for named in receivers.values() for name, one in named.items()},
        processors={f"transform/{kind}": _timed(feed.form) for kind, feed in feeds.items()},
        exporters={f"splunk_hec/{kind}": _exporter(sourcetypes[kind]) for kind in feeds},
        service=given(
            extensions=list(tokens) if tokens else None,
            pipelines={
                f"logs/{kind}": {
                    "receivers": list(receivers[kind]),
                    "processors": [f"transform/{kind}"],
                    "exporters": [f"splunk_hec/{kind}"],
                }
                for kind in feeds
            },
        ),
    )


def _receiver(deployment: Deployment, reads: str, topic: str) -> dict[str, Any]:
    tls = deployment.tls
    files = None if tls is None else given(ca_file=tls.ca, cert_file=tls.cert, key_file=tls.key)
    return given(
        brokers=list(deployment.brokers),
        group_id=deployment.group(f"otel-{reads}"),
        client_id="otel-collector",
        initial_offset="earliest",
        logs={"topics": [topic], "encoding": "json"},
        max_partition_fetch_size=4 * 2**20,
        max_fetch_size=16 * 2**20,
        message_marking={"after": True, "on_error": False},
        error_backoff={"enabled": True, "initial_interval": "1s", "max_interval": "30s", "max_elapsed_time": "0s"},
        tls=None if files is None else {name: literal(path, "otel", doubles=True) for name, path in files.items()},
        auth=deployment.sasl and {"sasl": _sasl(deployment.sasl)},
    )


def _sasl(sasl: Sasl) -> dict[str, str]:
    if sasl.bearer:
        return {"mechanism": "OAUTHBEARER", "oauthbearer_token_source": TOKENS}
    return {
        "mechanism": sasl.mechanism,
        "username": literal(sasl.username, "otel", doubles=True),
        "password": f"${{env:{KAFKA_PASSWORD}}}",
    }


def _extension(sasl: Sasl | None) -> dict[str, Any] | None:
    if sasl is None or not sasl.bearer:
        return None
    return {
        TOKENS: given(
            client_id=literal(sasl.client_id, "otel", doubles=True),
            client_secret=f"${{env:{KAFKA_CLIENT_SECRET}}}",
            token_url=sasl.token_url,
            scopes=[literal(sasl.scope, "otel", doubles=True)] if sasl.scope else None,
        )
    }


def _timed(form: Form) -> dict[str, Any]:
    """The event's own time: text is parsed as UTC, a number is milliseconds."""
    statement = f'set(time_unix_nano, Int(body["{form.time}"]) * 1000000)'
    if form.time_is_text:
        statement = f'set(time, Time(body["{form.time}"], "{LAYOUT}", "UTC"))'
    return {"error_mode": "ignore", "log_statements": [{"context": "log", "statements": [statement]}]}


def _exporter(sourcetype: str) -> dict[str, Any]:
    return {
        "endpoint": "${env:SPLUNK_HEC_URL}/services/collector/event",
        "token": "${env:SPLUNK_HEC_TOKEN}",
        "source": "streamer",
        "sourcetype": sourcetype,
        "sending_queue": {"enabled": False},
    }
