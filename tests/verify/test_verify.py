"""What verify makes of the three, where one of them was tampered with: told, forgiven, or nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from streamer import avro
from streamer.batch import SNAPSHOTS, STATE
from streamer.state import SourceState, Status
from streamer.tokens import Gone, Unsure
from streamer.verify.compare import Comparison, Shown
from streamer.verify.findings import Difference, standing
from streamer.verify.told import Lane, Tiles, Topics
from tests.builders import NOON, SECOND, sighting, snapshot, token
from tests.stage import SOURCE, Stage

Event = dict[str, Any]
LANE = ("created", 0)


@dataclass
class Three:
    """What topics, state and Intersight say, to be tampered with."""

    events: list[Event]
    reports: list[Event]
    state: SourceState
    shown: Shown
    dropped: Mapping[Lane, int | None] = field(default_factory=dict)
    since: int | None = None
    suppress: bool = False
    silent: bool = False

    def found(self) -> list[Difference]:
        """All differences."""
        states = {SOURCE: self.state}
        topics = Topics(states, self.dropped, silent={SOURCE: self.silent}, since=self.since)
        tiles = Tiles(states, dropped=bool(self.dropped))
        for event in self.events:
            topics.add(event, LANE)
        for report in self.reports:
            tiles.add(report)
        self.comparison = Comparison(SOURCE, self.state, topics)
        return [
            *topics.differences,
            *topics.gaps(),
            *tiles.differences,
            *tiles.ends(),
            *self.comparison.with_topics(),
            *self.comparison.with_api(self.shown, suppress=self.suppress),
        ]

    def row(self, moid: str, **changes: Any) -> None:
        """Another row of a token."""
        rows = dict(self.state.tokens)
        rows[moid] = replace(rows[moid], **changes)
        self.state = replace(self.state, tokens=rows)

    def without(self, moid: str) -> None:
        """No row of a token."""
        self.state = replace(self.state, tokens={m: row for m, row in self.state.tokens.items() if m != moid})

    def show(self, *tokens: Any, **findings: Any) -> None:
        """Intersight shows these tokens, and says this of others by Moid."""
        self.shown = Shown(snapshot(tokens, known=self.state.tokens.values()), findings)


@pytest.fixture(name="three")
async def _three() -> Three:
    """Two tokens that are there, one that changed, one that was deleted; all agree."""
    stage = Stage()
    there = [token(moid) for moid in "abcd"]
    await stage.turn(*there)
    changed = replace(there[1], client_name="other", mod_time=NOON + 30 * SECOND)
    await stage.turn(there[0], changed, there[2])
    await stage.turn(there[0], changed, there[2])
    records = stage.log.records
    events = [avro.decode_event(r.value) for r in records if r.topic not in (STATE, SNAPSHOTS) and r.value]
    reports = [avro.decode_report(r.value) for r in records if r.topic == SNAPSHOTS and r.value]
    state = stage.log.state(SOURCE)
    assert (len(events), state.tokens["d"].status) == (6, Status.DELETED)
    shown = Shown(snapshot([there[0], changed, there[2]], known=state.tokens.values()))
    return Three(sorted(events, key=lambda event: int(event["sequence"])), reports, state, shown)


async def test_nothing_is_found_where_nothing_differs(three: Three) -> None:
    """The log of the service, its state, and the API."""
    assert three.found() == []


def _later(three: Three) -> None:
    three.events.append({**three.events[-1], "sequence": 7, "event_id": "later", "moid": "z"})


def _noise(three: Three) -> None:
    three.show(*(sighting(avro.decode_token(r.datum), noise="x") for r in three.state.tokens.values() if r.known))


def _waits(three: Three) -> None:
    three.row("a", status=Status.WAITING)
    three.show(*(avro.decode_token(three.state.tokens[m].datum) for m in "bc"), a=Gone("a", NOON))


def _seen_by_moid(three: Three) -> None:
    shown = [avro.decode_token(three.state.tokens[m].datum) for m in "abc"]
    three.show(*shown[1:], a=sighting(shown[0]))


def _since(three: Three) -> None:
    three.events, three.reports, three.since = three.events[4:], three.reports[1:], three.events[4]["detected_at"]
    three.dropped = {LANE: None}


def _refreshed(three: Three) -> None:
    three.suppress = True
    shown = [avro.decode_token(three.state.tokens[m].datum) for m in "abc"]
    three.show(replace(shown[0], access_expiration_time=NOON, mod_time=NOON + 1), *shown[1:])


def _silent(three: Three) -> None:
    three.silent = True
    three.row("a", last_event_at=None)
    three.events = [event for event in three.events if event["moid"] != "a"]
    three.events = [{**event, "sequence": number} for number, event in enumerate(three.events, 1)]
    row = three.state.row
    assert row is not None
    three.state = replace(three.state, row=replace(row, last_sequence=5))
    three.reports = []
    three.dropped = {("snapshots", 0): NOON - 3600 * SECOND}


@pytest.mark.parametrize("tamper", [_later, _noise, _waits, _seen_by_moid, _since, _refreshed, _silent])
async def test_what_is_no_difference(three: Three, tamper: Callable[[Three], None]) -> None:
    """What came later, what means the same, what waits, what is suppressed, silent, or was not read."""
    tamper(three)

    assert three.found() == []


async def test_refreshes_that_are_not_suppressed(three: Three) -> None:
    """The same change of the API, with refresh_events: publish: both fields, each with both sides, and the event."""
    _refreshed(three)
    three.suppress = False
    (found,) = three.found()

    assert (found.kind, found.moid, found.between) == ("differs", "a", ("state", "Intersight"))
    assert [(one.name, one.one, one.other) for one in found.fields] == [
        ("access_expiration_time", "nothing", "2025-11-25T12:00:00.000Z"),
        ("mod_time", "2025-11-25T11:00:00.001Z", "2025-11-25T12:00:00.001Z"),
    ]
    assert found.event is not None
    assert (found.event.event_type, found.event.sequence, found.at) == ("created", 1, None)


def _lost(three: Three) -> None:
    del three.events[2]


def _lost_at_the_end(three: Three) -> None:
    del three.events[5]


def _twice(three: Three) -> None:
    three.events.insert(2, three.events[1])


def _same_number(three: Three) -> None:
    three.events[5] = {**three.events[5], "sequence": 5}


def _other_before(three: Three) -> None:
    event = three.events[4]
    three.events[4] = {**event, "before": {**event["before"], "client_name": "forged"}}


def _created_twice(three: Three) -> None:
    three.events[4] = {**three.events[4], "event_type": "created", "before": None}


def _report_lost(three: Three) -> None:
    del three.reports[0]


def _report_wrong(three: Three) -> None:
    three.reports[0] = {**three.reports[0], "created": 3}


def _row_lost(three: Three) -> None:
    shown = [avro.decode_token(three.state.tokens[m].datum) for m in "abc"]
    three.without("a")
    three.show(*shown)


def _row_forged(three: Three) -> None:
    forged = replace(avro.decode_token(three.state.tokens["a"].datum), client_name="forged")
    three.row("a", datum=b"".join(avro.encode_token(forged)))


def _row_revived(three: Three) -> None:
    three.row("d", status=Status.LIVE)


def _row_of_another_deletion(three: Three) -> None:
    three.row("d", deleted_event_id="another")


def _gone(three: Three) -> None:
    three.show(*(avro.decode_token(three.state.tokens[m].datum) for m in "bc"), a=Gone("a", NOON))


def _unsure(three: Three) -> None:
    three.show(*(avro.decode_token(three.state.tokens[m].datum) for m in "bc"), a=Unsure("a", "a 503"))


def _unknown(three: Three) -> None:
    three.show(*(avro.decode_token(three.state.tokens[m].datum) for m in "abc"), token("new"))


def _back(three: Three) -> None:
    three.show(*(avro.decode_token(three.state.tokens[m].datum) for m in "abcd"))


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (_lost, ["gap: sequence 3 is in no topic", "untold c"]),
        (
            _lost_at_the_end,
            ["gap: sequence 6 is in no topic", "differs d: by its last event it is there, by the state"],
        ),
        (_twice, ["repeated b: event_id"]),
        (_same_number, ["repeated: sequence 5 stands", "gap: sequence 6 is in", "differs d: by its last event"]),
        (_other_before, ["chain b: its before is not the after of sequence 2"]),
        (_created_twice, ["chain b: created follows created"]),
        (_report_lost, ["report: the report of poll"]),
        (_report_wrong, ["report: the report of poll"]),
        (_row_lost, ["unknown a: by its last event it is there", "unknown a: Intersight shows it, and the state does"]),
        (_row_forged, ["differs a: its last event and the state differ"]),
        (
            _row_revived,
            ["differs d: by its last event it is deleted, by the state there", "gone d: the state knows it"],
        ),
        (_row_of_another_deletion, ["differs d: the state says that event another deleted it"]),
        (_gone, ["gone a: the state knows it, and Intersight says that it is gone: a deleted event"]),
        (_unsure, ["gone a: the state knows it, and Intersight does not list it (a 503)"]),
        (_unknown, ["unknown new: Intersight shows it, and the state does not know it: a created event"]),
        (_back, ["unknown d: Intersight shows it, and the state has it as deleted: a created event"]),
    ],
)
async def test_what_differs_is_told(three: Three, tamper: Callable[[Three], None], told: list[str]) -> None:
    """Each tampering is found, once, with the token it is about."""
    tamper(three)
    found = [f"{one.kind}{' ' if one.moid else ''}{one.moid or ''}: {one.detail}" for one in three.found()]

    assert len(found) == len(told), found
    assert all(any(line.startswith(start) for line in found) for start in told), found


async def test_what_is_older_than_the_topics_keep(three: Three) -> None:
    """The first two events are gone: forgiven if their retention is over or nothing tells why, else a loss."""
    first_left = three.events[2]["detected_at"]
    three.events = three.events[2:]
    by_age, by_size, too_young = {LANE: first_left}, {LANE: None}, {LANE: first_left - SECOND}
    found: list[list[str]] = []
    for dropped in (by_age, by_size, too_young, {}):
        three.dropped = dropped
        found.append([one.kind for one in three.found()])

    assert found == [[], [], ["untold"], ["chain", "gap", "untold"]]


def test_what_stands() -> None:
    """At the second look: what was there at the first, and what is old by itself; all else may be younger."""
    old, recent, seen, new = (
        Difference("one", "gap", ("topics", "topics"), "old", at=NOON - 10_001),
        Difference("one", "gap", ("topics", "topics"), "recent", at=NOON - 10_000),
        Difference("one", "gone", ("state", "Intersight"), "seen", "a"),
        Difference("one", "gone", ("state", "Intersight"), "new", "b"),
    )

    assert standing({}, [old, recent, seen, new], NOON, {"one": 10_000}) == ([old], [recent, seen, new])
    assert standing({seen.key: seen}, [seen, new], NOON, {"one": 10_000}) == ([seen], [new])
