"""What a transaction writes: numbers without a gap, bounds that hold, and the rows that say what the events said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import avro, batch
from streamer.avro import Values
from streamer.batch import GROWTH, SNAPSHOTS, STATE, Batch, Form, Record
from streamer.diff import changes
from streamer.events import Event
from streamer.judging.steps import Step, Writing, steps
from streamer.state import SourceRow, SourceState, TokenRow
from streamer.tokens import Sighting, Token
from tests import laws
from tests.builders import ACCOUNT, EPOCH, FORM, NOON, SECOND, fold, poll, row, snapshot, token
from tests.planning import ACCEPTED, BEGUN, TOLD, created, planned, row_of, size_of

# One transaction...


def test_a_history_begins_with_its_epoch_alone() -> None:
    """One record, the source's own row, before anything is polled."""
    made = batch.begin("prod", EPOCH, "c", NOON)

    assert made == Batch((Record(STATE, b"prod", BEGUN.to_bytes()),), NOON, BEGUN, {})


def test_a_rejected_poll_changes_nothing_but_is_told() -> None:
    """The source's row as it was, and the report."""
    told = replace(TOLD, verdict="rejected", reason="torn")

    made = batch.rejected(FORM, ACCEPTED, told)

    assert [(r.topic, r.key) for r in made.records] == [(STATE, b"prod"), (SNAPSHOTS, b"prod")]
    assert made.records[0].value == ACCEPTED.to_bytes()
    assert (made.row, made.tokens, made.report, made.timestamp) == (ACCEPTED, {}, told, NOON)


def test_a_poll_that_changed_nothing_is_one_transaction() -> None:
    """It moves the last complete snapshot and tells so, without any number."""
    (made,) = planned([])

    assert made.row == ACCEPTED
    assert made.report == TOLD
    assert (TOLD.first_sequence, TOLD.last_sequence) == (None, None)


def test_events_rows_the_sources_row_and_the_report_stand_in_one_transaction() -> None:
    """Each event in the topic of its type under its Moid, beside the row it leaves; all stamped with `detected_at`."""
    (made,) = planned(created("a", "b"))

    assert [(r.topic, r.key) for r in made.records] == [
        ("created", b"a"),
        (STATE, b"prod/t/a"),
        ("created", b"b"),
        (STATE, b"prod/t/b"),
        (STATE, b"prod"),
        (SNAPSHOTS, b"prod"),
    ]
    assert made.timestamp == NOON == laws.events(made.records)[0]["detected_at"]
    assert made.report is not None
    assert (made.report.created, made.report.first_sequence, made.report.last_sequence) == (2, 1, 2)
    assert made.row == replace(ACCEPTED, last_sequence=2)
    assert laws.reports(made.records)[0]["last_sequence"] == 2


def test_a_transaction_keeps_its_last_events_for_whoever_watches() -> None:
    """A few, numbered as they were written, of this transaction alone; one without events keeps none."""
    first, second = planned(created(*"abcdefghijklm"), replace(FORM, records=11 * 2 + batch.RESERVED_RECORDS))

    assert [event.sequence for event in first.last] == list(range(2, 12))
    assert [(event.moid, event.sequence) for event in second.last] == [("l", 12), ("m", 13)]
    assert planned([])[0].last == ()


def test_a_forgotten_token_ends_in_a_tombstone() -> None:
    """A record without a value; the state no longer has it."""
    (made,) = planned([Step("a", None)])

    assert made.records[0] == Record(STATE, b"prod/t/a", None)
    assert fold(SourceState(BEGUN, {"a": row(token())}), made) == SourceState(ACCEPTED, {})


# Many transactions...


