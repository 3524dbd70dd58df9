"""What one transaction writes: everything of it, as a value; the Kafka border only executes it.

Events, the rows they leave behind, the source's own row and, with the last one, the poll's report stand in one batch.
A large diff is a row of batches, and after each of them every published token's last event equals its row, so a crash
between two loses nothing: the next start finds the open snapshot in the source's row and closes it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from streamer import frozen
from streamer.avro import Values
from streamer.events import Event
from streamer.frozen import Frozen
from streamer.judging.steps import Step, UserStep
from streamer.known import Known, of_token
from streamer.report import Report
from streamer.state import SourceRow, SourceState, TokenRow, UserRow, source_key, token_key, user_key
from streamer.wire.jsonform import rfc3339

STATE: Final = "state"
SNAPSHOTS: Final = "snapshots"
ALL: Final = "all"
LAST: Final = 10  # events of a batch that are kept as values, for whoever watches
CLOUD_TYPE: Final = "com.cisco.intersight.iam.oauthtoken.{}.v1"
PAUSE: Final = 250  # tokens: some 20 ms
RESERVED_RECORDS: Final = 2  # the source's row and the report
GROWTH: Final = 256  # bytes these two may gain while events are counted: 5 figures in each, of at most 19 digits

Headers = tuple[tuple[str, bytes], ...]


class Record(Frozen, frozen=True):
    """One Kafka record; `topic` is the suffix behind the prefix, `value` None a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = ()

    @property
    def size(self) -> int:
        """Its bytes, without Kafka's own few."""
        size = len(self.key) + len(self.value or b"")
        for name, text in self.headers:
            size += len(name) + len(text)
        return size


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction of one source.

    Attributes:
        records: all it writes: events in the order of `sequence`, each with its row; users; the source; the report.
        timestamp: of every record: `detected_at` of its events, when the poll was judged (worker's clock, ms).
        row: the source's own row after it; None: all is forgotten.
        tokens: the token rows after it that differ; None: forgotten.
        report: the report among the records, if it ends a poll.
        users: the user rows after it that differ; None: forgotten.
        last: its last few events.
    """

    records: tuple[Record, ...]
    timestamp: int
    row: SourceRow | None
    tokens: Mapping[str, TokenRow | None]
    report: Report | None = None
    users: Mapping[str, UserRow | None] = field(default_factory=dict)
    last: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """How records are written: the value format with its schema ids, and the bounds of one transaction.

    `records` counts the records of all topics, `size` their bytes before compression; `all_topic` says that every event
    goes to the topic of all events too.
    """

    values: Values
    cloudevents: bool = True
    records: int = 10_000
    size: int = 16 * 2**20
    all_topic: bool = False

    def event(self, event: Event) -> tuple[Record, ...]:
        """The records of an event: one in the topic of its type, and one in that of all where it is wanted."""
        headers = self._headers(event) if self.cloudevents else ()
        topics = (event.event_type, ALL) if self.all_topic else (event.event_type,)
        values = self.values.events(topics, event)
        return tuple(Record(t, event.moid.encode(), value, headers) for t, value in zip(topics, values, strict=True))

    def report(self, report: Report) -> Record:
        """The record of a report."""
        headers = (("content-type", self.values.content_type.encode()),) if self.cloudevents else ()
        return Record(SNAPSHOTS, source_key(report.source), self.values.report(report), headers)

    def _headers(self, event: Event) -> Headers:
        """CloudEvents 1.0, Kafka binding, binary mode: they repeat facts and are never the only carrier of one."""
        source, version, kind, content = _shared_headers(event.source, event.event_type, self.values.content_type)
        name, subject = ("ce_id", event.event_id.encode()), ("ce_subject", event.moid.encode())
        return name, source, version, kind, ("ce_time", rfc3339(event.event_time).encode()), subject, content


@lru_cache(maxsize=1024)
def _shared_headers(source: str, event_type: str, content_type: str) -> Headers:
    """Those that all events of a source and a type have."""
    return (
        ("ce_source", f"/intersight/{source}".encode()),
        ("ce_specversion", b"1.0"),
        ("ce_type", CLOUD_TYPE.format(event_type).encode()),
        ("content-type", content_type.encode()),
    )


def begin(source: str, epoch: str, configuration: str, now: int) -> Batch:
    """The first transaction of a history: its epoch, alone, before anything is polled."""
    return _batch(source, now, SourceRow(epoch, configuration=configuration))


def obeyed(source: str, row: SourceRow, now: int) -> Batch:
    """The effect of a command, with the offset of the next one: so it acts at most once."""
    return _batch(source, now, row)


def forgotten(source: str, state: SourceState, now: int) -> Batch:
    """The end of all that is known of a source: every row a tombstone, its own the last, and no event.

    It is one transaction, however many rows there are: half a state would be taken for a whole one.
    """
    keys = (
        *(token_key(source, moid) for moid in state.tokens),
        *(user_key(source, moid) for moid in state.users),
        source_key(source),
    )
    ends = tuple(Record(STATE, key, None) for key in keys)
    return Batch(ends, now, None, dict.fromkeys(state.tokens), users=dict.fromkeys(state.users))


def rejected(form: Form, row: SourceRow, report: Report) -> Batch:
    """A poll that must not be believed: its report, and nothing changes."""
    return _batch(report.source, report.finished_at, row, report=(report, form))


def interrupted(form: Form, row: SourceRow, now: int) -> Batch:
    """Closes the snapshot that a crash cut off, with the report its last chunk left in the source's row."""
    if row.open is None:
        raise ValueError("no snapshot is open")
    return _batch(row.open.source, now, replace(row, open=None), report=(row.open, form))


def plan(
    form: Form,
    report: Report,
    steps: Iterable[Step | UserStep],
    *,
    row: SourceRow,
    accepted: SourceRow,
    clock: Callable[[], int],
) -> Iterator[Batch | None]:
    """The transactions of an accepted poll, in order; each is committed before the next is made.

    None stands for a pause: some more of the next one is made, and whoever is in a hurry may go first.

    Args:
        form: how records are written, and when a transaction is full.
        report: the poll's report, but for its counts of events and its sequences; it was finished when it was judged.
        steps: what is to be written, token by token, user by user.
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
    for number, step in enumerate(steps, 1):
        if number % PAUSE == 0:
            yield None
        part = _part(form, source, step, tally.last + 1)
        if not chunk.has_room_for(part):
            so_far = tally.told(replace(partial, finished_at=clock()))
            yield chunk.closed(source, judged_at, replace(opened, last_sequence=tally.last, open=so_far))
            chunk = chunk.next()
        chunk.add(part)
        tally.count(step)
    last = replace(accepted, last_sequence=tally.last)
    yield chunk.closed(source, judged_at, last, report=(tally.told(report), form))


class Folding:
    """The state after the batches of a poll; of each only what will be known is kept, so that it can be let go."""

    def __init__(self, state: SourceState) -> None:
        self._state = state
        self._row = state.row
        self._written: list[bytes] = []
        self._gone: list[str] = []
        self._users: dict[str, UserRow | None] = {}

    def add(self, part: Batch) -> None:
        """A batch that was committed; no token is in two batches of a poll."""
        self._row = part.row
        for moid, row in part.tokens.items():
            if row is None:
                self._gone.append(moid)
            else:
                self._written.append(of_token(row, moid))
        self._users.update(part.users)

    def state(self) -> SourceState:
        """The state after all of them: what is known is copied once."""
        tokens, users = self._state.tokens, self._state.users
        if self._written or self._gone:
            tokens = Known.of(tokens).after(self._written, self._gone)
        if self._users:
            kept = {moid: row for moid, row in users.items() if moid not in self._users}
            users = kept | {moid: row for moid, row in self._users.items() if row}
        return SourceState(self._row, tokens, users)


class _Tally:
    """The events of one poll, counted, and the numbers they got."""

    def __init__(self, last: int) -> None:
        self.before = self.last = last
        self._counts = Counter[str]()

    def count(self, step: Step | UserStep) -> None:
        if isinstance(step, Step) and step.event:
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


class _Part(Frozen, frozen=True):
    """What goes into one transaction or another, but whole: the records of a token, and of its user or any other."""

    records: tuple[Record, ...]
    tokens: Mapping[str, TokenRow | None]
    user: tuple[UserStep, Record] | None
    size: int = 0  # of `records`
    event: Event | None = None


class _Chunk:
    """A batch that is being filled, up to a number of records and of bytes; of a user only the last row is written."""

    def __init__(self, records: int, size: int) -> None:
        self._most = records, size
        self._records: list[Record] = []
        self._tokens: dict[str, TokenRow | None] = {}
        self._users: dict[str, tuple[UserStep, Record]] = {}
        self._last: deque[Event] = deque(maxlen=LAST)
        self._size = 0

    def next(self) -> _Chunk:
        """An empty one with the same bounds."""
        return _Chunk(*self._most)

    def has_room_for(self, part: _Part) -> bool:
        """Whether the bounds allow it; an empty chunk takes anything, or a large token would never be written."""
        most, most_bytes = self._most
        count = len(self._records) + len(part.records) + len(self._users)
        if part.user and part.user[0].moid not in self._users:
            count += 1
        fits = count <= most and self._size + self._growth(part) <= most_bytes
        return fits or not (self._records or self._users)

    def add(self, part: _Part) -> None:
        self._size += self._growth(part)
        self._records.extend(part.records)
        self._tokens.update(part.tokens)
        if part.user:
            self._users[part.user[0].moid] = part.user
        if part.event:
            self._last.append(part.event)

    def closed(self, source: str, now: int, row: SourceRow, *, report: tuple[Report, Form] | None = None) -> Batch:
        users = {moid: step.row for moid, (step, _) in self._users.items()}
        records = (*self._records, *(record for _, record in self._users.values()))
        end = _batch(source, now, row, report=report)
        return replace(end, records=records + end.records, tokens=self._tokens, users=users, last=tuple(self._last))

    def _growth(self, part: _Part) -> int:
        """The bytes that a part adds."""
        grown = part.size
        if part.user:
            before = self._users.get(part.user[0].moid)
            grown += part.user[1].size - (before[1].size if before else 0)
        return grown


def _part(form: Form, source: str, step: Step | UserStep, sequence: int) -> _Part:
    user = step if isinstance(step, UserStep) else step.user
    remembered = None
    if user:
        remembered = user, Record(STATE, user_key(source, user.moid), user.row.to_bytes() if user.row else None)
    if isinstance(step, UserStep):
        return _Part((), {}, remembered)
    row = Record(STATE, token_key(source, step.moid), step.row.to_bytes() if step.row else None)
    event = frozen.replace(step.event, sequence=sequence) if step.event else None
    records = (*(form.event(event) if event else ()), row)
    return _Part(records, {step.moid: step.row}, remembered, sum([record.size for record in records]), event)


def _reserved(form: Form, report: Report, row: SourceRow) -> int:
    """The bytes to keep free in every transaction for the source's row and the report."""
    own = Record(STATE, source_key(report.source), row.to_bytes())
    return own.size + form.report(report).size + GROWTH


def _batch(source: str, now: int, row: SourceRow, *, report: tuple[Report, Form] | None = None) -> Batch:
    """A batch of the source's own row, and of its report if it ends a poll."""
    own = Record(STATE, source_key(source), row.to_bytes())
    told = (report[1].report(report[0]),) if report else ()
    return Batch((own, *told), now, row, {}, report[0] if report else None)
