"""One turn of the wheel: its order, what it believes, and what it leaves in the log and in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from streamer import avro, batch, cycle
from streamer.batch import SNAPSHOTS, STATE
from streamer.errors import Doubt, Rejected
from streamer.known import Known
from streamer.sightings import Outline, Sightings
from streamer.state import Status
from streamer.tokens import ServerClock, Sighting, Walk
from tests.builders import NOON, SECOND, token
from tests.stage import POLICY, SOURCE, Stage


async def test_the_epoch_is_committed_alone_and_first() -> None:
    """Before the first poll; preparing again writes nothing."""
    stage = Stage()

    await stage.cycle.prepare()
    await stage.cycle.prepare()

    assert [(r.topic, r.key) for r in stage.log.records] == [(STATE, SOURCE.encode())]
    assert stage.gates.passed == ["ledger restores", "ledger commits", "ledger has committed"]
    state = stage.log.state(SOURCE)
    assert state.row is not None
    assert (state.row.configuration, state.row.last_sequence, state.row.complete) == ("c", 0, None)
    stage.check()


async def test_two_configurations_are_told_at_every_handover() -> None:
    """Each worker takes the state over for its own, once; nothing else changes, and no poll is left out."""
    stage = Stage()
    await stage.turn(token("a"))
    other = replace(POLICY, configuration="d")
    told = []
    for policy in (other, other, POLICY):
        stage.policy = policy
        stage.cycle = stage.worker()
        before = stage.row
        told.append(await stage.cycle.prepare())
        assert replace(stage.row, configuration=before.configuration) == before
        assert stage.row.configuration == policy.configuration
        assert (await stage.turn(token("a"))).verdict == "accepted"
        stage.check()

    reasons = [report.reason if report else None for report in told]
    assert reasons == ["config_mismatch", None, "config_mismatch"]
    assert told[0] is not None
    assert told[0].detail == "last polled with configuration c, ours is d"
    assert (told[0].requests, told[0].first_sequence) == (0, None)


class Watching(Sightings):
    """Rows of a snapshot that note in which thread, and in which turn of the loop, they are asked for."""

    threads: list[threading.Thread]
    turns: Iterator[int]
    written: list[int]

    def beside(self, known: Known) -> Iterator[tuple[Outline, int | None]]:
        """Asked for when they are compared with what is known, first when they are judged."""
        self.threads.append(threading.current_thread())
        return super().beside(known)

    def hand_over(self, place: int) -> Sighting:
        """Asked for when a transaction is made."""
        self.written.append(next(self.turns))
        return super().hand_over(place)


async def test_nobody_waits_while_a_large_snapshot_is_judged_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tokens changed: others are polled meanwhile, and the group hears that we live.

    It is judged in a thread of its own, and between some tokens and the next ones the loop has a turn.
    """
    monkeypatch.setattr(cycle, "LARGE", 1)
    monkeypatch.setattr(batch, "PAUSE", 2)
    stage = Stage()
    stage.account.show([token(moid) for moid in "abcdef"])
    await stage.cycle.prepare()
    look = await stage.cycle.look()
    assert look.snapshot is not None
    rows = Watching(look.snapshot.rows.values())
    turn = 0

    def one_more() -> None:
        nonlocal turn
        turn += 1
        loop.call_soon(one_more)

    loop = asyncio.get_running_loop()
    loop.call_soon(one_more)
    rows.threads, rows.written, rows.turns = [], [], iter(lambda: turn, -1)

    told = await stage.cycle.settle(replace(look, snapshot=replace(look.snapshot, rows=rows)))

    assert told.created == 6
    assert rows.threads[0] is not threading.main_thread()
    assert [later > before for before, later in pairwise(rows.written)] == [False, True, False, True, False]
    stage.check()


async def test_the_first_look_is_baseline() -> None:
    """Old tokens are told as such; the report says so up to the first accepted one, and the account is pinned."""
    stage = Stage()
    stage.account.error = Rejected("torn", "Count changed")
    torn = await stage.turn(token())
    stage.account.error = None

    first = await stage.turn(token("a"), token("b", create_time=stage.clock.now + 59 * SECOND + 1))
    second = await stage.turn(token("a"))

    assert (torn.verdict, torn.reason, torn.baseline) == ("rejected", "torn", True)
    assert (first.verdict, first.baseline, first.created) == ("accepted", True, 2)
    assert second.baseline is False
    assert [event["baseline"] for event in stage.events[:2]] == [True, False]
    state = stage.log.state(SOURCE)
    assert state.row is not None
    assert state.row.account_moid == token().account_moid
    stage.check()


