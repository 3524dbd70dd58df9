"""Lies of single rows: values and bytes that no reader expects, in lists and in single objects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamer.demo.credentials import Credentials
from tests.demo.lies.liar import COUNTED, Liar, lying
from tests.demo.stage import TOKENS, Clock


def _differing(liar: Liar, page: Any) -> list[tuple[Any, dict[str, Any]]]:
    """The rows of a page that are not as the truth has them, each beside its true one."""
    pairs = zip(page["Results"], liar.rows, strict=True)
    return [(shown, row) for shown, row in pairs if shown != row]


async def test_so_many_rows_or_the_named_one(credentials: Credentials, clock: Clock) -> None:
    """`rows` strikes so many by chance, other ones each time; `moid` always strikes the same, wherever it is shown."""
    async with lying(credentials, clock, "unknown,rows=3") as liar:
        by_chance = [[row["Moid"] for _, row in _differing(liar, await liar.page())] for _ in range(2)]
        liar.simulator.faults.clear()
        moid = liar.moids[7]
        liar.arm(f"unknown,moid={moid}")
        named = [[row["Moid"] for _, row in _differing(liar, await liar.page())] for _ in range(2)]
        alone = [(await liar.client.get(f"{TOKENS}/{other}")).json() for other in (moid, liar.moids[8])]

    assert [len(moids) for moids in by_chance] == [3, 3]
    assert by_chance[0] != by_chance[1]
    assert named == [[moid], [moid]]
    assert ["X1Imagined" in row for row in alone] == [True, False]


async def test_what_nobody_knows(credentials: Credentials, clock: Clock) -> None:
    """`unknown` adds a property; `unknown=enum` gives known enumerations new values; nothing else changes."""
    async with lying(credentials, clock, "unknown") as liar:
        ((added, row),) = _differing(liar, await liar.page())
        liar.simulator.faults.clear()
        full = next(row for row in liar.rows if row["UserMeta"] is not None)
        liar.arm(f"unknown=enum,moid={full['Moid']}")
        ((renamed, _),) = _differing(liar, await liar.page())

    assert {name: value for name, value in added.items() if name not in row} == {
        "X1Imagined": {"ClassId": "iam.Imagined", "Flags": [1, 2.5, None, True], "ObjectType": "iam.Imagined"}
    }
    assert {name for name in full if renamed[name] != full[name]} == {
        *("Parent", "Permission", "User", "UserMeta", "VersionContext")
    }
    assert renamed["User"] == {**full["User"], "ClassId": "mo.Imagined"}
    assert renamed["VersionContext"]["VersionType"] == "Imagined"


async def test_new_kinds_of_tags(credentials: Credentials, clock: Clock) -> None:
    """`unknown=enum` gives tags a type of their own; their keys and values stay."""
    async with lying(credentials, clock, honest=False) as liar:
        moid = liar.moids[0]
        liar.world.tag(moid, "owner", "soc")
        liar.arm("unknown=enum")
        shown = (await liar.client.get(f"{TOKENS}/{moid}")).json()

    assert shown["Tags"] == [{"Key": "owner", "Value": "soc", "Type": "Imagined"}]


@pytest.mark.parametrize(
    ("how", "moid"),
    [("null", None), ("empty", ""), ("number", 12345), ("long", "a" * 300), ("odd", "it's é/..")],
)
async def test_a_bad_moid(credentials: Credentials, clock: Clock, how: str, moid: Any) -> None:
    """One row's Moid is none that can be; the row is else as it was."""
    async with lying(credentials, clock, f"moid={how}") as liar:
        ((shown, row),) = _differing(liar, await liar.page())

    assert shown == {**row, "Moid": moid}


async def test_a_row_without_moid(credentials: Credentials, clock: Clock) -> None:
    """One row has no Moid; so has a single object."""
    async with lying(credentials, clock, "moid") as liar:
        ((shown, row),) = _differing(liar, await liar.page())
        alone = (await liar.client.get(f"{TOKENS}/{liar.moids[3]}")).json()

    assert shown == {name: value for name, value in row.items() if name != "Moid"}
    assert alone == {name: value for name, value in liar.rows[3].items() if name != "Moid"}


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [
        ("utf8", b"ClientName", b'"caf\xe9 \x80\xff \xe2\x82"'),
        ("utf8=TokenId", b"TokenId", b'"caf\xe9 \x80\xff \xe2\x82"'),
        ("surrogate", b"ClientName", rb'"half \ud83d of a pair \udc00"'),
        pytest.param("huge", b"ClientName", b'"%b"' % (b"x" * 1_048_576), id="huge"),
        pytest.param("huge=70000,property=TokenId", b"TokenId", b'"%b"' % (b"x" * 70_000), id="huge=70000"),
        ("nan", b"ClientName", b"NaN"),
        ("nan=-Infinity,property=ExpirationTime", b"ExpirationTime", b"-Infinity"),
    ],
)
async def test_bytes_that_not_every_reader_reads(
    credentials: Credentials, clock: Clock, fault: str, name: bytes, value: bytes
) -> None:
    """The bytes stand in one row of a list, and in a single object, in the place of one property's value."""
    sent = b'"%b":%b,' % (name, value)
    async with lying(credentials, clock, fault) as liar:
        listed = (await liar.client.get(TOKENS, params=COUNTED)).content
        alone = (await liar.client.get(f"{TOKENS}/{liar.moids[0]}")).content

    assert (listed.count(sent), alone.count(sent)) == (1, 1)
    rows = json.loads(listed.replace(sent, b""))["Results"]
    assert [{**row, name.decode(): 0} for row in rows] == [{**row, name.decode(): 0} for row in liar.rows]


async def test_wrong_types(credentials: Credentials, clock: Clock) -> None:
    """`types`: of one row, all known properties but its names of itself are of a wrong type; or only the named one."""
    async with lying(credentials, clock, "types") as liar:
        ((all_wrong, row),) = _differing(liar, await liar.page())
        liar.simulator.faults.clear()
        liar.arm("types=Owners")
        ((one_wrong, other),) = _differing(liar, await liar.page())

    assert {name for name in row if all_wrong[name] == row[name]} == {"Moid", "ClassId", "ObjectType"}
    wrong = ("ClientName", "ExpirationTime", "Owners", "User", "UserMeta")
    assert [all_wrong[name] for name in wrong] == [
        *(4711, ["2025-10-09T08:53:20Z"], {"0": "a list"}, "an object", "an object")
    ]
    assert one_wrong == {**other, "Owners": {"0": "a list"}}


@pytest.mark.parametrize("other", ["count=+1", "short", "types", "null", "empty"])
async def test_a_reply_that_is_no_text_is_left_as_it_is(credentials: Credentials, clock: Clock, other: str) -> None:
    """A lie about values that meets bytes which are no UTF-8 leaves them alone; the server never fails over them."""
    async with lying(credentials, clock, other, "utf8") as liar:
        reply = await liar.client.get(TOKENS, params=COUNTED)

    assert reply.status_code == 200
    assert b"caf\xe9" in reply.content
