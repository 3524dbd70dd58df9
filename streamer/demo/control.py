"""The control face under `/-/`: for tests and people, not part of what is simulated, and open to whoever can connect.

GET    /-/           how many tokens, ledger entries, armed faults, strikes, and replies by status; what each fault does
GET    /-/tokens     the tokens as they are now, or `?at=MS`; without noise
GET    /-/truth      the ledger as lines of JSON, `?after=N` for those after number N
POST   /-/act        an act such as {"act": "login", "session_ms": 60000}, or a list; the ledger entries they made
GET    /-/faults     the armed faults
POST   /-/faults     arm one, such as {"fault": "status", "status": 503, "times": 3} or "status=503,times=3", or a list
DELETE /-/faults     disarm all, or `?fault=NAME`
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streamer.demo import acts
from streamer.demo.acts import Act, Unknown
from streamer.demo.faults import AnyFault, Faults, manual
from streamer.demo.replies import reply
from streamer.demo.shorthand import read_fault
from streamer.demo.world import World

COMMON: Final = (
    "times=null (how many requests; null: until it is disarmed), probability=1, path (what the request's path begins "
    "with), on=any (or list, filter: a list of Moid in or eq, moid: one object), after=0 (so many are let through "
    "first), burst=1 (so many in a row once it strikes), delay=0 (seconds the request is held first). In short: "
    "NAME[=VALUE][,PARAMETER=VALUE...][:PROBABILITY], VALUE being that of the first parameter named"
)

REQUESTS: Final = {
    f"{method} {path}": text
    for method, path, text in (line.split(None, 2) for line in (__doc__ or "").splitlines() if " /-/" in line)
}

_Several = Annotated[list[AnyFault | str], msgspec.Meta(min_length=1)]


class Control:
    """Looks into `world` and `faults`, and acts on them; `replies` counts the API's by status."""

    def __init__(self, world: World, faults: Faults, replies: Counter[str]) -> None:
        self._world, self._faults, self._replies = world, faults, replies
        self.routes = [
            Route("/", self._summary),
            Route("/tokens", self._tokens),
            Route("/truth", self._truth),
            Route("/act", self._act, methods=["POST"]),
            Route("/faults", self._list_faults),
            Route("/faults", self._arm, methods=["POST"]),
            Route("/faults", self._clear, methods=["DELETE"]),
        ]

    async def _summary(self, _: Request) -> Response:
        return reply({
            "account": self._world.account.moid,
            "tokens": len(self._world.tokens),
            "entries": len(self._world.truth),
            "counts": dict(sorted(self._world.truth.counts.items())),
            "faults": self._faults.armed(),
            "struck": dict(sorted(self._faults.struck.items())),
            "replies": dict(sorted(self._replies.items())),
            "help": {"requests": REQUESTS, "acts": acts.manual(), "faults": manual(), "of all": COMMON},
        })  # fmt: skip

    async def _tokens(self, request: Request) -> Response:
        try:
            at = int(request.query_params.get("at", self._world.clock()))
        except ValueError as error:
            return _wrong(error)
        return reply({"at": at, "tokens": list(self._world.truth.state(at).values())})

    async def _truth(self, request: Request) -> Response:
        try:
            after = max(0, int(request.query_params.get("after", 0)))
        except ValueError as error:
            return _wrong(error)
        lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in self._world.truth.entries[after:])
        return Response(lines, media_type="application/x-ndjson")

    async def _act(self, request: Request) -> Response:
        world, now = self._world, self._world.clock()
        try:
            wanted = msgspec.json.decode(await request.body(), type=Act | list[Act])
        except msgspec.MsgspecError as error:
            return _wrong(error)
        world.tick(now)
        before = len(world.truth)
        try:
            for act in wanted if isinstance(wanted, list) else [wanted]:
                act.on(world, now)
        except Unknown as error:
            return _wrong(error, 404)
        return reply({"entries": world.truth.entries[before:]})

    async def _list_faults(self, _: Request) -> Response:
        return reply(self._faults.armed())

    async def _arm(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await request.body(), type=AnyFault | str | _Several)
            several = wanted if isinstance(wanted, list) else [wanted]
            faults = [read_fault(fault) if isinstance(fault, str) else fault for fault in several]
        except (msgspec.MsgspecError, ValueError) as error:
            return _wrong(error)
        self._faults.arm(*faults)
        return reply(self._faults.armed())

    async def _clear(self, request: Request) -> Response:
        self._faults.clear(request.query_params.get("fault"))
        return reply(self._faults.armed())


def _wrong(error: Exception, status: int = 400) -> Response:
    return reply({"error": str(error)}, status)
