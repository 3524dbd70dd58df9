"""Rows of a snapshot, packed: a mapping of sightings that keeps every word of them, and lets them go one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import avro, sightings
from streamer.known import Known
from streamer.sightings import Outline, Sightings
from streamer.tokens import Extra, Sighting, Tag
from tests.builders import NOON, known_of, sighting, token

MOIDS = st.text("ab", min_size=1, max_size=3) | st.sampled_from(["x" * 63, "x" * 64, "y" * 128])
TIMES = st.none() | st.integers(NOON - 2, NOON + 2)
TOKENS = st.builds(
    token,
    MOIDS,
    expiration_time=TIMES,
    mod_time=TIMES,
    create_time=TIMES,
    user_moid=st.sampled_from([None, "u", "v"]),
    client_name=st.none() | st.text(max_size=3),
    owners=st.sampled_from([(), ("o",)]),
    tags=st.sampled_from([(), (Tag("k"), Tag("k", "v"))]),
    extras=st.sampled_from([(), (Extra("New", "1"),)]),
)
SEEN = st.builds(
    lambda of, at, trace, damaged: replace(sighting(of, arrived_at=at), trace_id=trace, damaged=damaged),
    TOKENS,
    st.integers(0, NOON),
    st.sampled_from([None, "trace", ""]),
    st.integers(0, 2**32 - 1),
)
SIGHTINGS = st.lists(SEEN, unique_by=lambda seen: seen.token.moid, max_size=8)


def packed(seen: list[Sighting]) -> Sightings:
    """Every other one of a token that is known, of which only the first is kept decoded."""
    rows = Sightings()
    for number, one in enumerate(seen):
        rows.add(one, known=number % 2 == 1)
    return rows


@pytest.fixture(autouse=True, scope="module")
def _few() -> Iterator[None]:
    """Of those that are kept decoded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sightings, "KEPT", 1)
        yield


def by_moid(seen: list[Sighting]) -> Mapping[str, Sighting]:
    """What a dict would be."""
    return {one.token.moid: one for one in seen}


@given(SIGHTINGS)
def test_it_is_the_mapping_it_was_made_of(seen: list[Sighting]) -> None:
    """Every field of every row, in whatever order they were added; and nothing else is in it."""
    rows = packed(seen)

    assert rows == by_moid(seen)
    assert [rows[moid] for moid in rows] == list(rows.values()) == [rows.at(place) for place in range(len(rows))]
    assert (len(rows), "none" in rows) == (len(seen), False)
    assert rows.damaged == sum(one.damaged for one in seen)
    assert Sightings.of(rows) is rows
    with pytest.raises(KeyError):
        rows["none"]


@given(SIGHTINGS)
def test_what_is_asked_of_all_rows_is_what_each_would_say(seen: list[Sighting]) -> None:
    """In the order of the rows, and no token is decoded for it."""
    rows, before = packed(seen), avro.counts.tokens_decoded

    outlines = [outline for outline, _ in rows.beside(Known())]
    over, ends, order = rows.over(NOON), rows.ends(), list(rows)

    assert avro.counts.tokens_decoded == before
    tokens = [(rows[moid], rows[moid].token) for moid in order]
    assert outlines == [
        Outline(at, one.moid, row.meaning, one.mod_time, one.create_time, one.user_moid)
        for at, (row, one) in enumerate(tokens)
    ]
    assert over == sum(one.expiration_time is not None and one.expiration_time <= NOON for _, one in tokens)
    assert ends == tuple(chain(order[:1], order[-1:]))


@given(SIGHTINGS, SIGHTINGS)
def test_each_stands_beside_the_row_that_is_known_of_it(seen: list[Sighting], others: list[Sighting]) -> None:
    """Wherever that is; beside nothing, if there is none."""
    known = known_of(*others)

    beside = [(outline.moid, place) for outline, place in Sightings(seen).beside(known)]

    assert beside == [(moid, known.place(moid)) for moid in Sightings(seen)]


@given(SIGHTINGS, st.data())
def test_some_more_are_added_to_others(seen: list[Sighting], data: st.DataObject) -> None:
    """Those before stay as they are."""
    number = data.draw(st.integers(0, len(seen)))
    first = packed(seen[:number])

    both = first.with_(seen[number:])

    assert both == by_moid(seen)
    assert both.damaged == sum(one.damaged for one in seen)
    assert first == by_moid(seen[:number])


@given(SIGHTINGS.filter(bool))
def test_what_was_handed_over_is_let_go(seen: list[Sighting]) -> None:
    """Each once, while the outlines of those behind it are still read; their number stays."""
    rows, order = packed(seen), list(Sightings(seen))

    handed = {outline.moid: rows.hand_over(place) for place, (outline, _) in enumerate(rows.beside(Known()))}

    assert handed == by_moid(seen)
    assert (list(handed), len(rows)) == (order, len(seen))
    for asked in (lambda: rows.at(0), lambda: order[0] in rows, lambda: list(rows), lambda: rows[order[0]]):
        with pytest.raises(LookupError, match="handed over"):
            asked()
    with pytest.raises(LookupError, match="handed over"):
        rows.hand_over(0)
