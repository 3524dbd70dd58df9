"""One row to one token: what means the same is the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer import avro
from streamer.demo import shapes
from streamer.intersight.canonical import Canonical, canonical
from streamer.intersight.rows import read_row
from streamer.tokens import Extra, Tag, Token
from tests.intersight.stage import ACCOUNT, row

MOID = "6b00014d7564613301d4f7aa"
USER = "60a4d7f27564612d3192e4c5"
ZERO = "0001-01-01T00:00:00Z"
FULL: dict[str, Any] = {
    "AccessExpirationTime": "2026-11-20T08:24:05.117Z",
    "AccountMoid": ACCOUNT,
    "Ancestors": [shapes.reference("iam.User", USER)],
    "AppRegistration": shapes.reference("iam.AppRegistration", "64be0c217564613001a7d3e9"),
    "ClassId": "iam.OAuthToken",
    "ClientId": "9c1d4e77-5f3a1c9e7564612d30c1a2b9",
    "ClientIpAddress": "198.51.100.23",
    "ClientName": "acme-inventory-portal",
    "CreateTime": "2026-11-20T08:14:05.117Z",
    "DisplayNames": None,
    "DomainGroupMoid": "5f3a1c9e7564612d30c1a2b9",
    "ExpirationTime": "2026-11-21T00:14:05Z",
    "LastLoginClient": "198.51.100.7",
    "LastLoginTime": "2026-11-19T15:42:10.9Z",
    "ModTime": "2026-11-20T08:14:05.12Z",
    "Moid": MOID,
    "ObjectType": "iam.OAuthToken",
    "Owners": [USER, ACCOUNT],
    "Parent": shapes.reference("iam.User", USER),
    "Permission": shapes.reference("iam.Permission", "5f3a1ca07564612d30c1a2c4"),
    "PermissionResources": [shapes.reference("organization.Organization", moid) for moid in ("b", "a")],
    "SharedScope": "scope",
    "Tags": [{"Key": "owner", "Value": 'netops "blue" / équipe'}, {"Key": "owner"}, {"Key": "cost", "Value": "7"}],
    "TokenId": "tid-7f0c2b9e41d84a3c",
    "User": shapes.reference("iam.User", USER),
    "UserMeta": {
        "ClassId": "iam.ClientMeta",
        "DeviceModel": "Mac",
        "ObjectType": "iam.ClientMeta",
        "UserAgent": "Firefox",
    },
    "VersionContext": None,
}
FULL_TOKEN = Token(
    moid=MOID,
    token_id="tid-7f0c2b9e41d84a3c",
    client_id="9c1d4e77-5f3a1c9e7564612d30c1a2b9",
    client_name="acme-inventory-portal",
    client_ip_address="198.51.100.23",
    last_login_client="198.51.100.7",
    last_login_time=1_795_102_930_900,
    access_expiration_time=1_795_163_045_117,
    expiration_time=1_795_220_045_000,
    create_time=1_795_162_445_117,
    mod_time=1_795_162_445_120,
    account_moid=ACCOUNT,
    domain_group_moid="5f3a1c9e7564612d30c1a2b9",
    shared_scope="scope",
    user_moid=USER,
    app_registration_moid="64be0c217564613001a7d3e9",
    permission_moid="5f3a1ca07564612d30c1a2c4",
    user_agent="Firefox",
    device_model="Mac",
    parent_moid=USER,
    owners=(ACCOUNT, USER),
    permission_resources=("a", "b"),
    tags=(Tag("cost", "7"), Tag("owner"), Tag("owner", 'netops "blue" / équipe')),
)


def _read(properties: dict[str, Any]) -> Canonical:
    return canonical(json.dumps(properties).encode())


def _value(name: str, value: Any) -> Canonical:
    return _read(row("a", **{name: value}))


def _meaning(properties: Any) -> bytes:
    return read_row(json.dumps(properties).encode(), 0, None).meaning


# What is read...


def test_every_property_has_its_field() -> None:
    """A row with all 27 properties gives a token with all 24 fields, each from its own property."""
    read = _read(FULL)

    assert (read.token, read.damaged, read.unknown) == (FULL_TOKEN, 0, 0)
    assert len(FULL) == 27


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("name", sorted(set(FULL) - {"Moid"}))
def test_null_and_the_empty_string_are_absence(name: str, nothing: str | None) -> None:
    """A property that is null or "" reads as one that is not there."""
    without = {key: value for key, value in FULL.items() if key != name}
    read = _read(FULL | {name: nothing})

    assert (read.token, read.damaged) == (_read(without).token, 0)


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("Owners", []),
        ("Tags", [None]),
        ("PermissionResources", [{"Moid": ""}, None, {}]),
        ("User", {}),
        ("Parent", {"Moid": None}),
        ("UserMeta", {"UserAgent": "", "DeviceModel": None}),
        ("LastLoginTime", ZERO),
        ("LastLoginTime", "0001-01-01T00:00:00.000Z"),
        ("LastLoginTime", "0001-01-01T01:30:00+01:30"),
        ("ModTime", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_other_ways_to_say_nothing(name: str, empty: Any) -> None:
    """An empty array or object, and the zero time in any spelling, read as absence."""
    read = _value(name, empty)

    assert (read.token, read.damaged) == (Token("a", account_moid=ACCOUNT), 0)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-20T08:14:05Z", 1_795_162_445_000),
        ("2026-11-20T08:14:05.1Z", 1_795_162_445_100),
        ("2026-11-20T08:14:05.12Z", 1_795_162_445_120),
        ("2026-11-20T08:14:05.117999999Z", 1_795_162_445_117),
        ("2026-11-20T09:44:05.5+01:30", 1_795_162_445_500),
        ("2026-11-20T00:14:05-08:00", 1_795_162_445_000),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ],
)
def test_times_are_instants(text: str, ms: int) -> None:
    """No to nine decimals and any offset are read; finer digits than ms are cut, also before 1970."""
    assert _value("ModTime", text).token.mod_time == ms


@pytest.mark.parametrize(
    "bad",
    [
        "yesterday",
        "2026-11-20",
        "2026-11-20 08:14:05Z",
        "2026-11-20T08:14:05",
        "2026-11-31T08:14:05Z",
        "2026-11-20T08:14:05.1234567890Z",
        "2026-11-20T08:14:05,5Z",
        "٢٠٢٦-11-20T08:14:05Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "0000-01-01T00:00:00Z",
        " 2026-11-20T08:14:05Z",
        1_795_162_445,
        True,
        ["2026-11-20T08:14:05Z"],
    ],
)
def test_what_is_no_time_is_null_with_its_text_kept(bad: Any) -> None:
    """A time that cannot be read, or lies outside years 1 to 9999, is null, counted, and in the extras as it came."""
    read = _value("ExpirationTime", bad)

    assert (read.token.expiration_time, read.damaged, read.unknown) == (None, 1, 0)
    assert read.token.extras == (Extra("ExpirationTime", json.dumps(bad)),)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("ClientName", 7),
        ("ClientName", {"a": 1}),
        ("User", "60a4d7f27564612d3192e4c5"),
        ("User", [USER]),
        ("User", {"Moid": 7}),
        ("Owners", "a"),
        ("Owners", ["a", 7]),
        ("Owners", {"a": 1}),
        ("PermissionResources", ["a"]),
        ("Tags", {"Key": "a"}),
        ("Tags", [{"Key": "a", "Value": 7}]),
        ("Tags", [{"Value": "no key"}]),
        ("Tags", ["a"]),
        ("UserMeta", "Firefox"),
    ],
)
def test_a_value_of_the_wrong_type_is_null_with_its_text_kept(name: str, bad: Any) -> None:
    """A known property of the wrong type costs itself only: null, counted, its raw text in the extras."""
    read = _read(FULL | {name: bad})
    expected = _read({key: value for key, value in FULL.items() if key != name}).token

    assert read.token.extras == (Extra(name, json.dumps(bad)),)
    assert (read.damaged, read.unknown) == (1, 0)
    assert avro.encode_token(read.token)[0] == avro.encode_token(expected)[0]


def test_the_readable_half_of_an_object_is_kept() -> None:
    """Of a UserMeta with one bad value the good one before it is kept, and the text of both."""
    meta = {"UserAgent": "Firefox", "DeviceModel": 7}
    read = _value("UserMeta", meta)

    assert (read.token.user_agent, read.token.device_model) == ("Firefox", None)
    assert read.token.extras == (Extra("UserMeta", json.dumps(meta)),)


def test_relations_are_moids_however_they_come() -> None:
    """A reference, one with another link, and the whole object inlined read as the same Moid."""
    forms = (
        shapes.reference("iam.User", USER),
        shapes.reference("iam.User", USER) | {"link": "https://intersight.com/elsewhere"},
        {"Moid": USER},
        {"Email": "a@b", "Moid": USER, "Name": "A", "ObjectType": "iam.User", "Roles": [{"Moid": "x"}]},
    )
    assert {_value("User", form).token for form in forms} == {Token("a", account_moid=ACCOUNT, user_moid=USER)}


def test_unknown_properties_are_carried_and_counted() -> None:
    """What this version does not know is kept as it came, by name, and is no part of the meaning."""
    future = {"ZFuture": {"ClassId": "iam.SomethingNew"}, "AFuture": None, "BFuture": [1.50, "ü"]}
    read = canonical(json.dumps(FULL | future, ensure_ascii=False).encode())

    assert [extra.name for extra in read.token.extras] == ["AFuture", "BFuture", "ZFuture"]
    assert read.token.extras[1] == Extra("BFuture", '[1.5, "ü"]')
    assert (read.unknown, read.damaged) == (3, 0)
    assert _meaning(FULL | future) == _meaning(FULL)


def test_known_noise_is_dropped() -> None:
    """Types, ancestors, versions and display names are neither fields nor extras, whatever stands in them."""
    noise = {
        "ClassId": "iam.NewerToken",
        "ObjectType": 7,
        "Ancestors": "x",
        "VersionContext": {"Version": "2"},
        "DisplayNames": {"short": ["a"]},
    }
    read = _read(FULL | noise)

    assert (read.token, read.damaged, read.unknown) == (FULL_TOKEN, 0, 0)


# The law: what means the same has the same digest...


def _spelled(ms: int, decimals: int, offset_min: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    local = at.astimezone(timezone(timedelta(minutes=offset_min)))
    fraction = f"{ms % 1000:03d}000000"[:decimals]
    zone = (
        "Z"
        if offset_min == 0
        else f"{'+' if offset_min > 0 else '-'}{abs(offset_min) // 60:02d}:{abs(offset_min) % 60:02d}"
    )
    return f"{local:%Y-%m-%dT%H:%M:%S}{f'.{fraction}' if decimals else ''}{zone}"


@st.composite
def _spellings(draw: st.DrawFn) -> bytes:
    """The row FULL as the service might write it another time."""
    host = draw(st.sampled_from(["https://intersight.com", "https://www.intersight.com", ""]))
    decimals, offset = draw(st.integers(3, 9)), draw(st.integers(-12 * 60, 14 * 60))
    again: dict[str, Any] = FULL | {
        "AccessExpirationTime": _spelled(1_795_163_045_117, decimals, offset),
        "ModTime": _spelled(1_795_162_445_120, decimals, -offset // 2),
    }
    again |= {name: draw(st.permutations(FULL[name])) for name in ("Owners", "PermissionResources", "Tags")}
    again |= {name: again[name] | {"link": f"{host}/api/v1/x"} for name in ("User", "Parent", "Permission")}
    dropped = draw(st.sets(st.sampled_from(["Ancestors", "VersionContext", "DisplayNames", "ClassId", "ObjectType"])))
    shuffled = {name: again[name] for name in draw(st.permutations(sorted(FULL))) if name not in dropped}
    gaps = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    return json.dumps(shuffled, separators=gaps, ensure_ascii=draw(st.booleans())).encode()


@settings(deadline=None)
@given(_spellings())
def test_spelling_is_not_meaning(body: bytes) -> None:
    """Key order, array order, links, white space, escapes, decimals and offsets never change a token's meaning."""
    seen = read_row(b"\n " + body + b" \r\n", 0, None)

    assert seen.meaning == _meaning(FULL)
    assert (seen.token, seen.damaged) == (FULL_TOKEN, 0)


_CHANGED = {
    name: value
    for name, value in FULL.items()
    if name not in {"Ancestors", "ClassId", "DisplayNames", "ObjectType", "VersionContext"}
}


@pytest.mark.parametrize("name", sorted(_CHANGED))
def test_every_property_is_in_the_meaning(name: str) -> None:
    """A property that goes away changes the meaning: nothing is read and then left out of the comparison."""
    other = {"Moid": "another"} if name == "Moid" else {name: None}

    assert _meaning(FULL | other) != _meaning(FULL)


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates included
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(set(FULL) - {"Moid"})) | ANY_TEXT, JSON, max_size=8))
@example({"Owners": [None, "", "b", "a"]})
@example({"Tags": [{"Key": "a"}, {"Key": "a", "Value": ""}, {"Key": "a", "Value": "b"}]})
def test_any_row_with_a_moid_becomes_a_token(properties: dict[str, Any]) -> None:
    """Whatever JSON stands in its properties, a row with a Moid is read, and its bytes decode to the same token."""
    seen = read_row(json.dumps(properties | {"Moid": "a"}).encode(), 0, None)

    assert avro.decode_token(seen.datum) == seen.token
    assert list(seen.token.extras) == sorted(seen.token.extras)
