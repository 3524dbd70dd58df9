"""A Log Analytics workspace as `streamer siem sentinel-table` makes it: its tables, and our lines as rows of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from streamer.siem.pipelines import sentinel_table
from tests.services.kusto import Columns, Engine, Rows
from tests.siem.renderings import DEPLOYMENTS
from tests.siem.shapes import as_json, as_numbers

KINDS: Final = {"boolean": "bool"}  # a column's type in a template -> in KQL
EVENTS: Final = sentinel_table.table_of("events")
REPORTS: Final = sentinel_table.table_of("snapshots")
TIMES: Final = {EVENTS: "event_time", REPORTS: "finished_at"}
LACKING: Final = {  # functions of KQL that the engine does not know, said by those that it does
    "ipv4_is_in_range": """let ipv4_is_in_range = (address: string, network: string) {
        binary_shift_right(parse_ipv4(address), 32 - toint(split(network, "/")[1]))
            == binary_shift_right(parse_ipv4(tostring(split(network, "/")[0])), 32 - toint(split(network, "/")[1]))
    };
    """
}
TEMPLATE: Final = json.loads(sentinel_table.render(DEPLOYMENTS["plain"]))


def typed(columns: list[dict[str, str]]) -> Columns:
    """Columns of a template with KQL's types."""
    return {column["name"]: KINDS.get(column["type"], column["type"]) for column in columns}


def tables() -> dict[str, Columns]:
    """Those that the template makes."""
    schemas = (resource["properties"].get("schema") for resource in TEMPLATE["resources"])
    return {schema["name"]: typed(schema["columns"]) for schema in schemas if schema}


def flows() -> Iterator[tuple[str, Columns, str]]:
    """Each transformation of the rule: its stream, the stream's columns, and the query over `source`."""
    rule = TEMPLATE["resources"][-1]["properties"]
    for flow in rule["dataFlows"]:
        (stream,) = flow["streams"]
        yield stream, typed(rule["streamDeclarations"][stream]["columns"]), flow["transformKql"]


def rows_of(engine: Engine, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows that recorded events become: as Logstash sends what it read as Avro, and through the transformation.

    Instants of a column are RFC 3339; those within a record stay the numbers that Logstash makes of them.
    """
    _, columns, query = next(flow for flow in flows() if "event_type" in flow[1])
    sent = [{**as_numbers(each), "ls_timestamp": as_json(each["event_time"]).rstrip("Z")} for each in records]
    found = engine.run(query, {"source": columns}, {"source": sent})
    return [{name: _told(row[name], kind) for name, kind in tables()[EVENTS].items()} for row in found]


def _told(value: Any, kind: str) -> Any:
    if value is None or kind not in {"datetime", "dynamic"}:
        return value
    return json.loads(value) if kind == "dynamic" else as_json(datetime.fromisoformat(value).replace(tzinfo=UTC))


def at(query: str, now_ms: int) -> str:
    """The query as it is asked at that moment: the clock is an argument."""
    now = f"datetime({datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec='milliseconds')[:23]}Z)"
    return re.sub(r"\bago\((\w+)\)", rf"({now} - \1)", query).replace("now()", now)


def found(engine: Engine, query: str, events: Rows, reports: Rows) -> list[dict[str, Any]]:
    """What a query finds in a workspace with these lines; an instant has no zone there, it is UTC."""
    rows = {EVENTS: events, REPORTS: reports}
    said = "".join(text for name, text in LACKING.items() if name in query) + query
    return engine.run(said, tables(), {name: [_row(line, name) for line in of] for name, of in rows.items()})


def _row(line: Mapping[str, Any], table: str) -> dict[str, Any]:
    told = {**line, "TimeGenerated": line[TIMES[table]]}
    instants = {name for name, kind in tables()[table].items() if kind == "datetime" and told[name]}
    return {name: value.rstrip("Z") if name in instants else value for name, value in told.items()}
