"""The next request is on the wire while a page is read; whatever becomes of it, nothing is lost or left open."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from starlette.types import ASGIApp

from streamer.demo.faults import AnyFault
from streamer.demo.lies.pages import Twice, Unsorted
from streamer.demo.simulator import Simulator
from streamer.errors import Rejected
from streamer.intersight.client import CONNECTIONS, Client
from streamer.intersight.replies import Reply
from streamer.intersight.rows import Spellings
from streamer.intersight.signing import Signature
from streamer.intersight.snapshot import read_snapshot
from streamer.known import Known, packed
from streamer.serving import serve
from tests.builders import known_of
from tests.demo.stage import Clock, still
from tests.intersight.account import Account, Shown, held, moids, taken
from tests.intersight.stage import NOW, client_of, fault, row, signature

MOIDS = moids(7)
CAP_S = 20  # how long is waited for what must have happened already


@contextmanager
def elsewhere(app: ASGIApp) -> Iterator[str]:
    """Serve it in a thread of its own, where it answers whatever ours is busy with; yields its URL."""
    ready, over, urls = threading.Event(), threading.Event(), list[str]()

    async def served() -> None:
        async with serve(app) as url:
            urls.append(url)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(served()))
    thread.start()
    try:
        assert ready.wait(CAP_S)
        yield urls[0]
    finally:
        over.set()
        thread.join()


class Patient(Known):
    """What is known; a page of three rows is compared with it only once the server has the request for the next one."""

    def __init__(self, rows: Iterable[bytes] = ()) -> None:
        super().__init__(rows)
        self.arrived = [threading.Event() for _ in range(3)]  # requests
        self.read = [threading.Event() for _ in range(3)]  # pages
        self.waited: list[bool] = []
        self._compared = 0

    def says(self, place: int, digest: bytes) -> bool:
        """See `Known`: asked for each row of a page that is split; once, if nothing is known."""
        self._compare(1)
        return super().says(place, digest)

    def stretch(self, first: str, last: str) -> tuple[Sequence[int], bytes]:
        """See `Known`: asked for a page that is known by its bytes."""
        self._compare(3)
        return super().stretch(first, last)

    def _compare(self, rows: int) -> None:
        page = self._compared // 3
        self.waited.append(self.arrived[min(page + 1, 2)].wait(CAP_S))
        self._compared += rows
        if self._compared == 3 * (page + 1):
            self.read[page].set()

    def answer(self, number: int) -> None:
        """Told by the server, in its own thread, of a request that it will answer once the page before it is read."""
        self.arrived[number].set()
        if number > 0:
            self.waited.append(self.read[number - 1].wait(CAP_S))


@pytest.mark.parametrize("again", [False, True], ids=["new rows", "pages met before"])
async def test_a_page_is_read_while_the_next_answer_is_waited_for(*, again: bool) -> None:
    """A page is not read before the next request is at the server, nor that answered before: nobody waits in vain."""
    account, spellings, known = Account(set(MOIDS)), Spellings(), Patient()
    with elsewhere(account) as url:
        async with client_of(url) as client:
            if again:
                first = known_of(*(await taken(client, Known())).rows.values())
                await taken(client, first, spellings)
                known = Patient(packed(row.to_bytes()) for row in first.values())
            begun = len(account.asked)
            account.before = lambda number: known.answer(number - begun)
            seen = await taken(client, known, spellings)

    assert (sorted(seen.rows), seen.unchanged) == (([], frozenset(MOIDS)) if again else (MOIDS, frozenset()))
    assert known.waited == [True] * (2 + (3 if again else 7))


# Pages that are none...


def twice(shown: Shown) -> Shown:
    """A row in place of another, so that the page ends as it should."""
    return Shown([shown.moids[0], shown.moids[0], *shown.moids[2:]], shown.count)


def beyond(shown: Shown) -> Shown:
    """Rows in place of others, so that the page ends too far on."""
    return Shown([shown.moids[0], MOIDS[6], MOIDS[6]], shown.count)


class Silent(Client):
    """A client whose HTTP library never says that a request is on its way."""

    async def get(self, *args: Any, meanwhile: object = None, **options: Any) -> Reply:  # noqa: ARG002 - never called
        """See `Client`."""
        return await super().get(*args, **options)


@pytest.mark.parametrize("kind", [Client, Silent])
@pytest.mark.parametrize("lie", [twice, beyond])
async def test_what_came_behind_a_page_that_is_none_is_thrown_away(
    lie: Callable[[Shown], Shown], kind: type[Client]
) -> None:
    """The page is asked for again, and so is what is behind it: after its own last row. All of it is counted."""
    account = Account(set(MOIDS))
    account.spoil = lambda asked, shown: lie(shown) if asked.number == 1 else shown
    async with serve(account) as url, kind(url, signature(), clock=lambda: NOW) as client:
        seen = await taken(client, Known())

    after = [asked.after for asked in account.asked]
    assert (sorted(seen.rows), seen.walk.paging, seen.walk.pages) == (MOIDS, "keyset", 3)
    assert (after[:2], after[-2:]) == ([None, MOIDS[2]], [MOIDS[2], MOIDS[5]])
    assert client.requests == 5
    assert len(account.asked) in {4, 5}  # one may have been called off as soon as it was sent


@pytest.mark.parametrize("lie", [Twice(times=2), Unsorted(times=2)], ids=lambda lie: type(lie).__name__)
async def test_no_lie_of_a_page_gets_into_the_snapshot(lie: AnyFault) -> None:
    """Against the simulator: the tokens that there are, for a few requests more."""
    clock = Clock()
    simulator = Simulator(still(40, clock=clock), noise=0)
    key = simulator.credentials.ec
    signed = Signature(lambda: (key.id, key.pem), clock=clock)
    async with serve(simulator.app) as url, client_of(url, signed, clock=clock) as client:
        paging = held(clock())
        await read_snapshot(client, Known(), paging, page_size=6, clock=clock)
        before = client.requests
        simulator.faults.arm(lie)
        seen = await read_snapshot(client, Known(), paging, page_size=6, clock=clock)
        sent = client.requests - before

    assert sorted(seen.rows) == sorted(simulator.world.moids)
    assert simulator.faults.struck.total() == 2
    assert (before, sent > before) == (7, True)


# Where it ends early...


async def test_a_fault_of_the_next_page_is_told_when_its_turn_comes() -> None:
    """What was read before it is in the report, the page that was read meanwhile too."""
    account = Account(set(MOIDS))
    account.spoil = lambda asked, shown: fault(403, "Forbidden") if asked.number == 2 else shown
    async with serve(account) as url, client_of(url) as client:
        with pytest.raises(Rejected) as caught:
            await taken(client, Known())

    assert (caught.value.reason, caught.value.walk.pages, caught.value.walk.rows) == ("forbidden", 2, 6)
    assert client.requests == 3


async def test_a_row_that_cannot_be_read_ends_the_poll() -> None:
    """The request behind its page is called off, counted, and never believed."""
    account = Account(set(MOIDS), rows={MOIDS[4]: row("m 4")})
    async with serve(account) as url, client_of(url) as client:
        with pytest.raises(Rejected) as caught:
            await taken(client, Known())
        sent, account.rows = client.requests, {}
        again = await taken(client, Known())

    assert (caught.value.reason, caught.value.walk.pages, sent) == ("bad_moid", 1, 3)
    assert (sorted(again.rows), client.requests - sent) == (MOIDS, 3)


async def test_what_is_no_moid_is_never_asked_with() -> None:
    """The last row says where the next page begins; if that is no Moid, no request is sent that names it."""
    account = Account(set(MOIDS), rows={MOIDS[2]: row("m0002' or Moid gt '")})
    async with serve(account) as url, client_of(url) as client:
        with pytest.raises(Rejected) as caught:
            await taken(client, Known())

    assert (caught.value.reason, client.requests) == ("bad_moid", 1)


async def test_a_poll_may_be_called_off_at_any_moment() -> None:
    """No task goes on, and no connection stays taken: after more of that than there are connections, all is read."""
    account = Account(set(MOIDS))
    called_off = 0
    with elsewhere(account) as url:
        async with client_of(url) as client:
            before = asyncio.all_tasks()
            for turns in count():
                poll = asyncio.ensure_future(taken(client, Known()))
                for _ in range(turns):
                    await asyncio.sleep(0)
                poll.cancel()
                await asyncio.wait([poll])
                assert asyncio.all_tasks() == before
                if not poll.cancelled():
                    break
                called_off += 1
            seen = await taken(client, Known())

    assert called_off > CONNECTIONS
    assert sorted(seen.rows) == MOIDS
