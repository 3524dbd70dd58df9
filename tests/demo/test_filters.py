"""The filter language: a table of what it means, properties against an evaluator that shares no code with it."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.demo.filters import BadQuery, parse
from streamer.demo.kinds import AUDIT, TOKEN
from streamer.demo.shapes import Row, rfc3339
from tests.demo.stage import START, still

ROW: Row = {
    "Moid": "64be0c217564613001a7d3e9",
    "ClientName": 'it\'s a "quoted" app',
    "ClientId": "",
    "ModTime": "2025-10-09T08:53:19.9Z",
    "ExpirationTime": "0001-01-01T00:00:00Z",
    "CreateTime": "2025-10-09T08:00:00Z",
    "Owners": ["5f3a", "60a4"],
    "Tags": [{"Key": "owner", "Value": "équipe"}, {"Key": "tier", "Value": "2"}],
    "User": {"ClassId": "mo.MoRef", "Moid": "u1", "ObjectType": "iam.User"},
    "Parent": None,
    "PermissionResources": [],
}

HITS = [
    "Moid eq '64be0c217564613001a7d3e9'",
    "ClientName eq 'it''s a \"quoted\" app'",
    "ClientId eq ''",
    "Moid gt '64be0c217564613001a7d3e8'",
    "Moid ge '64be0c217564613001a7d3e9' and Moid le '64be0c217564613001a7d3e9'",
    "not Moid lt '64'",
    "ModTime gt 2025-10-09T08:53:19.89Z",
    "ModTime lt 2025-10-09T08:53:20Z",
    "ModTime eq 2025-10-09T08:53:19.900Z",
    "ModTime eq '2025-10-09T10:53:19.9+02:00'",
    "ModTime gt now() sub PT3M20S",
    "ModTime lt now()",
    "CreateTime lt now() sub PT53M19S",
    "CreateTime gt now() sub P1DT1H",
    "ExpirationTime eq 0001-01-01T00:00:00Z",
    "ExpirationTime lt now() sub P1000Y",
    "User.Moid eq 'u1'",
    "User/Moid eq 'u1'",
    "Parent.Moid ne 'u1'",
    "Parent eq null",
    "User ne null",
    "Moid IN ('a','64be0c217564613001a7d3e9')",
    "Moid in('64be0c217564613001a7d3e9')",
    "contains(ClientName,'quoted')",
    "startsWith(ClientName, 'it''')",
    "startswith(User.ObjectType,'iam.')",
    "endsWith(ClientName,'app')",
    "Owners/any(x: x eq '60a4')",
    "Owners/any(x:x in ('1','5f3a'))",
    "Tags/any(t: t/Key eq 'owner' and t/Value eq 'équipe')",
    "not PermissionResources/any(p: p/Moid ne '')",
    "Moid eq 'x' or Moid eq 'y' or contains(Moid,'3001')",
    "Moid eq 'x' and Moid eq 'y' or ClientId eq ''",
    "Moid ne 'x' AND (Moid eq 'y' OR NOT (Moid eq 'z'))",
    "not not ClientId eq ''",
    "  ( ( ClientId  eq  '' ) )  ",
]
MISSES = [
    "Moid gt '64be0c217564613001a7d3e9'",
    "ClientName eq 'It''s a \"quoted\" app'",
    "ModTime gt 2025-10-09T08:53:19.9Z",
    "ModTime gt now()",
    "ModTime gt now() sub PT0S",
    "Parent.Moid eq 'u1'",
    "Parent.Moid gt ''",
    "TokenId eq ''",
    "contains(TokenId,'')",
    "Owners/any(x: x eq '5f')",
    "Tags/any(t: t/Key eq 'owner' and t/Value eq '2')",
    "PermissionResources/any(p: p/Moid ne '')",
    "Moid in ('64BE0C217564613001A7D3E9')",
    "ClientId eq '' and (Moid eq 'x' or Moid eq 'y')",
    "not (Moid eq 'x' or ClientId eq '')",
]
REFUSED = {
    "": "the end at 0",
    "Moid": "the end at 4",
    "Moid eq": "the end at 7 is no string",
    "Moid eq 5": "5 at 8 is no string",
    "Moid eq x": "x at 8 is no string",
    "Moid eq 'x": 'cannot read on from "\'x" at 8',
    "Moid eq 'it's'": "s at 12",
    "Moid is 'x'": "'is' stands where eq",
    "moid eq 'x'": "unknown property moid",
    "User.Email eq 'x'": "unknown property User.Email",
    "Moid.Moid eq 'x'": "unknown property Moid.Moid",
    "User eq 'x'": "User is an object or a list",
    "Owners eq 'x'": "Owners is an object or a list",
    "Moid gt null": "null can only be asked with eq and ne",
    "ModTime gt 5": "5 at 11 is no date-time",
    "ModTime gt 'x'": "'x' at 11 is no date-time",
    "ModTime gt 2025-02-30T00:00:00Z": "is no date-time",
    "ModTime gt 2025-02-03": "cannot read on",
    "ModTime gt now": "the end at 14 stands where (",
    "ModTime gt now() add PT5M": "add at 17",
    "ModTime gt now() sub 5": "5 at 21 stands where a duration",
    "ModTime gt now() sub PT5": "PT5 is no duration",
    "ModTime gt now() sub P1DT": "P1DT is no duration",
    "Moid eq now()": "now at 8 is no string",
    "tolower(Moid) eq 'x'": "unknown function tolower",
    "contains(ModTime,'x')": "ModTime is none",
    "contains(Moid)": ") at 13 stands where ,",
    "contains(Moid,null)": "not for null",
    "Moid/any(x: x eq 'a')": "Moid is none",
    "Owners/any(x: y eq 'a')": "y does not begin with the variable x",
    "Owners/any(x: Moid eq 'a')": "Moid does not begin with the variable x",
    "Owners/any(x x eq 'a')": "x at 13 stands where :",
    "Tags/any(t: t/Nothing eq 'a')": "unknown property t/Nothing",
    "Moid in ()": ") at 9 is no string",
    "Moid in ('a'": "the end at 12 stands where )",
    "(Moid eq 'a'": "the end at 12 stands where )",
    "Moid eq 'a')": ") at 11 stands where and, or, or the end",
    "Moid eq 'a' Moid eq 'b'": "Moid at 12",
    "Moid eq 'a' and": "the end at 15",
    "Moid eq 'a' & Moid eq 'b'": "cannot read on from",
    "not " * 51 + "Moid eq 'a'": "more than 50 levels",
    "(" * 51: "more than 50 levels",
}


@pytest.mark.parametrize("text", HITS)
def test_matches(text: str) -> None:
    """The filter is understood, and the row matches it."""
    assert parse(text, TOKEN, START).test(ROW)


@pytest.mark.parametrize("text", MISSES)
def test_does_not_match(text: str) -> None:
    """The filter is understood, and the row does not match it."""
    assert not parse(text, TOKEN, START).test(ROW)


@pytest.mark.parametrize(("text", "says"), REFUSED.items())
def test_refused(text: str, says: str) -> None:
    """What is not in the language is refused, with the place and what was wanted."""
    with pytest.raises(BadQuery) as caught:
        parse(text, TOKEN, START)

    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "hit"),
    [("HttpResponseCode eq 0", True), ("HttpResponseCode gt 0.5", False), ("HttpResponseCode ge -1", True)],
)
def test_numbers(text: str, hit: bool) -> None:  # noqa: FBT001
    """Numbers compare as numbers, bare, whole or not."""
    assert parse(text, AUDIT, START).test({"HttpResponseCode": 0}) is hit
    with pytest.raises(BadQuery, match="no number"):
        parse("HttpResponseCode eq '200'", AUDIT, START)


@pytest.mark.parametrize(
    ("text", "after", "among"),
    [
        ("Moid gt 'b'", "b", None),
        ("(Moid gt 'b')", "b", None),
        ("Moid eq 'b'", None, {"b"}),
        ("Moid in ('b','c')", None, {"b", "c"}),
        ("not Moid gt 'b'", None, None),
        ("Moid gt 'b' and Moid gt 'a'", None, None),
        ("Moid eq 'b' or ClientId eq 'c'", None, None),
        ("User.Moid gt 'b'", None, None),
        ("Moid ge 'b'", None, None),
        ("Owners/any(Moid: Moid eq 'b')", None, None),
    ],
)
def test_what_needs_no_look_at_the_rows(text: str, after: str | None, among: set[str] | None) -> None:
    """Only a filter that is one comparison of the row's own Moid is answered from the sorted list."""
    found = parse(text, TOKEN, START)

    assert (found.after, found.among) == (after, among)


