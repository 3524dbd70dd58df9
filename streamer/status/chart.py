"""Changes by the hour, drawn: stacked columns for all sources, one line of small columns for each.

SVG without any text, style or script, stretched by the page to the width there is; what a column counts stands in its
title, and in words beside it for those who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamer.status.markup import Html, tag, void
from streamer.status.tally import HOUR_MS, HOURS, TYPES, Changes
from streamer.status.words import number

HEIGHT: Final = 100
STEP: Final = 10  # from column to column
WIDTH: Final = 7
SMALL: Final = 18  # the height of a small one
LEAST: Final = 2.0  # so that one change among thousands is still seen


def columns(hours: Sequence[Changes], now: int) -> Html:
    """The hours up to `now` (ms UTC), the highest one as high as there is room."""
    most = max(map(sum, hours), default=0)
    last = now // HOUR_MS
    drawn = [_column(place, counts, most, (last - len(hours) + 1 + place) % 24) for place, counts in enumerate(hours)]
    told = ", ".join(f"{number(sum(h[n] for h in hours))} {name}" for n, name in enumerate(TYPES))
    return tag(
        "svg",
        *drawn,
        viewBox=f"0 0 {STEP * len(hours) - (STEP - WIDTH)} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"Changes of the last {len(hours)} hours: {told}",
    )


def small(hours: Sequence[Changes]) -> Html:
    """All changes of each hour as one path; the highest one as high as there is room."""
    totals = [sum(hour) for hour in hours]
    most = max(totals, default=0)
    tall = [round(_height(total, most, SMALL)) for total in totals if total]
    places = [4 * place for place, total in enumerate(totals) if total]
    path = "".join([f"M{x} {SMALL}v-{height}h3v{height}z" for x, height in zip(places, tall, strict=True)])
    return tag(
        "svg",
        void("path", d=f"M0 {SMALL - 1}h{4 * len(totals) - 1}v1h-{4 * len(totals) - 1}z", class_="ground"),
        void("path", d=path) if path else None,
        viewBox=f"0 0 {4 * HOURS - 1} {SMALL}",
        class_="small",
        role="img",
        aria_label=f"{number(sum(totals))} changes in {len(totals)} hours",
    )


def _column(place: int, counts: Changes, most: int, hour: int) -> Html:
    top, drawn = float(HEIGHT), []
    for kind, count in zip(TYPES, counts, strict=True):
        if count:
            height = _height(count, most, HEIGHT)
            top -= height
            drawn.append(
                void("rect", x=STEP * place, y=f"{max(0.0, top):.1f}", width=WIDTH, height=f"{height:.1f}", class_=kind)
            )
    told = ", ".join(f"{number(count)} {kind}" for kind, count in zip(TYPES, counts, strict=True) if count)
    title = tag("title", f"{hour:02}:00 to {hour:02}:59 UTC: {told or 'no changes'}")
    ground = void("rect", x=STEP * place, y=0, width=WIDTH, height=HEIGHT, class_="room")
    return tag("g", title, ground, *drawn)


def _height(count: int, most: int, room: int) -> float:
    return max(LEAST, count / most * room)
