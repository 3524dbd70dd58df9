"""What happened lately, in words: the last events and the last polls that were not believed; bounded, lost on restart.

It is for a person who looks at the status page, so it keeps lines and no tokens: all of them printable, none longer
than a person reads. Whoever needs every event reads the topics.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from streamer import avro
from streamer.events import Event
from streamer.output import lines
from streamer.output.lines import Line
from streamer.output.printable import printable
from streamer.report import Report

EVENTS: Final = 40
REFUSED: Final = 20
LONGEST: Final = 300  # letters of what a line says; the names in it are cut to 60 each


@dataclass(frozen=True, slots=True)
class Refused:
    """A poll that was not believed: when it was judged (ms UTC), of which source, and why."""

    at: int
    source: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Happened:
    """An event: when it was detected (ms UTC), its number, and its line."""

    at: int
    sequence: int
    line: Line


@dataclass(slots=True)
class Recent:
    """The last of each, the oldest first."""

    events: deque[Happened] = field(default_factory=lambda: deque(maxlen=EVENTS))
    refused: deque[Refused] = field(default_factory=lambda: deque(maxlen=REFUSED))

    def ended(self, report: Report) -> None:
        """Keep a poll that was not believed."""
        if report.verdict == "rejected":
            self.refused.append(
                Refused(
                    report.finished_at,
                    report.source,
                    printable(report.reason or ""),
                    _cut(printable(report.detail or "")),
                )
            )

    def published(self, events: Iterable[Event]) -> None:
        """Keep events that were committed."""
        self.events.extend(Happened(event.detected_at, event.sequence, lines.of(_shown(event))) for event in events)


def _shown(event: Event) -> dict[str, Any]:
    """An event as `lines` reads it, with its tokens decoded."""
    shown = asdict(event)
    for side in ("before", "after"):
        if shown[side] is not None:
            shown[side] = asdict(avro.decode_token(shown[side]))
    return shown


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
