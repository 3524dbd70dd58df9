"""Fluent Bit to Elasticsearch or OpenSearch; its YAML form.

It decodes no Avro, so it reads JSON topics. Its input wraps each value as `payload`, which `nest` lifts out; a parser
then takes the record's time from the event's own.

Question: why not Lua, which could do both? Lua has one kind of empty table, and Fluent Bit turns an empty array into
an empty object on the way back: Elasticsearch would refuse every token without owners.

OCSF's time is a number, which a parser of text cannot take: there Fluent Bit's own time stays, and `time` in the event.
"""

from __future__ import annotations

from typing import Any, Final

from streamer.siem.deployment import Deployment, Feed
from streamer.siem.pipelines import librdkafka
from streamer.siem.pipelines.opening import opening
from streamer.siem.pipelines.writing import literal, yaml_text

NAME: Final = "fluent-bit"
FORMS: Final = ("json", "ecs", "ocsf")
TO: Final = ("elasticsearch", "opensearch")
PARSER: Final = {
    "name": "streamer_time",
    "format": "regex",
    "regex": "^(?<time>[^ ]+)$",
    "time_key": "time",
    "time_format": "%Y-%m-%dT%H:%M:%S.%LZ",
    "time_keep": "off",
}


def render(deployment: Deployment, to: str = TO[0], form: str = FORMS[0]) -> str:
    """The configuration, as `fluent-bit -c` takes it."""
    feeds = {"events": deployment.events_as(form), "snapshots": deployment.reports_as_json(form)}
    indices = {kind: deployment.index(kind) for kind in feeds}
    if form != "json":
        indices["events"] = deployment.index(form)
    tree = {
        "parsers": [PARSER],
        "pipeline": {
            "inputs": [_input(deployment, feed, kind, form) for kind, feed in feeds.items()],
            "filters": [one for kind, feed in feeds.items() for one in _filters(feed, kind)],
            "outputs": [_output(feed, kind, indices[kind], to) for kind, feed in feeds.items()],
        },
    }
    lines = opening(f"{NAME} --to {to} --form {form}", feeds.values(), yaml_text((), tree))
    return yaml_text([*lines, *librdkafka.notes(deployment)], tree)


def _input(deployment: Deployment, feed: Feed, kind: str, form: str) -> dict[str, Any]:
    settings = librdkafka.settings(deployment, lambda name: librdkafka.Reference(f"${{{name}}}"))
    return {
        "name": "kafka",
        "tag": f"streamer.{kind}",
        "brokers": ",".join(deployment.brokers),
        "topics": ",".join(feed.topics),
        "group_id": deployment.group(f"{NAME}-{form}-{kind}"),
        "format": "json",
        "buffer_max_size": "4M",
        **{
            f"rdkafka.{name}": str(value) if isinstance(value, librdkafka.Reference) else literal(value, NAME)
            for name, value in settings.items()
        },
    }


def _filters(feed: Feed, kind: str) -> list[dict[str, Any]]:
    match = f"streamer.{kind}"
    found: list[dict[str, Any]] = [
        {"name": "nest", "match": match, "operation": "lift", "nested_under": "payload"},
        {"name": "record_modifier", "match": match, "remove_key": ["topic", "partition", "offset", "error", "key"]},
    ]
    if feed.form.time_is_text:
        found.append(
            {
                "name": "parser",
                "match": match,
                "key_name": feed.form.time,
                "parser": PARSER["name"],
                "reserve_data": "on",
                "preserve_key": "on",
            }
        )
    return found


def _output(feed: Feed, kind: str, index: str, to: str) -> dict[str, Any]:
    name = to.upper()
    step, *steps = feed.form.identity.split(".")
    return {
        "name": "es" if to == "elasticsearch" else "opensearch",
        "match": f"streamer.{kind}",
        "host": f"${{{name}_HOST}}",
        "port": f"${{{name}_PORT}}",
        "tls": "on",
        "http_user": f"${{{name}_USER}}",
        "http_passwd": f"${{{name}_PASSWORD}}",
        "index": index,
        "suppress_type_name": "on",
        "id_key": f"${step}" + "".join(f"['{one}']" for one in steps) if steps else step,
        "write_operation": "index",
        "retry_limit": "no_limits",
    }
