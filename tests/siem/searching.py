"""Where the searches that Sigma cannot say are run: each command is a SELECT over what the one before left, in SQLite.

Neither Splunk's nor Elastic's engine is in a package registry. What a command does is therefore said here, once for
each of the few that our searches use: filter, compute, group. Expressions are handed to SQLite as they are written,
with the functions of the language beside it; what is not known there is an error. ES|QL is cut up by Elastic's grammar,
SPL by its bars: for Splunk's language there is no grammar to be had.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

from tests.siem import esql
from tests.siem.esql import Stage

Row = Mapping[str, Any]

_AGGREGATE: Final = re.compile(r"(\w+)\((\w+)\) AS (\w+)")
_SPL_COMMENT: Final = re.compile(r"```.*?```", re.DOTALL)


class Latest:
    """SPL's `latest`: the value of the newest row that has one; rows are kept in the order of their time."""

    def __init__(self) -> None:
        self.value: Any = None

    def step(self, value: Any) -> None:
        """One row more."""
        self.value = self.value if value is None else value

    def finalize(self) -> Any:
        """What it was."""
        return self.value


def ms(text: str) -> int:
    """An instant of our JSON form in ms."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def by_esql(query: str, lines: Iterable[Row], now_ms: int) -> list[dict[str, Any]]:
    """What an ES|QL search finds in documents, whose instants are dates as the index template says."""
    rows = [{name: ms(value) if _is_instant(value) else value for name, value in line.items()} for line in lines]
    functions: dict[str, tuple[int, Callable[..., Any]]] = {
        "NOW": (0, lambda: now_ms),
        "DATE_DIFF": (3, lambda unit, a, b: None if a is None else (b - a) // esql.MS[unit.removesuffix("s")]),
    }
    first, *then = esql.stages(query)
    assert first.name == "from"
    return _run([Stage(s.name, [esql.as_sql(part) for part in s.parts], s.groups) for s in then], rows, functions)


def by_spl(query: str, lines: Iterable[Row], now_ms: int, sourcetype: str) -> list[dict[str, Any]]:
    """What an SPL search finds in events of a source type; `intersight_source` is what props.conf makes of `source`."""
    rows = [{**line, "intersight_source": line["source"], "sourcetype": sourcetype} for line in lines]
    functions: dict[str, tuple[int, Callable[..., Any]]] = {
        "now": (0, lambda: now_ms / 1000),
        "strptime": (2, _strptime),
        "spl_isnull": (1, lambda value: value is None),
    }
    return _run(list(_spl_stages(query)), rows, functions)


def _is_instant(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value))


def _strptime(text: str, layout: str) -> float:
    """Splunk's: `%3N` are the milliseconds."""
    return datetime.strptime(text, layout.replace("%3N", "%f").replace("%Z", "Z")).replace(tzinfo=UTC).timestamp()


def _spl_stages(query: str) -> Iterable[Stage]:
    search, *commands = (part.strip() for part in _SPL_COMMENT.sub("", query).split("|"))
    yield Stage("where", [search.replace('"', "'")])
    for command in commands:
        name, _, rest = command.partition(" ")
        rest = re.sub(r"\bif\(", "iif(", rest.replace("null()", "NULL").replace("isnull(", "spl_isnull("))
        rest = rest.replace('"', "'")
        if name == "stats":
            computed, _, groups = rest.partition(" BY ")
            found = _AGGREGATE.findall(computed)
            assert " ".join(f"{f}({x}) AS {made}" for f, x, made in found) == computed
            inner = [f"{made} = {'count(DISTINCT' if f == 'dc' else f + '('} {x})" for f, x, made in found]
            yield Stage(name, inner, groups.split())
        else:
            yield Stage(name, [rest])


def _select(stage: Stage, before: str) -> str:
    named = [part.partition("=")[::2] for part in stage.parts]
    computed = ", ".join(f"{inner} AS {name}" for name, inner in named)
    match stage.name:
        case "where":
            return f"SELECT * FROM ({before}) WHERE {stage.parts[0]}"
        case "eval":
            return f"SELECT *, {computed} FROM ({before})"
        case "stats":
            groups = ", ".join(stage.groups)
            return f"SELECT {groups}, {computed} FROM ({before}) GROUP BY {groups}"
    raise AssertionError(f"{stage.name} is no command of ours")


def _run(
    commands: Sequence[Stage], rows: Sequence[Row], functions: Mapping[str, tuple[int, Callable[..., Any]]]
) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(":memory:")) as base:
        for name, (count, function) in functions.items():
            base.create_function(name, count, function)
        base.create_aggregate("latest", 1, Latest)
        names = sorted({name for row in rows for name, value in row.items() if not isinstance(value, dict | list)})
        base.execute(f"CREATE TABLE lines ({', '.join(names)})")
        values = ([row.get(name) for name in names] for row in rows)
        base.executemany(f"INSERT INTO lines VALUES ({', '.join('?' for _ in names)})", values)
        query = "SELECT * FROM lines"
        for command in commands:
            query = _select(command, query)
        cursor = base.execute(query)
        titles = [column[0] for column in cursor.description]
        return [dict(zip(titles, found, strict=True)) for found in cursor]
