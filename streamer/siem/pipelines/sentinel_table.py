"""Microsoft Sentinel's side of `logstash --to sentinel`: tables and data collection rule, as one ARM template; JSON.

Columns come from the `.avsc` files: a top-level field is one, records and arrays are `dynamic`. Microsoft's output
plugin sends Logstash's `@timestamp` as `ls_timestamp`, which the rule makes `TimeGenerated`.

Question: Logstash decodes Avro's instants as integers; what is in the table? Choice: the rule counts them from 1970
(`datetime_add`, which transformations know), so that a column has one type whatever the wire. JSON's are texts that are
read as they come.

Question: an endpoint beside? Choice: a rule of kind `Direct`, which brings its own; what Logstash must know of it are
the template's outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from streamer.siem.deployment import SCHEMAS, Deployment
from streamer.siem.pipelines.logstash import STREAMS
from streamer.wire.avsc import schema_json

NAME: Final = "sentinel-table"
RULE: Final = "cisco-intersight-oauth-token"
WORKSPACE: Final = "parameters('workspace')"
RESOURCE: Final = f"resourceId('Microsoft.Insights/dataCollectionRules', '{RULE}')"
EPOCH: Final = "datetime(1970-01-01)"
INSTANT: Final = "datetime"
TYPES: Final = {"string": "string", "long": "long", "boolean": "boolean"}
NOTES: Final = (
    "Made for `streamer siem logstash --to sentinel` (--form json). Deploy it once:",
    "  az deployment group create --resource-group GROUP --template-file sentinel.json --parameters workspace=NAME",
    "Its outputs are AZURE_DATA_COLLECTION_ENDPOINT and AZURE_DCR_IMMUTABLE_ID.",
    "The application of AZURE_CLIENT_ID needs the role Monitoring Metrics Publisher on the rule.",
)


def render(deployment: Deployment) -> str:
    """The template, as `az deployment group create` takes it."""
    tables = {kind: _columns(SCHEMAS[kind]) for kind in STREAMS}
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "workspace": {"type": "string", "metadata": {"description": "Name of the Log Analytics workspace."}},
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        },
        "resources": [*(_table(kind, columns) for kind, columns in tables.items()), _rule(deployment, tables)],
        "outputs": {
            "AZURE_DATA_COLLECTION_ENDPOINT": _output("endpoints.logsIngestion"),
            "AZURE_DCR_IMMUTABLE_ID": _output("immutableId"),
        },
    }
    return json.dumps(template, indent=2) + "\n"


def notes(_: Deployment, __: str) -> list[str]:
    """What to do with it."""
    return list(NOTES)


def table_of(kind: str) -> str:
    """The table that a stream's records come to."""
    return f"{STREAMS[kind].removeprefix('Custom-')}_CL"


def _columns(schema: str) -> dict[str, str]:
    return {field["name"]: _type(field["type"]) for field in schema_json(schema)["fields"]}


def _type(schema: Any) -> str:
    if isinstance(schema, list):
        return _type(next(part for part in schema if part != "null"))
    if isinstance(schema, str):
        return TYPES.get(schema, "dynamic")
    return INSTANT if schema.get("logicalType") == "timestamp-millis" else "dynamic"


def _listed(columns: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in columns.items()]


def _table(kind: str, columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "Microsoft.OperationalInsights/workspaces/tables",
        "apiVersion": "2022-10-01",
        "name": f"[concat({WORKSPACE}, '/{table_of(kind)}')]",
        "properties": {"schema": {"name": table_of(kind), "columns": _listed({"TimeGenerated": INSTANT, **columns})}},
    }


def _rule(deployment: Deployment, tables: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Streams as Logstash sends them, flows that make them what the tables have."""
    counted = deployment.encoding != "json"
    streams, flows = {}, []
    for kind, columns in tables.items():
        sent = {name: "long" if counted and of == INSTANT else of for name, of in columns.items()}
        streams[STREAMS[kind]] = {"columns": _listed({"ls_timestamp": INSTANT, **sent})}
        made = {"TimeGenerated": "ls_timestamp"}
        if counted:
            instants = [name for name, of in columns.items() if of == INSTANT]
            made |= {name: f"datetime_add('millisecond', {name}, {EPOCH})" for name in instants}
        steps = ", ".join(f"{name} = {expression}" for name, expression in made.items())
        flows.append(
            {
                "streams": [STREAMS[kind]],
                "destinations": ["workspace"],
                "transformKql": f"source | extend {steps} | project-away ls_timestamp",
                "outputStream": f"Custom-{table_of(kind)}",
            }
        )
    workspace = f"[resourceId('Microsoft.OperationalInsights/workspaces', {WORKSPACE})]"
    table = "Microsoft.OperationalInsights/workspaces/tables"
    return {
        "type": "Microsoft.Insights/dataCollectionRules",
        "apiVersion": "2023-03-11",
        "name": RULE,
        "location": "[parameters('location')]",
        "kind": "Direct",
        "dependsOn": [f"[resourceId('{table}', {WORKSPACE}, '{table_of(kind)}')]" for kind in tables],
        "properties": {
            "streamDeclarations": streams,
            "destinations": {"logAnalytics": [{"name": "workspace", "workspaceResourceId": workspace}]},
            "dataFlows": flows,
        },
    }


def _output(what: str) -> dict[str, str]:
    return {"type": "string", "value": f"[reference({RESOURCE}, '2023-03-11').{what}]"}
