"""The demo's judge: it finds every kind of difference, and it shares nothing with what it judges."""

from __future__ import annotations

import ast
import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from streamer.demo import compare as room
from streamer.demo.compare import compare
from streamer.demo.truth import Truth
from tests.demo.played import SOURCE, Played, played

FORBIDDEN = {"diff", "tokens", "steps", "events", "batch", "avro", "decoding", "jsonform", "intersight", "cycle"}
FIELDS = (
    *("event_id", "event_type", "source", "epoch", "sequence", "account_moid", "moid", "detected_at", "event_time"),
    *("not_before", "not_after", "snapshot_id", "baseline", "before", "after", "changed_fields", "change_kinds"),
    *("delete_cause", "delete_evidence", "retracts", "trace_id", "derived"),
)
TYPES = ("created", "modified", "deleted")

Events = list[dict[str, Any]]


@pytest.fixture(scope="module", name="day")
def _day() -> Played:
    """The day, played once."""
    return asyncio.run(played())


def _differences(day: Played, spoil: Callable[[Events], object]) -> list[str]:
    events = copy.deepcopy(day.events)
    spoil(events)
    return compare(events, day.ledger, source=SOURCE)


def _last(events: Events, event_type: str) -> dict[str, Any]:
    return [event for event in events if event["event_type"] == event_type][-1]


def test_it_imports_none_of_the_accused() -> None:
    """Of the streamer it knows the ledger alone: a mistake in the diff cannot be repeated here."""
    tree = ast.parse(Path(room.__file__).read_text())
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert [module for module in modules if module.startswith("streamer")] == ["streamer.demo.truth"]
    assert not FORBIDDEN & {part for module in modules for part in module.split(".")}


def test_equal_is_equal(day: Played) -> None:
    """Nothing is found where nothing differs."""
    assert compare(day.events, day.ledger, source=SOURCE) == []


@pytest.mark.parametrize("event_type", TYPES)
@pytest.mark.parametrize("field", FIELDS)
def test_a_wrong_field_is_found(day: Played, field: str, event_type: str) -> None:
    """Whatever field of whatever type of event says something else."""
    found = _differences(day, lambda events: _last(events, event_type).update({field: _other(field)}))
    assert found


def _other(field: str) -> Any:
    if field in {"before", "after", "derived", "delete_evidence"}:
        return {"moid": "another"}
    if field in {"changed_fields", "change_kinds"}:
        return ["shared_scope"]
    if field in {"detected_at", "not_after"}:
        return "2020-01-01T00:00:00.000Z"
    if field in {"event_time", "not_before"}:
        return "2030-01-01T00:00:00.000Z"
    return {"sequence": 1, "trace_id": None, "snapshot_id": "", "baseline": None}.get(field, "another")


@pytest.mark.parametrize("event_type", TYPES)
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_wrong_value_inside_a_token_is_found(day: Played, side: str, event_type: str) -> None:
    """Each of the token's fields, on each side that is there."""
    shown = _last(day.events, event_type)[side]
    for name in shown or {}:
        wrong = {**(shown or {}), name: ["another"]}
        found = _differences(day, lambda events, wrong=wrong: _last(events, event_type).update({side: wrong}))  # type: ignore[misc]
        assert any(f": {side} is" in difference for difference in found), name


@pytest.mark.parametrize("wrong", [None, True, False])
def test_a_wrong_memory_is_found(day: Played, *, wrong: bool | None) -> None:
    """In every event, whatever else it says of its client: known, new, or unknown."""
    for number, event in enumerate(day.events):
        if event["derived"]["new_client_for_user"] is wrong:
            continue
        found = _differences(day, lambda events, n=number: events[n]["derived"].update(new_client_for_user=wrong))  # type: ignore[misc]
        assert len(found) == 1, number
        assert ": derived is" in found[0]


