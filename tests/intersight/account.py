"""An account on a real socket whose list of tokens moves on cue, and whose answers a test may spoil one by one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamer.errors import Rejected
from streamer.intersight.client import Client
from streamer.intersight.paging import Paging
from streamer.intersight.rows import Spellings
from streamer.intersight.snapshot import read_snapshot
from streamer.known import Known
from streamer.serving import serve
from streamer.tokens import Snapshot
from tests.intersight.stage import DATE, NOW, client_of, fault, listed, row, said

AFTER = re.compile(r"Moid gt '([^']*)'")
NAMED = re.compile(r"Moid in \((.*)\)")


@dataclass
class Asked:
    """One request for the list: `number` counts from 0; `after` and `named` are what `$filter` says."""

    number: int
    top: int
    skip: int
    after: str | None
    named: tuple[str, ...] | None
    query: tuple[tuple[str, str], ...]


@dataclass
class Shown:
    """What an honest list shows: the page's Moids, and how many match in all (None: no `Count`)."""

    moids: list[str]
    count: int | None


Spoil = Callable[[Asked, Shown], Response | Shown]


def honest(_: Asked, shown: Shown) -> Shown:
    """No lie at all."""
    return shown


@dataclass
class Account:
    """An application that lists tokens as the service does.

    Attributes:
        moids: of its tokens.
        before: told of each request's number before it is answered; may change the tokens.
        spoil: makes something else of each honest answer.
        order: the list's order.
        rows: what a token is shown as, where it is not the plainest row.
        single: an answer by Moid instead of the honest one.
        asked: all requests for lists.
        asked_for: the Moids asked for one by one.
    """

    moids: set[str]
    before: Callable[[int], None] = lambda _: None
    spoil: Spoil = honest
    order: Callable[[Iterable[str]], Sequence[str]] = sorted
    rows: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    single: Callable[[str], Response | None] = lambda _: None
    asked: list[Asked] = field(default_factory=list)
    asked_for: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        self.before(len(self.asked))
        moid = request.url.path.removeprefix("/api/v1/iam/OAuthTokens").removeprefix("/")
        answer = self._object(moid) if moid else self._list(request)
        await answer(scope, receive, send)

    def _object(self, moid: str) -> Response:
        self.asked_for.append(moid)
        if (spoilt := self.single(moid)) is not None:
            return spoilt
        return said(200, self._row(moid), Date=DATE) if moid in self.moids else fault(404, "NotFound", Date=DATE)

    def _list(self, request: Request) -> Response:
        query = request.query_params
        assert query["$inlinecount"] == "allpages"
        text = query.get("$filter", "")
        after, named = AFTER.fullmatch(text), NAMED.fullmatch(text)
        assert not text or after or named, text
        asked = Asked(
            len(self.asked),
            int(query["$top"]),
            int(query.get("$skip", "0")),
            after[1] if after else None,
            tuple(moid.strip("'") for moid in named[1].split(",")) if named else None,
            tuple(query.multi_items()),
        )
        self.asked.append(asked)
        assert named or query["$orderby"] == "Moid"
        answer = self.spoil(asked, self.shown(asked))
        return answer if isinstance(answer, Response) else self.page(answer)

    def shown(self, asked: Asked) -> Shown:
        """The honest answer."""
        matching = [
            moid
            for moid in self.order(self.moids)
            if (asked.after is None or moid > asked.after) and (asked.named is None or moid in asked.named)
        ]
        return Shown(matching[asked.skip : asked.skip + asked.top], len(matching))

    def page(self, shown: Shown) -> Response:
        """The answer as it goes over the wire."""
        return said(200, listed([self._row(moid) for moid in shown.moids], Count=shown.count), Date=DATE)

    def _row(self, moid: str) -> dict[str, Any]:
        return self.rows.get(moid) or row(moid)


def refused(asked: Asked, shown: Shown) -> Response | Shown:
    """A service that knows no `gt` for Moids."""
    return shown if asked.after is None else fault(400, "InvalidRequest")


def moids(number: int) -> list[str]:
    """So many Moids, in order."""
    return [f"m{i:04d}" for i in range(number)]


def held(now: int = NOW) -> Paging:
    """The memory of a source whose filter was tried out."""
    paging = Paging("test")
    paging.holds(now)
    return paging


async def read(
    app: Any,
    *,
    size: int = 3,
    known: Known | None = None,
    clock: Callable[[], int] = lambda: NOW,
    paging: Paging | None = None,
) -> Snapshot:
    """The snapshot of an account that this application serves."""
    async with serve(app) as url, client_of(url, clock=clock) as client:
        return await read_snapshot(client, known or Known(), paging or Paging("test"), page_size=size, clock=clock)


def moving(account: Account, edits: Iterable[tuple[int, str, bool]]) -> tuple[set[str], set[str]]:
    """Let tokens come (True) and go before requests, by number; who was there all the time, and who ever was."""
    always, ever = set(account.moids), set(account.moids)

    def before(number: int) -> None:
        for when, moid, comes in edits:
            if when == number:
                (account.moids.add if comes else account.moids.discard)(moid)
        always.intersection_update(account.moids)
        ever.update(account.moids)

    account.before = before
    return always, ever


async def taken(client: Client, known: Known, spellings: Spellings | None = None) -> Snapshot:
    """A snapshot in pages of three rows, of an account whose filter was tried out."""
    return await read_snapshot(client, known, held(), page_size=3, clock=lambda: NOW, spellings=spellings)


async def outcome(reading: Awaitable[Snapshot]) -> Snapshot | Rejected:
    """What a reading comes to."""
    try:
        return await reading
    except Rejected as rejected:
        return rejected


@asynccontextmanager
async def snapshots(app: Any, *, size: int = 3, paging: Paging, clock: Callable[[], int]) -> AsyncIterator[Any]:
    """A function that reads one snapshot after the other, as one source would."""
    async with serve(app) as url, client_of(url, clock=clock) as client:
        yield lambda: read_snapshot(client, Known(), paging, page_size=size, clock=clock)
