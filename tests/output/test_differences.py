"""What is different between two answers: all of it, once, and nothing that only looks different."""

from __future__ import annotations

from streamer.output.differences import Answered, Difference
from streamer.tokens import Tag, Token
from tests.builders import NOON, sighting, snapshot, token


def told(answered: Answered, *tokens: Token) -> list[tuple[str, str]]:
    """Kind and Moid of what is different now that these are the tokens."""
    seen = snapshot(tokens, known=answered._rows.values())
    return [(one.kind, one.token.moid) for one in answered.next(seen)]


def test_each_difference_is_told_once() -> None:
    """First everything is listed; then only what differs from the answer before."""
    answered = Answered("prod")

    assert told(answered, token("a"), token("b")) == [("listed", "a"), ("listed", "b")]
    assert told(answered, token("a"), token("b")) == []
    assert told(answered, token("a", client_name="x"), token("c")) == [
        *[("changed", "a"), ("unlisted", "b")],
        ("listed", "c"),
    ]
    assert told(answered, token("a"), token("b"), token("c")) == [("changed", "a"), ("listed", "b")]
    assert told(answered) == [("unlisted", "a"), ("unlisted", "b"), ("unlisted", "c")]


def test_other_bytes_are_no_difference() -> None:
    """As in the service: what means the same is the same."""
    answered = Answered("prod")
    list(answered.next(snapshot([sighting(token("a"))])))

    assert list(answered.next(snapshot([sighting(token("a"), noise="another order")]))) == []


def test_a_program_gets_both_sides() -> None:
    """Before and after in the one JSON form; what is not there is null."""
    answered = Answered("prod")
    (listed,) = answered.next(snapshot([token("a")]))
    (changed,) = answered.next(snapshot([token("a", client_name="x", tags=(Tag("k"),))]))
    (unlisted,) = answered.next(snapshot([]))

    assert (listed.form()["before"], listed.form()["after"]["client_name"]) == (None, "portal")
    form = changed.form()
    assert list(form) == ["at", "source", "difference", "moid", "changed_fields", "before", "after"]
    assert (form["at"], form["source"], form["difference"]) == ("2025-11-25T12:00:00.000Z", "prod", "changed")
    assert (form["moid"], form["changed_fields"]) == ("a", ["client_name", "tags"])
    assert (form["before"]["client_name"], form["after"]["client_name"]) == ("portal", "x")
    assert (unlisted.form()["before"], unlisted.form()["after"]) == (form["after"], None)


def test_a_person_gets_a_line() -> None:
    """Printable, with what changed from what to what."""
    before, after = token("a", client_name="\x1b[31m"), token("a", client_name="\u202ex", mod_time=NOON)
    one = Difference(NOON, "prod", "changed", ("client_name", "mod_time"), before, after)

    assert one.text() == (r"2025-11-25T12:00:00.000Z  changed   prod  a  \u202ex  client_name \u001b[31m -> \u202ex")
    assert Difference(NOON, "prod", "listed", (), None, before).text().endswith(r"  listed    prod  a  \u001b[31m")
