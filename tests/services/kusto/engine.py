"""The child that runs KQL: a job a line comes in, its rows or what is wrong with it go out a line."""

from __future__ import annotations

import json
import sys
from typing import Any

import duckdb_kql

TYPES = {"string": "VARCHAR", "long": "BIGINT", "bool": "BOOLEAN", "datetime": "TIMESTAMP", "dynamic": "JSON"}


def run(job: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a query over tables that hold these rows."""
    base = duckdb_kql.connect()
    for name, columns in job["tables"].items():
        listed = ", ".join(f'"{column}" {TYPES[kind]}' for column, kind in columns.items())
        base.execute(f"CREATE TABLE {name} ({listed})")
        if rows := job["rows"].get(name):
            places = ", ".join("?" for _ in columns)
            base.executemany(f"INSERT INTO {name} VALUES ({places})", [_values(row, columns) for row in rows])
    found = duckdb_kql.query(base, job["query"])
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def _values(row: dict[str, Any], columns: dict[str, str]) -> list[Any]:
    return [
        json.dumps(row[name]) if kind == "dynamic" and row[name] is not None else row[name]
        for name, kind in columns.items()
    ]


for line in sys.stdin:
    try:
        answer: dict[str, Any] = {"rows": run(json.loads(line))}
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, default=str), flush=True)
