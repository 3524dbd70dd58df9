"""The status page as text: whatever it is made of stays text, and what a person needs first stands first."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.health import Board
from streamer.output.printable import printable
from streamer.status import chart
from streamer.status.markup import Html, many, tag
from streamer.status.page import View, page
from streamer.status.words import ago, number, plural
from tests.status import boards
from tests.status.boards import NOW, source


class Read(HTMLParser):
    """What a browser would make of a page: its elements and its words."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Text between elements."""
        self.words += data


HOSTILE = st.text() | st.sampled_from([boards.SCRIPT, boards.TURNED, '"><b onclick=x>', "&lt;", "]]>", "\x00\n"])


@given(HOSTILE)
def test_text_stays_text(text: str) -> None:
    """As a child and as an attribute: one element, with that text in it, made printable and otherwise whole."""
    read = Read(tag("td", text, title=text, data_x=text))

    assert read.elements == [("td", {"title": printable(text), "data-x": printable(text)})]
    assert read.words == printable(text)


def test_html_is_made_by_tags_alone() -> None:
    """What was made passes as it is, once; nothing is nothing, and a number is its figures."""
    assert tag("p", tag("b", "<"), "<", None, 7) == "<p><b>&lt;</b>&lt;7</p>"
    assert isinstance(many("<"), Html)
    assert tag("i", class_="a", hidden=None) == '<i class="a"></i>'


@given(HOSTILE, HOSTILE)
def test_a_page_is_built_of_the_same_elements_whatever_is_in_it(name: str, detail: str) -> None:
    """An attacker's words change no element of it, and all of them are there to be read."""
    shapes = []
    for client, why in (("calm", "calm"), (name, detail)):
        board = Board(missing={"registry": why}, sources={"a": source("a", last_verdict="rejected", last_reason="x")})
        board.recent.published([boards.event("a", "created", 1, client_name=client or "-")])
        board.recent.ended(boards.report("a", "rejected", reason="torn", detail=why))
        read = Read("".join(page(board, lambda: NOW)))
        shapes.append([element for element, _ in read.elements])
    assert shapes[0] == shapes[1]
    assert printable(name)[:20] in read.words


STATES = {
    "All 12 sources fresh": boards.calm(),
    "2 of 12 need you": boards.troubled(),
    "1 source, fresh": boards.calm(1),
    "1 needs you": Board(missing={}, sources={"a": source("a", hold=boards.HOLD)}),
    "Not ready": Board(missing={"registry": "no answer"}, sources={"a": source("a")}),
    "Ready": Board(missing={}),
}


@pytest.mark.parametrize("headline", STATES)
def test_the_first_thing_said_is_whether_anybody_is_needed(headline: str) -> None:
    """In the tab and at the top; somebody who is needed outweighs something that is missing."""
    board = STATES[headline]
    view = View(board, NOW)

    assert view.title() == f"{headline} · streamer"
    assert headline in view.pieces()["state"]
    assert all(what in view.pieces()["state"] for what in board.missing)


def test_who_needs_a_person_stands_first() -> None:
    """Then who may soon, then the others by name."""
    assert [name for name, _ in View(boards.troubled(7), NOW).rows()] == [
        *("s-account-003", "s-account-004", "s-account-005"),
        *("s-account-000", "s-account-001", "s-account-002", "s-account-006"),
    ]


def test_a_hold_comes_with_the_commands_that_settle_it() -> None:
    """Each whole, with the hold and the number of this moment; one that was released only says so."""
    board = Board(missing={}, sources={"a": source("a", hold=boards.HOLD)})
    words = Read(View(board, NOW).pieces()["holds"]).words
    board.sources["a"].hold = replace(boards.HOLD, released_at=NOW - 5000)
    released = Read(View(board, NOW).pieces()["holds"]).words

    for command in (
        "streamer deletes list --source a",
        f"streamer deletes release --hold {boards.HOLD.hold_id} --expect 37",
        f"streamer deletes discard --hold {boards.HOLD.hold_id}",
    ):
        assert command in words
    assert "More tokens went missing at once than its threshold allows, 12 min ago." in words
    assert "Released 5 s ago" in released
    assert "streamer deletes" not in released


def test_the_stream_leaves_ages_to_the_script() -> None:
    """So that a row differs only where something happened."""
    board = boards.calm(2)

    assert dict(View(board, NOW, ages=False).rows()) == dict(View(board, NOW + 1000, ages=False).rows())
    assert dict(View(board, NOW).rows()) != dict(View(board, NOW + 5000).rows())


def test_columns_are_as_high_as_they_count() -> None:
    """The highest fills the room, one change among thousands is still seen, an hour without any says so."""
    hours = ((0, 0, 0), (1000, 0, 0), (0, 500, 0), (0, 0, 1))
    read = Read(chart.columns(hours, NOW))
    drawn = [facts for name, facts in read.elements if name == "rect" and facts["class"] != "room"]

    assert [(one["class"], one["height"]) for one in drawn] == [
        ("created", "100.0"),
        ("modified", "50.0"),
        ("deleted", "2.0"),
    ]
    assert "09:00 to 09:59 UTC: no changes" in read.words
    assert "12:00 to 12:59 UTC: 1 deleted" in read.words
    assert read.elements[0][1]["aria-label"] == "Changes of the last 4 hours: 1,000 created, 500 modified, 1 deleted"
    assert "M4 18v-18h3v18zM8 18v-9h3v9zM12 18v-2h3v2z" in chart.small(hours)


def test_figures_are_worded() -> None:
    """Ages in one unit, thousands apart, one and many."""
    assert [ago(s) for s in (-1, 119, 120, 7200, 172_800)] == ["0 s", "119 s", "2 min", "2 h", "2 d"]
    assert (number(None), number(1_234_567)) == ("\N{EN DASH}", "1,234,567")
    assert (plural(1, "source"), plural(2, "source")) == ("1 source", "2 sources")


def test_the_first_part_waits_for_nothing() -> None:
    """Whoever asks has the first byte before anything was looked at: it is the same for all, and so is its cost."""
    board = boards.calm(200)
    parts = page(board, lambda: NOW)
    first = next(parts)
    board.sources["late"] = boards.source("late")

    assert first == next(page(Board(), lambda: 0))
    assert "late" in "".join(parts)
