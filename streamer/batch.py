"""What one transaction writes: everything of it, as a value; the Kafka border only executes it.

Events, the rows they leave behind, the source's own row and, with the last one, the poll's report stand in one batch.
A large diff is a row of batches, and after each of them every published token's last event equals its row, so a crash
between two loses nothing: the next start finds the open snapshot in the source's row and closes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamer import avro
from streamer.avro import Values
from streamer.events import Event
from streamer.report import Report
from streamer.state import SourceRow, SourceState, TokenRow, source_key, token_key
from streamer.steps import Step

STATE: Final = "state"
SNAPSHOTS: Final = "snapshots"
CLOUD_TYPE: Final = "com.cisco.intersight.iam.oauthtoken.{}.v1"
RESERVED_RECORDS: Final = 2  # the source's row and the report
GROWTH: Final = 256  # bytes these two may gain while events are counted: 5 figures in each, of at most 19 digits

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record; `topic` is the suffix behind the prefix, `value` None a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Its bytes, without Kafka's own few."""
        return len(self.key) + len(self.value or b"") + sum(len(name) + len(text) for name, text in self.headers)


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction of one source.

    Attributes:
        records: all it writes: events in the order of `sequence`, each with its row; the source's row; the report.
        timestamp: of every record: `detected_at` of its events, when the poll was judged (worker's clock, ms).
        row: the source's own row after it.
        tokens: the token rows after it that differ; None: forgotten.
        report: the report among the records, if it ends a poll.
    """

    records: tuple[Record, ...]
    timestamp: int
    row: SourceRow
    tokens: Mapping[str, TokenRow | None]
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How records are written: the value format with its schema ids, and the bounds of one transaction.

    `records` counts the records of all topics, `size` their bytes before compression.
    """

    values: Values
    cloudevents: bool = True
    records: int = 10_000
    size: int = 16 * 2**20

    def event(self, event: Event) -> Record:
        """The record of an event; its topic is its type."""
        headers = self._headers(event) if self.cloudevents else ()
        return Record(event.event_type, event.moid.encode(), self.values.event(event.event_type, event), headers)

    def report(self, report: Report) -> Record:
        """The record of a report."""
        headers = (("content-type", self.values.content_type.encode()),) if self.cloudevents else ()
        return Record(SNAPSHOTS, source_key(report.source), self.values.report(report), headers)

    def _headers(self, event: Event) -> Headers:
        """CloudEvents 1.0, Kafka binding, binary mode: they repeat facts and are never the only carrier of one."""
        texts = {
            "ce_id": event.event_id,
            "ce_source": f"/intersight/{event.source}",
            "ce_specversion": "1.0",
            "ce_type": CLOUD_TYPE.format(event.event_type),
            "ce_time": avro.rfc3339(event.event_time),
            "ce_subject": event.moid,
            "content-type": self.values.content_type,
        }
        return tuple((name, text.encode()) for name, text in texts.items())


def begin(source: str, epoch: str, configuration: str, now: int) -> Batch:
    """The first transaction of a history: its epoch, alone, before anything is polled."""
    return _batch(source, now, SourceRow(epoch, configuration=configuration))


def obeyed(source: str, row: SourceRow, now: int) -> Batch:
    """The effect of a command, with the offset of the next one: so it acts at most once."""
    return _batch(source, now, row)


def rejected(form: Form, row: SourceRow, report: Report) -> Batch:
    """A poll that must not be believed: its report, and nothing changes."""
    return _batch(report.source, report.finished_at, row, report=(report, form))


def interrupted(form: Form, row: SourceRow, now: int) -> Batch:
    """Closes the snapshot that a crash cut off, with the report its last chunk left in the source's row."""
    if row.open is None:
        raise ValueError("no snapshot is open")
    return _batch(row.open.source, now, replace(row, open=None), report=(row.open, form))


def plan(
    form: Form, report: Report, steps: Iterable[Step], *, row: SourceRow, accepted: SourceRow, clock: Callable[[], int]
) -> Iterator[Batch]:
    """The transactions of an accepted poll, in order; each is committed before the next is made.

    Args:
        form: how records are written, and when a transaction is full.
        report: the poll's report, but for its counts of events and its sequences; it was finished when it was judged.
        steps: what is to be written, token by token.
        row: the source's row before the poll.
        accepted: the row as the whole poll leaves it, but for `last_sequence`.
        clock: the worker's; an unfinished snapshot remembers when its last chunk was made.
    """
    source, judged_at = report.source, report.finished_at
    opened = replace(
        row,
        account_moid=accepted.account_moid,
        first_started_at=accepted.first_started_at,
        hold=accepted.hold or row.hold,  # rows in it are written from the first chunk on, or leave it up to the last
    )
    partial = replace(
        report, verdict="interrupted", reason="cut_off", unchanged=0, suppressed=0, waiting=0, stale=0, outlived=0
    )
    size = form.size - _reserved(form, report, replace(accepted, open=partial))
    tally, chunk = _Tally(row.last_sequence), _Chunk(form.records - RESERVED_RECORDS, size)
    for step in steps:
        written = _records(form, source, step, tally.last + 1)
        if not chunk.has_room_for(written):
            so_far = tally.told(replace(partial, finished_at=clock()))
            yield chunk.closed(source, judged_at, replace(opened, last_sequence=tally.last, open=so_far))
            chunk = chunk.next()
        chunk.add(step, written)
        tally.count(step)
    last = replace(accepted, last_sequence=tally.last)
    yield chunk.closed(source, judged_at, last, report=(tally.told(report), form))


def fold(state: SourceState, batch: Batch) -> SourceState:
    """The state after a batch was committed."""
    if not batch.tokens:
        return replace(state, row=batch.row)
    tokens = dict(state.tokens)
    for moid, row in batch.tokens.items():
        if row is None:
            tokens.pop(moid, None)
        else:
            tokens[moid] = row
    return SourceState(batch.row, tokens)


class _Tally:
    """The events of one poll, counted, and the numbers they got."""

    def __init__(self, last: int) -> None:
        self.before = self.last = last
        self._counts = Counter[str]()

    def count(self, step: Step) -> None:
        if step.event:
            self.last += 1
            self._counts[step.event.event_type] += 1

    def told(self, report: Report) -> Report:
        """The report with what was counted so far."""
        if self.last == self.before:
            return report
        return replace(
            report,
            created=self._counts["created"],
            modified=self._counts["modified"],
            deleted=self._counts["deleted"],
            first_sequence=self.before + 1,
            last_sequence=self.last,
        )


class _Chunk:
    """A batch that is being filled, up to a number of records and of bytes."""

    def __init__(self, records: int, size: int) -> None:
        self._most = records, size
        self._records: list[Record] = []
        self._tokens: dict[str, TokenRow | None] = {}
        self._size = 0

    def next(self) -> _Chunk:
        """An empty one with the same bounds."""
        return _Chunk(*self._most)

    def has_room_for(self, records: Sequence[Record]) -> bool:
        """Whether the bounds allow them; an empty chunk takes anything, or a large token would never be written."""
        count, size = self._most
        fits = len(self._records) + len(records) <= count and self._size + _size(records) <= size
        return fits or not self._records

    def add(self, step: Step, records: Sequence[Record]) -> None:
        self._records.extend(records)
        self._tokens[step.moid] = step.row
        self._size += _size(records)

    def closed(self, source: str, now: int, row: SourceRow, *, report: tuple[Report, Form] | None = None) -> Batch:
        return _batch(source, now, row, self._records, self._tokens, report=report)


def _records(form: Form, source: str, step: Step, sequence: int) -> tuple[Record, ...]:
    row = Record(STATE, token_key(source, step.moid), step.row.to_bytes() if step.row else None)
    return (form.event(replace(step.event, sequence=sequence)), row) if step.event else (row,)


def _reserved(form: Form, report: Report, row: SourceRow) -> int:
    """The bytes to keep free in every transaction for the source's row and the report."""
    own = Record(STATE, source_key(report.source), row.to_bytes())
    return _size((own, form.report(report))) + GROWTH


def _size(records: Sequence[Record]) -> int:
    return sum(record.size for record in records)


def _batch(
    source: str,
    now: int,
    row: SourceRow,
    records: Iterable[Record] = (),
    tokens: Mapping[str, TokenRow | None] | None = None,
    *,
    report: tuple[Report, Form] | None = None,
) -> Batch:
    own = Record(STATE, source_key(source), row.to_bytes())
    told = (report[1].report(report[0]),) if report else ()
    return Batch((*records, own, *told), now, row, tokens or {}, report[0] if report else None)
