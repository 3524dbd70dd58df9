"""ES|QL as Elastic's own grammar reads it: what is wrong with a query, and its commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from antlr4 import CommonTokenStream, InputStream, ParseTreeWalker
from antlr4.error.ErrorListener import ErrorListener
from esql_parser.EsqlBaseLexer import EsqlBaseLexer
from esql_parser.EsqlBaseParser import EsqlBaseParser
from esql_parser.EsqlBaseParserListener import EsqlBaseParserListener

MS: Final = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}


@dataclass(frozen=True, slots=True)
class Stage:
    """One command: its name, what it computes, and what it groups by."""

    name: str
    parts: Sequence[str]
    groups: Sequence[str] = ()


class Refused(Exception):
    """The grammar does not take the query."""


class _Errors(ErrorListener):  # type: ignore[misc]
    def syntaxError(self, _recognizer: Any, _symbol: Any, line: int, column: int, message: str, _error: Any) -> None:  # noqa: N802
        raise Refused(f"line {line}, column {column}: {message}")


class _Commands(EsqlBaseParserListener):  # type: ignore[misc]
    """Listens while the tree is walked; a command that no search of ours uses has no listener, and so no stage."""

    def __init__(self) -> None:
        self.found: list[Stage] = []

    def enterFromCommand(self, tree: Any) -> None:  # noqa: N802
        self.found.append(Stage("from", [_text(part) for part in tree.indexPatternAndMetadataFields().indexPattern()]))

    def enterWhereCommand(self, tree: Any) -> None:  # noqa: N802
        self.found.append(Stage("where", [_text(tree.booleanExpression())]))

    def enterEvalCommand(self, tree: Any) -> None:  # noqa: N802
        self.found.append(Stage("eval", [_text(part) for part in tree.fields().field()]))

    def enterStatsCommand(self, tree: Any) -> None:  # noqa: N802
        groups = [_text(part) for part in tree.grouping.field()] if tree.grouping else []
        self.found.append(Stage("stats", [_text(part) for part in tree.stats.aggField()], groups))


def _text(tree: Any) -> str:
    return str(tree.start.getInputStream().getText(tree.start.start, tree.stop.stop))


def stages(query: str) -> list[Stage]:
    """The commands in their order.

    Raises:
        Refused: the vendor's grammar does not take it.
    """
    lexer = EsqlBaseLexer(InputStream(query))
    parser = EsqlBaseParser(CommonTokenStream(lexer))
    for each in (lexer, parser):
        each.removeErrorListeners()
        each.addErrorListener(_Errors())
    ParseTreeWalker().walk(listener := _Commands(), parser.singleStatement())
    return listener.found


def as_sql(expression: str) -> str:
    """An expression in SQLite's words: instants and spans are milliseconds, texts stand in single quotes."""
    told = re.sub(r"\b(\d+) (second|minute|hour|day)s?\b", lambda m: str(int(m[1]) * MS[m[2]]), expression)
    return re.sub(r"\bCASE\(", "iif(", told.replace('"', "'"))
