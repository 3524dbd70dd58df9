"""An event as a line for a person: what it says, and that no name from outside can make it say something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import avro
from streamer.events import Derived, Evidence, UserInfo
from streamer.output import lines
from streamer.output.printable import printable
from streamer.tokens import Tag
from tests.services.feed import event, token


def _line(made: Any) -> lines.Line:
    return lines.of(avro.decode_event(avro.encode_event(made)))


def test_a_creation() -> None:
    """Time, type, source, application, person and address, and whether it was there before."""
    made = _line(event(1, "created", after=token()))
    assert (
        lines.plain(made)
        == "2026-09-21T14:13:21.000Z  created  prod  terraform  u1 from 198.51.100.7  is new  5f0000000000000000000001"
    )
    assert _line(event(1, "created", baseline=True)).what == "was there before (baseline)"
    strange = event(1, "created", derived=Derived(new_client_for_user=True))
    assert _line(strange).what == "is new, with a client this user never had"
    assert _line(event(1, "created", derived=Derived(new_client_for_user=False))).what == "is new"
    assert _line(event(1, "created", retracts="e-7")).what == "is back: takes the deletion e-7 back"


def test_a_modification_names_each_field_from_what_to_what() -> None:
    """ModTime says nothing beside others; lists show what went and came, instants are times."""
    before = token(last_login_time=None, tags=(Tag("env", "lab"),), owners=("a", "b"), mod_time=1)
    after = token(last_login_time=0, tags=(Tag("env", "prod"),), owners=("b", "c"), mod_time=2)
    changed = ("last_login_time", "mod_time", "owners", "tags")
    made = event(2, "modified", before=before, after=after, changed_fields=changed, change_kinds=("login", "metadata"))
    assert _line(made).what == (
        "login+metadata: last_login_time none -> 1970-01-01T00:00:00.000Z, owners -a +c, tags -env=lab +env=prod"
    )


def test_a_touch_is_shown() -> None:
    """ModTime alone is shown."""
    made = event(
        2,
        "modified",
        before=token(mod_time=1),
        after=token(mod_time=2),
        changed_fields=("mod_time",),
        change_kinds=("metadata",),
    )
    assert _line(made).what == "metadata: mod_time 1970-01-01T00:00:00.001Z -> 1970-01-01T00:00:00.002Z"


def test_a_deletion_names_its_cause_and_whoever_did_it() -> None:
    """The actor of the evidence where one is proven, else nobody."""
    assert _line(event(3, "deleted")).what == "removed"
    evidence = Evidence("lookup", 1, actor="ada@example.com")
    assert _line(event(3, "deleted", delete_cause="revoked", delete_evidence=evidence)).what == (
        "revoked by ada@example.com"
    )


def test_who_is_the_person_as_far_as_known() -> None:
    """E-mail before name before Moid; a token without a client has its Moid."""
    user = UserInfo("u1", name="Ada", email="ada@example.com")
    assert _line(event(1, "created", user=user)).who == "ada@example.com from 198.51.100.7"
    bare = _line(event(1, "created", after=token(client_name=None, client_ip_address=None)))
    assert (bare.client, bare.who) == ("token 5f000000000000000000000001"[:6] + event(1).moid, "u1")


@pytest.mark.parametrize("hidden", ["\n", "\r", "\x1b", "\x00", "\x7f", "\x9b", "\u2028", "\u202e", "\U000e0041"])
def test_what_does_not_print_is_shown_as_an_escape(hidden: str) -> None:
    """Line ends, escapes, marks of direction, tags: all visible, none effective."""
    assert printable(f"a{hidden}b").isprintable()
    assert hidden not in printable(f"a{hidden}b")


@given(st.text(), st.text(), st.text())
def test_no_text_leaves_its_line(name: str, address: str, value: str) -> None:
    """Whatever is chosen for names, one event is one printable line of bounded length."""
    made = event(
        2,
        "modified",
        before=token(client_name=value),
        after=token(client_name=name, client_ip_address=address, tags=(Tag(value, name),)),
        changed_fields=("client_name", "tags"),
    )
    line = lines.plain(_line(made))
    assert line.isprintable()
    assert len(line) < 12 * lines.LONGEST
