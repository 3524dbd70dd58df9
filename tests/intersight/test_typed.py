"""What the fast way reads of a row is what the careful way reads; where they could differ, it reads nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import Rejected
from streamer.intersight import typed
from streamer.intersight.canonical import canonical
from streamer.tokens import Token
from streamer.wire import binary
from tests.intersight.stage import ACCOUNT, row

TIMES = st.sampled_from(
    [
        "",
        "0001-01-01T00:00:00Z",
        "2025-11-20T08:14:05Z",
        "2025-11-20T08:14:05.123999999Z",
        "2025-06-31T00:00:00Z",
        "soon",
    ]
)
TEXTS = st.none() | st.sampled_from(["", "a", "é", "b\\u0000"]) | st.text(max_size=5)
ODD = st.none() | st.booleans() | st.integers() | st.lists(st.integers(), max_size=1)
RELATIONS = st.none() | st.fixed_dictionaries({}, optional={"Moid": TEXTS, "link": TEXTS, "ObjectType": TEXTS})
TAGS = st.none() | st.fixed_dictionaries({}, optional={"Key": TEXTS, "Value": TEXTS, "Type": TEXTS})
ROWS = st.fixed_dictionaries(
    {"Moid": st.sampled_from(["a", "b-1", "", "a/b"])},
    optional={
        **dict.fromkeys(("ClientName", "TokenId", "SharedScope", "AccountMoid"), TEXTS | ODD),
        **dict.fromkeys(("CreateTime", "ModTime", "ExpirationTime", "LastLoginTime"), st.none() | TIMES | ODD),
        **dict.fromkeys(("User", "Parent", "Permission", "AppRegistration"), RELATIONS | ODD),
        "UserMeta": st.none() | st.fixed_dictionaries({}, optional={"UserAgent": TEXTS, "DeviceModel": TEXTS}) | ODD,
        "Owners": st.none() | st.lists(TEXTS, max_size=3) | ODD,
        "PermissionResources": st.none() | st.lists(RELATIONS, max_size=3) | ODD,
        "Tags": st.none() | st.lists(TAGS, max_size=3) | ODD,
        **dict.fromkeys(("Ancestors", "DisplayNames", "Future"), TEXTS | ODD),
    },
)


@given(ROWS, st.booleans())
def test_both_ways_agree(fields: dict[str, Any], ascii_only: bool) -> None:  # noqa: FBT001 - both spellings of a text
    """Whatever a row holds: the same values but for extras, which the fast way only says that there are."""
    try:
        raw = json.dumps(fields, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    found = typed.read(raw)
    if found is None:
        return
    careful = canonical(raw)
    values, whole = found

    assert values[:-1] == binary.values_of(careful.token)[:-1]
    assert careful.damaged == 0
    assert whole == (careful.unknown == 0)


@pytest.mark.parametrize(
    "fields",
    [
        {"ClientName": 7},
        {"CreateTime": "soon"},
        {"ClientName": "x" * 33_000},
        {"Tags": [{"Value": "no key"}]},
        {"Owners": "one"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_needs_judgement_is_left_to_the_careful_way(fields: dict[str, Any]) -> None:
    """A value of another type, a text to be cut, a time that is none: nothing of such a row is read here."""
    assert typed.read(json.dumps(row("a", **fields)).encode()) is None


def test_invalid_utf_8_is_left_to_the_careful_way_wherever_it_stands() -> None:
    """Also in what is dropped: it is counted as damage."""
    assert typed.read(b'{"Moid": "a", "Ancestors": "\xff"}') is None


def test_a_row_without_an_identity_is_left_to_the_careful_way() -> None:
    """Which says what is wrong with it."""
    assert typed.read(b'{"Moid": "a/b"}') is None
    with pytest.raises(Rejected):
        canonical(b'{"Moid": "a/b"}')


def test_the_usual_row_is_read_fast() -> None:
    """All of a row that is as documented, its arrays sorted; where it has an unknown property, that is said."""
    usual = row("a", ClientName="x", Owners=["2", "1"], PermissionResources=[{"Moid": "d"}, {"Moid": "c"}])
    token = Token("a", client_name="x", account_moid=ACCOUNT, owners=("1", "2"), permission_resources=("c", "d"))

    assert typed.read(json.dumps(usual).encode()) == (binary.values_of(token), True)
    assert typed.read(json.dumps(usual | {"Future": 1}).encode()) == (binary.values_of(token), False)
