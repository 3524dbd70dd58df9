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

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamer import avro
from streamer.output import lines
from streamer.output.printable import printable
from streamer.output.stdout import put
from streamer.tokens import TOKEN_FIELDS, Token
from streamer.wire import jsonform
from streamer.wire.jsonform import rfc3339

OUTPUTS: Final = ("table", "json", "ndjson", "csv")
COLUMNS: Final = ("moid", "client", "address", "created", "expires")
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
            return _Lines(lambda source, token: _cells(_named(source, avro.token_form(token), several=several)), names)
        case _:
            return _Table(several=several) if sys.stdout.isatty() else _Lines(_tabbed(several=several))


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

    def __init__(self, form: Callable[[str, Token], bytes], heading: Iterable[str] = ()) -> None:
        self._form = form
        if heading:
            put([",".join(heading).encode()])

    def take(self, source: str, tokens: Iterable[Token]) -> None:
        put(self._form(source, token) for token in tokens)

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


def _columns(source: str, token: Token, *, several: bool) -> list[str]:
    """A token for a person; all of it printable."""
    times = [None if ms is None else rfc3339(ms) for ms in (token.create_time, token.expiration_time)]
    texts = [token.moid, token.client_name or token.client_id, token.client_ip_address, *times]
    return [*([source] if several else []), *(printable(text or "") for text in texts)]


def _tabbed(*, several: bool) -> Callable[[str, Token], bytes]:
    return lambda source, token: "\t".join(_columns(source, token, several=several)).encode()


class _Table:
    """A table on the terminal; its columns are as wide as what stands in them, so it is shown at the end."""

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._rows: list[list[str]] = []

    def take(self, source: str, tokens: Iterable[Token]) -> None:
        self._rows += [_columns(source, token, several=self._several) for token in tokens]

    def end(self, *, whole: bool) -> None:  # noqa: ARG002 - what there is can be shown; the error follows it
        if not self._rows:
            return
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for column in (*(["source"] if self._several else []), *COLUMNS):
            table.add_column(column, overflow="fold", no_wrap=column == "moid")  # it must be possible to copy it
        for row in self._rows:
            table.add_row(*(Text(lines.short(text)) for text in row[:-2]), *(Text(_moment(text)) for text in row[-2:]))
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal may know fewer letters than a name has
        Console(file=sys.stdout, highlight=False).print(table)


def _moment(text: str) -> str:
    """A time as a person reads it, which may be broken between day and hour."""
    return f"{text[:10]} {text[11:19]}Z" if text else ""
