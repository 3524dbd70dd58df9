"""Reports: whatever is known of a poll is told, whether it was believed or not."""

from __future__ import annotations

from dataclasses import fields, replace

from streamer import avro, report
from streamer.errors import ApiError, Rejected
from streamer.report import DETAIL_LIMIT, MOST_TRACES, Report
from streamer.tokens import ServerClock, Walk
from tests.builders import ACCOUNT, EPOCH, NOON, SECOND, poll, snapshot, token

WALK = Walk("skip", 2, 7, 9, NOON, ServerClock(200, 900), ("t1", "t2", "t1"))


def rejected(error: Rejected, *, account_moid: str | None = ACCOUNT) -> Report:
    """The report of a poll that failed so."""
    return report.rejected(
        error,
        snapshot_id="s",
        source="prod",
        epoch=EPOCH,
        account_moid=account_moid,
        started_at=NOON - SECOND,
        finished_at=NOON,
        requests=5,
        baseline=False,
    )


def test_an_accepted_poll_tells_what_was_read() -> None:
    """All of the walk, the snapshot and the judgement; nothing is counted yet."""
    seen = snapshot([token("a"), token("b")], walk=WALK)

    told = report.accepted(poll(), seen, baseline=True, finished_at=NOON, requests=5, looked_up=("t3", "t2", "t3"))

    assert told == Report(
        snapshot_id=seen.snapshot_id,
        source="prod",
        epoch=EPOCH,
        account_moid=ACCOUNT,
        started_at=NOON - SECOND,
        finished_at=NOON,
        server_date=NOON,
        clock_offset_ms=200,
        verdict="accepted",
        paging="skip",
        pages=2,
        requests=5,
        rows=7,
        server_count=9,
        moids_sha256=seen.moids_sha256,
        baseline=True,
        trace_ids=("t1", "t2", "t3"),
    )


def test_a_rejected_poll_tells_why_and_how_far_it_came() -> None:
    """The stable code, the sentence, the walk up to there, and the trace id of the reply that ended it."""
    error = ApiError("throttled", "too many requests", status=429, trace_id="t3")
    error.walk = WALK

    told = rejected(error)

    assert (told.verdict, told.reason, told.detail) == ("rejected", "throttled", "too many requests")
    assert (told.pages, told.requests, told.rows, told.server_count) == (2, 5, 7, 9)
    assert told.trace_ids == ("t1", "t2", "t3")
    assert told.moids_sha256 is None


def test_a_trace_id_is_told_once() -> None:
    """The reply that ended the poll may be among those that were counted."""
    error = Rejected("torn", "Count changed", trace_id="t2")
    error.walk = WALK

    assert rejected(error).trace_ids == ("t1", "t2")


def test_trace_ids_are_bounded() -> None:
    """The last ones stay: a poll ends with what went wrong, and with look-ups."""
    error = Rejected("torn", "Count changed", trace_id="last")
    error.walk = replace(WALK, trace_ids=tuple(map(str, range(1000))))

    told = rejected(error)

    assert (len(told.trace_ids), told.trace_ids[-2:]) == (MOST_TRACES, ("999", "last"))


def test_a_poll_that_reached_nobody_is_told_too() -> None:
    """Without any reply there is no server's date, hence no offset to tell."""
    told = rejected(Rejected("unavailable", "x" * 5000), account_moid=None)

    assert (told.server_date, told.clock_offset_ms, told.account_moid) == (None, None, None)
    assert told.detail is not None
    assert len(told.detail) == DETAIL_LIMIT


def test_fields_are_those_of_the_schema() -> None:
    """Same names, same order: a report is encoded by its attributes and decoded as the same."""
    told = replace(rejected(Rejected("torn", "Count changed")), first_sequence=3, last_sequence=5, hold_id="h")
    record = avro.decode_report(avro.encode_report(told))

    assert list(record) == [field.name for field in fields(Report)]
    assert Report(**record | {"trace_ids": tuple(record["trace_ids"])}) == told
