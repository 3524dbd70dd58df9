"""A faithful Intersight on this machine: puts the world, the gate, the API and the control face into one application.

It is what the streamer is tried against and measured with, so nothing in it may come from the streamer: no diff, no
decoder, no signing code. Facts about the real API stand in the rooms they shaped; so do the guesses, named as such.
It can be made to lie, by the rooms in `lies`; the world and its ledger stay the truth.

Question: where chance and time live. Choice: a request is answered at one moment; before it, the world lives up to
that moment, and while it is answered nothing moves. Reading draws on no chance but the noise's own, so history does not
depend on who looks. Rejected: a task that lives in the background.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from streamer.demo.api import Api
from streamer.demo.control import Control
from streamer.demo.credentials import Credentials
from streamer.demo.faults import CONTROL, Faults
from streamer.demo.gate import Gate, Rules
from streamer.demo.lies.line import with_line
from streamer.demo.noise import SHARE, Noise
from streamer.demo.replies import Refused, Stamp, forbidden, no_such_path
from streamer.demo.world import World

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Simulator:
    """The application over `world`; `app` is served by `streamer.serving.serve`, `faults` arms what goes wrong.

    Args:
        world: lives up to the moment of each request; the caller may act on it between requests.
        credentials: what opens the API; None: new ones for the world's account.
        noise: share of rows in each reply that look different and are not; 0 for none.
        rules: of signatures and tokens.
        seed: of the chance in noise and faults.
        sleep: waits so many seconds where a fault does.
    """

    def __init__(
        self,
        world: World,
        credentials: Credentials | None = None,
        *,
        noise: float = SHARE,
        rules: Rules | None = None,
        seed: int = 7,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.world = world
        self.credentials = credentials or Credentials.new(world.account, world.admin)
        self.replies: Counter[str] = Counter()  # of the API, by status
        self.faults = Faults(world, seed=seed, sleep=sleep)
        gate = Gate(self.credentials, world.clock, rules or Rules())
        api = Api(world, gate, Noise(noise, seed=seed))
        routes = Starlette(
            routes=[
                Mount(CONTROL.rstrip("/"), routes=Control(world, self.faults, self.replies).routes),
                Route("/iam/token", gate.token, methods=["POST"]),
                Route("/api/v1/{path:path}", api.answer, methods=_METHODS),
            ],
            exception_handlers={Refused: _refused, HTTPException: _unrouted},
        )
        routes.router.redirect_slashes = False  # a path is right or wrong
        self.app: ASGIApp = with_line(Stamp(self.faults.around(routes), world, self._seen))

    def _seen(self, path: str, status: int) -> None:
        if not path.startswith(CONTROL):
            self.replies[str(status)] += 1


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101  what it is registered for
    return error.reply(request)


async def _unrouted(request: Request, error: Exception) -> Response:
    """Starlette's own errors in the API's words: a path or method that no route takes."""
    assert isinstance(error, HTTPException)  # noqa: S101  what it is registered for
    path = request.url.path
    return (no_such_path(path) if error.status_code == 404 else forbidden(request.method, path)).reply(request)  # noqa: PLR2004