async def test_the_first_look_stays_the_first() -> None:
    """Whatever was made after it is no baseline, however many polls there were since; its start never changes."""
    stage = Stage()
    await stage.turn(token("a"))
    first = stage.log.state(SOURCE).row
    made_at = stage.clock.now + 30 * SECOND

    told = await stage.turn(token("a"), token("b", create_time=made_at))

    assert (told.baseline, stage.events[-1]["baseline"], stage.events[-1]["event_time"]) == (False, False, made_at)
    last = stage.log.state(SOURCE).row
    assert first is not None
    assert last is not None
    assert last.first_started_at == first.first_started_at == stage.clock.now - 61 * SECOND


async def test_a_rejected_poll_is_told_and_moves_nothing() -> None:
    """Its report stands with the source's row; the last complete snapshot, and so every bound, stays where it was."""
    stage = Stage()
    await stage.turn(token())
    before = stage.log.state(SOURCE)
    error = Rejected("short_page", "3 rows where 5 were due", trace_id="t9")
    error.walk = Walk(pages=1, rows=3, server_count=5)
    stage.account.error = error

    told = await stage.turn()
    stage.account.error = None

    assert (told.verdict, told.reason, told.detail) == ("rejected", "short_page", "3 rows where 5 were due")
    assert (told.started_at, told.finished_at, told.rows) == (stage.clock.now, stage.clock.now, 3)
    assert stage.log.state(SOURCE) == before
    assert [r.topic for r in stage.log.records[-2:]] == [STATE, SNAPSHOTS]
    await stage.turn(token(client_name="other"))
    assert stage.events[-1]["not_before"] == before.row.complete.started_at if before.row and before.row.complete else 0
    stage.check()


async def test_another_account_is_never_believed() -> None:
    """Neither its rows nor its lack of ours: no look-up is made, nothing is published."""
    stage = Stage()
    await stage.turn(token("a"), token("b"))
    stage.account.account_moid = "0" * 24

    told = await stage.turn(token("c", account_moid="0" * 24))

    assert (told.verdict, told.reason) == ("rejected", "wrong_account")
    assert stage.account.asked == []
    assert told.pages == 1
    assert len(stage.events) == 2
    stage.check()


@pytest.mark.parametrize("answer", ["gone", "unsure", "there", "of another account"])
async def test_what_the_list_lacks_is_looked_up(answer: str) -> None:
    """Only the API's word about this one Moid makes a deletion; a token found that way is as good as listed."""
    stage = Stage()
    await stage.turn(token("a"), token("b"))
    lost = token("b", account_moid="0" * 24) if answer == "of another account" else token("b")
    stage.account.arrived_at = stage.clock.now + 60 * SECOND + 7

    told = await stage.turn(
        token("a"),
        *([] if answer == "gone" else [lost]),
        hidden=["b"],
        unsure=["b"] if answer == "unsure" else [],
    )

    waits = answer in ("unsure", "of another account")
    assert stage.account.asked == ["b"]
    assert (told.deleted, told.waiting, told.requests) == (answer == "gone", waits, 3)
    state = stage.log.state(SOURCE).tokens["b"]
    assert state.status is (Status.WAITING if waits else Status.DELETED if answer == "gone" else Status.LIVE)
    stage.check()


async def test_a_token_found_by_its_moid_keeps_its_own_arrival_time() -> None:
    """It was seen when that answer came, which is later than the list."""
    stage = Stage()
    await stage.turn(token("a"), token("b"))
    stage.account.arrived_at = stage.clock.now + 60 * SECOND + 7

    told = await stage.turn(token("a", client_name="x"), token("b", client_name="y"), hidden=["b"])

    a, b = stage.events[-2:]
    assert (told.modified, told.unchanged, told.deleted, told.waiting) == (2, 0, 0, 0)
    assert (a["not_after"], b["not_after"]) == (stage.clock.now, stage.clock.now + 7)
    assert a["not_before"] == b["not_before"]
    stage.check()


