"""Paging, ordering and shape of lists, against the plain definition over all rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.demo import kinds
from streamer.demo.filters import BadQuery
from streamer.demo.kinds import TOKEN, Kind, Many, Nested, Scalar
from streamer.demo.query import LARGEST_PAGE, Query, Table, read_query
from streamer.demo.shapes import Row, instant
from tests.demo.stage import START, still

WORLD = still(250)
TABLE = Table(TOKEN, WORLD.tokens, WORLD.moids)
ROWS = [WORLD.tokens[moid] for moid in sorted(WORLD.tokens)]
USERS = {row["Moid"]: row for row in WORLD.people()}


def _query(**options: str) -> Query:
    return read_query({f"${name}": value for name, value in options.items()}, TOKEN, START)


def _look_up(object_type: str, moid: str) -> Row | None:
    return USERS.get(moid) if object_type == "iam.User" else None


def test_without_options() -> None:
    """The first 100 by Moid, whole rows, and no more said."""
    query = _query()
    count, page = query.run(TABLE)

    assert (count, page) == (250, ROWS[:100])
    assert (query.inline_count, query.count_only, query.view.of(page[0], _look_up) is page[0]) == (False, False, True)


_FILTERS: dict[str, Callable[[Row], bool]] = {
    "": lambda _: True,
    f"Moid gt '{ROWS[60]['Moid']}'": lambda row: row["Moid"] > ROWS[60]["Moid"],
    "Moid gt ''": lambda _: True,
    "Moid gt 'g'": lambda _: False,
    f"Moid in ('{ROWS[9]['Moid']}','{ROWS[2]['Moid']}','nobody')": lambda row: row in (ROWS[2], ROWS[9]),
    f"Moid eq '{ROWS[9]['Moid']}'": lambda row: row == ROWS[9],
    "ClientId ne ''": lambda row: row["ClientId"] != "",
    f"Moid gt '{ROWS[60]['Moid']}' and ClientId ne ''": lambda row: (
        row["Moid"] > ROWS[60]["Moid"] and row["ClientId"] != ""
    ),
}
_ORDERS = {
    "": ("Moid", False),
    "Moid": ("Moid", False),
    "Moid asc": ("Moid", False),
    "-Moid": ("Moid", True),
    "Moid desc": ("Moid", True),
    "CreateTime desc": ("CreateTime", True),
    "LastLoginTime": ("LastLoginTime", False),
    "-ModTime": ("ModTime", True),
    "ClientName asc": ("ClientName", False),
}


@given(
    st.sampled_from(sorted(_FILTERS)),
    st.sampled_from(sorted(_ORDERS)),
    st.integers(0, 300),
    st.sampled_from((0, 1, 7, 1000)),
)
@settings(max_examples=200, deadline=None)
def test_a_page_is_a_slice_of_what_matches_in_order(where: str, order: str, skip: int, top: int) -> None:
    """Any filter, order and page give the slice that filtering, sorting and cutting all rows gives; Count is all's."""
    options = {"skip": str(skip), "top": str(top)} | ({"filter": where} if where else {})
    options |= {"orderby": order} if order else {}

    matching = [row for row in ROWS if _FILTERS[where](row)]
    name, down = _ORDERS[order]
    matching.sort(
        key=lambda row: datetime.fromisoformat(row[name]) if name.endswith("Time") else row[name], reverse=down
    )

    assert _query(**options).run(TABLE) == (len(matching), matching[skip : skip + top])


def test_times_sort_as_instants() -> None:
    """A trimmed fraction does not change the order: 53.49 is before 53.5, and both after 53."""
    times = ["2026-01-01T00:00:53.5Z", "2026-01-01T00:00:53.49Z", "2026-01-01T00:00:53Z"]
    table = Table.of(TOKEN, [{"Moid": str(n), "ModTime": text} for n, text in enumerate(times)])

    _, rows = _query(orderby="ModTime").run(table)

    assert [row["Moid"] for row in rows] == ["2", "1", "0"]


def test_what_is_missing_sorts_first() -> None:
    """Rows without the property come first, last when going down; they never make the list fail."""
    table = Table.of(TOKEN, [{"Moid": "1", "ClientName": "b"}, {"Moid": "2", "ClientName": None}, {"Moid": "3"}])

    assert [row["Moid"] for row in _query(orderby="ClientName").run(table)[1]] == ["2", "3", "1"]
    assert [row["Moid"] for row in _query(orderby="-ClientName").run(table)[1]] == ["1", "2", "3"]


def test_select_keeps_identity() -> None:
    """`$select` gives the properties named, and always Moid, ClassId and ObjectType, in alphabetical order."""
    query = _query(select="TokenId,ClientName")

    assert list(query.view.of(ROWS[0], _look_up)) == ["ClassId", "ClientName", "Moid", "ObjectType", "TokenId"]


