"""What this process counted since it started: plain numbers that only grow, for each source it ever had.

They outlive a source that is given away and taken again, as counters must. Nothing here reads a clock, locks, formats
or knows who asks: `/metrics` and the status page are both made of these numbers when somebody looks.

Question: why not the counters and histograms of the metrics' library, right where things happen? Choice: numbers here,
and the library where it is asked. So the data path adds integers, a test compares them, and the page shows the same
figures as the metrics.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from streamer.report import Report

TYPES: Final = ("created", "modified", "deleted")
OUTCOMES: Final = ("committed", "fenced", "doubt")
HOUR_MS: Final = 3_600_000
HOURS: Final = 24  # as many columns as the page draws
POLL_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
RESTORE_S: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

Changes = tuple[int, int, int]


class Durations:
    """How often something took how long; `bounds` are seconds, upwards.

    Attributes:
        bounds: as given.
        counts: how many were at most that long and longer than the bound before; the last: longer than all.
        total: seconds in sum.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more; a clock that went back makes it no shorter than nothing."""
        took = max(0.0, seconds)
        self.counts[bisect_left(self.bounds, took)] += 1
        self.total += took


class Hours:
    """Changes by the hour, of the last `HOURS`; older ones are forgotten."""

    def __init__(self) -> None:
        self._counts: OrderedDict[int, Changes] = OrderedDict()

    def add(self, at: int, changes: Changes) -> None:
        """Count them to the hour of `at` (ms UTC)."""
        hour = at // HOUR_MS
        before = self._counts.get(hour, (0, 0, 0))
        self._counts[hour] = (before[0] + changes[0], before[1] + changes[1], before[2] + changes[2])
        while len(self._counts) > HOURS:
            self._counts.popitem(last=False)

    def until(self, now: int) -> tuple[Changes, ...]:
        """Of each of the last `HOURS`, the present one last."""
        last = now // HOUR_MS
        return tuple(self._counts.get(hour, (0, 0, 0)) for hour in range(last - HOURS + 1, last + 1))


@dataclass(slots=True)
class Tally:
    """One source's numbers.

    Attributes:
        events: published, by type.
        polls: reports, by verdict and reason (empty where there is none).
        poll_s: from the first request to the verdict.
        transactions: by outcome: `committed`, `fenced` (the opening of a writer too), `doubt`.
        restore_s: from the fence of other writers to a known state.
        hours: changes as they were seen, without those of a first look.
        outlived: tokens of the last accepted poll that are listed past their expiry.
    """

    events: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(TYPES, 0)))
    polls: Counter[tuple[str, str]] = field(default_factory=lambda: Counter({("accepted", ""): 0}))
    poll_s: Durations = field(default_factory=lambda: Durations(POLL_S))
    transactions: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))
    restore_s: Durations = field(default_factory=lambda: Durations(RESTORE_S))
    hours: Hours = field(default_factory=Hours)
    outlived: int = 0

    def ended(self, report: Report) -> None:
        """A poll left its report; one that was cut off is closed by another process, which cannot know how it did."""
        self.polls[report.verdict, report.reason or ""] += 1
        if not report.baseline:
            self.hours.add(report.finished_at, (report.created, report.modified, report.deleted))
        if report.verdict != "interrupted":
            self.poll_s.add((report.finished_at - report.started_at) / 1000)
        if report.verdict == "accepted":
            self.outlived = report.outlived

    def published(self, types: Iterable[str]) -> None:
        """Events were committed."""
        self.events.update(types)
