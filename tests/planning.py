"""A poll's transactions, planned on top of a history that just began."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from streamer import batch, report
from streamer.batch import Batch, Form
from streamer.diff import changes
from streamer.judging.steps import Step, UserStep, Writing, steps
from streamer.report import Report
from streamer.state import Complete, SourceRow
from tests.builders import ACCOUNT, EPOCH, FORM, NOON, SECOND, poll, snapshot, token
from tests.fakes import Clock

BEGUN = SourceRow(EPOCH, configuration="c")
ACCEPTED = replace(
    BEGUN, account_moid=ACCOUNT, first_started_at=NOON - SECOND, complete=Complete("s", NOON - SECOND, NOON)
)
TOLD = report.accepted(poll(), snapshot([]), baseline=True, finished_at=NOON, requests=1)


def planned(
    made: Iterable[Step | UserStep], form: Form = FORM, *, told: Report = TOLD, row: SourceRow = BEGUN
) -> list[Batch]:
    """The transactions of a poll."""
    return [part for part in batch.plan(form, told, made, row=row, accepted=ACCEPTED, clock=Clock(NOON + 5)) if part]


def created(*moids: str, **fields: Any) -> tuple[Step, ...]:
    """The steps that tell of new tokens."""
    return tuple(steps(poll(), changes({}, snapshot([token(m, **fields) for m in moids])), Writing()))


def row_of(written: Batch) -> SourceRow:
    """The source's own row after it."""
    assert written.row is not None
    return written.row


def size_of(written: Batch) -> int:
    """The bytes of all its records."""
    return sum(record.size for record in written.records)