def test_expand_puts_the_object_in_place_of_the_reference() -> None:
    """`$expand` inlines whole objects or selected properties, and leaves null and unknown references alone."""
    row = next(row for row in ROWS if row["Parent"] is None)
    person = USERS[row["User"]["Moid"]]

    shown = _query(expand="User($select=Email,Name),Permission, Parent").view.of(row, _look_up)

    assert shown["User"] == {name: person[name] for name in ("ClassId", "Email", "Moid", "Name", "ObjectType")}
    assert (shown["Permission"], shown["Parent"]) == (row["Permission"], None)
    assert list(shown) == sorted(row)
    assert _query(select="User", expand="User").view.of(row, _look_up)["User"] == person
    assert row["User"]["ClassId"] == "mo.MoRef"
    both = _query(select="UserMeta", expand="User").view.of(row, _look_up)
    assert list(both) == ["ClassId", "Moid", "ObjectType", "User", "UserMeta"]


@pytest.mark.parametrize(("option", "value"), [("inlinecount", "allpages"), ("count", "true")])
def test_counts_are_asked_for(option: str, value: str) -> None:
    """A count is sent only where it is asked for by the one value that does."""
    query = _query(**{option: value})

    assert (query.inline_count, query.count_only) == (option == "inlinecount", option == "count")
    assert _query(inlinecount="none", count="false") == _query()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"$top": "1001"}, "0 to 1000"),
        ({"$top": "-1"}, "0 to 1000"),
        ({"$top": "ten"}, "0 to 1000"),
        ({"$top": "٣"}, "0 to 1000"),
        ({"$top": ""}, "0 to 1000"),
        ({"$skip": "-1"}, "$skip='-1' is no whole number"),
        ({"$skip": "9" * 5000}, "is no whole number"),
        ({"$inlinecount": "true"}, "neither none nor allpages"),
        ({"$count": "yes"}, "neither false nor true"),
        ({"$orderby": "moid"}, "unknown property moid"),
        ({"$orderby": "User"}, "object or a list"),
        ({"$orderby": "Owners"}, "object or a list"),
        ({"$orderby": "CreateTime,Moid"}, "is none of"),
        ({"$orderby": "-Moid desc"}, "is none of"),
        ({"$orderby": ""}, "is none of"),
        ({"$select": "Moid,Secret"}, "unknown property Secret in $select"),
        ({"$expand": "UserMeta"}, "is no relationship"),
        ({"$expand": "Nobody"}, "unknown property Nobody in $expand"),
        ({"$expand": "User("}, "not of the form"),
        ({"$filter": "Nobody eq 'x'"}, "unknown property Nobody"),
        ({"$apply": "groupby((Moid))"}, "$apply is not supported"),
        ({"$Top": "1"}, "$Top is not supported"),
        ({"at": "x"}, "not supported"),
    ],
)
def test_refused(options: dict[str, str], says: str) -> None:
    """What the API does not take, or is not known to take, is refused by name."""
    with pytest.raises(BadQuery) as caught:
        read_query(options, TOKEN, START)

    assert says in str(caught.value)


def test_options_of_others_are_ignored() -> None:
    """A parameter that is no query option changes nothing."""
    assert read_query({"x": "1", "$top": str(LARGEST_PAGE)}, TOKEN, START).top == 1000


def _fits(kind: Kind, value: object) -> bool:
    if value is None or isinstance(kind, Nested):
        open_map = isinstance(kind, Nested) and not kind.properties
        return (
            value is None
            or open_map
            or (
                isinstance(value, dict)
                and isinstance(kind, Nested)
                and all(name in kind.properties and _fits(kind.properties[name], item) for name, item in value.items())
            )
        )
    if isinstance(kind, Many):
        return isinstance(value, list) and all(_fits(kind.of, item) for item in value)
    if kind is Scalar.TIME:
        return isinstance(value, str) and instant(value) is not None
    return type(value) is {Scalar.TEXT: str, Scalar.NUMBER: int, Scalar.FLAG: bool}[kind]


def test_every_row_is_of_its_kind() -> None:
    """Rows have exactly the properties that can be asked for, sorted, each of the kind that says how it compares."""
    world = still(30)
    world.widen(world.moids[0])
    world.tag(world.moids[0], "owner", "netops")
    world.logout(world.users[0])
    world.remove(world.moids[0])
    groups = [
        (kinds.TOKEN, list(world.tokens.values())),
        (kinds.ACCOUNT, world.accounts()),
        (kinds.USER, world.people()),
        (kinds.APP, world.applications()),
        (kinds.AUDIT, world.records()),
    ]
    for kind, rows in groups:
        assert rows
        for row in rows:
            assert list(row) == sorted(kind.properties)
            assert _fits(kind, row)
