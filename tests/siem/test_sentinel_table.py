"""The template for Microsoft Sentinel: what it declares is what Logstash sends and what the schemas have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.siem.deployment import SCHEMAS
from streamer.siem.pipelines import logstash, sentinel_table
from streamer.wire.avsc import schema_json
from tests.siem.renderings import deployment


def parts(encoding: str) -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """The columns of each table, and the rule's properties."""
    template = json.loads(sentinel_table.render(deployment({"value_format": encoding})))
    *tables, rule = template["resources"]
    return {t["properties"]["schema"]["name"]: columns(t["properties"]["schema"]) for t in tables}, rule["properties"]


def columns(of: dict[str, Any]) -> dict[str, str]:
    """Name -> type."""
    return {column["name"]: column["type"] for column in of["columns"]}


@pytest.mark.parametrize("kind", logstash.STREAMS)
@pytest.mark.parametrize("encoding", ["confluent", "json"])
def test_every_field_is_a_column_and_every_stream_is_one_that_logstash_sends(kind: str, encoding: str) -> None:
    """Nothing is left out or made up, and what the flow ends with is what the table has."""
    tables, rule = parts(encoding)
    text = logstash.render(deployment({"value_format": encoding}), "sentinel")
    fields = {field["name"] for field in schema_json(SCHEMAS[kind])["fields"]}
    stream, table = logstash.STREAMS[kind], sentinel_table.table_of(kind)
    (flow,) = (flow for flow in rule["dataFlows"] if flow["streams"] == [stream])

    assert f'dcr_stream_name => "{stream}"' in text
    assert tables[table].keys() == fields | {"TimeGenerated"}
    assert columns(rule["streamDeclarations"][stream]).keys() == fields | {"ls_timestamp"}
    assert flow["outputStream"] == f"Custom-{table}"
    assert flow["transformKql"].startswith("source | extend TimeGenerated = ls_timestamp")


def test_instants_are_instants_in_the_table_whatever_the_wire() -> None:
    """Integers are counted from 1970, each of them; texts are read as they come; lists and records are dynamic."""
    tables, counted = parts("confluent")
    _, read = parts("json")
    stream = logstash.STREAMS["events"]
    table = tables[sentinel_table.table_of("events")]
    instants = {name for name, kind in table.items() if kind == "datetime"} - {"TimeGenerated"}

    assert instants == {"detected_at", "event_time", "not_before", "not_after"}
    assert {columns(counted["streamDeclarations"][stream])[name] for name in instants} == {"long"}
    assert {columns(read["streamDeclarations"][stream])[name] for name in instants} == {"datetime"}
    for name in instants:
        step = f"{name} = datetime_add('millisecond', {name}, datetime(1970-01-01))"
        assert step in counted["dataFlows"][0]["transformKql"]
        assert step not in read["dataFlows"][0]["transformKql"]
    assert (table["sequence"], table["baseline"], table["moid"]) == ("long", "boolean", "string")
    assert {table[name] for name in ("before", "after", "user", "derived", "changed_fields", "delete_evidence")} == {
        "dynamic"
    }
