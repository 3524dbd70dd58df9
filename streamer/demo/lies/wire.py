"""Lies of HTTP and of the connection: the reply is another, comes late, in part, or not at all."""

from __future__ import annotations

from email.utils import formatdate
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.types import Message

from streamer.demo.lies.fault import Call, Fault, Reply, Share, Wait
from streamer.demo.replies import Refused

_CODES: Final = {
    400: "InvalidRequest",
    401: "AuthenticationFailure",
    403: "UnauthorizedOperation",
    404: "NotFound",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}
_PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>One moment</h1></body></html>\n"

Code = Annotated[int, msgspec.Meta(ge=200, le=599)]


class Status(Fault, frozen=True, kw_only=True, tag="status"):
    """An error of this HTTP status with the API's own kind of body, and these headers, instead of an answer."""

    main: ClassVar = "status"
    variants: ClassVar = ({"status": 500}, {"status": 503})

    status: Code = 503
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    async def strike(self, call: Call) -> None:
        """Answer in the application's place."""
        code = _CODES.get(self.status, "InternalServerError" if self.status >= 500 else "InvalidRequest")  # noqa: PLR2004
        error = Refused(self.status, code, "simulated_fault", f"a fault on cue: {self.status}")
        await call.refuse(error, **self.headers)


class Throttled(Fault, frozen=True, kw_only=True, tag="throttled"):
    """429, without Retry-After or with one of so many seconds, in `seconds` or as a `date` of the server's clock."""

    main: ClassVar = "retry_after"
    variants: ClassVar = ({}, {"retry_after": 1}, {"retry_after": 1, "form": "date"})

    retry_after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    form: Literal["seconds", "date"] = "seconds"

    async def strike(self, call: Call) -> None:
        """Answer in the application's place."""
        headers = {}
        if self.retry_after is not None:
            date = formatdate(call.world.clock() // 1000 + self.retry_after, usegmt=True)
            headers["Retry-After"] = date if self.form == "date" else str(self.retry_after)
        await call.refuse(Refused(429, "InvalidRequest", "simulated_fault", "too many requests"), **headers)


class Html(Fault, frozen=True, kw_only=True, tag="html"):
    """A page for people instead of an answer, as proxies send them: 200 or any status, as `text/html` or any type."""

    main: ClassVar = "status"
    variants: ClassVar = ({}, {"status": 502})

    status: Code = 200
    content_type: str = "text/html; charset=utf-8"

    async def strike(self, call: Call) -> None:
        """Answer in the application's place."""
        headers = MutableHeaders({"content-type": self.content_type})
        await call.answer(Reply(self.status, headers, _PAGE))


class Redirect(Fault, frozen=True, kw_only=True, tag="redirect"):
    """The way to another place instead of an answer: status 302 (or 301, 307, 308) with Location `to`."""

    main: ClassVar = "to"

    to: str = "https://sso.example.com/login"
    status: Annotated[int, msgspec.Meta(ge=300, le=399)] = 302

    async def strike(self, call: Call) -> None:
        """Answer in the application's place."""
        await call.answer(Reply(self.status, MutableHeaders({"location": self.to}), b""))


class Truncated(Fault, frozen=True, kw_only=True, tag="truncated"):
    """The body ends after a `share` of it; Content-Length is `right` for what comes, or `wrong`: for the whole."""

    main: ClassVar = "length"
    variants: ClassVar = ({}, {"length": "wrong"})

    length: Literal["right", "wrong"] = "right"
    share: Share = 0.5

    async def strike(self, call: Call) -> None:
        """Send a part, and hang up if more was announced."""
        reply = await call.reply()
        if reply is None:
            return
        whole = len(reply.body)
        reply.body = reply.body[: int(whole * self.share)]
        if self.length == "right":
            await call.answer(reply)
            return
        await call.begin(reply, whole)
        await call.send({"type": "http.response.body", "body": reply.body, "more_body": True})
        await call.line.close(call.receive)


class Drip(Fault, frozen=True, kw_only=True, tag="drip"):
    """The body comes in so many `pieces`, evenly over so many seconds."""

    main: ClassVar = "over"

    over: Wait = 2.0
    pieces: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20

    async def strike(self, call: Call) -> None:
        """Send a piece, wait, send the next."""
        reply = await call.reply()
        if reply is None:
            return
        await call.begin(reply)
        size = max(1, -(-len(reply.body) // self.pieces))
        for at in range(0, len(reply.body), size):
            await call.send({"type": "http.response.body", "body": reply.body[at : at + size], "more_body": True})
            await call.sleep(self.over / self.pieces)
            if call.line.gone:
                return
        await call.send({"type": "http.response.body"})


class Reset(Fault, frozen=True, kw_only=True, tag="reset"):
    """The connection breaks (RST) `before` the reply, or `within` it: after headers and half of the body."""

    main: ClassVar = "where"
    variants: ClassVar = ({}, {"where": "within"})

    where: Literal["before", "within"] = "before"

    async def strike(self, call: Call) -> None:
        """Hang up."""
        if self.where == "within":
            reply = await call.reply()
            if reply is None:
                return
            await call.begin(reply)
            half = reply.body[: len(reply.body) // 2]
            await call.send({"type": "http.response.body", "body": half, "more_body": True})
        await call.line.reset(call.receive)


class Slow(Fault, frozen=True, kw_only=True, tag="slow"):
    """The reply is right and late: `delay` is all of it."""

    main: ClassVar = "delay"

    delay: Wait = 3.0

    async def strike(self, call: Call) -> None:
        """Nothing more: the wait is over."""
        await call.go_on()


class Skew(Fault, frozen=True, kw_only=True, tag="skew"):
    """The reply's Date is off `by` so many seconds (ahead; behind if negative), or is this `text`."""

    main: ClassVar = "by"
    variants: ClassVar = ({}, {"by": -300.0}, {"text": "yesterday"})

    by: Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)] = 300.0
    text: str | None = None

    async def strike(self, call: Call) -> None:
        """Set the header before the server does."""
        date = self.text or formatdate(call.world.clock() // 1000 + self.by, usegmt=True)

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Date"] = date
            await call.send(message)

        await call.app(call.scope, call.receive, dated)
