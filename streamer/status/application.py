"""The addresses: who may ask for what, and by which name.

`/healthz` says that the event loop turns and must never say more: a worker that is restarted because Intersight is down
is no healthier afterwards. `/readyz` lists what is still missing. `/sources` is the one that turns red when the feed
grows silent. `/metrics` is for Prometheus, `/` for a person, `/live` for the page. Nothing here acts or reads from
anywhere but the board; nothing can be changed over HTTP: there is GET and HEAD.

Question: may any web page that a person on call has open read this one? A page of another origin may not, but a name
of its own that is made to point to 127.0.0.1 is its own origin (DNS rebinding), and what is told here names people's
applications. Choice: whoever asks must use an IP address, a name without a dot (`localhost`, a container's or a pod's
service), or one of `http.hosts`; nobody can be given a public name without a dot. Others are answered 421. Rejected: a
password, which probes and scrapers would have to carry and which a reverse proxy does better; to check on loopback
alone, since a private network can be rebound to as well.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AsyncExitStack
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.clock import utc_ms
from streamer.health import Board
from streamer.serving import listen
from streamer.status.live import Live
from streamer.status.metrics import Metrics
from streamer.status.page import POLICY, page

CONTENT_SECURITY_POLICY: Final = "Content-Security-Policy"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"  # may be loaded by what is no page


def application(
    board: Board, clock: Callable[[], int], *, hosts: Collection[str] = (), live: Live | None = None
) -> Starlette:
    """All of them, for `serving.serve`; never cached.

    Args:
        board: read anew by every request.
        clock: UTC ms.
        hosts: names with a dot under which we may be asked.
        live: ends the streams when the service does.
    """
    pages = _Pages(board, clock, live or Live(board, clock))
    routes = [Route(path, page) for path, page in pages.by_path().items()]
    return Starlette(routes=routes, middleware=[Middleware(_Guarded, hosts=hosts)])


async def show(
    opened: AsyncExitStack,
    board: Board,
    where: str,
    named: str,
    *,
    clock: Callable[[], int] = utc_ms,
    hosts: Collection[str] = (),
) -> str:
    """Serve all of them, as `serving.listen`, until `opened` is closed; whoever looks then is let go first."""
    live = Live(board, clock)
    url = await listen(opened, application(board, clock, hosts=hosts, live=live), where, named)
    opened.callback(live.end)
    return url


class _Pages:
    def __init__(self, board: Board, clock: Callable[[], int], live: Live) -> None:
        self._board = board
        self._clock = clock
        self._live = live
        self._metrics = Metrics(board, clock)

    def by_path(self) -> dict[str, Callable[..., object]]:
        return {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/sources": self._sources,
            "/metrics": self._told,
            "/": self._page,
            "/live": self._stream,
        }

    async def _healthz(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self, _: Request) -> Response:
        ready = not self._board.missing
        return JSONResponse({"ready": ready, "missing": dict(self._board.missing)}, 200 if ready else 503)

    async def _sources(self, _: Request) -> Response:
        now = self._clock()
        rows = [self._board.sources[name].row(now) for name in sorted(self._board.sources)]
        return JSONResponse(rows, 200 if all(row["healthy"] for row in rows) else 503)

    async def _told(self, request: Request) -> Response:
        body, content_type = await self._metrics.exposition(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    async def _page(self, _: Request) -> Response:
        parts = _unhurried(page(self._board, self._clock))
        return StreamingResponse(parts, media_type="text/html", headers={CONTENT_SECURITY_POLICY: POLICY})

    async def _stream(self, request: Request) -> Response:
        if self._live.is_full:
            return PlainTextResponse("too many look already\n", 503, {"Retry-After": "10"})
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(self._live.stream(), media_type="text/event-stream")


async def _unhurried(parts: Iterable[str]) -> AsyncIterator[str]:
    """A part at a time, and polls in between: a page of 200 sources takes longer than they should wait."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


class _Guarded:
    """Refuses strange names, and puts our headers on every reply, those for unknown pages and refused methods too."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault(CONTENT_SECURITY_POLICY, NOTHING)
            await send(message)

        asked = Headers(scope=scope).get("host", "")
        await (self._app if _is_ours(asked, self._hosts) else _MISDIRECTED)(scope, receive, guarded)


_MISDIRECTED: Final = PlainTextResponse("this name is not one of http.hosts; use an address, or add it there\n", 421)


def _is_ours(asked: str, hosts: Collection[str]) -> bool:
    """Whether the `Host` header is one that no stranger's page can bring about; none at all is no browser's."""
    name = asked.rpartition(":")[0] if asked.rpartition(":")[2].isdigit() and not asked.endswith("]") else asked
    name = name.strip("[]").lower()
    if "." not in name or name in hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
