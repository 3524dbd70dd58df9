"""The 14 arguments as one filter: every property is its own, and no text becomes anything but a literal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.demo import filters
from streamer.demo.kinds import TOKEN
from streamer.intersight.question import ARGUMENTS, Bound, Question, all_of, balanced, bounds, quoted
from streamer.tokens import TOKEN_FIELDS
from tests.builders import NOON

NONE = (
    *("", ">", "2026-13-01", "2026-02-30", "yesterday", "2026-11-20T08:14:05", "2026-11-20 08:14:05Z", "7d", "-7d"),
    *("now", ">7d", ">-7", ">-7w", "> >2026-11-01", "==2026-11-01", "1764072000", ">-", "\uff12026-11-01"),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


def asked(name: str, text: str) -> tuple[str, ...]:
    """The conditions of one time."""
    return Question(times=[(name, bound) for bound in bounds(text)]).conditions(NOON)


def test_the_arguments_are_terraforms() -> None:
    """All 14, by their names, in their order; each names a property of ours by the API's name for it."""
    assert list(ARGUMENTS) == [
        "access_expiration_time",
        "account_moid",
        "client_id",
        "client_ip_address",
        "client_name",
        "create_time",
        "domain_group_moid",
        "expiration_time",
        "last_login_client",
        "last_login_time",
        "mod_time",
        "moid",
        "shared_scope",
        "token_id",
    ]
    assert set(ARGUMENTS) <= set(TOKEN_FIELDS)
    for name, argument in ARGUMENTS.items():
        assert argument.name == "".join(word.capitalize() for word in name.split("_"))
        assert argument.name in TOKEN.properties
        assert argument.is_time == name.endswith("_time")


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("2026-11-20T08:14:05.117Z", ("CreateTime eq 2026-11-20T08:14:05.117Z",)),
        ("2026-11-20T08:14:05z", ("CreateTime eq 2026-11-20T08:14:05.000Z",)),
        ("2026-11-20T09:14:05+01:00", ("CreateTime eq 2026-11-20T08:14:05.000Z",)),
        (">2026-11-01", ("CreateTime gt 2026-11-01T00:00:00.000Z",)),
        (" >= 2026-11-01 ", ("CreateTime ge 2026-11-01T00:00:00.000Z",)),
        ("2026-02-28", ("CreateTime ge 2026-02-28T00:00:00.000Z", "CreateTime lt 2026-03-01T00:00:00.000Z")),
        ("=2026-02-28T00:00:00Z", ("CreateTime eq 2026-02-28T00:00:00.000Z",)),
        (">-7d", ("CreateTime gt 2025-11-18T12:00:00.000Z",)),
        ("<=+90m", ("CreateTime le 2025-11-25T13:30:00.000Z",)),
        ("<now", ("CreateTime lt 2025-11-25T12:00:00.000Z",)),
        ("none", ("CreateTime eq 0001-01-01T00:00:00.000Z",)),
        (">none", ("CreateTime gt 0001-01-01T00:00:00.000Z",)),
        ("0001-01-01T00:00:00Z", ("CreateTime eq 0001-01-01T00:00:00.000Z",)),
        (">-99999999999d", ("CreateTime gt 0001-01-01T00:00:00.000Z",)),
    ],
)
def test_a_time_says_what_is_meant(text: str, conditions: tuple[str, ...]) -> None:
    """Times go bare, in UTC with ms; a day alone is the whole day; a distance is counted from the moment given."""
    assert asked("create_time", text) == conditions


@pytest.mark.parametrize("text", NONE)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """With what is wanted; a moment that never comes back needs a comparison, a time needs its zone."""
    with pytest.raises(ValueError, match=r"wanted a time such as 2026-11-25T08:00:00Z, .* such as >-7d"):
        bounds(text)


@given(st.dictionaries(st.sampled_from([n for n, a in ARGUMENTS.items() if not a.is_time]), TEXTS, min_size=1))
def test_a_text_is_only_ever_a_literal(texts: dict[str, str]) -> None:
    """Whatever stands in it, the filter that is read by an independent parser asks for these texts and nothing else."""
    found = filters.parse(all_of(Question(list(texts.items())).conditions(NOON)), TOKEN, NOON)
    row = {ARGUMENTS[name].name: text for name, text in texts.items()}

    assert found.test(row)
    for name, text in row.items():
        assert not found.test({**row, name: f"{text}'"})


@given(TEXTS, TEXTS)
def test_quotes_are_doubled(one: str, other: str) -> None:
    """So two texts never share a literal, and a literal ends where it should."""
    assert (quoted(one) == quoted(other)) == (one == other)
    assert quoted(one)[1:-1].replace("''", "") == one.replace("'", "")


def test_a_raw_filter_stands_beside_the_arguments() -> None:
    """In parentheses as soon as it is not alone, so that its `or` ends with it; arguments need none."""
    bound = Bound("gt", NOON)
    both = Question([("moid", "a")], [("mod_time", bound)], "ClientName eq 'x' or ClientName eq 'y'").conditions(NOON)

    assert all_of(both) == (
        "(ClientName eq 'x' or ClientName eq 'y') and Moid eq 'a' and ModTime gt 2025-11-25T12:00:00.000Z"
    )
    assert all_of(both[:1]) == "ClientName eq 'x' or ClientName eq 'y'"
    assert all_of([*both[1:], "Moid gt 'b'"]).count("(") == 0
    assert all_of(["ClientName eq 'x' or 1 eq 'y'", "Moid gt 'b'"]) == "(ClientName eq 'x' or 1 eq 'y') and Moid gt 'b'"


@pytest.mark.parametrize(
    "text", ["", " ", "a) or (b", ")(", "(a", "a)", "Name eq 'it's'", "Name eq 'open", "Name eq ''' or 1"]
)
def test_a_raw_filter_cannot_end_its_parentheses(text: str) -> None:
    """Nor leave them open."""
    with pytest.raises(ValueError, match="wanted"):
        balanced(text)


@pytest.mark.parametrize("text", ["Name eq ')'", "Name eq 'it''s ('", "(a or b) and (c)", "Owners/any(x: x eq 'a')"])
def test_parentheses_in_texts_do_not_count(text: str) -> None:
    """They are letters there."""
    assert balanced(text) == text
