"""Tokens as a list: for a person a table, for programs JSON, lines of JSON, or CSV.

The names in it are chosen by whoever may be attacking. In a table and in CSV every letter that does not print is shown
as an escape; JSON has escapes of its own for what could end a line or move a cursor, and there values are exact.

Question: `=cmd|...` as a client's name, in a CSV that a spreadsheet opens. Choice: an apostrophe before whatever a
spreadsheet would take for a formula, at the beginning of a cell and after a semicolon, which half of the world's
spreadsheets take for the end of a cell. CSV is for spreadsheets; a program that wants the exact value reads JSON.
Rejected: to write it as it is and leave the danger to who opens it; to leave the token out.

Question: an answer that ends early. Choice: a JSON array is closed only if it is the whole answer: no parser takes half
of it for all. The other forms have no end, and the exit status tells.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from rich.console import Console

from streamer import avro
from streamer.output import lines, table
from streamer.output.printable import printable
from streamer.output.stdout import put
from streamer.output.table import Column
from streamer.tokens import TOKEN_FIELDS, Token
from streamer.wire import jsonform
from streamer.wire.jsonform import rfc3339

OUTPUTS: Final = ("table", "json", "ndjson", "csv")
COLUMNS: Final = (
    Column("moid", whole=True),
    Column("client"),
    Column("user", whole=True, spare=3),
    Column("address", whole=True, spare=1),
    Column("created", whole=True, spare=2),
    Column("expires", whole=True),
)
SOURCE: Final = Column("source")
_FORMULA: Final = re.compile(r"(^|;)(\s*)(?=[=+\-@\uff0b\uff0d\uff1d\uff20])")  # wide signs too: a sheet reads them
_ACTS: Final = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")  # JSON itself escapes below 0x20


class Listing(Protocol):
    """Where tokens are listed."""

    def take(self, source: str, tokens: Iterable[Token]) -> None:
        """List these, of one source, behind those before."""

    def end(self, *, whole: bool) -> None:
        """Say that no more come; `whole` if none are missing."""


def listing(output: str, *, several: bool) -> Listing:
    """A list on standard output; `several` if it tells each token's source."""
    match output:
        case "json":
            return _Array(several=several)
        case "ndjson":
            return _Lines(lambda source, token: json_line(_named(source, avro.token_form(token), several=several)))
        case "csv":
            names = [*(["source"] if several else []), *TOKEN_FIELDS]
            put([",".join(names).encode()])  # also of an empty list
            return _Lines(lambda source, token: _cells(_named(source, avro.token_form(token), several=several)))
        case _:
            heading = "\t".join(column.name for column in _shown(several=several)).encode()
            return _Table(several=several) if sys.stdout.isatty() else _Lines(_tabbed(several=several), [heading])


def json_line(value: Any) -> bytes:
    """A value as one line of JSON in which nothing acts on a terminal that it is shown on; what it says is the same."""
    text = jsonform.line(value).decode()
    return _ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def _named(source: str, form: dict[str, Any], *, several: bool) -> dict[str, Any]:
    return {"source": source, **form} if several else form


class _Array:
    """One JSON array, an element a line, written as it comes."""

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._last: bytes | None = None  # written once it is known whether a comma follows

    def take(self, source: str, tokens: Iterable[Token]) -> None:
        made = [json_line(_named(source, avro.token_form(token), several=self._several)) for token in tokens]
        if made:
            put([b"[" if self._last is None else self._last + b",", *(line + b"," for line in made[:-1])])
            self._last = made[-1]

    def end(self, *, whole: bool) -> None:
        if self._last is None:
            put([b"[]" if whole else b"["])
        else:
            put([self._last, *([b"]"] if whole else [])])


class _Lines:
    """A line for each token, below a heading if there is one."""

    def __init__(self, form: Callable[[str, Token], bytes], heading: Iterable[bytes] = ()) -> None:
        self._form = form
        self._heading = [*heading]  # until there is a token

    def take(self, source: str, tokens: Iterable[Token]) -> None:
        if made := [self._form(source, token) for token in tokens]:
            put([*self._heading, *made])
            self._heading.clear()

    def end(self, *, whole: bool) -> None:
        pass


def _cells(form: dict[str, Any]) -> bytes:
    """A line of CSV; lists are JSON."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([_cell(value) for value in form.values()])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return _FORMULA.sub(r"\1\2'", printable(value if isinstance(value, str) else jsonform.line(value).decode()))


def _shown(*, several: bool) -> list[Column]:
    """The columns for a person."""
    return [*([SOURCE] if several else []), *COLUMNS]


def _columns(source: str, token: Token, moment: Callable[[int], str], *, several: bool) -> list[str]:
    """A token for a person; all of it printable."""
    times = [None if ms is None else moment(ms) for ms in (token.create_time, token.expiration_time)]
    texts = [token.moid, token.client_name or token.client_id, token.user_moid, token.client_ip_address, *times]
    return [*([source] if several else []), *(printable(text or "") for text in texts)]


def _tabbed(*, several: bool) -> Callable[[str, Token], bytes]:
    return lambda source, token: "\t".join(_columns(source, token, rfc3339, several=several)).encode()


class _Table:
    """A table on the terminal; its columns are as wide as what stands in them, so it is shown at the end."""

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._rows: list[list[str]] = []

    def take(self, source: str, tokens: Iterable[Token]) -> None:
        rows = (_columns(source, token, lines.moment, several=self._several) for token in tokens)
        self._rows += [[*map(lines.short, row)] for row in rows]

    def end(self, *, whole: bool) -> None:  # noqa: ARG002 - what there is can be shown; the error follows it
        if self._rows:
            table.show(Console(file=sys.stdout), _shown(several=self._several), self._rows)