# The naive evaluator: a filter is drawn together with what it means, said in other words.

Meaning = Callable[[Row], bool]
Drawn = tuple[str, Meaning]

_ROWS = [*still(60).tokens.values(), ROW]
_TEXTS = (
    "Moid",
    "ClientName",
    "ClientId",
    "LastLoginClient",
    "TokenId",
    "User.Moid",
    "Parent/Moid",
    "UserMeta.UserAgent",
)
_TIMES = ("ModTime", "CreateTime", "ExpirationTime", "LastLoginTime", "AccessExpirationTime")
_OPERATORS = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def _dig(row: Row, path: str) -> Any:
    value: Any = row
    for name in path.replace("/", ".").split("."):
        value = (value or {}).get(name)
    return value


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _holds(verb: str, value: Any, wanted: Any) -> bool:
    if value is None:
        return verb == "ne"
    return bool(_OPERATORS[verb](value, wanted))


@st.composite
def _text_comparison(draw: st.DrawFn) -> Drawn:
    path, verb = draw(st.sampled_from(_TEXTS)), draw(st.sampled_from(sorted(_OPERATORS)))
    seen = [str(value) for row in _ROWS if (value := _dig(row, path)) is not None]
    wanted = draw(st.sampled_from(seen) | st.text(st.characters(codec="utf-8"), max_size=4))
    return f"{path} {draw(st.sampled_from((verb, verb.upper())))} {_quoted(wanted)}", (
        lambda row: _holds(verb, _dig(row, path), wanted)
    )


