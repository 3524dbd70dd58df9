"""Whose names one poll asks for: those of the tokens that give an event, and nobody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streamer.events import UserInfo
from streamer.judging.judgement import Memory
from streamer.state import SourceRow, Status
from streamer.tokens import Token
from tests.builders import ACCOUNT, NOON, SECOND, token
from tests.judging.test_gather import KNOWN, POLICY, Asked, live, there

USERS = replace(POLICY, users=True)
LAG = 120 * SECOND


def of(moid: str, **fields: object) -> Token:
    """A known token, with these fields otherwise."""
    return token(moid, **{"user_moid": f"user of {moid}"} | fields)


async def test_the_users_of_changed_tokens_are_resolved() -> None:
    """Created, modified, gone; not of a token that is as it was, be it under other bytes."""
    asked = Asked(USERS)
    asked.account.people = {"user of b": UserInfo("user of b", "Bob")}
    asked.account.noise = "link"

    look = await asked.look(live("abc"), *there("ad"), of("b", client_name="other"))

    assert asked.account.resolved == ["user of b", "user of c", "user of d"]
    assert look.users == {"user of b": UserInfo("user of b", "Bob")}


async def test_users_are_resolved_only_where_it_is_wanted() -> None:
    """Switched off, nobody asks."""
    asked = Asked()

    assert (await asked.look(live("ab"), *there("bc"))).users == {}
    assert asked.account.resolved == []


@pytest.mark.parametrize("suppress", [False, True])
async def test_a_suppressed_refresh_asks_for_nobody(*, suppress: bool) -> None:
    """It gives no event, poll after poll; what changed beside it does."""
    asked = Asked(replace(USERS, suppress=suppress))
    refreshed = of("a", access_expiration_time=NOON, mod_time=NOON)
    logged_in = of("b", access_expiration_time=NOON, mod_time=NOON, last_login_time=NOON)

    await asked.look(live("ab"), refreshed, logged_in)

    assert asked.account.resolved == (["user of b"] if suppress else ["user of a", "user of b"])


async def test_what_returns_unchanged_asks_for_nobody() -> None:
    """Its absence ends without an event."""
    asked = Asked(USERS)

    await asked.look(live("a", Status.WAITING, absent_since=NOON), *there("a"))

    assert asked.account.resolved == []


@pytest.mark.parametrize(("since", "believed"), [(NOON - SECOND - LAG, False), (NOON - SECOND - LAG - 1, True)])
async def test_a_lagging_replica_asks_for_nobody_until_it_is_believed(since: int, *, believed: bool) -> None:
    """A row older than what is known, and a token that was deleted just now."""
    asked = Asked(USERS)
    known = live("a") | live("b", Status.DELETED, deleted_at=NOON - SECOND)

    await asked.look(known, of("a", mod_time=NOON - 9000 * SECOND), of("b"), memory=Memory(stale={"a": since}))

    assert asked.account.resolved == (["user of a"] if believed else [])


async def test_a_silent_first_look_asks_for_nobody() -> None:
    """Tokens that were there before it; who comes after it is asked for, and who comes back."""
    asked = Asked(replace(USERS, silent=True))
    source = SourceRow(KNOWN.epoch, account_moid=ACCOUNT)
    old, new, untold = of("a"), of("b", create_time=NOON + SECOND), of("c", create_time=None)
    back = live("d", Status.DELETED, deleted_at=NOON - 3600 * SECOND)

    await asked.look(back, old, new, untold, of("d"), source=source)

    assert asked.account.resolved == ["user of b", "user of d"]
