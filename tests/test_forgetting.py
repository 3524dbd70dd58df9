"""The end of a source that nobody polls, when a person orders it: all its rows, in one transaction, and no event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streamer.state import SourceState
from tests.builders import FORM
from tests.held import ALL, TIGHT, there
from tests.stage import SOURCE, Stage


async def removed(records: int = 10_000) -> Stage:
    """A source with tokens and a user's memory that its owner does not have in its configuration any more."""
    stage = Stage(policy=replace(TIGHT, form=replace(FORM, records=records)))
    await stage.turn(*there(ALL))
    await stage.turn(*there("abc"))
    stage.policy = replace(stage.policy, configured=False)
    stage.cycle = stage.worker()
    await stage.cycle.prepare()
    return stage


async def test_all_rows_end_and_no_event_tells() -> None:
    """In one transaction, however small transactions are meant to be; there is no row left to answer in."""
    stage = await removed(records=4)
    before, rows = stage.events, set(stage.log.rows)
    command = stage.order("forget")

    (answer,) = await stage.cycle.obey()

    assert (answer.command_id, answer.outcome) == (command.command_id, "done")
    _, written = stage.log.batches[-1]
    assert {record.key for record in written.records} == rows
    assert written.records[-1].key == SOURCE.encode()
    assert {record.value for record in written.records} == {None}
    assert stage.log.rows == {}
    assert stage.events == before
    assert stage.cycle.state == SourceState()


async def test_what_comes_after_the_end_is_for_a_new_history() -> None:
    """A second order, and whatever else was said of what is no more, is not heard; the source begins anew."""
    stage = await removed()
    epoch = stage.row.epoch
    for _ in range(2):
        stage.order("forget")

    assert len(await stage.cycle.obey()) == 1

    stage.policy = replace(stage.policy, configured=True)
    stage.cycle = stage.worker()
    told = await stage.turn(*there("ab"))
    assert stage.row.epoch != epoch
    assert (told.created, told.baseline) == (2, True)
    assert [answer.outcome for answer in stage.answers] == ["refused", "refused"]


@pytest.mark.parametrize(
    ("action", "differences", "why"),
    [
        ("forget", {"epoch": "another"}, "it was given in epoch"),
        ("forget", {"expires_at": 0}, "it expired"),
        ("release", {}, "no worker polls this source"),
        ("discard", {}, "no worker polls this source"),
        ("burn", {}, "it orders 'burn'"),
    ],
)
async def test_what_nobody_does_to_a_source_that_is_not_polled(
    action: str, differences: dict[str, Any], why: str
) -> None:
    """It is answered in its row; everything else stays."""
    stage = await removed()
    tokens = stage.tokens
    stage.order(action, **differences)

    (answer,) = await stage.cycle.obey()

    assert answer.outcome == "refused"
    assert why in answer.detail
    assert stage.row.answer == answer
    assert stage.tokens == tokens
