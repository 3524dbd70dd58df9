"""What a relay says: little, and never nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from streamer.errors import Fenced, Unready
from streamer.kafka.relay.told import LONGEST_PAUSE_S, Told
from streamer.siem.relay import Origin, Undeliverable


class Hours:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Now."""
        return self.now


@pytest.fixture(name="hours")
def _hours() -> Hours:
    return Hours()


def said(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """The fields of all lines of this event."""
    return [line.fields for line in caplog.records if line.getMessage() == event]  # type: ignore[attr-defined]


def test_a_lack_is_shown_at_once_and_said_when_it_lasts(hours: Hours, caplog: pytest.LogCaptureFixture) -> None:
    """On the board from the first moment; in the log after a second, then once a minute; gone when it is over."""
    missing: dict[str, str] = {}
    told = Told(missing, hours)
    for _ in range(1300):  # two minutes and a bit
        told.amiss("json-0", Unready("no Kafka", hint="start it"))
        assert missing == {"json-0": "no Kafka"}
        hours.now += 0.1
    told.fine("json-0")

    assert missing == {}
    lines = said(caplog, "relay.waiting")
    assert lines == 3 * [{"part": "json-0", "reason": "no Kafka", "hint": "start it"}]


def test_what_passes_is_not_said(hours: Hours, caplog: pytest.LogCaptureFixture) -> None:
    """A lack that is over within a second is no news, however often it comes."""
    told = Told({}, hours)
    for _ in range(100):
        told.amiss("json", Unready("a moment"))
        hours.now += 0.5
        told.fine("json")

    assert said(caplog, "relay.waiting") == []


def test_a_fence_is_said_at_once(hours: Hours, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody else had our id: whoever looks for duplicates wants to know."""
    Told({}, hours).amiss("json-1", Fenced("it was fenced"))

    assert len(said(caplog, "relay.waiting")) == 1


def test_dead_letters_are_counted(hours: Hours, caplog: pytest.LogCaptureFixture) -> None:
    """The first is said at once, a flood once in ten seconds with its number and its last."""
    told = Told({}, hours)
    for offset in range(1000):
        told.dead_letter(Origin("p.created", 1, offset, "g"), Undeliverable("undecodable", "why"))
        hours.now += 0.011

    lines = said(caplog, "relay.dead_letters")
    assert [line["count"] for line in lines] == [1, 910]
    assert lines[0] == {"count": 1, "last": "p.created-1@0", "reason": "undecodable", "detail": "why"}


def test_what_was_passed_on_is_counted_by_topic(hours: Hours, caplog: pytest.LogCaptureFixture) -> None:
    """Since the last time it was said, and nothing where nothing was."""
    caplog.set_level(logging.INFO)
    told = Told({}, hours)
    told.passed(["p.json"] * 3 + ["p.dead-letter"])
    told.passed(["p.json"])
    for _ in range(2):
        told.say_passed()

    assert said(caplog, "relay.passed") == [{"topic": "p.dead-letter", "records": 1}, {"topic": "p.json", "records": 4}]


def test_pauses_grow_up_to_a_limit() -> None:
    """From half a second to five, half of it by chance, also after a long night."""
    told = Told({})
    for failures in (1, 2, 3, 10, 10_000):
        whole = min(0.5 * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_S)
        assert whole / 2 <= told.pause_s(failures) <= whole