@st.composite
def _time_comparison(draw: st.DrawFn) -> Drawn:
    path, verb = draw(st.sampled_from(_TIMES)), draw(st.sampled_from(sorted(_OPERATORS)))
    seen = [value for row in _ROWS if (value := row.get(path)) is not None]
    back = timedelta(minutes=draw(st.integers(0, 2000)))
    now = datetime.fromisoformat(rfc3339(START))
    text, wanted = draw(
        st.sampled_from([(value, datetime.fromisoformat(value)) for value in seen])
        | st.just((f"now() sub PT{back // timedelta(minutes=1)}M", now - back))
    )
    if draw(st.booleans()) and not text.startswith("now"):
        text = _quoted(text)

    def meaning(row: Row) -> bool:
        value = row.get(path)
        return _holds(verb, None if value is None else datetime.fromisoformat(value), wanted)

    return f"{path} {verb} {text}", meaning


@st.composite
def _search(draw: st.DrawFn) -> Drawn:
    path = draw(st.sampled_from(_TEXTS))
    name, test = draw(
        st.sampled_from([
            ("contains", lambda value, wanted: wanted in value),
            ("startsWith", lambda value, wanted: value[: len(wanted)] == wanted),
            ("endsWith", lambda value, wanted: value[len(value) - len(wanted) :] == wanted),
        ])
    )  # fmt: skip
    wanted = draw(st.sampled_from(("", "a", "6", "it's", "1")))
    return (
        f"{name}({path},{_quoted(wanted)})",
        lambda row: _dig(row, path) is not None and test(_dig(row, path), wanted),
    )


@st.composite
def _membership(draw: st.DrawFn) -> Drawn:
    wanted = draw(st.lists(st.sampled_from([row["Moid"] for row in _ROWS]), min_size=1, max_size=5))
    return f"Moid in ({', '.join(map(_quoted, wanted))})", lambda row: row["Moid"] in wanted


@st.composite
def _lambda(draw: st.DrawFn) -> Drawn:
    owner = draw(st.sampled_from([owner for row in _ROWS for owner in row["Owners"]]))
    return f"Owners/any(o: o eq '{owner}')", lambda row: owner in row["Owners"]


_LEAVES = _text_comparison() | _time_comparison() | _search() | _membership() | _lambda()


def _joined(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    def join(word: str, first: Drawn, second: Drawn) -> Drawn:
        both = all if word.lower() == "and" else any
        return f"({first[0]}) {word} ({second[0]})", lambda row: both((first[1](row), second[1](row)))

    def negate(drawn: Drawn) -> Drawn:
        return f"not ({drawn[0]})", lambda row: not drawn[1](row)

    return st.builds(join, st.sampled_from(("and", "or", "AND", "Or")), inner, inner) | st.builds(negate, inner)


@given(st.recursive(_LEAVES, _joined, max_leaves=6))
@settings(max_examples=300, deadline=None)
def test_means_what_the_naive_evaluation_says(drawn: Drawn) -> None:
    """Any filter selects the very rows that its parts, evaluated one by one, select."""
    text, meaning = drawn

    test = parse(text, TOKEN, START).test

    assert [row["Moid"] for row in _ROWS if test(row)] == [row["Moid"] for row in _ROWS if meaning(row)]


@given(st.lists(_LEAVES, min_size=2, max_size=5), st.lists(st.sampled_from(("and", "or")), min_size=4, max_size=4))
@settings(max_examples=100, deadline=None)
def test_and_binds_tighter_than_or(drawn: list[Drawn], words: list[str]) -> None:
    """Without parentheses, a chain is an `or` of `and`s."""
    text, groups = drawn[0][0], [[drawn[0][1]]]
    for (more, meaning), word in zip(drawn[1:], words, strict=False):
        text += f" {word} {more}"
        if word == "and":
            groups[-1].append(meaning)
        else:
            groups.append([meaning])

    test = parse(text, TOKEN, START).test

    for row in _ROWS:
        assert test(row) == any(all(meaning(row) for meaning in group) for group in groups)


@given(st.text(max_size=40) | st.text("()'PT5eqmodnaryiM/.: ,", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_understood_or_refused(text: str) -> None:
    """No text makes the parser fail otherwise than by refusing it."""
    with contextlib.suppress(BadQuery):
        parse(text, TOKEN, START).test(ROW)
