"""Watching: turns come when they are due, failures are waited out, and nothing one source does ends another."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import watch
from streamer.backoff import pause_s
from streamer.errors import CheckFailed, Doubt, Fenced, Misconfigured, Rejected, StreamerError, Unready
from streamer.stop import Stop
from streamer.watch import LONGEST_PAUSE_S, LONGEST_WAIT_S, last_due
from tests import laws
from tests.builders import FORM, NOON, token
from tests.fakes import Gates
from tests.stage import POLICY, SOURCE, Stage
from tests.watched import INTERVAL_S, Paced, Watched

# When...


async def test_turns_come_an_interval_apart_however_long_each_takes() -> None:
    """What a turn takes is not added to the interval: no drift, also where one takes longer and is followed at once."""
    stop = Paced(5)
    watched = Watched(stop)
    starts, takes = [], iter([7.0, 59.0, 130.0, 0.5, 0.0])

    def turn() -> None:
        starts.append(stop.now)
        stop.now += next(takes)

    watched.stage.account.on_list = turn
    await watched.watch.run()

    assert starts == [1000, 1060, 1120, 1250, 1300]
    assert stop.slept == [53, 1, 0, 49.5, 60]


@given(st.integers(0, 10**6), st.integers(1, 10**5), st.integers(-(10**6), 10**6))
def test_turns_that_were_missed_are_not_made_up(due: int, interval_s: int, late_s: int) -> None:
    """The last one is due that should have been by now, and those after it when they would have been anyway."""
    now = due + late_s

    last = last_due(due, interval_s, now)

    assert (last - due) % interval_s == 0
    assert last == due if late_s < 0 else now - interval_s < last <= now


@settings(deadline=None)
@given(st.integers(1, 10_000), st.floats(1, 1e4))
def test_a_pause_doubles_up_to_its_longest(failures: int, longest_s: float) -> None:
    """From a second, half of it by chance, however many failures there were."""
    whole = min(2.0 ** min(failures - 1, 40), longest_s)

    assert whole / 2 <= pause_s(failures, longest_s) <= whole


# What failures mean...


@pytest.mark.parametrize(
    ("error", "longest_s"),
    [
        (Doubt("unknown"), LONGEST_PAUSE_S),
        (Unready("Kafka is away"), LONGEST_WAIT_S),
        (RuntimeError("a bug"), LONGEST_PAUSE_S),
        (CheckFailed("odd"), LONGEST_PAUSE_S),
        (Rejected("torn", "from where none is expected"), LONGEST_PAUSE_S),
        (TimeoutError(), LONGEST_PAUSE_S),
    ],
)
async def test_a_failed_turn_is_repeated_from_what_the_log_holds(error: Exception, longest_s: float) -> None:
    """After a pause that grows with each failure in a row; success begins anew."""
    stop = Paced(14)
    watched = Watched(stop)
    failing = iter([True] * 12)

    def fail() -> None:
        if next(failing, False):
            raise error

    watched.ledger.on_restore = fail
    await watched.watch.run()

    for number, seconds in enumerate(stop.slept[:12]):
        whole = min(2.0**number, longest_s)
        assert whole / 2 <= seconds <= whole
    assert stop.slept[12] == INTERVAL_S
    assert [report["verdict"] for report in watched.reports] == ["accepted", "accepted"]


async def test_a_turn_that_failed_begins_with_a_restore() -> None:
    """Also where only the look failed: nothing in memory is trusted after a fault."""
    watched = Watched(Paced(2))
    faults = iter([ZeroDivisionError()])

    def fail() -> None:
        if fault := next(faults, None):
            raise fault

    watched.stage.account.on_list = fail
    await watched.watch.run()

    assert watched.stage.gates.passed.count("ledger restores") == 2
    assert [report["verdict"] for report in watched.reports] == ["accepted"]


async def test_failures_are_forgotten_after_a_success() -> None:
    """A pause is as short as the first one again."""
    stop = Paced(6)
    watched = Watched(stop)
    commits = iter([False, False, True, True, False, True, True])

    def commit() -> None:
        if next(commits, False):
            raise Doubt("unknown")

    watched.ledger.on_commit = commit
    await watched.watch.run()

    assert [seconds <= 1 for seconds in stop.slept] == [False, True, False, False, True, False]
    assert 1 <= stop.slept[2] <= 2
    assert stop.slept[0] == INTERVAL_S == pytest.approx(sum(stop.slept[1:4]))  # the phase is kept
    watched.stage.cycle = watched.cycle
    laws.check(watched.stage.log.records, watched.stage.log.state(SOURCE))


@pytest.mark.parametrize("error", [Misconfigured("a row of another program"), Fenced("three times")])
async def test_what_a_person_must_change_ends_the_watch(error: StreamerError) -> None:
    """With that very error: repeating cannot help."""
    watched = Watched(Paced(9))

    def fail() -> None:
        raise error

    watched.ledger.on_restore = fail
    with pytest.raises(type(error)) as raised:
        await watched.watch.run()

    assert raised.value is error


async def test_one_sources_bug_does_not_end_another() -> None:
    """They run side by side; the other is polled as if nothing had happened."""
    stop = Paced(20)
    sick, well = Watched(stop), Watched(stop)

    failures = []

    def fail() -> None:
        failures.append(stop.now)
        raise ZeroDivisionError

    sick.ledger.on_restore = fail
    async with asyncio.TaskGroup() as group:
        group.create_task(sick.watch.run())
        group.create_task(well.watch.run())

    assert sick.reports == []
    assert failures
    assert len(well.reports) > 1
    assert SOURCE in sick.board.missing
    assert well.board.missing == {}


async def test_a_rejected_poll_is_no_failure() -> None:
    """It is told, and the next one comes when it is due; the same reason is said aloud once."""
    stop = Paced(3)
    watched = Watched(stop)
    watched.stage.account.error = Rejected("torn", "Count changed")

    await watched.watch.run()

    assert stop.slept == [INTERVAL_S] * 3
    assert [report["reason"] for report in watched.reports] == ["torn"] * 3
    assert (watched.health.last_verdict, watched.health.last_reason) == ("rejected", "torn")
    assert watched.health.last_accepted_at is None


async def test_the_page_shows_what_the_state_says() -> None:
    """Epoch, last number, tokens, the last accepted poll; and what a restart restored, before its first poll."""
    watched = Watched(Paced(1))
    await watched.watch.run()
    state = watched.stage.log.state(SOURCE)
    assert state.row is not None

    shown = watched.health
    assert (shown.epoch, shown.last_sequence, shown.tokens) == (state.row.epoch, 1, 1)
    assert (shown.last_verdict, shown.last_accepted_at) == ("accepted", NOON)

    again = Watched(Paced(1), watched.stage)
    again.stage.account.error = Rejected("torn", "Count changed")
    await again.watch.run()
    assert (again.health.epoch, again.health.tokens) == (state.row.epoch, 1)
    assert again.health.last_accepted_at == NOON


async def test_damage_adds_up_for_the_metrics() -> None:
    """Poll by poll, and so do properties that nobody knows."""
    watched = Watched(Paced(3))
    account = watched.stage.account
    account.on_list = lambda: setattr(account, "damaged", account.damaged + 2)
    account.strange = 4

    await watched.watch.run()

    assert (watched.health.damaged, watched.health.unknown) == (6, 12)


async def test_normal_operation_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """A line for what changed, and for a reason that is a new one; not for the same again."""
    stop = Paced(6)
    watched = Watched(stop)
    error = Rejected("torn", "Count changed")
    errors = iter([None, None, error, error, None, None])
    watched.stage.account.on_list = lambda: setattr(watched.stage.account, "error", next(errors))
    caplog.set_level(logging.INFO)

    await watched.watch.run()

    said = [(r.getMessage(), r.levelname) for r in caplog.records if r.getMessage().startswith("poll.")]
    assert [level for _, level in said] == ["INFO", "WARNING", "INFO"]


# Stopping...


async def test_a_stop_ends_a_look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was written of it, so nothing is lost; the time to finish is for what is being written."""
    monkeypatch.setattr(watch, "FINISH_S", 3600.0)
    stop, stage = (
        Stop(),
        Stage(gates=Gates(hang_at=6)),
    )  # restored, the epoch written, commands and rights; the list is asked for
    watched = Watched(stop, stage)

    async with asyncio.TaskGroup() as group:
        group.create_task(watched.watch.run())
        await stage.gates.hangs.wait()
        stop.request()

    assert stage.gates.passed[-1] == "source answers with a list"
    assert watched.reports == []


