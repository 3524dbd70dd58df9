"""A source that changes hands under watch: when its first turn is, and what is said where its configuration differs."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from streamer.pace import Places
from streamer.stop import Stop
from tests.stage import POLICY, SOURCE
from tests.watched import Paced, Watched


async def test_a_source_that_changes_hands_keeps_its_schedule() -> None:
    """Whoever gets it waits for what is left of the interval since its last accepted poll, and goes on from there."""
    await (one := Watched(Paced(1))).watch.run()
    stop = Paced(3)
    one.stage.clock.now += 20_000
    two = Watched(stop, one.stage)
    starts: list[float] = []
    two.stage.account.on_list = lambda: starts.append(stop.now)

    await two.watch.run()

    assert starts == [1040, 1100]
    assert stop.slept == [40, 60, 60]


async def test_what_is_overdue_begins_at_once_and_then_finds_its_phase() -> None:
    """The second turn comes a part of the interval later, by chance: many that began together drift apart."""
    stop = Paced(3)
    watched = Watched(stop, phase=0.75)
    starts: list[float] = []
    watched.stage.account.on_list = lambda: starts.append(stop.now)

    await watched.watch.run()

    assert starts == [1000, 1045, 1105]


async def test_what_is_overdue_is_read_first() -> None:
    """It asked last, and its last accepted poll is the oldest."""
    await (lost := Watched(Paced(1))).watch.run()
    lost.stage.clock.now += 600_000
    stop, read, places = Stop(), list[str](), Places(1)
    overdue = Watched(stop, lost.stage, places=places)
    new = Watched(stop, places=places)
    overdue.stage.account.on_list = lambda: read.append("overdue")

    def last() -> None:
        read.append("new")
        stop.request()

    new.stage.account.on_list = last
    async with asyncio.TaskGroup() as group, places.one():
        for watched in (new, overdue):
            group.create_task(watched.watch.run())
            for _ in range(50):  # turns of the loop: by then it waits
                await asyncio.sleep(0)

    assert read == ["overdue", "new"]


async def test_a_place_is_needed_for_a_poll_and_for_nothing_else() -> None:
    """Its state is restored while all places are taken; a stop does not wait for one."""
    stop = Stop()
    watched = Watched(stop)
    async with watched.places.one(), asyncio.TaskGroup() as group:
        group.create_task(watched.watch.run())
        for _ in range(50):  # turns of the loop: by then it waits
            await asyncio.sleep(0)
        assert SOURCE not in watched.board.missing
        assert "source answers with a list" not in watched.stage.gates.passed
        stop.request()

    assert watched.reports == []


async def test_another_configuration_is_said_and_shown(caplog: pytest.LogCaptureFixture) -> None:
    """By a line, by a report, and on the page until the next poll; the one after that says nothing any more."""
    caplog.set_level(logging.WARNING)
    one = Watched(Paced(1))
    await one.watch.run()
    one.stage.policy = replace(POLICY, configuration="d")
    seen: list[str | None] = []
    for _ in range(2):
        one.stage.clock.now += 60_000
        again = Watched(Paced(1), one.stage)
        health = again.health
        again.stage.account.on_list = lambda health=health: seen.append(health.last_reason)  # type: ignore[misc]
        await again.watch.run()

    told = [(report["verdict"], report["reason"]) for report in one.reports]
    assert told == [("accepted", None), ("rejected", "config_mismatch"), ("accepted", None), ("accepted", None)]
    assert seen == ["config_mismatch", None]
    assert [r.getMessage() for r in caplog.records] == ["source.config_mismatch"]
