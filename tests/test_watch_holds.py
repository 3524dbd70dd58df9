"""Watching what waits for a person: it is said aloud once, and people are heard, or polls go on without them."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from streamer.absence import Guard
from streamer.errors import Unheard
from tests.builders import token
from tests.stage import POLICY, Stage
from tests.watched import Paced, Watched


async def test_a_hold_is_said_aloud_once(caplog: pytest.LogCaptureFixture) -> None:
    """A person is wanted, and need not be told every minute; the page shows it meanwhile. That all are back is said."""
    caplog.set_level(logging.INFO)
    watched = Watched(Paced(5), Stage(policy=replace(POLICY, guard=Guard(0, 0, 0))))
    shown = iter([[token("a"), token("b")], [token("a")], [token("a")], [token("a"), token("b")], [token("b")]])
    watched.stage.account.on_list = lambda: watched.stage.account.show(next(shown))

    await watched.watch.run()

    said = [one for one in caplog.records if one.getMessage().startswith("deletions.")]
    held, returned = ("deletions.held", "WARNING"), ("deletions.returned", "INFO")
    assert [(one.getMessage(), one.levelname) for one in said] == [held, returned, held]
    told = [one.__dict__["fields"] for one in said]
    assert told[0]["reason"] == told[2]["reason"] == "threshold"
    assert told[1] == {"source": POLICY.source, "hold_id": told[0]["hold_id"], "held": 1}
    row = watched.stage.row
    assert row.hold is not None
    assert (watched.health.held, watched.health.hold) == (1, row.hold)


async def test_a_poll_goes_on_without_commands(caplog: pytest.LogCaptureFixture) -> None:
    """Said once, until they are heard and then not again; what was ordered meanwhile acts, and nothing is restored."""
    watched = Watched(Paced(6), Stage(policy=replace(POLICY, guard=Guard(0, 0, 0))))
    heard = iter([True, False, False, True, True, False])
    shown = iter([[token("a")], [], [], [], [], []])
    caplog.set_level(logging.INFO)

    def listen() -> None:
        if not next(heard):
            raise Unheard("cannot read the commands", hint="grant Read")

    def look() -> None:
        watched.stage.account.show(next(shown))
        if watched.stage.gates.passed.count("source answers with a list") == 3:
            watched.stage.order("release")

    watched.ledger.on_commands, watched.stage.account.on_list = listen, look
    await watched.watch.run()

    assert [report["verdict"] for report in watched.reports] == ["accepted"] * 6
    assert [report["deleted"] for report in watched.reports] == [0, 0, 0, 1, 0, 0]
    assert watched.stage.gates.passed.count("ledger restores") == 1
    said = [(one.getMessage(), one.levelname) for one in caplog.records if one.getMessage().startswith("command")]
    assert said == [
        ("commands.unheard", "WARNING"),
        ("commands.heard", "INFO"),
        ("command.answered", "INFO"),
        ("commands.unheard", "WARNING"),
    ]