async def test_a_snapshot_that_is_being_written_is_finished() -> None:
    """The stop was asked for in its first transaction; all of them are committed, then the watch ends."""
    stop, stage = Stop(), Stage(policy=replace(POLICY, form=replace(FORM, records=4)))
    watched = Watched(stop, stage)
    stage.account.show(map(token, "abc"))
    commits = iter([None, stop.request])

    def commit() -> None:
        if ask := next(commits, None):
            ask()

    watched.ledger.on_commit = commit
    await watched.watch.run()

    assert [(report["verdict"], report["created"]) for report in watched.reports] == [("accepted", 3)]
    assert len(stage.log.batches) == 4


async def test_a_snapshot_that_takes_too_long_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its limit; what was committed stands, and the next start closes it as interrupted."""
    monkeypatch.setattr(watch, "FINISH_S", 0.01)
    stop = Stop()
    stage = Stage(gates=Gates(hang_at=9), policy=replace(POLICY, form=replace(FORM, records=4)))
    watched = Watched(stop, stage)
    stage.account.show(map(token, "abc"))

    async with asyncio.TaskGroup() as group:
        group.create_task(watched.watch.run())
        await stage.gates.hangs.wait()
        stop.request()

    assert stage.gates.passed[-1] == "ledger commits"
    assert watched.cycle.state is None
    again = Watched(Paced(1), stage)
    stage.account.show(map(token, "abc"))
    await again.watch.run()
    assert [report["verdict"] for report in again.reports] == ["interrupted", "accepted"]
    laws.check(stage.log.records, stage.log.state(SOURCE))


@pytest.mark.parametrize("failing", [False, True])
async def test_a_stop_ends_every_wait(*, failing: bool) -> None:
    """Between turns and in a pause after a failure alike, however long they would have lasted."""
    stop = Stop()
    watched = Watched(stop)
    reached = asyncio.Event()

    def fail() -> None:
        reached.set()
        if failing:
            raise Doubt("unknown")

    watched.ledger.on_restore = fail
    async with asyncio.TaskGroup() as group:
        group.create_task(watched.watch.run())
        await reached.wait()
        for _ in range(50):  # turns of the loop: by then it waits
            await asyncio.sleep(0)
        stop.request()

    assert len(watched.reports) == (0 if failing else 1)
