"""What the API answers, as bytes: lists, single objects, errors, and the headers that every reply carries."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.demo.shapes import Row
from streamer.demo.world import World

TRACE = "X-Starship-Traceid"
_CACHE = "no-cache, no-store, must-revalidate"


class Refused(Exception):
    """The API's own error.

    Args:
        status: of HTTP.
        code: one of the API's fixed codes, such as `NotFound`.
        message_id: the stable key of the message.
        message: for people; the real one is localised.
        params: what is put into the message, numbered from 1.
    """

    def __init__(self, status: int, code: str, message_id: str, message: str, *params: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message_id, self.params = status, code, message_id, params

    def reply(self, request: Request) -> Response:
        """The error as the API words it; its traceId is the reply's."""
        return reply(
            {
                "code": self.code,
                "message": str(self),
                "messageId": self.message_id,
                "messageParams": {str(n): text for n, text in enumerate(self.params, 1)},
                "traceId": request.state.trace_id,
            },
            self.status,
        )


def invalid(message: str) -> Refused:
    """A request that makes no sense: 400."""
    return Refused(400, "InvalidRequest", "barcelona_request_invalid_query", message, message)


def forbidden(method: str, path: str) -> Refused:
    """Not for this caller, or not for anybody: 403, which a wrong case in the path gets too."""
    message = f"{method} {path} is not allowed"
    return Refused(403, "UnauthorizedOperation", "user_action_is_not_allowed", message, path)


def not_found(object_type: str, moid: str) -> Refused:
    """The 404 that says the object does not exist, as against one that says the path does not."""
    message = f"{object_type} {moid!r} does not exist"
    return Refused(404, "NotFound", "barcelona_request_object_does_not_exist", message, object_type, moid)


def no_such_path(path: str) -> Refused:
    """The other 404."""
    return Refused(404, "InvalidUrl", "barcelona_request_invalid_url", f"{path} is not a path of this API", path)


def reply(value: Any, status: int = 200) -> Response:
    """Any JSON; names stay in their order."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def list_reply(object_type: str, rows: Sequence[Row], count: int | None) -> Response:
    """A list; `count` is that of all pages, None where it was not asked for."""
    envelope = {} if count is None else {"Count": count}
    return reply({**envelope, "ObjectType": f"{object_type}.List", "Results": rows})


def count_reply(count: int) -> Response:
    """What `$count=true` gets instead of a list."""
    return reply({"Count": count, "ObjectType": "mo.DocumentCount"})


def trace_id() -> str:
    """A new trace id, such as `NB` and 32 hex digits."""
    return f"NB{secrets.token_hex(16)}"


class Stamp:
    """Lets the world live up to each request; gives every reply a trace id, the server's `Date` and `Cache-Control`.

    A `Date` that the application itself has set is left as it is.

    Args:
        app: what is stamped.
        world: whose clock is the server's.
        seen: told the path and status of every reply.
    """

    def __init__(self, app: ASGIApp, world: World, seen: Callable[[str, int], None]) -> None:
        self._app, self._world, self._seen = app, world, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._world.tick()
        trace = scope.setdefault("state", {})["trace_id"] = trace_id()

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers(trace).items():
                    headers.setdefault(name, value)
                self._seen(scope["path"], message["status"])
            await send(message)

        await self._app(scope, receive, stamped)

    def _headers(self, trace: str) -> Mapping[str, str]:
        date = formatdate(self._world.clock() // 1000, usegmt=True)
        return {TRACE: trace, "Date": date, "Cache-Control": _CACHE}
