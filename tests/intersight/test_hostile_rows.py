"""Whatever a hostile client can write, the feed goes on; only a row without an identity stops a poll."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest

from streamer import avro
from streamer.errors import Rejected
from streamer.intersight.canonical import ARRAYS, EXTRAS, LONGEST, Canonical, canonical
from streamer.intersight.rows import read_row
from streamer.tokens import Extra, Token
from tests.fuzz.spoiling import DEEP
from tests.intersight.stage import ACCOUNT, row
from tests.intersight.test_canonical import FULL


def _read(properties: dict[str, Any]) -> Canonical:
    return canonical(json.dumps(properties).encode())


def _value(name: str, value: Any) -> Canonical:
    return _read(row("a", **{name: value}))


def test_a_long_string_is_cut_and_marked() -> None:
    """A string of 32 KiB stays; one byte more is cut to 32 KiB, mark included, and two of them stay two."""
    assert _value("ClientName", "x" * LONGEST).damaged == 0
    longer = [_value("ClientName", "x" * LONGEST + end) for end in "ab"]
    names = [read.token.client_name or "" for read in longer]

    assert [len(name.encode()) for name in names] == [LONGEST, LONGEST]
    assert [read.damaged for read in longer] == [1, 1]
    assert names[0] != names[1]
    assert "…[cut: 32769 bytes, sha256 " in names[0]


def test_a_cut_never_splits_a_character() -> None:
    """Where the bound falls inside a character, that character goes as a whole."""
    name = _value("ClientName", "€" * LONGEST).token.client_name or ""

    assert len(name.encode()) in range(LONGEST - 2, LONGEST + 1)
    assert set(name.split("…")[0]) == {"€"}


@pytest.mark.parametrize(
    ("text", "read_as", "damaged"),
    [
        (rb"a\ud800b", "a\ufffdb", 1),
        (rb"a\udfff", "a\ufffd", 1),
        (rb"\ud800\ud800\udc00", "\ufffd\U00010000", 1),
        (rb"\uDBFFx\uDC00", "\ufffdx\ufffd", 2),
        (rb"\\ud800", r"\ud800", 0),
        (rb"\\\ud800", "\\\ufffd", 1),
        (rb"\\ud800\ud800", r"\ud800" + "\ufffd", 1),
        (rb"\ud83d\ude00", "\U0001f600", 0),
        (rb"\ufffd", "\ufffd", 0),
        (b"\xef\xbf\xbd", "\ufffd", 0),
        (b"a\xffb\xfe", "a\ufffdb\ufffd", 2),
        (b"\xc3", "\ufffd", 1),
        (b"\xff\xef\xbf\xbd", "\ufffd\ufffd", 1),
        (rb"\u0000\u001f", "\x00\x1f", 0),
    ],
)
def test_text_that_is_no_unicode_is_repaired(text: bytes, read_as: str, damaged: int) -> None:
    """Lone surrogates and invalid UTF-8 become U+FFFD, each counted; what is valid stays, U+FFFD itself included."""
    seen = read_row(b'{"Moid": "a", "ClientName": "' + text + b'"}', 0, None)

    assert (seen.token.client_name, seen.damaged) == (read_as, damaged)


def test_names_and_extras_are_repaired_too() -> None:
    """Damage in the name or the text of an unknown property is repaired like any other."""
    seen = read_row(rb'{"Moid": "a", "X\ud800": ["\udc00"], "Y' + b'\xff": 1}', 0, None)

    assert [extra.name for extra in seen.token.extras] == ["X\ufffd", "Y\ufffd"]
    assert json.loads(seen.token.extras[0].json) == ["\ufffd"]
    assert seen.damaged == 3


def test_arrays_are_bounded_together() -> None:
    """Owners, resources and tags share 128 KiB encoded: what does not fit is one mark, and still changes the token."""
    owners = [f"{i:024x}" for i in range(3000)]
    rows = [
        _read(
            row("a", Owners=owners, PermissionResources=[{"Moid": m} for m in owners], Tags=[{"Key": "k", "Value": v}])
        )
        for v in ("v", "w")
    ]
    token = rows[0].token

    assert [read.damaged for read in rows] == [2, 2]
    assert token.owners == tuple(owners)
    assert 1000 < len(token.permission_resources) < 3000
    assert token.permission_resources[-1].startswith("…[cut: ")
    assert token.tags[0].key.startswith("…[cut: 1 more, sha256 ")
    assert token.tags != rows[1].token.tags
    bare = len(avro.encode_token(Token("a", account_moid=ACCOUNT))[0])
    assert len(avro.encode_token(token)[0]) - bare <= ARRAYS


def test_extras_are_bounded_together() -> None:
    """Extras share 64 KiB encoded: a text that does not fit is its mark, as JSON; what no longer fits is one mark."""
    big = _read(row("a", XBig="x" * 70_000, XSmall=1))
    many = _read(row("a", **{f"X{i:04d}": "y" * 500 for i in range(1000)}))

    assert big.token.extras[0].name == "XBig"
    assert json.loads(big.token.extras[0].json).startswith("…[cut: 70002 bytes, sha256 ")
    assert (big.token.extras[1], big.damaged, big.unknown) == (Extra("XSmall", "1"), 1, 2)
    assert many.unknown == 1000
    assert many.token.extras[-1].name == "…"
    assert json.loads(many.token.extras[-1].json).endswith(" more]")
    for read in (big, many):
        assert len(avro.encode_token(read.token)[1]) <= EXTRAS


def test_the_largest_token_is_under_704_kib() -> None:
    """With everything at its bound at once, a token is as small as an event can carry twice."""
    huge, names = "€" * 200_000, string.ascii_letters
    row_: dict[str, Any] = dict.fromkeys(FULL, huge) | {f"X{name}": huge for name in names}
    row_ |= {"Moid": "m" * 128, "User": {"Moid": huge}, "AppRegistration": {"Moid": huge}}
    row_ |= {
        "Permission": {"Moid": huge},
        "Parent": {"Moid": huge},
        "UserMeta": {"UserAgent": huge, "DeviceModel": huge},
    }
    row_ |= {
        "Owners": [huge] * 9,
        "PermissionResources": [{"Moid": huge}] * 9,
        "Tags": [{"Key": huge, "Value": huge}] * 9,
    }
    seen = read_row(json.dumps(row_, ensure_ascii=False).encode(), 0, None)

    assert 500 * 1024 < len(seen.datum) < 704 * 1024


# Identity...


@pytest.mark.parametrize("moid", ["a", "6b00014d7564613301d4f7aa", "A-Z_09", "m" * 128])
def test_moids_are_taken_as_they_are(moid: str) -> None:
    """Any Moid of the contract's alphabet is an identity."""
    assert _read({"Moid": moid}).token == Token(moid)


