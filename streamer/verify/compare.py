"""The state beside what the topics tell, and beside what Intersight shows. Pure.

Question: which of the three is right? Nobody is asked that here: a difference is told between two of them, with the
last event of the token, which is where whoever looks into it will begin.

Question: what is no difference? An absence that the state says it waits for or holds; a refresh that is suppressed; a
token of the first look that was kept silent; an event that is older than what the topics keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from streamer import avro
from streamer.diff import ABSENT, REFRESH, change_kinds
from streamer.state import SourceState, TokenRow
from streamer.tokens import MEANING, Finding, Gone, Sighting, Snapshot, Unsure
from streamer.verify.findings import API, STATE, TOPICS, Difference, fields
from streamer.verify.told import Last, Topics


@dataclass(slots=True)
class Counts:
    """What is no difference: refreshes suppressed, absences that wait or are held, silent tokens, expired events."""

    suppressed: int = 0
    waiting: int = 0
    silent: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """What Intersight shows of one source: a complete list, and what it says by Moid of tokens that are not listed."""

    snapshot: Snapshot
    findings: Mapping[str, Finding] = field(default_factory=dict)


class Comparison:
    """The state of one source, beside the other two.

    Args:
        source: its name.
        state: as it was read; its own row exists.
        topics: all that was heard.
    """

    def __init__(self, source: str, state: SourceState, topics: Topics) -> None:
        self.counts = Counts()
        self._source = source
        self._state = state
        self._topics = topics

    def with_topics(self) -> Iterator[Difference]:
        """Where the state is not what the last event of each token says."""
        told, horizon = self._topics.tokens(self._source), self._topics.horizon
        for moid, row in self._state.tokens.items():
            if moid in told:
                yield from self._beside(moid, row, told[moid])
            elif row.last_event_at is None:
                self.counts.silent += 1
            elif row.last_event_at <= horizon:
                self.counts.expired += 1
            else:
                text = f"the state {'knows it' if row.known else 'has it as deleted'}, and no event told so"
                yield Difference(self._source, "untold", (TOPICS, STATE), text, moid, at=row.last_event_at)
        for moid, last in told.items():
            if moid not in self._state.tokens and last.after is not None:
                yield self._of(moid, last, "unknown", "by its last event it is there, and the state does not know it")

    def _beside(self, moid: str, row: TokenRow, last: Last) -> Iterator[Difference]:
        """A token that both know."""
        if row.known is not (last.after is not None):
            known, there = ("there" if row.known else "deleted"), ("there" if last.after is not None else "deleted")
            yield self._of(moid, last, "differs", f"by its last event it is {there}, by the state {known}")
        elif last.after is None:
            if row.deleted_event_id != last.told.event_id:
                yield self._of(moid, last, "differs", f"the state says that event {row.deleted_event_id} deleted it")
        elif last.after != row.datum:
            seen = fields(avro.decode_token(last.after), avro.decode_token(row.datum))
            if seen:
                yield replace(self._of(moid, last, "differs", "its last event and the state differ"), fields=seen)

    def _of(self, moid: str, last: Last, kind: str, text: str) -> Difference:
        """Between topics and state."""
        return Difference(self._source, kind, (TOPICS, STATE), text, moid, (), last.told, last.told.detected_at)

    # Intersight...

    def with_api(self, shown: Shown, *, suppress: bool) -> Iterator[Difference]:
        """Where the state is not what Intersight shows; since when cannot be told from one look."""
        for moid, row in self._state.tokens.items():
            if row.known and moid not in shown.snapshot:
                yield from self._unlisted(moid, row, shown.findings.get(moid))
        seen = {moid: one for moid, one in shown.findings.items() if isinstance(one, Sighting)}
        for moid, sighting in {**shown.snapshot.rows, **seen}.items():
            yield from self._shown(moid, sighting, suppress=suppress)

    def _unlisted(self, moid: str, row: TokenRow, finding: Finding | None) -> Iterator[Difference]:
        """A token that the state knows and the list lacks."""
        if isinstance(finding, Sighting):
            return
        if row.status in ABSENT:
            self.counts.waiting += 1
            return
        text = "the state knows it, and Intersight says that it is gone: a deleted event should have told"
        if not isinstance(finding, Gone):
            why = finding.why if isinstance(finding, Unsure) else "nobody was asked for it by Moid"
            text = f"the state knows it, and Intersight does not list it ({why})"
        yield self._beyond(moid, "gone", text)

    def _shown(self, moid: str, sighting: Sighting, *, suppress: bool) -> Iterator[Difference]:
        """A token that Intersight does not show byte for byte as the state has it."""
        row = self._state.tokens.get(moid)
        if row is None or not row.known:
            known = "has it as deleted" if row else "does not know it"
            text = f"Intersight shows it, and the state {known}: a created event should have told"
            yield self._beyond(moid, "unknown", text)
            return
        seen = fields(avro.decode_token(row.datum), sighting.token, MEANING)
        if suppress and change_kinds(tuple(one.name for one in seen)) == REFRESH:
            self.counts.suppressed += 1
        elif seen:
            text = "the state and Intersight differ: a modified event should have told"
            yield replace(self._beyond(moid, "differs", text), fields=seen)

    def _beyond(self, moid: str, kind: str, text: str) -> Difference:
        """Between state and Intersight, with the last event that told of the token."""
        last = self._topics.tokens(self._source).get(moid)
        return Difference(self._source, kind, (STATE, API), text, moid, (), last.told if last else None)