@pytest.mark.parametrize("records", [1, 4, 5, 6, 7, 10, 100])
def test_a_transaction_has_at_most_so_many_records(records: int) -> None:
    """Events, rows, the source's row and the report together; a single step that is too much goes alone."""
    parts = planned(created(*"abcdefg"), replace(FORM, records=records))

    alone = 2 + batch.RESERVED_RECORDS
    assert all(len(part.records) <= max(records, alone) for part in parts)
    assert len(parts) == -(-7 // max(1, (records - 2) // 2))


@settings(deadline=None)
@given(st.integers(1, 20_000), st.lists(st.integers(0, 4000), max_size=12), st.sampled_from(["avro", "json"]))
def test_a_transaction_has_at_most_so_many_bytes(size: int, lengths: list[int], value_format: str) -> None:
    """Whatever the tokens' sizes; one that is over the bound by itself is written all the same, alone."""
    made = [s for n, length in enumerate(lengths) for s in created(f"{n:02}", client_name="x" * length)]
    form = Form(Values(value_format), size=size)

    parts = planned(made, form)

    assert all(size_of(part) <= size or len(part.tokens) <= 1 for part in parts)
    assert [moid for part in parts for moid in part.tokens] == [step.moid for step in made]


def test_a_transaction_is_filled_before_the_next_begins() -> None:
    """The room kept free for the source's row and the report is what they need and a little more."""
    parts = planned(created(*(f"{n:03}" for n in range(50))), replace(FORM, size=4000))
    needed = size_of(Batch(parts[-1].records[-2:], NOON, ACCEPTED, {}))
    largest = max(sum(r.size for r in part.records[:2]) for part in parts)

    assert len(parts) > 2
    assert all(size_of(part) + needed + GROWTH + largest > 4000 for part in parts[:-1])


def test_only_the_last_transaction_moves_the_complete_snapshot() -> None:
    """Until then the row holds the snapshot open, as the report that would tell of its interruption."""
    first, second, last = planned(created(*"abc"), replace(FORM, records=4), row=replace(BEGUN, last_sequence=7))

    assert (first.report, second.report) == (None, None)
    assert first.row == replace(
        BEGUN, account_moid=ACCOUNT, first_started_at=NOON - SECOND, last_sequence=8, open=row_of(first).open
    )
    assert row_of(second).open == replace(
        TOLD,
        verdict="interrupted",
        reason="cut_off",
        finished_at=NOON + 5,
        created=2,
        first_sequence=8,
        last_sequence=9,
    )
    assert last.row == replace(ACCEPTED, last_sequence=10)
    assert last.report is not None
    assert (last.report.first_sequence, last.report.last_sequence, last.report.created) == (8, 10, 3)
    assert {first.timestamp, second.timestamp, last.timestamp} == {NOON}


def test_an_interrupted_snapshot_is_closed_with_what_its_row_remembers() -> None:
    """The report as the last chunk left it; the row is the same but for that; counts of what never came are none."""
    told = replace(TOLD, unchanged=3, suppressed=2, waiting=1, outlived=1, pages=4, requests=9, rows=77)
    first, *_ = planned(created("a", "b"), replace(FORM, records=4), told=told)

    made = batch.interrupted(FORM, row_of(first), NOON + 99)

    assert made.row == replace(row_of(first), open=None)
    assert made.report == row_of(first).open
    assert made.report is not None
    assert (made.report.verdict, made.report.finished_at, made.report.created) == ("interrupted", NOON + 5, 1)
    assert (made.report.pages, made.report.requests, made.report.rows) == (4, 9, 77)
    assert made.report.unchanged == made.report.suppressed == made.report.waiting == made.report.outlived == 0
    assert SourceRow.from_bytes(row_of(first).to_bytes()) == first.row


def test_only_an_open_snapshot_can_be_interrupted() -> None:
    """Anything else would be a report about nothing."""
    with pytest.raises(ValueError, match="no snapshot is open"):
        batch.interrupted(FORM, ACCEPTED, NOON)


# Laws...

WORLDS = st.lists(
    st.builds(token, st.sampled_from("abcdefgh"), client_name=st.sampled_from([None, "x", "y"])),
    unique_by=lambda one: one.moid,
)


@settings(deadline=None)
@given(WORLDS, WORLDS, st.integers(1, 9))
def test_folding_the_plan_gives_what_the_snapshot_shows(old: list[Token], new: list[Token], records: int) -> None:
    """`same(apply(a, changes(a, b)), b)`, over any number of transactions; unproven absences stay known."""
    rows = {one.moid: row(one) for one in old}
    state = SourceState(replace(BEGUN, account_moid=ACCOUNT), rows)
    seen = snapshot(new, known=rows.values())
    made = steps(poll(), changes(rows, seen), Writing())

    parts = planned(made, replace(FORM, records=records))
    at_once = fold(state, *parts)
    for part in parts:
        state = fold(state, part)

    assert at_once == state
    absent = rows.keys() - {one.moid for one in new}
    assert {m: r.meaning for m, r in state.tokens.items() if m not in absent} == {
        one.moid: row(one).meaning for one in new
    }
    assert {m: r.datum for m, r in state.tokens.items() if m in absent} == {m: rows[m].datum for m in absent}
    again = changes(state.tokens, replace(seen, rows={**seen.rows, **_again(new)}, unchanged=frozenset()))
    assert [(c.kind, c.moid) for c in again] == [(c.kind, c.moid) for c in changes(rows, seen) if c.moid in absent]
    assert rows == {one.moid: row(one) for one in old}


def _again(tokens: Iterable[Token]) -> dict[str, Sighting]:
    return dict(snapshot(tokens).rows)


def test_what_is_restored_is_what_was_folded() -> None:
    """The bytes in the log give the very rows that memory holds."""
    made = planned(created("a", "b"))[0]
    tokens: dict[str, TokenRow] = {}
    for record in made.records:
        if record.topic == STATE and b"/t/" in record.key and record.value is not None:
            tokens[record.key.decode().rpartition("/")[2]] = TokenRow.from_bytes(record.value)

    assert SourceState(made.row, tokens) == fold(SourceState(), made)


# Headers...


def _event(**fields: Any) -> Event:
    (step,) = created("a", create_time=NOON - 30 * SECOND)
    assert step.event is not None
    return replace(step.event, **fields)


@pytest.mark.parametrize(
    ("values", "content_type"),
    [
        (Values("avro"), b"application/avro"),
        (Values("json"), b"application/json"),
        (Values("confluent", {"created": 7, "snapshots": 8}), b"application/vnd.confluent.avro"),
    ],
)
def test_headers_are_those_of_cloudevents(values: Values, content_type: bytes) -> None:
    """CloudEvents 1.0, Kafka binding, binary mode; each repeats a fact of the event."""
    made = _event()

    (record,) = Form(values).event(made)

    assert record.headers == (
        ("ce_id", made.event_id.encode()),
        ("ce_source", b"/intersight/prod"),
        ("ce_specversion", b"1.0"),
        ("ce_type", b"com.cisco.intersight.iam.oauthtoken.created.v1"),
        ("ce_time", b"2025-11-25T11:59:30.000Z"),
        ("ce_subject", b"a"),
        ("content-type", content_type),
    )
    assert (record.topic, record.key) == ("created", b"a")
    assert Form(values).report(TOLD).headers == (("content-type", content_type),)


def test_headers_can_be_switched_off() -> None:
    """They never are the only carrier of a fact."""
    plain = Form(Values("avro"), cloudevents=False)

    assert plain.event(_event())[0].headers == plain.report(TOLD).headers == ()


@pytest.mark.parametrize("kind", ["created", "modified", "deleted"])
def test_an_event_goes_to_the_topic_of_its_type(kind: str) -> None:
    """And `ce_type` says the same."""
    (record,) = FORM.event(_event(event_type=kind))

    assert record.topic == kind
    assert dict(record.headers)["ce_type"] == f"com.cisco.intersight.iam.oauthtoken.{kind}.v1".encode()
    assert avro.decode_event(record.value or b"")["event_type"] == kind
