"""What is remembered of users: what makes a client new, what a row costs, and when it ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import diff
from streamer.absence import Deleted
from streamer.batch import Batch
from streamer.events import Derived, Evidence, Poll
from streamer.judging import history
from streamer.judging.history import DAY_MS, KEPT_MS, LONGEST, MOST, remembering
from streamer.judging.steps import Step, UserStep, Writing, steps
from streamer.state import SourceRow, SourceState, Status, UserRow
from streamer.tokens import Token
from tests import builders
from tests.builders import EPOCH, NOON, SECOND, fold, poll, row, snapshot

LATELY = NOON - 30 * SECOND  # after the last snapshot: what is created then is no baseline
AT = poll().started_at
EVENT_ID = "6f1d8a3e-94f2-5b53-8a0c-3f0e2b8f1d11"
GARBAGE = UserRow(AT, b"\xff")
ROW = SourceRow(EPOCH)


def token(moid: str = "a", client: str | None = "c1", user: str | None = "u", **fields: Any) -> Token:
    """A token of a user, created lately."""
    return builders.token(moid, **{"client_id": client, "user_moid": user, "create_time": LATELY} | fields)


OLD_TOKEN = token(create_time=NOON - 3600 * SECOND)
DELETED = row(token(), Status.DELETED, deleted_event_id=EVENT_ID, deleted_at=NOON - DAY_MS)


def remembered(*clients: str, at: int = AT - 2 * DAY_MS) -> UserRow:
    """The row of a user who was seen with these clients."""
    return UserRow.of(at, dict.fromkeys(clients, at), {})


def state(tokens: Iterable[Token] = (), /, **users: UserRow) -> SourceState:
    """What is known."""
    return SourceState(None, {one.moid: row(one) for one in tokens}, users)


def written(
    known: SourceState, *shown: Token, at: Poll | None = None, writing: Writing | None = None
) -> list[Step | UserStep]:
    """The steps of a poll that shows these tokens."""
    at = at or poll()
    found = diff.changes(known.tokens, snapshot(shown, known=known.tokens.values()))
    made = steps(at, found, writing or Writing())
    return list(remembering(made, known, at))


def told(made: Iterable[Step | UserStep]) -> list[bool | None]:
    """What the events say of their clients, in order."""
    found = [step.event.derived or Derived() for step in made if isinstance(step, Step) and step.event]
    return [derived.new_client_for_user for derived in found]


def rows(made: Iterable[Step | UserStep]) -> dict[str, UserRow | None]:
    """The last row of each user that is written."""
    users = [step if isinstance(step, UserStep) else step.user for step in made]
    return {user.moid: user.row for user in users if user}


def after(known: SourceState, made: Iterable[Step | UserStep]) -> SourceState:
    """The state once these steps are committed, each by itself."""
    for step in made:
        user = step if isinstance(step, UserStep) else step.user
        tokens = {step.moid: step.row} if isinstance(step, Step) else {}
        known = fold(known, Batch((), NOON, ROW, tokens, users={user.moid: user.row} if user else {}))
    return known


def clients(known: UserRow | None) -> dict[str, int]:
    """The clients of a row."""
    assert known is not None
    return known.seen()[0]


# Judging...


@pytest.mark.parametrize(
    ("known", "seen", "new"),
    [
        (remembered("c1", "c2"), token(client="c2"), False),
        (remembered("c1", "c2"), token(client="c3"), True),
        (remembered("5e" * 44), token(client="5e" * 44), False),  # from before a digest was enough
        (remembered("5e" * 44), token(client="5f" * 44), True),
        (None, token(), None),
        (UserRow.of(AT, {}, {"192.0.2.0/24": AT}), token(), None),
        (remembered("c1"), token(client=None), None),
        (remembered("c1"), token(user=None), None),
        (remembered("c1"), token(create_time=NOON - 3600 * SECOND), None),
    ],
)
def test_a_new_token_tells_whether_its_client_is_new(known: UserRow | None, seen: Token, *, new: bool | None) -> None:
    """Null where there is nothing to compare with, or where the token was there before we looked."""
    made = written(state(**{"u": known} if known else {}), seen)

    assert told(made) == [new]


def test_a_baseline_is_not_judged_and_remembered() -> None:
    """What was there before is no news, and the next token is judged by it."""
    known, old = state(), OLD_TOKEN
    made = written(known, old)

    assert told(made) == [None]
    assert clients(rows(made)["u"]) == {"c1": AT}
    assert told(written(after(known, made), old, token("b", "c2"), token("c", "c1"))) == [True, False]


def test_of_a_silent_start_everything_is_remembered() -> None:
    """No event, and the row all the same."""
    made = written(
        state(), token(create_time=NOON - 3600 * SECOND), writing=Writing(silent=True), at=poll(last_complete=None)
    )

    assert told(made) == []
    assert clients(rows(made)["u"]) == {"c1": AT}


def test_a_client_is_new_once() -> None:
    """The second token of one poll is judged by the first, as it would be in the next poll."""
    made = written(state(u=remembered("c1")), *(token(moid, "c2") for moid in "abc"), token("d", "c1"))

    assert told(made) == [True, False, False, False]


def test_each_user_has_a_memory() -> None:
    """A client that others know is new for who never had it."""
    made = written(state(u=remembered("c1"), v=remembered("c2")), token("a", "c2"), token("b", "c1", "v"))

    assert told(made) == [True, True]


@pytest.mark.parametrize(
    ("change", "new"),
    [
        ({"client_name": "other"}, False),
        ({"last_login_client": "192.0.2.7"}, False),
        ({"client_id": "c2"}, False),
        ({"client_id": "c3"}, True),
        ({"client_id": None}, None),
        ({"user_moid": "v"}, True),
        ({"user_moid": "w"}, None),
    ],
)
def test_a_change_is_judged_by_what_it_changes(change: dict[str, Any], *, new: bool | None) -> None:
    """A token that keeps its user and client is its own memory; with another of either it is judged like a new one."""
    known = state([token()], u=remembered("c1", "c2"), v=remembered("c9"))

    assert told(written(known, replace(token(), **change))) == [new]


def test_what_keeps_its_client_is_never_new_even_if_all_else_is_forgotten() -> None:
    """A row that ended, or 64 other clients: the token's own row still knows."""
    assert told(written(state([token()]), token(client_name="x"))) == [False]
    assert told(written(state([token()], u=remembered("c2")), token(client_name="x"))) == [False]


