"""What the topics tell, event by event in the order of their sequence, and where they contradict themselves. Pure.

Of every token only the last event is kept, with the bare bytes of the token as it left it: some 800 bytes each, so that
100,000 tokens and the state beside them take a few hundred megabytes, however long the log is. Of every event a
hash of its id is remembered, to see one that comes twice.

Question: events are missing because their retention is over; how is that told from loss? Choice: by a horizon. What the
log has dropped is older than the topic's retention, and older than the first record it still has; so whatever is
missing from before that moment may have been there, and whatever is missing after it is lost. Rejected: to forgive any
gap in a topic that dropped something; after a month that would be all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streamer import avro
from streamer.state import NEVER, SourceState
from streamer.verify.findings import TOPICS, Difference, Told, fields

EVENTS: Final = "events"
REPORTS: Final = "reports"

History = tuple[str, str]  # source, epoch
Lane = tuple[str, int]  # topic, partition


@dataclass(frozen=True, slots=True)
class Last:
    """The last event of a token, and the token as it left it (None: deleted)."""

    told: Told
    after: bytes | None


@dataclass(slots=True)
class Numbers:
    """The sequence of one history: how far it was read, and what is missing before."""

    last: int = 0
    last_at: int = NEVER
    missing: list[tuple[range, int, int]] = field(default_factory=list)  # which, and when its neighbours were detected
    tokens: dict[str, Last] = field(default_factory=dict)


class Topics:
    """Hears every event once, in order, up to what the state knows.

    Args:
        states: by source, as they were read before the topics.
        dropped: by lane (of topic and partition) that has lost records: since when those may be gone at the latest,
            None where only the first record that is left tells.
        sources: those that are wanted; None: all.
        since: nothing before this moment (ms UTC) is read; None: everything.
        silent: sources whose first look was not published; of sources that are not configured nobody knows.
    """

    def __init__(
        self,
        states: Mapping[str, SourceState],
        dropped: Mapping[Lane, int | None],
        *,
        silent: Mapping[str, bool],
        sources: Collection[str] | None = None,
        since: int | None = None,
    ) -> None:
        self.histories: dict[History, Numbers] = {}
        self.differences: list[Difference] = []
        self.count = 0
        self._states = states
        self._dropped = dropped
        self._sources = sources
        self._first_of: dict[Lane, int] = {}
        self._since = NEVER if since is None else since
        self._silent = silent
        self._ids: set[int] = set()

    def add(self, event: Mapping[str, Any], lane: Lane) -> None:
        """One event, and where it stands."""
        source, epoch, sequence = event["source"], event["epoch"], event["sequence"]
        self._first_of.setdefault(lane, event["detected_at"])
        if self._sources is not None and source not in self._sources:
            return
        row = self._states[source].row if source in self._states else None
        if row is not None and row.epoch == epoch and sequence > row.last_sequence:
            return  # the service went on while we read
        self.count += 1
        numbers = self.histories.setdefault((source, epoch), Numbers())
        told = Told(event["event_id"], event["event_type"], sequence, event["detected_at"])
        if self._repeats(source, event, told) or not self._counts(source, numbers, told):
            return
        before = numbers.tokens.get(event["moid"])
        after = None if event["after"] is None else avro.token_datum(event["after"])
        self.differences += self._chain(source, event, before, told)
        numbers.tokens[event["moid"]] = Last(told, after)

    def tokens(self, source: str) -> Mapping[str, Last]:
        """The last event of each token in the history that the state is of."""
        state = self._states.get(source)
        numbers = self.histories.get((source, state.row.epoch)) if state and state.row else None
        return numbers.tokens if numbers else {}

    @property
    def horizon(self) -> int:
        """What is older than this (ms UTC) may have been dropped, or was not read; `NEVER`: nothing was."""
        return max((*map(self._horizon_of, self._dropped), self._since))

    def gaps(self) -> Iterator[Difference]:
        """What is missing and should be there; to be asked once all is heard."""
        for (source, epoch), numbers in self.histories.items():
            for missing, after, before in numbers.missing:
                if not self._forgives(after):
                    yield _gap(source, epoch, missing, before)
        for source, state in self._states.items():
            yield from self._tail(source, state)

    def _tail(self, source: str, state: SourceState) -> Iterator[Difference]:
        """Events that the state has counted and no topic has, behind the last one that was heard."""
        if state.row is None:
            return
        heard = self.histories.get((source, state.row.epoch), Numbers())
        newest = max((row.last_event_at or NEVER for row in state.tokens.values()), default=NEVER)
        if heard.last < state.row.last_sequence and not self._forgives(newest):
            missing = range(heard.last + 1, state.row.last_sequence + 1)
            yield _gap(source, state.row.epoch, missing, None if newest == NEVER else newest)

    def _forgives(self, moment: int) -> bool:
        """Whether what is missing from after this moment may just be too old; `NEVER`: nobody knows from when."""
        horizon = self.horizon
        return horizon != NEVER and moment <= horizon

    def _horizon_of(self, lane: Lane) -> int:
        by_time, first = self._dropped[lane], self._first_of.get(lane)
        known = [moment for moment in (by_time, first) if moment is not None]
        return min(known, default=NEVER)

    def _repeats(self, source: str, event: Mapping[str, Any], told: Told) -> bool:
        name = hash(event["event_id"])
        if name not in self._ids:
            self._ids.add(name)
            return False
        text = f"event_id {told.event_id} stands in the topics more than once"
        self.differences.append(
            Difference(source, "repeated", (TOPICS, TOPICS), text, event["moid"], (), told, told.detected_at)
        )
        return True

    def _counts(self, source: str, numbers: Numbers, told: Told) -> bool:
        """Whether this number is the next one, or behind a gap; else it fills one, or stands twice."""
        if told.sequence > numbers.last:
            if told.sequence > numbers.last + 1:
                missing = range(numbers.last + 1, told.sequence)
                numbers.missing.append((missing, numbers.last_at, told.detected_at))
            numbers.last, numbers.last_at = told.sequence, told.detected_at
            return True
        for index, (missing, after, before) in enumerate(numbers.missing):
            if told.sequence in missing:
                rest = (range(missing.start, told.sequence), range(told.sequence + 1, missing.stop))
                numbers.missing[index : index + 1] = [(part, after, before) for part in rest if part]
                return True
        text = f"sequence {told.sequence} stands in the topics more than once"
        self.differences.append(
            Difference(source, "repeated", (TOPICS, TOPICS), text, None, (), told, told.detected_at)
        )
        return False

    def _chain(self, source: str, event: Mapping[str, Any], before: Last | None, told: Told) -> Iterator[Difference]:
        """A token is created once, then changes, then is deleted; each `before` is the `after` before it."""
        moid, at, is_created = event["moid"], told.detected_at, event["event_type"] == "created"
        if before is None:
            if not is_created and self._since == NEVER and not self._dropped and not self._silent.get(source, True):
                text = f"{event['event_type']} is its first event, and no created one tells where it came from"
                yield Difference(source, "chain", (TOPICS, TOPICS), text, moid, (), told, at)
            return
        if is_created != (before.after is None):
            text = f"{event['event_type']} follows {before.told.event_type}"
            yield Difference(source, "chain", (TOPICS, TOPICS), text, moid, (), told, at)
        elif not is_created and before.after is not None:
            datum = avro.token_datum(event["before"]) if event["before"] else b""
            if datum != before.after:
                text = f"its before is not the after of sequence {before.told.sequence}"
                seen = fields(avro.decode_token(before.after), avro.decode_token(datum)) if datum else ()
                yield Difference(source, "chain", ("after", "before"), text, moid, seen, told, at)


class Tiles:
    """Hears every report in the order written: per history the ranges of their events tile 1..last.

    Args:
        states: as of `Topics`.
        dropped: whether reports are missing at the beginning, because of their age or because they were not read.
    """

    def __init__(self, states: Mapping[str, SourceState], *, dropped: bool) -> None:
        self.differences: list[Difference] = []
        self.count = 0
        self._states = states
        self._dropped = dropped
        self._last: dict[History, int] = {}

    def add(self, report: Mapping[str, Any]) -> None:
        """One report."""
        self.count += 1
        first, last, of = report["first_sequence"], report["last_sequence"], (report["source"], report["epoch"])
        row = self._states[of[0]].row if of[0] in self._states else None
        later = row is not None and row.epoch == of[1] and last is not None and last > row.last_sequence
        if first is None or later:
            return
        wanted = self._last.get(of, first - 1 if self._dropped else 0) + 1
        if first != wanted:
            self._found(report, f"the report of poll {report['snapshot_id']} begins with {first}, {wanted} is next")
        told, number = report["created"] + report["modified"] + report["deleted"], last - first + 1
        if told != number:
            self._found(report, f"the report of poll {report['snapshot_id']} tells {told} events, it has {number}")
        self._last[of] = last

    def ends(self) -> Iterator[Difference]:
        """Events that no report tells of; to be asked once all is heard."""
        for source, state in self._states.items():
            row = state.row
            if row is None:
                continue
            unfinished = row.open.first_sequence if row.open else None
            wanted = row.last_sequence if unfinished is None else unfinished - 1
            there = self._last.get((source, row.epoch), wanted if self._dropped else 0)
            if there != wanted:
                text = f"reports tell of sequences up to {there}, the state of {wanted}"
                yield Difference(source, "report", (REPORTS, EVENTS), text)

    def _found(self, report: Mapping[str, Any], text: str) -> None:
        at = report["finished_at"]
        self.differences.append(Difference(report["source"], "report", (REPORTS, EVENTS), text, at=at))


def _gap(source: str, epoch: str, missing: range, at: int | None) -> Difference:
    first, last = missing[0], missing[-1]
    numbers = f"sequence {first} is" if first == last else f"sequences {first} to {last} are"
    return Difference(source, "gap", (TOPICS, TOPICS), f"{numbers} in no topic (epoch {epoch})", at=at)
