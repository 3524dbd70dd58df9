"""The law of the diff: what it finds is all that differs, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import avro
from streamer.diff import Change, Kind, change_kinds, changes, missing
from streamer.state import Status, TokenRow
from streamer.tokens import MEANING, Extra, Snapshot, Tag, Token
from tests.builders import row, sighting, snapshot, token

MOIDS = st.sampled_from("abcdef")
TOKENS = st.builds(
    token,
    MOIDS,
    client_name=st.sampled_from([None, "portal", "backup"]),
    owners=st.sampled_from([(), ("u1",), ("u1", "u2")]),
    expiration_time=st.sampled_from([None, 1, 2]),
)
WORLDS = st.lists(TOKENS, unique_by=lambda t: t.moid).map(lambda tokens: {t.moid: t for t in tokens})
STATUSES = st.sampled_from(list(Status))


def _meanings(rows: Mapping[str, TokenRow]) -> dict[str, bytes]:
    return {moid: one.meaning for moid, one in rows.items() if one.known}


def _shown(after: Snapshot, before: Mapping[str, TokenRow]) -> dict[str, bytes]:
    return {m: before[m].meaning for m in after.unchanged} | {m: s.meaning for m, s in after.rows.items()}


def _apply(before: Mapping[str, bytes], found: tuple[Change, ...]) -> dict[str, bytes]:
    after = dict(before)
    for change in found:
        if change.kind is Kind.MISSING:
            del after[change.moid]
        elif change.after is not None:
            after[change.moid] = change.after.meaning
    return after


@settings(deadline=None)
@given(WORLDS, WORLDS, st.data())
def test_applying_the_changes_gives_the_other_world(
    a: dict[str, Token], b: dict[str, Token], data: st.DataObject
) -> None:
    """`same(apply(a, changes(a, b)), b)` for any two worlds and whatever is known of each token."""
    before = {moid: row(t, data.draw(STATUSES)) for moid, t in a.items()}
    after = snapshot(b.values(), known=before.values())

    found = changes(before, after)

    assert _apply(_meanings(before), found) == _shown(after, before)
    assert [c.moid for c in found] == sorted({c.moid for c in found})


@settings(deadline=None)
@given(WORLDS)
def test_nothing_differs_from_itself(a: dict[str, Token]) -> None:
    """`changes(a, a) == ()`, by equal bytes and by equal meaning alike; equal bytes are not even decoded."""
    before = {moid: row(t) for moid, t in a.items()}
    same_bytes = snapshot(a.values(), known=before.values())
    noisy = snapshot([sighting(t, noise="link host") for t in a.values()], known=before.values())
    decoded, encoded = avro.counts.tokens_decoded, avro.counts.tokens_encoded

    assert changes(before, same_bytes) == ()
    assert changes(before, noisy) == ()
    assert (avro.counts.tokens_decoded, avro.counts.tokens_encoded) == (decoded, encoded)


@settings(deadline=None)
@given(WORLDS, WORLDS, st.randoms())
def test_order_of_rows_does_not_matter(a: dict[str, Token], b: dict[str, Token], chance: Random) -> None:
    """The pages may come in any order."""
    before = {moid: row(t) for moid, t in a.items()}
    tokens = list(b.values())
    shuffled = tokens.copy()
    chance.shuffle(shuffled)

    assert changes(before, snapshot(shuffled)) == changes(before, snapshot(tokens))


@pytest.mark.parametrize("status", [Status.WAITING, Status.HELD])
@pytest.mark.parametrize("noise", ["", "noise"])
def test_an_absence_that_ended_is_a_change_without_a_difference(status: Status, noise: str) -> None:
    """A token that was absent and is shown again with the same meaning has returned; that is no modification."""
    before = {"a": row(token(), status)}

    (found,) = changes(before, snapshot([sighting(token(), noise=noise)], known=before.values()))

    assert (found.kind, found.moid, found.fields) == (Kind.RETURNED, "a", ())


def test_a_deleted_token_is_not_known_any_more() -> None:
    """Its absence is no candidate, its return is a creation."""
    before = {"a": row(token(), Status.DELETED)}

    assert missing(before, snapshot([])) == ()
    assert [c.kind for c in changes(before, snapshot([token()], known=before.values()))] == [Kind.CREATED]


def test_extras_are_carried_and_not_compared() -> None:
    """A property that this version does not know makes no change."""
    with_extra = token(extras=(Extra("XNew", "{}"),))

    assert changes({"a": row(token())}, snapshot([with_extra])) == ()


@pytest.mark.parametrize("name", MEANING)
def test_each_field_that_means_something_makes_a_change(name: str) -> None:
    """The changed field is named, and belongs to exactly one kind of change."""
    value: Any = {"owners": ("o",), "permission_resources": ("p",), "tags": (Tag("k", "v"),)}.get(name, "other")
    value = 7 if name.endswith("_time") else value

    (found,) = changes({"a": row(token())}, snapshot([token(**{name: value})]))

    assert found.fields == (name,)
    assert len(change_kinds(found.fields)) == 1


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        (("access_expiration_time", "mod_time"), ("refresh",)),
        (("mod_time",), ("metadata",)),
        (("mod_time", "permission_moid"), ("privilege",)),
        (("last_login_time", "access_expiration_time", "mod_time", "tags"), ("refresh", "login", "metadata")),
        ((), ()),
    ],
)
def test_kinds_stand_in_the_order_of_the_contract(fields: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """ModTime adds nothing beside others, and alone it is metadata."""
    assert change_kinds(fields) == kinds