async def test_an_absence_keeps_its_honest_bounds_over_restarts() -> None:
    """It waits for polls and restarts; then the deletion may have happened since it was last shown."""
    stage = Stage()
    await stage.turn(token("a"))
    shown_at = stage.clock.now - SECOND
    assert (await stage.turn(unsure=["a"])).waiting == 1
    stage.cycle = stage.worker()
    assert (await stage.turn(unsure=["a"])).waiting == 1

    told = await stage.turn()

    assert (told.deleted, told.waiting) == (1, 0)
    assert (stage.events[-1]["not_before"], stage.events[-1]["not_after"]) == (shown_at, stage.clock.now)
    stage.check()


@pytest.mark.parametrize(("clock", "offset"), [(ServerClock(5000, 6000), 5000), (ServerClock(-200, 800), 0)])
async def test_the_servers_clock_is_the_judge_of_bounds(clock: ServerClock, offset: int) -> None:
    """Rounded outwards: `not_before` down, `not_after` up; the report tells the best single figure."""
    stage = Stage()
    stage.account.server = clock
    await stage.turn(token("a"))
    told = await stage.turn(token("a", client_name="x"))

    first, second = stage.clock.now - 60 * SECOND, stage.clock.now
    made = stage.events[-1]
    assert (made["not_before"], made["not_after"]) == (first - SECOND + clock.lowest, second + clock.highest)
    assert (told.clock_offset_ms, told.finished_at, made["detected_at"]) == (offset, second, second)


async def test_outlived_tokens_are_counted() -> None:
    """Listed past their ExpirationTime, decoded or not, by the server's clock."""
    stage = Stage()
    ends = [token("a", expiration_time=NOON), token("b", expiration_time=NOON + 3600 * SECOND), token("c")]

    assert (await stage.turn(*ends)).outlived == 1
    assert (await stage.turn(*ends)).outlived == 1
    stage.account.server = ServerClock(3600 * SECOND, 3601 * SECOND)
    assert (await stage.turn(*ends)).outlived == 2


async def test_suppressed_refreshes_are_counted_when_they_are_new() -> None:
    """Since the previous poll of this process, of which a report was committed; they write neither event nor row."""
    stage = Stage(policy=replace(POLICY, suppress=True))
    await stage.turn(token("a"), token("b"))
    rows = stage.log.state(SOURCE).tokens
    fresh = token("a", access_expiration_time=NOON, mod_time=NOON)

    assert [(await stage.turn(fresh, token("b"))).suppressed for _ in range(2)] == [1, 0]
    newer = replace(fresh, access_expiration_time=NOON + 1)
    stage.gates._fail_at = len(stage.gates.passed) + 3  # the transaction of the next poll
    with pytest.raises(Doubt):
        await stage.turn(newer, token("b"))
    told = await stage.turn(newer, token("b"))

    assert (told.suppressed, told.unchanged) == (1, 1)
    assert stage.log.state(SOURCE).tokens == rows
    stage.check()


async def test_a_poll_without_news_decodes_nothing() -> None:
    """Equal bytes are neither decoded nor encoded, not even to be counted; nor does a restart decode a token."""
    stage = Stage()
    await stage.turn(token("a"), token("b"))
    stage.cycle = stage.worker()
    await stage.cycle.prepare()
    look = await stage.cycle.look()  # the fake account encodes, to know its own bytes
    work = replace(avro.counts)

    told = await stage.cycle.settle(look)

    assert told.unchanged == 2
    assert avro.counts == work
    assert look.snapshot is not None
    assert not look.snapshot.rows


async def test_only_a_prepared_cycle_looks() -> None:
    """Nothing is compared with a state that is not certain."""
    stage = Stage()

    with pytest.raises(ValueError, match="prepare"):
        await stage.cycle.look()


async def test_a_doubtful_commit_takes_the_state_away() -> None:
    """A snapshot never outlives its state: after it only a restore helps, and a second worker is not heard."""
    stage = Stage()
    await stage.turn(token("a"))
    other = stage.worker()
    await other.prepare()

    with pytest.raises(Doubt, match="another writer"):
        await stage.turn(token("a", client_name="x"))

    assert stage.cycle.state is None
    assert len(stage.events) == 1
