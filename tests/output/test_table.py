"""Rows for a person: one line each, whatever stands in them, and what is there to be copied is whole."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from streamer.output.table import LEAST, Column, fitted, show

ID = "5f0c3d1e-8a51-4c43-9b1e-2f6f0a7c1d90"
COLUMNS = (
    Column("source"),
    Column("hold_id", whole=True),
    Column("last sequence"),
    Column("since", whole=True, spare=1),
)
ROWS = (("simulator", ID, "7", "2025-11-25 12:00:00Z"), ("\u540d" * 40, ID, "123456", "2025-11-25 12:00:00Z"))


def shown(width: int | None, rows: tuple[tuple[str, ...], ...] = ROWS) -> list[str]:
    """The lines on a terminal of that width; None: in a pipe."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=width is not None, color_system=None)
    show(console, COLUMNS, rows)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120, 160])
def test_a_row_is_a_line(width: int) -> None:
    """No wider than the terminal; headings are whole, ids too, and the longest other cell is cut with an ellipsis."""
    heading, short, long = shown(width)

    assert max(map(cell_len, (heading, short, long))) <= width
    assert [name in heading for name in ("source", "hold_id", "last sequence")] == [True] * 3
    assert (ID in short, ID in long, "simulator" in short) == (True, True, True)
    assert ("\u2026" in long) is (width < 160)
    assert short.index(ID) == len(long.partition(ID)[0].encode("utf-16-le")) // 2 + long.partition(ID)[0].count(
        "\u540d"
    )


def test_what_can_be_spared_is_left_out_first() -> None:
    """Where all columns find no place even if they are cut, the spare one is left out; a wider terminal shows it."""
    assert ["since" in shown(width)[0] for width in (80, 120)] == [False, True]


def test_a_terminal_too_narrow_for_anything() -> None:
    """Ids stay whole and the terminal breaks the line; of all others some letters are left."""
    _, short, long = shown(20)

    assert (ID in short, ID in long) == (True, True)
    assert cell_len(long.partition(ID)[0].rstrip()) in {LEAST, LEAST - 1}


@pytest.mark.parametrize("width", [0, -1])
def test_a_cell_without_room_is_left_out(width: int) -> None:
    """What shares a narrow terminal out may have nothing left for a cell: it and its gap are gone, the line fits."""
    assert fitted([("created", "", 9), ("user5@example.com", "", width), ("is new", "", 3)]).plain == "created    is…"


def test_a_name_is_no_markup() -> None:
    """What looks like a style is shown as it is."""
    assert "[bold]x[/bold]" in shown(160, (("[bold]x[/bold]", ID, "1", ""),))[1]


def test_a_pipe_gets_tabs_below_the_names() -> None:
    """Every column, and nothing is cut."""
    assert [line.split("\t") for line in shown(None)] == [[c.name for c in COLUMNS], *map(list, ROWS)]
