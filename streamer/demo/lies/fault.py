"""What a fault is, and what it gets hold of: one request on its way to the application, and the reply on its way back.

A fault never touches the world or its ledger: it changes what a request is shown, the bytes of a reply, or the
connection. The one exception says so in its name and its docstring (`between` acts, as anybody could).

Question: where is chance. Choice: two kinds for each armed fault, made of the simulator's seed and the number of its
arming: one decides which requests are struck, and each strike has its own for what it does. So neither other faults nor
the size of a page move what a seed strikes. Rejected: one chance for all, which every new fault would shift.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.demo.lies.line import Line
from streamer.demo.replies import Refused
from streamer.demo.sight import Sight
from streamer.demo.world import World

API: Final = "/api/v1/"
TOKENS: Final = f"{API}iam/OAuthTokens"
_LOOK_UP: Final = re.compile(r"\s*Moid\s+(?:in|eq)\b", re.IGNORECASE)

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Some = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Wait = Annotated[float, msgspec.Meta(ge=0, le=120)]  # seconds for which a request may be held
Span = Annotated[float, msgspec.Meta(ge=0, le=86_400)]  # seconds of the world's time
Kind = Literal["list", "filter", "moid", "other"]


class Fault(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="fault"
):
    """What all faults have: when they strike.

    Attributes:
        times: how many requests; None until it is cleared.
        probability: of striking a request that it could strike.
        path: what the request's path begins with, such as `/api/v1/iam/OAuthTokens`.
        on: which requests: `list` (a list or a page of one), `filter` (a list of `Moid in` or `Moid eq`), `moid` (one
            object), or `any`.
        after: so many requests that it could strike are let through first.
        burst: once it strikes, it strikes so many requests in a row.
        delay: seconds for which the request is held before that.
    """

    layer: ClassVar[int] = 0  # of several that strike one request, lower ones are outside
    strikes: ClassVar[str] = "any request"
    main: ClassVar[str | None] = None  # the parameter that needs no name in the short form
    variants: ClassVar[tuple[dict[str, Any], ...]] = ({},)  # what a set of all faults holds of it

    times: Some | None = None
    probability: Share = 1.0
    path: str = "/"
    on: Literal["any", "list", "filter", "moid"] = "any"
    after: Annotated[int, msgspec.Meta(ge=0)] = 0
    burst: Some = 1
    delay: Wait = 0.0

    def could_strike(self, scope: Scope) -> bool:
        """Whether the request is one of its kind."""
        return scope["path"].startswith(self.path) and (self.on == "any" or self.on == kind_of(scope))

    async def strike(self, call: Call) -> None:
        """Handle one request with or without the application."""
        raise NotImplementedError


@dataclass(slots=True)
class Reply:
    """A whole reply."""

    status: int
    headers: MutableHeaders
    body: bytes

    def json(self) -> Any:
        """The body as values; None if it is none that can be read, of which bytes that are no UTF-8 are one kind."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


@dataclass(slots=True)
class Call:
    """A request that is struck.

    Attributes:
        app: what is behind the fault, and `scope`, `receive` and `send` as of ASGI.
        world: may be read; its clock is the server's.
        random: the chance of this strike alone.
        seed: the same at every strike of this armed fault.
        sleep: waits so many seconds.
    """

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    world: World
    random: random.Random
    seed: str
    sleep: Callable[[float], Awaitable[None]]

    @property
    def line(self) -> Line:
        """The connection it came by."""
        line: Line = self.scope["state"]["line"]
        return line

    def options(self) -> dict[str, str]:
        """The query's options, decoded."""
        return options_of(self.scope)

    def show(self, **changes: Any) -> None:
        """Let the application answer this request from another sight of the world."""
        self.scope["state"]["sight"] = replace(Sight.of(self.scope), **changes)

    async def go_on(self) -> None:
        """Let the application answer."""
        await self.app(self.scope, self.receive, self.send)

    async def reply(self) -> Reply | None:
        """What the application answers, without sending it; None if it broke off."""
        start: Message = {}
        parts: list[bytes] = []
        whole = False

        async def keep(message: Message) -> None:
            nonlocal whole
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))
                whole = not message.get("more_body", False)

        await self.app(self.scope, self.receive, keep)
        return Reply(start["status"], MutableHeaders(raw=list(start["headers"])), b"".join(parts)) if whole else None

    async def begin(self, reply: Reply, length: int | None = None) -> None:
        """Send status and headers; the Content-Length is the body's, or another."""
        reply.headers["content-length"] = str(len(reply.body) if length is None else length)
        await self.send({"type": "http.response.start", "status": reply.status, "headers": reply.headers.raw})

    async def answer(self, reply: Reply) -> None:
        """Send a whole reply."""
        await self.begin(reply)
        await self.send({"type": "http.response.body", "body": reply.body})

    async def refuse(self, error: Refused, **headers: str) -> None:
        """Answer with an error of the API's own form instead."""
        response = error.reply(Request(self.scope))
        response.headers.update(headers)
        await response(self.scope, self.receive, self.send)


def options_of(scope: Scope) -> dict[str, str]:
    """The decoded options of a request's query."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def kind_of(scope: Scope) -> Kind:
    """What a request is after."""
    path = scope["path"]
    parts = path.removeprefix(API).split("/")
    if not path.startswith(API) or len(parts) not in {2, 3}:
        return "other"
    if len(parts) == 3:  # noqa: PLR2004  family, plural, Moid
        return "moid"
    return "filter" if _LOOK_UP.match(options_of(scope).get("$filter", "")) else "list"
