"""What an orchestrator and an operator may ask over HTTP: does it turn, is it ready, how old is what it knows.

`/healthz` says that the event loop turns and must never say more: a worker that is restarted because Intersight is down
is no healthier afterwards. `/readyz` lists what is still missing. `/sources` is the one that turns red when the feed
grows silent. Nothing here acts, waits or reads from anywhere but the board; nothing can be changed over HTTP.

Question: who counts a source that has never been read? Choice: its age runs from the moment this worker took it, so
that a source whose first poll never succeeds turns red like any other; `age_s` stays null, for there is nothing to be
old. Rejected: red from the start (every restart would alarm), or green until the first success (nobody would notice).

Question: a source that only its rows tell of, since the configuration does not name it? Choice: it is listed and red,
for nobody polls it, until a person says that it may be forgotten. Rejected: not to list it; a source that was lost from
the file by mistake would be silent without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.jsonform import rfc3339

STALE_INTERVALS: Final = 3
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(slots=True)
class SourceHealth:
    """What is known of one source; the worker that reads it writes here.

    Attributes:
        source: its configured name.
        owner: the worker that writes its state, such as `host-4711`.
        interval_s: how often it is polled.
        watched_since: when this worker took it, ms UTC.
        epoch, last_sequence, tokens, hold_id: as in its state; None until that is restored.
        held: deletions that wait for a person.
        last_accepted_at: when the last accepted snapshot was judged, ms UTC.
        last_verdict, last_reason: of the last report.
        damaged: values that were cut, repaired or nulled since this worker took it.
        configured: False: only its rows tell of it, and nobody polls it here.
    """

    source: str
    owner: str
    interval_s: float
    watched_since: int
    epoch: str | None = None
    last_sequence: int | None = None
    tokens: int | None = None
    held: int = 0
    hold_id: str | None = None
    last_accepted_at: int | None = None
    last_verdict: str | None = None
    last_reason: str | None = None
    damaged: int = 0
    configured: bool = True

    def healthy(self, now: int) -> bool:
        """Whether it is polled here, nothing is held and it was read within 3 intervals of `now` (ms UTC)."""
        since = self.watched_since if self.last_accepted_at is None else self.last_accepted_at
        return self.configured and self.held == 0 and now - since <= STALE_INTERVALS * self.interval_s * 1000

    def row(self, now: int) -> dict[str, Any]:
        """The source as `/sources` tells it, in the order it is documented in."""
        accepted_at = self.last_accepted_at
        return {
            "source": self.source,
            "owner": self.owner,
            "epoch": self.epoch,
            "last_sequence": self.last_sequence,
            "tokens": self.tokens,
            "held": self.held,
            "hold_id": self.hold_id,
            "last_accepted_at": None if accepted_at is None else rfc3339(accepted_at),
            "age_s": None if accepted_at is None else max(0, now - accepted_at) / 1000,
            "last_verdict": self.last_verdict,
            "last_reason": self.last_reason,
            "interval_s": self.interval_s if self.configured else None,
            "healthy": self.healthy(now),
        }


@dataclass(slots=True)
class Board:
    """What the worker last wrote down about itself.

    Attributes:
        missing: what keeps it from being ready, and why: `{"registry": "no answer from http://..."}`. A new board is
            not ready; whoever is done with a thing takes it away.
        sources: by name, those this worker owns.
    """

    missing: dict[str, str] = field(default_factory=lambda: {"start": "the service is starting"})
    sources: dict[str, SourceHealth] = field(default_factory=dict)


def application(board: Board, clock: Callable[[], int]) -> Starlette:
    """The pages, for `serving.serve`: `/healthz`, `/readyz`, `/sources`; GET and HEAD only, never cached.

    Args:
        board: read anew by every request.
        clock: UTC ms.
    """

    async def healthz(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> JSONResponse:
        ready = not board.missing
        return JSONResponse({"ready": ready, "missing": dict(board.missing)}, 200 if ready else 503)

    async def sources(_: Request) -> JSONResponse:
        now = clock()
        rows = [board.sources[name].row(now) for name in sorted(board.sources)]
        return JSONResponse(rows, 200 if all(row["healthy"] for row in rows) else 503)

    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/sources", sources)]
    return Starlette(routes=routes, middleware=[Middleware(_Guarded)])


class _Guarded:
    """Puts our headers on every reply, those for unknown pages and refused methods too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, guarded)
