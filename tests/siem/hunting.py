"""Where the rules are run: converted to SQL by the published backend, over recorded lines in a table of SQLite.

No evaluator of ours: what a rule means is said by pySigma and its SQLite backend alone. A line becomes a row, its
nested names dotted as Sigma names them; an array is its JSON text: `contains` finds a value in it as it does in a SIEM.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from streamer.siem import detections
from tests.siem.published import flat

TABLE: Final = "logs"
TIMES: Final = {"intersight.oauth_token": "@timestamp", "intersight.oauth_token_snapshots": "finished_at"}

Line = Mapping[str, Any]


def shipped() -> Mapping[str, str]:
    """All files, of a deployment with the usual names and an interval of a minute."""
    prefix = "cisco.intersight.oauth-token"
    return detections.rules(events=f"{prefix}.ecs", reports=f"{prefix}.snapshots", interval_s=60)


def sources() -> dict[str, str]:
    """The Sigma files: name -> text."""
    return {name: text for name, text in shipped().items() if name.endswith(".yml")}


def parsed(text: str) -> SigmaCollection:
    """One file's rules; pySigma's own errors are raised."""
    return SigmaCollection.from_yaml(text)


def correlations() -> dict[str, SigmaCorrelationRule]:
    """The rules that correlate others, by the stem of their file's name."""
    return {
        name.removesuffix(".yml"): rule
        for name, text in sources().items()
        for rule in parsed(text).rules
        if isinstance(rule, SigmaCorrelationRule)
    }


def service(collection: SigmaCollection, title: str) -> str:
    """The log source that a rule speaks of, itself or through the rule before it, which it correlates."""
    places = [rule.title for rule in collection.rules]
    until = collection.rules[: places.index(title) + 1]
    return next(str(rule.logsource.service) for rule in reversed(until) if isinstance(rule, SigmaRule))


def fires(title: str, lines: Mapping[str, Sequence[Line]]) -> list[dict[str, Any]]:
    """What the shipped rule of that title finds in the lines of its log source; `lines` by service."""
    return run(next(text for text in sources().values() if f"title: {title}\n" in text), title, lines)


def run(text: str, title: str, lines: Mapping[str, Sequence[Line]]) -> list[dict[str, Any]]:
    """The same for a file's text, as an operator may have edited it."""
    collection = parsed(text)
    kind = service(collection, title)
    sqliteBackend(timestamp_field=TIMES[kind]).convert(collection)
    (sql,) = next(rule for rule in collection.rules if rule.title == title).get_conversion_result()
    with closing(sqlite3.connect(":memory:")) as base:
        _fill(base, [_row(line) for line in lines[kind]], mentioned=sql)
        cursor = base.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _fill(base: sqlite3.Connection, rows: list[dict[str, Any]], *, mentioned: str) -> None:
    """One column for every name in a row, and for those that only the query knows: a SIEM's missing field."""
    quoted = {part for number, part in enumerate(mentioned.split("`")) if number % 2}
    names = sorted({name for row in rows for name in row} | {n for n in quoted if "." in n or n.startswith("@")})
    listed = ", ".join(f'"{name}"' for name in names)
    base.execute(f"CREATE TABLE {TABLE} ({listed})")
    places = ", ".join("?" for _ in names)
    base.executemany(f"INSERT INTO {TABLE} VALUES ({places})", ([row.get(name) for name in names] for row in rows))


def _row(line: Line) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in flat(line)}


def alerts() -> Iterator[str]:
    """The titles of all rules that alert by themselves."""
    for text in sources().values():
        yield from (rule.title for rule in parsed(text).rules if not rule._backreferences)
