"""KQL without Azure: Microsoft's own reader of the language judges a query, and DuckDB runs it.

The reader is the one of Azure's query editors (npm `@kusto/language-service-next`, run by Node.js): it knows grammar,
functions and types, and the columns of the tables it is told of. `duckdb-kql` is another's work: it translates KQL,
read by Microsoft's grammar, to DuckDB's SQL, and was compared with Microsoft's engine by its author.

Question: why is the second in a folder of its own and not in the `test` extra? It asks for another patch release of the
ANTLR runtime than Elastic's grammar does, and pip will have only one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.services import jvm

HERE: Final = Path(__file__).parent
LOCKED: Final = ("package.json", "package-lock.json")
PACKAGES: Final = ("duckdb-kql==1.1.2", "duckdb==2.0.1", "pytz==2026.6")
LIMIT_S: Final = 60

Columns = Mapping[str, str]
Rows = Sequence[Mapping[str, Any]]


class Refused(Exception):
    """The engine does not run the query."""


def judge_installed() -> Path:
    """The folder of Microsoft's reader, fetched once; `Missing` if this machine cannot have or run it."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise jvm.Missing("This needs Node.js and npm: install `node` and `npm` (Debian: nodejs, npm).")
    digest = hashlib.sha256((HERE / LOCKED[1]).read_bytes()).hexdigest()
    return jvm.fetched(f"kusto-judge-{digest[:12]}", _npm)


def engine_installed() -> Path:
    """The folder of the engine's packages, fetched once for this Python."""
    name = f"kusto-engine-{PACKAGES[0].partition('==')[2]}-{sys.implementation.cache_tag}"
    return jvm.fetched(name, _pip)


def _npm(folder: Path) -> None:
    for name in LOCKED:
        shutil.copy(HERE / name, folder)
    _fetch(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)


def _pip(folder: Path) -> None:
    _fetch([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), *PACKAGES], folder)


def _fetch(command: list[str], folder: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=jvm.FETCH_LIMIT_S
    )
    if done.returncode != 0:
        raise jvm.Missing(f"{command[0]} could not fetch what reads KQL: {' '.join(done.stderr.split())[-400:]}")


def judged(folder: Path, jobs: Mapping[str, tuple[Mapping[str, Columns], str]]) -> dict[str, list[str]]:
    """What Microsoft's reader has against each query over its tables, by name; it takes seconds to start."""
    done = subprocess.run(
        ["node", HERE / "judge.js"],
        cwd=folder,
        input=json.dumps({name: {"tables": tables, "query": query} for name, (tables, query) in jobs.items()}),
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT_S,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


class Engine:
    """A running one; each job has tables of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, query: str, tables: Mapping[str, Columns], rows: Mapping[str, Rows]) -> list[dict[str, Any]]:
        """The rows that a query finds.

        Raises:
            Refused: it is not run, and why.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"query": query, "tables": tables, "rows": rows}), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise Refused(answer["error"])
        found: list[dict[str, Any]] = answer["rows"]
        return found


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """One for as long as the block lasts."""
    process = subprocess.Popen(
        [sys.executable, HERE / "engine.py"],
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=jvm.die_with_parent(),  # noqa: PLW1509 - one system call, no lock: safe between fork and exec
    )
    try:
        yield Engine(process)
    finally:
        process.kill()
        process.communicate()