@pytest.mark.parametrize("moid", ["m" * 129, "a/b", "a b", "a\n", "é", "a\x00", "%61", 7, ["a"], {"Moid": "a"}, True])
def test_a_bad_moid_rejects_the_poll(moid: Any) -> None:
    """A Moid of another form or type is never cut or repaired."""
    with pytest.raises(Rejected) as caught:
        _read({"Moid": moid})
    assert caught.value.reason == "bad_moid"


def test_a_damaged_moid_rejects_the_poll() -> None:
    """A Moid with a byte that had to be replaced is not one."""
    with pytest.raises(Rejected) as caught:
        read_row(b'{"Moid": "a\xff"}', 0, None)
    assert caught.value.reason == "bad_moid"


@pytest.mark.parametrize("body", ["{}", '{"Moid": null}', '{"Moid": ""}', '{"moid": "a"}', "null", "[]", '"a"', "7"])
def test_a_row_without_a_moid_rejects_the_poll(body: str) -> None:
    """A row without a Moid, or that is no object, has no identity."""
    with pytest.raises(Rejected) as caught:
        canonical(body.encode())
    assert caught.value.reason == "row_without_moid"


@pytest.mark.parametrize("name", ["Tags", "Ancestors", "XFuture"])
def test_a_row_nested_without_end_rejects_the_poll(name: str) -> None:
    """What exceeds the parser's depth is an error of the poll, not of the process, wherever it stands."""
    with pytest.raises(Rejected) as caught:
        canonical(b'{"Moid": "a", "' + name.encode() + b'": ' + b"[" * DEEP + b"]" * DEEP + b"}")
    assert caught.value.reason == "not_json"
