"""What passes through an observed ledger is what passes without it, and every mark it leaves is of what happened."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from streamer.cycle import Cycle
from streamer.errors import Doubt, Fenced, Rejected, Unready
from streamer.health import Board
from streamer.status.observed import Observed
from streamer.status.recent import EVENTS, LONGEST, REFUSED, Recent
from streamer.status.tally import HOUR_MS, HOURS, Durations, Hours, Tally
from tests.builders import FORM, token
from tests.stage import POLICY, SOURCE, Stage
from tests.status import boards
from tests.watched import Hooked

OFFSET = 10_000  # a message's own


class Seen(Stage):
    """A stage whose cycle writes through an observed ledger."""

    def worker(self) -> Cycle:
        """A new process, as far as the log is concerned."""
        self.board = Board()
        self.ledger = Hooked(self.log, self.gates)
        ticks = count(0.0, 2.0)
        return Cycle(self.policy, self.account, Observed(self.ledger, self.board, lambda: next(ticks)), self.clock)

    @property
    def tally(self) -> Tally:
        """What was counted."""
        return self.board.tallies[SOURCE]


async def test_what_was_committed_is_counted() -> None:
    """Events by type, transactions, polls and their duration, a restore; a baseline is no change of any hour."""
    stage = Seen()
    await stage.turn(token("a"), token("b"))
    await stage.turn(token("a", client_name="new"), token("c"))
    await stage.turn(token("a", client_name="new"), token("c"))
    stage.check()

    tally = stage.tally
    assert tally.events == {"created": 3, "modified": 1, "deleted": 1}
    assert sum(tally.events.values()) == len(stage.events)
    assert tally.polls == {("accepted", ""): 3}
    assert (sum(tally.poll_s.counts), sum(tally.restore_s.counts), tally.restore_s.total) == (3, 1, 2.0)
    assert tally.transactions["committed"] == len(stage.log.batches) == 4
    assert tuple(map(sum, zip(*tally.hours.until(stage.clock()), strict=True))) == (1, 1, 1)
    assert [(one.line.type, one.sequence) for one in stage.board.recent.events] == [
        (event["event_type"], event["sequence"]) for event in stage.events
    ]


async def test_a_poll_that_was_not_believed_is_kept_with_its_reason() -> None:
    """In words that fit a line."""
    stage = Seen()
    stage.account.error = Rejected("torn", "Count changed\n" + "x" * OFFSET)
    await stage.turn()

    (kept,) = stage.board.recent.refused
    assert (kept.source, kept.reason, len(kept.detail)) == (SOURCE, "torn", LONGEST)
    assert kept.detail.startswith(r"Count changed\nxxx")
    assert stage.tally.polls["rejected", "torn"] == 1


async def test_a_snapshot_that_was_cut_off_is_counted_by_whoever_closes_it() -> None:
    """Its events when they were committed, its report when it was closed, its duration by nobody."""
    stage = Seen(policy=replace(POLICY, form=replace(FORM, records=4)))
    await stage.turn()
    stage.clock.now += 1000
    stage.account.show(map(token, "abc"))
    commits = count()

    def die() -> None:
        if next(commits) == 1:
            raise Doubt("killed")

    stage.ledger.on_commit = die
    with pytest.raises(Doubt):
        await stage.again()
    first = stage.tally
    stage.cycle = stage.worker()
    await stage.again()

    assert (first.events["created"], first.polls, first.transactions["doubt"]) == (1, {("accepted", ""): 1}, 1)
    assert (stage.tally.events["created"], stage.tally.polls["interrupted", "cut_off"]) == (2, 1)
    assert sum(stage.tally.poll_s.counts) == 1
    assert first.events["created"] + stage.tally.events["created"] == len(stage.events)
    stage.check()


@pytest.mark.parametrize(
    ("error", "where", "counted"),
    [
        (Doubt("no answer"), "commit", {"doubt": 1}),
        (Doubt("fenced"), "commit", {"fenced": 1}),
        (Fenced("three times"), "commit", {"fenced": 1}),
        (Fenced("three times"), "restore", {"fenced": 1}),
        (Doubt("fenced"), "restore", {"fenced": 1}),
        (Unready("Kafka is away"), "restore", {}),
    ],
)
async def test_what_became_of_a_transaction(error: Exception, where: str, counted: dict[str, int]) -> None:
    """A fence is told from any other doubt, at the opening of a writer too; the error goes on as it is."""
    stage = Seen()
    if str(error) == "fenced":
        error.__cause__ = Fenced("another writer")

    def fail() -> None:
        raise error

    setattr(stage.ledger, f"on_{where}", fail)
    with pytest.raises(type(error)) as raised:
        await stage.turn(token("a"))

    assert raised.value is error
    assert {k: v for k, v in stage.tally.transactions.items() if v} == counted
    assert not stage.board.recent.events


def test_history_is_bounded() -> None:
    """However long it runs: so many events, so many rejected polls, so many hours."""
    recent, hours = Recent(), Hours()
    for number in range(OFFSET):
        recent.ended(boards.report("a", "rejected", reason="torn", detail="x" * OFFSET))
        hours.add(number * HOUR_MS, (1, 2, 3))
    recent.published(boards.event("a", "created", n, client_name="n" * OFFSET) for n in range(1000))

    assert (len(recent.events), len(recent.refused), len(hours._counts)) == (EVENTS, REFUSED, HOURS)
    assert recent.events[-1].sequence == 999
    assert len(recent.events[-1].line.client) == 60
    assert hours.until((OFFSET - 1) * HOUR_MS) == ((1, 2, 3),) * HOURS
    assert hours.until((OFFSET + 4) * HOUR_MS)[-6:] == ((1, 2, 3), *[(0, 0, 0)] * 5)


def test_durations_are_sorted_by_what_they_did_not_exceed() -> None:
    """A bound itself is within it, as Prometheus counts; none is shorter than nothing."""
    lasted = Durations((1.0, 2.0))
    for seconds in (-1.0, 1.0, 1.5, 2.0, 2.5):
        lasted.add(seconds)

    assert (lasted.counts, lasted.total) == ([2, 2, 1], 7.0)
