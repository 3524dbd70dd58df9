"""A real Flink SQL client with a small cluster of its own in one process: jars from Maven, statements from a file.

Question: why not Flink's distribution? It is in no package registry but PyPI, with a Python that we do not need
around it, 880 MB; its jars one by one are a quarter of that.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.services import jvm
from tests.services.kafka import LOG4J, LOG4J2

FLINK = "2.3.0"
CONNECTOR = "5.0.0-2.2"
JAVA_AT_LEAST = 17
LIMIT_S = 240  # 12 s on an idle machine

MODULES = ("clients", "connector-files", "json", "python", "sql-avro-confluent-registry", "sql-client", "sql-gateway")
ARTIFACTS = {
    **{f"org.apache.flink:flink-{module}": FLINK for module in (*MODULES, "table-planner_2.12", "table-runtime")},
    "org.apache.flink:flink-sql-connector-kafka": CONNECTOR,
    "org.apache.logging.log4j:log4j-slf4j-impl": LOG4J,
}
OPENED = ("io", "lang", "net", "nio", "text", "time", "util", "util.concurrent", "util.concurrent.atomic")

SETTINGS = """
SET 'execution.target' = 'local';
SET 'table.dml-sync' = 'true';
SET 'parallelism.default' = '1';
"""


def installed() -> Path:
    """The folder of the jars, fetched once; `Missing` if this machine cannot have or run them."""
    jvm.java(JAVA_AT_LEAST)
    return jvm.fetched(f"flink-{FLINK}-{CONNECTOR}", lambda folder: jvm.copy_jars(folder, ARTIFACTS))


def into_file(name: str, folder: Path, query: str) -> str:
    """A statement that writes the rows of a query as JSON lines; `rows` reads them."""
    options = f"'connector' = 'filesystem', 'path' = '{(folder / name).as_uri()}', 'format' = 'json'"
    return f"CREATE TABLE `{name}` WITH ({options}) AS {query};\n"


def rows(name: str, folder: Path) -> Iterator[dict[str, Any]]:
    """The rows that were written."""
    for file in (folder / name).rglob("part-*"):
        yield from (json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line)


def into_words(name: str, query: str) -> str:
    """A statement that prints each change of a query's one number; `last_of` reads them."""
    return f"CREATE TABLE `{name}` WITH ('connector' = 'print', 'print-identifier' = '{name}') AS {query};\n"


def last_of(name: str, said: str) -> int | None:
    """The number that a query came to, None if it had none or its row went again."""
    changes = re.findall(rf"^{name}> (\+I|-U|\+U|-D)\[(\d+)\]$", said, re.MULTILINE)
    return int(changes[-1][1]) if changes and changes[-1][0] in {"+I", "+U"} else None


async def run(statements: str, folder: Path) -> str:
    """Run statements, each to its end, in an empty folder; what the client said.

    Raises:
        AssertionError: one of them failed.
    """
    (folder / "conf").mkdir()
    (folder / "conf" / "config.yaml").write_text("execution:\n  target: local\n")
    (folder / "log4j2.xml").write_text(LOG4J2)
    (script := folder / "statements.sql").write_text(SETTINGS + statements, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(jvm.java(JAVA_AT_LEAST), "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED),
        *("-Dlog4j2.configurationFile=log4j2.xml", "-cp", f"{installed()}/*"),
        *("org.apache.flink.table.client.SqlClient", "embedded", "-f", str(script)),
        cwd=folder,
        env={**os.environ, "FLINK_CONF_DIR": str(folder / "conf")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=jvm.die_with_parent(),
    )
    said, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    text = said.decode(errors="replace")
    assert process.returncode == 0, text[-3000:]
    assert "[ERROR]" not in text, text[-3000:]
    return text
