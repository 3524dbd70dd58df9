"""Figures and times as a person reads them on the page; the script formats ages by the same rule."""

from __future__ import annotations

from typing import Final

from streamer.status.markup import Html, tag
from streamer.wire.jsonform import rfc3339

STEPS: Final = ((172_800, 86_400, "d"), (7_200, 3_600, "h"), (120, 60, "min"), (0, 1, "s"))  # from how much on, by what


def ago(seconds: float) -> str:
    """How long, in one unit: `119 s`, `2 min`, `47 h`, `2 d`."""
    whole = max(0, int(seconds))
    return next(f"{whole // by} {unit}" for least, by, unit in STEPS if whole >= least)


def number(value: int | None) -> str:
    """With commas between thousands; a dash for what is not known."""
    return "\N{EN DASH}" if value is None else f"{value:,}"


def plural(count: int, one: str) -> str:
    """`1 source`, `2 sources`."""
    return f"{number(count)} {one}{'s' * (count != 1)}"


def since(at: int | None, now: int | None) -> Html | None:
    """The age of a moment (ms UTC), which the script keeps up; `now` None: the script writes it at all."""
    if at is None:
        return None
    return tag("time", "" if now is None else ago((now - at) / 1000), datetime=rfc3339(at), data_age="")


def clock(at: int) -> Html:
    """A moment of ms UTC as day and time, whole in its title."""
    text = rfc3339(at)
    return tag("time", tag("span", text[5:10], class_="day"), f" {text[11:19]}", datetime=text, title=text)
