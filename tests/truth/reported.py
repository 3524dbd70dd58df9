"""The reports of a play, held to the events beside them: what a poll says of itself is what it did."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from tests import judge


class Account:
    """Keeps account of the events by poll."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, list[int]] = defaultdict(list)
        self._kinds: Counter[tuple[str, str]] = Counter()

    def faults(self, events: Iterable[judge.Event], reports: Iterable[judge.Event]) -> list[str]:
        """What is wrong with new reports, after these new events; one of a poll that was cut off comes later."""
        for event in events:
            self._numbers[event["snapshot_id"]].append(event["sequence"])
            self._kinds[event["snapshot_id"], event["event_type"]] += 1
        return [fault for report in reports for fault in self._wrong(report)]

    def _wrong(self, report: judge.Event) -> Iterable[str]:
        snapshot, name = report["snapshot_id"], f"report {report['snapshot_id']} ({report['verdict']})"
        for kind in judge.EVENT_TOPICS:
            if report[kind] != self._kinds[snapshot, kind]:
                yield f"{name} tells {report[kind]} {kind}, there are {self._kinds[snapshot, kind]}"
        numbers = self._numbers.get(snapshot)
        told = (report["first_sequence"], report["last_sequence"])
        if told != ((numbers[0], numbers[-1]) if numbers else (None, None)):
            yield f"{name} tells the sequences {told}, there are {numbers}"
        if (report["hold_id"] is not None) != bool(report["held"]) and report["verdict"] == "accepted":
            yield f"{name} tells {report['held']} held in {report['hold_id']}"
        if (report["reason"] is None) == (report["verdict"] != "accepted"):
            yield f"{name} tells the reason {report['reason']}"
        if report["verdict"] == "accepted":
            yield from self._unaccounted(report, name)

    @staticmethod
    def _unaccounted(report: judge.Event, name: str) -> Iterable[str]:
        """Every row of an accepted poll is counted once: by its event, or by why there is none."""
        rows = sum(report[count] for count in ("created", "modified", "unchanged", "suppressed", "stale"))
        if not report["rows"] <= rows <= report["rows"] + report["requests"] * 100:  # a list by name shows as many
            yield f"{name} accounts for {rows} rows of {report['rows']}: {report}"
        if report["server_count"] is None or report["moids_sha256"] is None:
            yield f"{name} was accepted without a Count or a digest: {report}"