def test_the_first_of_two_is_the_one_that_was_told_first(day: Played) -> None:
    """A client is new once for its user, in the order of the sequence, whatever the order of the Moids."""
    row = {**(day.ledger[0].after or {}), "ClientId": "known"}
    truth = Truth()
    truth.write(None, row, at=5, cause="seed")
    truth.write(None, {**row, "Moid": "z", "ClientId": "strange"}, at=6, cause="login")
    truth.write(None, {**row, "Moid": "a", "ClientId": "strange"}, at=6, cause="login")
    pairs = [(entry, {"sequence": number}) for number, entry in enumerate(truth, start=1)]

    assert room._news(reversed(pairs)) == {1: None, 2: True, 3: False}


def test_a_name_that_stands_twice_is_found(day: Played) -> None:
    """event_ids are unique."""
    found = _differences(day, lambda events: events[5].update(event_id=events[4]["event_id"]))
    assert found == [f"event_id {day.events[4]['event_id']} stands 2 times"]


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_lost_event_is_found(day: Played, at: int) -> None:
    """The hole in the sequence is found, and the token's history too short."""
    found = _differences(day, lambda events: events.pop(at))
    assert any(difference.startswith(f"token {day.events[at]['moid']}: read ") for difference in found)


def test_a_lost_event_is_found_without_its_number(day: Played) -> None:
    """Numbered as if it had never been, it is still missing."""

    def forget(events: Events) -> None:
        events.pop(3)
        for number, event in enumerate(events, start=1):
            event["sequence"] = number

    (found,) = _differences(day, forget)
    assert found == f"token {day.events[3]['moid']}: read nothing; what happened: created (seed)"


@pytest.mark.parametrize("at", [0, 40, -1])
def test_a_repeated_event_is_found(day: Played, at: int) -> None:
    """The same event twice is one too many."""
    found = _differences(day, lambda events: events.append(copy.deepcopy(events[at])))
    assert any("stands 2 times" in difference for difference in found)
    assert any(difference.startswith(f"token {day.events[at]['moid']}: read ") for difference in found)


def test_an_invented_event_is_found(day: Played) -> None:
    """A false deletion, in form and number as good as any."""

    def invent(events: Events) -> None:
        victim = next(e for e in events if sum(f["moid"] == e["moid"] for f in events) == 1)
        last = copy.deepcopy(_last(events, "deleted"))
        last |= {
            "moid": victim["moid"],
            "before": victim["after"],
            "sequence": len(events) + 1,
            "event_id": str(uuid5(NAMESPACE_URL, "new")),
        }
        events.append(last)

    (found,) = _differences(day, invent)
    assert "read created, deleted; what happened: created (seed)" in found


def test_events_out_of_order_are_found(day: Played) -> None:
    """Two events that changed places."""
    assert _differences(day, lambda events: events.insert(0, events.pop(1)))


def test_nothing_read_is_found(day: Played) -> None:
    """An empty feed differs in every token."""
    assert len(_differences(day, lambda events: events.clear())) == len({entry.moid for entry in day.ledger})


def test_a_field_missing_or_unknown_is_found(day: Played) -> None:
    """An event has all fields and no others."""
    assert _differences(day, lambda events: events[0].pop("retracts"))
    assert _differences(day, lambda events: events[0].update(weather="sun"))


def test_an_untold_entry_is_found(day: Played) -> None:
    """What the ledger holds and nobody read."""
    assert compare(day.events, [*day.ledger, replace(day.ledger[0], at=day.ledger[-1].at + 1)], source=SOURCE)


def test_entries_of_one_moment_are_one_change(day: Played) -> None:
    """What was between them nobody could see; what came and went within a moment is nothing."""
    row = dict(day.ledger[-1].before or {})
    first, second = {**row, "ClientName": "x", "Moid": "m"}, {**row, "ClientName": "y", "Moid": "m"}
    truth = Truth()
    truth.write(None, first, at=5, cause="login")
    truth.write(first, second, at=5, cause="rename")
    truth.write(second, None, at=5, cause="vanish")
    assert compare([], truth, source=SOURCE) == []
    truth.write(None, first, at=6, cause="login")
    truth.write(first, second, at=6, cause="rename")
    assert compare([], truth, source=SOURCE) == ["token m: read nothing; what happened: created (rename)"]
