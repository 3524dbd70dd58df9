"""Rows for a person, below a heading: columns on a terminal, tabs in a pipe.

A row is one line. What does not fit is cut, and ends in an ellipsis; all of it stands in a pipe, in JSON and on a wider
terminal. What a person copies (the id of a hold, a Moid) is never cut.

Question: what becomes of a cell that is too long for its column? Choice: it is cut, the longest of all first. Rejected:
to fold it as the library's tables do: at 80 letters a name stands in three pieces and a number in two, the row takes
six lines, and nobody finds in it what belongs together.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

GAP: Final = "  "
LEAST: Final = 12  # letters that are left of a cell, however narrow the terminal


@dataclass(frozen=True, slots=True)
class Column:
    """One of a table's columns.

    Attributes:
        name: its heading.
        whole: its cells are never cut, since they are there to be copied.
        spare: left out where the terminal is too narrow for all; the greatest first, 0 never.
    """

    name: str
    whole: bool = False
    spare: int = 0


def show(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; all cells are printable text."""
    names = [column.name for column in columns]
    if not console.is_terminal:
        for line in (names, *rows):
            click.echo("\t".join(line), file=console.file)
        return
    if isinstance(console.file, io.TextIOWrapper):
        console.file.reconfigure(errors="backslashreplace")  # a terminal may know fewer letters than a name has
    widths = _widths(columns, (names, *rows), console.width)
    put(console, fitted([(names[n], "bold", width) for n, width in widths.items()]))
    for row in rows:
        put(console, fitted([(row[n], "", width) for n, width in widths.items()]))


def fitted(cells: Sequence[tuple[str, str, int]], gap: str = GAP) -> Text:
    """One line of cells, each a text, its style and the letters that it may take; texts, so no name is markup.

    Where the terminal is so narrow that a cell may take none, it is left out.
    """
    parts = []
    for text, style, width in cells:
        if width > 0:
            parts.append(Text(text, style))
            parts[-1].truncate(width, overflow="ellipsis", pad=True)
    return Text(gap).join(parts)


def put(console: Console, line: Text) -> None:
    """Print a line as it is, without the blanks at its end."""
    line.rstrip()
    console.print(line, soft_wrap=True, highlight=False)


def _widths(columns: Sequence[Column], lines: Sequence[Sequence[str]], width: int) -> dict[int, int]:
    """By column that is shown, in order, how many letters wide it is."""
    full = {n: max(cell_len(line[n]) for line in lines) for n in range(len(columns))}
    least = {
        n: full[n] if column.whole else min(full[n], max(LEAST, cell_len(column.name)))
        for n, column in enumerate(columns)
    }
    for spare in sorted({column.spare for column in columns} - {0}, reverse=True):
        if _across(least) > width:
            least = {n: letters for n, letters in least.items() if columns[n].spare != spare}
    widths = {n: full[n] for n in least}
    while _across(widths) > width:
        longer = [n for n in widths if widths[n] > least[n]]
        if not longer:
            break
        widths[max(longer, key=widths.__getitem__)] -= 1
    return widths


def _across(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)