def test_a_deletion_says_and_changes_nothing() -> None:
    """Who had a client has had it."""
    gone = Deleted("removed", Evidence("lookup", NOON), NOON)

    made = written(state([token()], u=remembered("c1")), writing=Writing({"a": gone}))

    assert (told(made), rows(made)) == ([None], {})


def test_who_returns_is_remembered() -> None:
    """A retraction takes a deletion back, and the client was never forgotten."""
    gone = row(
        token(), Status.DELETED, deleted_event_id="6f1d8a3e-94f2-5b53-8a0c-3f0e2b8f1d11", deleted_at=NOON - DAY_MS
    )

    made = written(SourceState(None, {"a": gone}, {"u": remembered("c1")}), token())

    assert told(made) == [False]


TOKENS = st.lists(
    st.builds(
        token,
        st.uuids().map(str),
        st.sampled_from([None, "c1", "c2", "c3"]),
        st.sampled_from([None, "u", "v"]),
        last_login_client=st.sampled_from([None, "192.0.2.1", "198.51.100.1", "nowhere"]),
    ),
    max_size=12,
    unique_by=lambda one: one.moid,
)


@settings(deadline=None)
@given(TOKENS, st.data())
def test_a_poll_that_was_cut_off_anywhere_is_told_alike(shown: list[Token], data: st.DataObject) -> None:
    """Whatever of it was written, the rest, polled again, says what it would have said, and the memory is the same."""
    known = state(u=remembered("c1"))
    whole = written(known, *shown)
    cut = data.draw(st.integers(0, len(whole)))

    left = after(known, whole[:cut])
    rest = written(left, *shown)

    assert told(rest) == told(whole[cut:])
    assert after(left, rest).users == after(known, whole).users


# What is written...


def test_a_row_is_written_with_its_event() -> None:
    """In one step, so in one transaction: a token is never judged by its own half."""
    (made,) = written(state(), token(last_login_client="192.0.2.77"))

    assert isinstance(made, Step)
    assert made.event is not None
    assert made.user == UserStep("u", UserRow.of(AT, {"c1": AT}, {"192.0.2.0/24": AT}))


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("203.0.113.9", ["203.0.113.0/24"]),
        ("2001:db8:1:2:3::4", ["2001:db8:1:2::/64"]),
        ("::1", ["::/64"]),
        ("somewhere", []),
        (None, []),
    ],
)
def test_networks_are_remembered(address: str | None, networks: list[str]) -> None:
    """The /24 or /64 of the last login, where its address is one."""
    found = rows(written(state(), token(last_login_client=address)))["u"]

    assert found is not None and list(found.seen()[1]) == networks  # noqa: PT018 - the first is for the type


def test_a_row_is_written_for_news_and_once_a_day() -> None:
    """Refreshes of every few minutes leave it as it is; last seen is kept to within a day."""
    earlier, late = remembered("c1", at=AT - DAY_MS + 1), remembered("c1", at=AT - DAY_MS)

    assert rows(written(state([token()], u=earlier), token(client_name="x"))) == {}
    assert rows(written(state([token()], u=late), token(client_name="x"))) == {"u": remembered("c1", at=AT)}
    assert clients(rows(written(state(u=earlier), token("b", "c2")))["u"]) == {"c1": AT - DAY_MS + 1, "c2": AT}


