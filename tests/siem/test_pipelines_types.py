"""Columns and mappings: that every field of the records has a type, and one that its values fit."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from streamer.siem.forms import FORMS
from streamer.siem.pipelines.catalogue import PIPELINES
from streamer.wire import avsc
from tests.golden.siem.cases import CASES
from tests.siem.published import ECS, OURS
from tests.siem.renderings import SCRAM, deployment
from tests.siem.test_pipelines_values import EVENT_CASES, LARGEST_EVENT, REPORT_CASES, SCHEMAS, rendering


def flat(properties: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """Every field of a mapping by its path."""
    found: dict[str, dict[str, Any]] = {}
    for name, mapping in properties.items():
        found |= (
            flat(mapping["properties"], f"{prefix}{name}.") if "properties" in mapping else {prefix + name: mapping}
        )
    return found


def paths(value: Any, prefix: str = "") -> set[str]:
    """Every path of a JSON value that ends in something."""
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in paths(inner, f"{prefix}{key}.")}
    if isinstance(value, list):
        return {path for inner in value for path in paths(inner, prefix)}
    return set() if value is None else {prefix.rstrip(".")}


@pytest.mark.parametrize("case", EVENT_CASES + REPORT_CASES, ids=lambda case: case.name)
def test_every_field_has_a_type(case: Any) -> None:
    """No field of a record is left to guesses: each is mapped, and its value is of a kind that its type takes."""
    mapping = flat(rendering("elasticsearch-template")["template"]["mappings"]["properties"])

    assert paths(json.loads(case.json)) <= set(mapping)


@pytest.mark.parametrize("name", CASES)
def test_every_field_of_ecs_has_its_type(name: str) -> None:
    """Instants and addresses are what the published list says; of our own fields, all that the schema has are typed."""
    mapping = flat(rendering("elasticsearch-template", form="ecs")["template"]["mappings"]["properties"])
    found = paths(json.loads(FORMS["ecs"](CASES[name])))
    listed = {field: of["type"] for field, of in ECS["fields"].items() if of["type"] in {"date", "ip"}}
    ours = {field for field in found if field.startswith(OURS)}

    assert {field: mapping.get(field, {}).get("type") for field in found & listed.keys()} == {
        field: listed[field] for field in found & listed.keys()
    }
    assert ours - mapping.keys() <= {f"{OURS}login_elsewhere", f"{OURS}expiration_moved_s"}


def test_types_are_what_searches_need() -> None:
    """Instants are dates that take text and milliseconds; an address may be none; texts are bounded."""
    mapping = flat(rendering("elasticsearch-template")["template"]["mappings"]["properties"])
    dates = {name for name, one in mapping.items() if one["type"] == "date"}
    addresses = {name for name, one in mapping.items() if one["type"] == "ip"}

    assert {"@timestamp", "event_time", "detected_at", "after.create_time", "finished_at"} <= dates
    assert {name.rpartition(".")[2] for name in addresses} == {"client_ip_address", "last_login_client", "actor_ip"}
    assert all(mapping[name]["ignore_malformed"] for name in dates | addresses)
    assert {name for name, one in mapping.items() if one.get("copy_to") == "@timestamp"} == {
        "event_time",
        "finished_at",
    }
    assert all(
        one["ignore_above"] * 4 <= 32766 for one in mapping.values() if one["type"] == "keyword" and "index" not in one
    )
    assert mapping["sequence"]["type"] == "long"
    assert mapping["baseline"]["type"] == "boolean"


def test_the_schemas_do_not_contradict_each_other() -> None:
    """Events and reports share a template: a field of both has one type."""
    first, second = ({f["name"]: f["type"] for f in avsc.schema_json(name)["fields"]} for name in SCHEMAS.values())

    for name in first.keys() & second.keys():
        one, other = (kind[-1] if isinstance(kind, list) else kind for kind in (first[name], second[name]))
        assert one == other


def test_every_index_has_the_template() -> None:
    """Whatever index a collector writes our own form to is one of the template's."""
    patterns = rendering("elasticsearch-template")["index_patterns"]
    written = {options["index"] for _, options in rendering("logstash")["output"]}
    written |= {one["bulk"]["index"] for one in rendering("vector", to="opensearch")["sinks"].values()}
    written |= {one["index"] for one in rendering("filebeat", form="json")["filebeat.inputs"]}
    written |= {one["index"] for one in rendering("fluent-bit")["pipeline"]["outputs"]}
    for kafka in ({}, {"all_topic": True}, {"value_format": "avro"}):
        written |= set(rendering("kafka-connect-elasticsearch", kafka)["config"]["topics"].split(","))

    assert written <= set(patterns)


def test_every_index_of_ecs_has_the_template() -> None:
    """So is that of the ECS form, but for the data stream, which Elastic's own template is for."""
    patterns = rendering("elasticsearch-template", form="ecs")["index_patterns"]
    written = {options["index"] for _, options in rendering("logstash", to="opensearch", form="ecs")["output"]}
    written |= {one["index"] for one in rendering("fluent-bit", form="ecs")["pipeline"]["outputs"]}

    assert {index for index in written if not index.endswith(".snapshots")} == set(patterns)


@pytest.mark.parametrize(("value_format", "instant"), [("confluent", "TIMESTAMP(3)"), ("json", "TIMESTAMP_LTZ(3)")])
def test_flink_s_columns_are_the_schema_s_fields(value_format: str, instant: str) -> None:
    """Every field of the schema is a column, in order; what may be null may be null; instants fit the format."""
    text = PIPELINES["flink-sql"].render(deployment({"value_format": value_format}))
    tables = re.findall(r"CREATE TABLE `\w+` \(\n(.*?)\n\) WITH", text, re.DOTALL)

    for table, schema in zip(tables, SCHEMAS.values(), strict=True):
        columns = dict(re.findall(r"^  `(\w+)` (.*?),$", table, re.MULTILINE))
        fields = {field["name"]: field["type"] for field in avsc.schema_json(schema)["fields"]}
        assert list(columns) == list(fields)
        for name, kind in fields.items():
            assert columns[name].endswith(" NOT NULL") != (isinstance(kind, list))
        times = {name for name, column in columns.items() if column.startswith("TIMESTAMP")}
        assert all(columns[name].removesuffix(" NOT NULL") == instant for name in times)
        assert {"event_time", "finished_at"} & times


def test_flink_s_classes_are_the_renamed_ones() -> None:
    """Kafka's classes have other names inside Flink's connector; the plain ones would not be found."""
    jaas = rendering("flink-sql", {**SCRAM})["oauth_token_events"]["properties.sasl.jaas.config"]

    assert jaas.startswith("org.apache.flink.kafka.shaded.org.apache.kafka.common.security.scram.")


def test_rsyslog_takes_the_longest_event() -> None:
    """Its default of 8 KiB would cut an event in the middle of its JSON."""
    (size,) = rendering("rsyslog")["maxMessageSize"]

    assert int(size.removesuffix("m")) * 2**20 > LARGEST_EVENT


def test_syslog_headers_are_short_enough() -> None:
    """RFC 5424: a process id has at most 128 letters, a message id 32: the UUID stands in the former."""
    events, reports = (text for text in rendering("rsyslog")["string"] if text.startswith("<"))

    assert events.split()[4:6] == ["%$!event!event_id%", "%$!event!event_type%"]
    assert reports.split()[4:6] == ["%$!event!snapshot_id%", "%$!event!verdict%"]
