"""Names of users are a courtesy: remembered, bounded, and never worth a poll."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from streamer.events import UserInfo
from streamer.intersight import users
from streamer.intersight.lists import SHORT
from streamer.intersight.users import ABSENT_FOR_MS, FOUND_FOR_MS, QUIET_FOR_MS, Directory
from streamer.serving import serve
from tests.intersight.stage import NOW, Script, client_of, fault, said

ADA = {"Moid": "u1", "Name": "Ada", "Email": "ada@example.com", "UserIdOrEmail": "ada"}
INFO = UserInfo("u1", "Ada", "ada@example.com", "ada")


def people(*rows: Any, **others: Any) -> Response:
    """A list of users."""
    return said(200, {"Count": len(rows), "ObjectType": "iam.User.List", "Results": rows, **others})


@asynccontextmanager
async def _directory(app: Any, now: list[int]) -> AsyncIterator[Directory]:
    async with serve(app) as url, client_of(url, clock=lambda: now[0]) as client:
        yield Directory(client, lambda: now[0])


async def test_a_user_is_asked_for_once_an_hour() -> None:
    """Who was found is known without another request, until it is an hour old."""
    script, now = Script(people(ADA), people(ADA | {"Name": "Ada L."})), [NOW]
    async with _directory(script, now) as directory:
        assert await directory.users(["u1"]) == {"u1": INFO}
        now[0] += FOUND_FOR_MS - 1
        assert await directory.users(["u1"]) == {"u1": INFO}
        assert len(script.asked) == 1
        now[0] += 1
        assert (await directory.users(["u1"]))["u1"].name == "Ada L."

    assert script.asked[0].url.path == "/api/v1/iam/Users"
    assert dict(script.asked[0].query_params) == {
        "$top": "1000",
        "$filter": "Moid in ('u1')",
        "$select": "Moid,Name,Email,UserIdOrEmail",
        "$inlinecount": "allpages",
    }


async def test_only_the_unknown_are_asked_for() -> None:
    """The known ones come from memory, beside those that are asked for; who does not exist is asked again soon."""
    script, now = Script(people(ADA), people(), people({"Moid": "u2"})), [NOW]
    async with _directory(script, now) as directory:
        await directory.users(["u1"])
        for _ in range(2):
            assert await directory.users(["u1", "u2"]) == {"u1": INFO}
        now[0] += ABSENT_FOR_MS
        assert await directory.users(["u1", "u2"]) == {"u1": INFO, "u2": UserInfo("u2")}

    assert [asked.query_params["$filter"][9:-1] for asked in script.asked] == ["'u1'", "'u2'", "'u2'"]


@pytest.mark.parametrize(
    "answer",
    [
        fault(403),
        fault(503),
        said(200, b"<html>"),
        people(ADA, Count=2),
        people(ADA, ADA),
        people({}),
        people(ObjectType="x"),
    ],
)
async def test_a_failure_leaves_names_out_and_nobody_waits_for_it(answer: Response) -> None:
    """It is tried once, then not for a minute; what is known stays known."""
    script, now = Script(people(ADA), answer, people({"Moid": "u2", "Name": "Bob"})), [NOW]
    async with _directory(script, now) as directory:
        await directory.users(["u1"])
        for _ in range(3):
            assert await directory.users(["u1", "u2"]) == {"u1": INFO}
        assert len(script.asked) == 2
        now[0] += QUIET_FOR_MS
        assert set(await directory.users(["u1", "u2"])) == {"u1", "u2"}


async def test_hostile_values_are_bounded_and_hostile_moids_not_asked_for() -> None:
    """A name of a megabyte is cut, one of the wrong type is none, and no text but a Moid gets into the filter."""
    script = Script(people({"Moid": "u1", "Name": "ü" * 500_000, "Email": 7, "UserIdOrEmail": "\udc00"}))
    async with _directory(script, [NOW]) as directory:
        found = await directory.users(["u1", "x') or Moid ne ('", "", "u1\n"])

    user = found["u1"]
    assert len((user.name or "").encode()) <= SHORT
    assert (user.email, user.id, len(found)) == (None, "\ufffd", 1)
    assert directory.damaged == 2
    assert script.asked[0].query_params["$filter"] == "Moid in ('u1')"


async def test_strangers_in_the_answer_are_nobody() -> None:
    """Users that were not asked for are not taken for those that were."""
    async with _directory(Script(people(ADA)), [NOW]) as directory:
        assert await directory.users(["u2"]) == {}


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten first, and requests in one call are bounded."""
    monkeypatch.setattr(users, "REMEMBERED", 150)
    monkeypatch.setattr(users, "MOST", 2)

    def answer(request: Request) -> Response:
        named = request.query_params["$filter"][9:-1].replace("'", "").split(",")
        return people(*({"Moid": moid} for moid in named))

    script = Script(answer)
    everybody = [f"u{i:03d}" for i in range(250)]
    async with _directory(script, [NOW]) as directory:
        assert sorted(await directory.users(everybody)) == everybody[50:200]
        assert len(script.asked) == 2
        assert sorted(await directory.users(everybody[50:200])) == everybody[50:200]
        assert len(script.asked) == 2


async def test_nothing_is_asked_for_nobody() -> None:
    """Without Moids there is no request."""
    script = Script(fault(500))
    async with _directory(script, [NOW]) as directory:
        assert (await directory.users([]), script.asked) == ({}, [])
