"""A question to one account: all that matches, page by page, each once, or an error; no half list that looks whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamer.demo.simulator import Simulator
from streamer.errors import ApiError, Rejected
from streamer.intersight.paging import Disproved, Paging
from streamer.intersight.question import Question
from streamer.intersight.search import find
from streamer.intersight.signing import Signature
from streamer.serving import serve
from tests.demo.stage import Clock, still
from tests.intersight.account import Account, Asked, Shown, Spoil, held, moids, refused
from tests.intersight.stage import NOW, client_of, fault

MOIDS = moids(7)


async def pages_of(app: Account, *, size: int = 3, paging: Paging | None = None) -> list[tuple[list[str], int]]:
    """The Moids of each page as it came, and how many there were said to be."""
    found = []
    async with serve(app) as url, client_of(url) as client:
        answer = find(client, paging or held(), (), page_size=size, clock=lambda: NOW)
        async with aclosing(answer) as parts:
            async for part in parts:
                found.append(([token.moid for token in part.tokens], part.total))  # noqa: PERF401 - so far, at an error
    return found


async def test_each_page_comes_once_it_is_proven() -> None:
    """In order, with the number of all from the first page on; the last one is the one that is not full."""
    assert await pages_of(Account(set(MOIDS))) == [(MOIDS[:3], 7), (MOIDS[3:6], 7), (MOIDS[6:], 7)]
    assert await pages_of(Account(set())) == []


async def test_a_page_is_out_before_the_next_is_asked_for() -> None:
    """Nothing is held back until the end."""
    app = Account(set(MOIDS))
    async with (
        serve(app) as url,
        client_of(url) as client,
        aclosing(find(client, held(), (), page_size=3, clock=lambda: NOW)) as parts,
    ):
        first = await anext(parts)
        asked = len(app.asked)

    assert ([token.moid for token in first.tokens], asked) == (MOIDS[:3], 1)


def late(lie: Callable[[Shown], Response | Shown], moid: str) -> Spoil:
    """A lie told whenever the page after this Moid is asked for."""
    return lambda asked, shown: lie(shown) if asked.after == moid else shown


async def test_what_cannot_be_paged_by_moid_is_read_by_offset() -> None:
    """Also if that turns out in the middle: then what was not yet shown follows, and nothing comes twice."""
    paging = Paging("test")
    assert await pages_of(Account(set(MOIDS), spoil=refused), paging=paging) == [(MOIDS, 7)]
    assert not paging.by_keyset(NOW)
    backwards = late(lambda shown: Shown(shown.moids[::-1], shown.count), MOIDS[2])
    assert await pages_of(Account(set(MOIDS), spoil=backwards)) == [(MOIDS[:3], 7), (MOIDS[3:], 7)]


async def test_an_answer_that_is_not_whole_ends_in_an_error() -> None:
    """A page that stays short, three times over, is no end of the list."""
    short = late(lambda shown: Shown(shown.moids[:1], shown.count), MOIDS[2])
    with pytest.raises(Rejected) as caught:
        await pages_of(Account(set(MOIDS), spoil=short))

    assert caught.value.reason == "short_page"


def once(number: int, shown: Shown) -> Spoil:
    """A lie told to the request of this number, counted from 0, and never again."""
    return lambda asked, honest: shown if asked.number == number else honest


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_one_empty_page_does_not_end_it(number: int) -> None:
    """A page that says that there is nothing (more), and counts so, is believed when it says so twice."""
    found = await pages_of(Account(set(MOIDS), spoil=once(number, Shown([], 0))))

    assert [moid for page, _ in found for moid in page] == MOIDS


async def test_one_empty_answer_by_offset_does_not_end_it() -> None:
    """Nor there, where no other page could contradict it."""
    paging = Paging("test")
    paging.disproved(Disproved("a test"), NOW)

    assert await pages_of(Account(set(MOIDS), spoil=once(0, Shown([], 0))), paging=paging) == [(MOIDS, 7)]


async def test_tokens_that_go_meanwhile_are_no_error() -> None:
    """The list is asked to go on once more where it ended too early; what it says twice is so."""
    app = Account(set(MOIDS))
    app.before = lambda number: app.moids.difference_update(MOIDS[5:]) if number == 1 else None
    found = await pages_of(app)

    assert [moid for page, _ in found for moid in page] == MOIDS[:5]
    assert [asked.after for asked in app.asked] == [None, MOIDS[2], MOIDS[4]]


async def test_enough_is_enough() -> None:
    """No page is asked for behind the one that holds the last wanted token, and none is larger than that."""
    app = Account(set(MOIDS))
    async with serve(app) as url, client_of(url) as client:
        answer = find(client, held(), (), page_size=3, clock=lambda: NOW, limit=2)
        found = [token.moid async for part in answer for token in part.tokens]

    assert (found, [asked.top for asked in app.asked]) == (MOIDS[:2], [2])


async def test_errors_of_the_api_are_what_they_are() -> None:
    """Whatever page they come with."""

    def lie(asked: Asked, shown: Shown) -> Response | Shown:
        return shown if asked.after is None else fault(403, "UnauthorizedOperation")

    with pytest.raises(ApiError) as caught:
        await pages_of(Account(set(MOIDS), spoil=lie))

    assert caught.value.status == 403


@pytest.mark.parametrize("by_moid", [True, False])
async def test_the_conditions_stand_on_every_page(*, by_moid: bool) -> None:
    """By Moid and by offset; what comes is what meets all of them, and the proof of paging keeps to them too."""
    clock, asked = Clock(), []
    world = still(40, clock=clock)
    scope_text = "it's (here) & there + 100% = #1/?"
    wanted = list(world.moids[::2])
    for moid in wanted:
        world.edit(moid, "test", SharedScope=scope_text)
    simulator, paging = Simulator(world, noise=0), Paging("test")
    if not by_moid:
        paging.disproved(Disproved("a test"), clock())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(Request(scope).query_params["$filter"])
        await simulator.app(scope, receive, send)

    key = simulator.credentials.ec
    where = Question([("shared_scope", scope_text)], raw="Moid ge '0' or Moid lt '0'").conditions(clock())
    async with (
        serve(app) as url,
        client_of(url, Signature(lambda: (key.id, key.pem), clock=clock), clock=clock) as client,
        aclosing(find(client, paging, where, page_size=6, clock=clock)) as parts,
    ):
        found = [token.moid async for part in parts for token in part.tokens]

    assert found == wanted
    condition = "(Moid ge '0' or Moid lt '0') and SharedScope eq 'it''s (here) & there + 100% = #1/?'"
    assert len(asked) >= 4
    assert all(text.removeprefix(condition)[:14] in {"", " and Moid gt '"} for text in asked)
    assert any(text != condition for text in asked) == by_moid