def test_nothing_is_written_where_nothing_happens() -> None:
    """A poll without events costs no row, and decodes none."""
    assert written(state([token()], u=GARBAGE), token()) == []


def test_only_who_is_asked_for_is_decoded() -> None:
    """Rows of others may be a million."""
    assert told(written(state(u=remembered("c1"), v=GARBAGE), token(client="c2"))) == [True]


@pytest.mark.parametrize("at", [AT, AT - 400 * DAY_MS], ids=["in order", "clock set back"])
def test_at_most_so_many_are_remembered(at: int) -> None:
    """The one that was unseen for longest makes room, never the one that just came."""
    full = UserRow.of(AT, {f"c{n:02}": AT - n for n in range(MOST)}, {})

    found = clients(rows(written(state(u=full), token(client="new"), at=poll(started_at=at)))["u"])

    assert found == {f"c{n:02}": AT - n for n in range(MOST - 1)} | {"new": at}


def test_a_row_is_bounded_whatever_clients_are_called() -> None:
    """A long name is remembered by its digest, and known again; 64 of each stay under 5 KiB."""
    known = state(u=remembered("c1"))
    for n in range(MOST + 5):
        shown = token(f"t{n}", f"{n:03}" + "\u20ac" * 20_000, last_login_client=f"2001:db8:ffff:{n + 4096:x}::1")
        made = written(known, shown)
        assert told(made) == [True]
        assert told(written(after(known, made), replace(shown, moid="again"))) == [False]
        known = after(known, made)
    row = known.users["u"]

    assert ([len(part) for part in row.seen()], {*map(len, clients(row))}) == ([MOST, MOST], {LONGEST})
    assert len(row.to_bytes()) < 5 * 1024


@pytest.mark.parametrize("user", ["", "a/b", "x" * 129, "ü", "u\n"])
def test_a_user_without_a_proper_name_is_not_remembered(user: str) -> None:
    """A key of the state is made of it."""
    made = written(state(), token(user=user), token("b", user=user))

    assert (told(made), rows(made)) == ([None, None], {})


# The end...

OLD = AT - KEPT_MS - 1


def test_a_row_ends_90_days_after_it_was_written() -> None:
    """Whoever has no token and was not seen for so long is a stranger; a day earlier they are not."""
    made = written(state(u=remembered("c1", at=OLD), v=remembered("c1", at=OLD + 1)))

    assert rows(made) == {"u": None}
    assert "u" not in after(state(u=remembered("c1", at=OLD)), made).users


def test_who_has_a_token_is_not_forgotten() -> None:
    """Its row is written anew, with what the token shows; one whose Moid merely stands in some token has none."""
    mine, named = token("a", "c2"), token("b", user="w", client_name="speaks of v")
    known = state([mine, named], u=remembered("c1", at=OLD), v=remembered("c1", at=OLD), w=remembered("c1"))

    made = written(known, mine, named)

    assert rows(made) == {"u": UserRow.of(AT, {"c1": OLD, "c2": AT}, {}), "v": None}


def test_a_deleted_token_keeps_nobody() -> None:
    """It is remembered itself for a week, and that is all."""
    gone = row(
        token(), Status.DELETED, deleted_event_id="6f1d8a3e-94f2-5b53-8a0c-3f0e2b8f1d11", deleted_at=NOON - DAY_MS
    )

    assert rows(written(SourceState(None, {"a": gone}, {"u": remembered("c1", at=OLD)}))) == {"u": None}


def test_who_comes_back_in_time_is_judged_and_kept() -> None:
    """The poll that shows them again is not the one that forgets them."""
    made = written(state(u=remembered("c1", at=OLD)), token(client="c2"))

    assert told(made) == [True]
    assert rows(made) == {"u": UserRow.of(AT, {"c1": OLD, "c2": AT}, {})}


@pytest.mark.parametrize(("tokens", "users"), [(10, 3), (15, 2), (40, 1)])
def test_few_rows_are_weighed_at_a_time(tokens: int, users: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs a search through all tokens: the oldest first, always one, and the others in the next polls."""
    monkeypatch.setattr(history, "SEARCHED", 30)
    many = {f"u{n}": remembered("c1", at=OLD - n) for n in range(5)}
    known = state([token(f"t{n}", user="v") for n in range(tokens)], **many)

    made = list(remembering((), known, poll()))

    assert [step.moid for step in made if isinstance(step, UserStep)] == ["u4", "u3", "u2"][:users]
    assert set(rows(remembering((), after(known, made), poll()))) <= many.keys() - rows(made).keys()
