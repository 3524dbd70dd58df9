"""What must hold of any log, whatever happened while it was written: the promises, read from the records alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from streamer import avro
from streamer.batch import ALL, SNAPSHOTS, STATE, Record
from streamer.state import SourceState, TokenRow
from streamer.tokens import Extra, Tag, Token

Read = dict[str, Any]


def events(records: Iterable[Record]) -> list[Read]:
    """The events of one source, in the order of their sequence; tokens as their bytes, to be compared as such."""
    found = [_event(r.value) for r in records if r.topic not in (STATE, SNAPSHOTS, ALL) and r.value is not None]
    return sorted(found, key=lambda event: int(event["sequence"]))


def reports(records: Iterable[Record]) -> list[Read]:
    """The reports of one source, in order."""
    return [avro.decode_report(r.value) for r in records if r.topic == SNAPSHOTS and r.value is not None]


def check(records: Sequence[Record], state: SourceState, *, silent: bool = False) -> None:
    """All promises that the log of one source shows by itself; `state` is what a restart knows.

    `silent`: what was there at the first look was not told, nor what is seen again a week after its end was told.
    """
    told, polls = events(records), reports(records)
    names = [event["event_id"] for event in told]
    assert len(set(names)) == len(names)
    assert [event["sequence"] for event in told] == list(range(1, len(told) + 1))
    assert {event["epoch"] for event in told} <= {state.row.epoch if state.row else None}
    _check_tiles(polls, len(told))
    _check_baseline(polls)
    _check_chains(told, silent=silent)
    _check_clients(told, silent=silent)
    _check_all_topic(records)
    untold = {moid for moid, row in state.tokens.items() if row.known and row.last_event_at is None}
    assert silent or not untold
    assert replayed(told) == {m: row.datum for m, row in state.tokens.items() if row.known and m not in untold}


def replayed(told: Iterable[Read]) -> dict[str, bytes]:
    """What a reader of the events believes there is."""
    world: dict[str, bytes] = {}
    for event in told:
        if event["after"] is None:
            world.pop(event["moid"], None)
        else:
            world[event["moid"]] = event["after"]
    return world


def check_cut(records: Sequence[Record], state: SourceState) -> None:
    """After any transaction: a token's last event says what its row says, and the row knows how far numbers went."""
    told = events(records)
    for moid, row in state.tokens.items():
        if row.last_event_at is None:  # nothing was ever told of it
            continue
        assert _says_the_same(row, [event for event in told if event["moid"] == moid][-1])
    assert state.row is not None
    assert state.row.last_sequence == len(told)


def _says_the_same(row: TokenRow, event: Read) -> bool:
    return bool(row.datum == (event["after"] if row.known else event["before"]))


def _check_tiles(polls: Iterable[Read], last: int) -> None:
    """The ranges of the reports follow one another from 1 to the last event, and agree with their counts."""
    reached = 0
    for poll in polls:
        count = poll["created"] + poll["modified"] + poll["deleted"]
        if poll["first_sequence"] is None:
            assert (poll["last_sequence"], count) == (None, 0)
            continue
        assert poll["first_sequence"] == reached + 1
        assert poll["last_sequence"] == reached + count
        reached = poll["last_sequence"]
    assert reached == last


def _check_baseline(polls: Iterable[Read]) -> None:
    """True on every report up to and including the first accepted one, whatever was cut off before it."""
    first = True
    for poll in polls:
        assert poll["baseline"] is first
        first = first and poll["verdict"] != "accepted"


def _check_chains(told: Iterable[Read], *, silent: bool) -> None:
    """`before` is byte for byte the `after` of the token's event before; bounds hold what lies between them."""
    last: dict[str, bytes | None] = {}
    for event in told:
        moid = event["moid"]
        assert event["before"] == last.get(moid) or (silent and last.get(moid) is None)
        assert (event["event_type"] == "created") == (event["before"] is None)
        assert (event["event_type"] == "deleted") == (event["after"] is None)
        assert event["event_time"] <= event["not_after"]
        if not event["baseline"] and event["not_before"] is not None:
            assert event["not_before"] <= event["event_time"]
        last[moid] = event["after"]


def _check_clients(told: Iterable[Read], *, silent: bool) -> None:
    """Whether a client is new for its user is told by the events before; a first look that told nothing leaves less."""
    clients: defaultdict[str, set[str]] = defaultdict(set)
    for event in told:
        found = (event["derived"] or {}).get("new_client_for_user")
        seen = None if event["after"] is None else avro.decode_token(event["after"])
        if seen is None or seen.user_moid is None or seen.client_id is None or event["baseline"]:
            assert found is None
        elif event["event_type"] == "modified" and not {"client_id", "user_moid"} & set(event["changed_fields"]):
            assert found is False
        elif not silent:
            known = clients[seen.user_moid]
            assert found is (seen.client_id not in known if known else None)
        if seen is not None and seen.user_moid is not None and seen.client_id is not None:
            clients[seen.user_moid].add(seen.client_id)


def _check_all_topic(records: Sequence[Record]) -> None:
    """The topic of all events, where it is written to, holds each of them, in the same order, with the same bytes."""
    of_types = [(r.key, r.value, r.headers) for r in records if r.topic not in (STATE, SNAPSHOTS, ALL)]
    of_all = [(r.key, r.value, r.headers) for r in records if r.topic == ALL]
    assert of_all in ([], of_types)


def _event(value: bytes) -> Read:
    """A decoded event with its tokens as bare data again."""
    event = avro.decode_event(value)
    for name in ("before", "after"):
        event[name] = None if event[name] is None else _datum(event[name])
    return event


def _datum(record: Read) -> bytes:
    """Avro has one encoding of a value, so equal bytes here are equal bytes in the log."""
    arrays = {
        "owners": tuple(record["owners"]),
        "permission_resources": tuple(record["permission_resources"]),
        "tags": tuple(Tag(**tag) for tag in record["tags"]),
        "extras": tuple(Extra(**extra) for extra in record["extras"]),
    }
    return b"".join(avro.encode_token(Token(**record | arrays)))
