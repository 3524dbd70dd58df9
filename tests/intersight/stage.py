"""What the border's tests stand on: servers that answer what they were told, on real sockets, and keep what was asked.

`Script` speaks HTTP well, through our own server; `wire` speaks bytes, so it can also speak HTTP badly, or over TLS.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamer.intersight.client import Client
from streamer.intersight.signing import Signature

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "signing"
KEY_ID: Final = "5f3a1c9e7564612d30c1a2b0/60a4d7f27564612d3192e4c5/64be0c217564613001a7d3e9"
NOW: Final = 1_763_626_445_000  # 2025-11-20T08:14:05Z
DATE: Final = "Thu, 20 Nov 2025 08:14:05 GMT"
ACCOUNT: Final = "5f3a1c9e7564612d30c1a2b0"

Answer = Response | Callable[[Request], Response]
Wire = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def row(moid: str, **properties: Any) -> dict[str, Any]:
    """A token's row, as plain as the service would send it."""
    return {
        "AccountMoid": ACCOUNT,
        "ClassId": "iam.OAuthToken",
        "Moid": moid,
        "ObjectType": "iam.OAuthToken",
        **properties,
    }


def listed(rows: Sequence[Any] | None, count: int | None = None, **others: Any) -> bytes:
    """The body of one page of the list."""
    total = len(rows or ()) if count is None else count
    return json.dumps({"Count": total, "ObjectType": "iam.OAuthToken.List", "Results": rows, **others}).encode()


def said(status: int, body: bytes | Mapping[str, Any] | list[Any] = b"", **headers: str) -> Response:
    """An answer; an object or array becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(content, status, {"content-type": "application/json", **named})


def fault(status: int, code: str = "InternalServerError", **headers: str) -> Response:
    """An answer with the API's error body."""
    body = {"code": code, "message": "A message.", "messageId": "some_id", "messageParams": {}, "traceId": "NB01"}
    return said(status, body, **headers)


class Script:
    """An application that gives its answers in order, the last one for ever; `asked` keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[Request] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the next answer."""
        request = Request(scope, receive)
        self.bodies.append(await request.body())
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        await (answer if isinstance(answer, Response) else answer(request))(scope, receive, send)


class Naps:
    """A `sleep` that takes no time and keeps how long it would have been."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Take a nap of this length."""
        self.taken.append(seconds)


def signature(version: str = "v3") -> Signature:
    """A test key's signature under a clock that stands."""
    return Signature(lambda: (KEY_ID, (GOLDEN / f"{version}.pem").read_text()), clock=lambda: NOW)


@asynccontextmanager
async def client_of(url: str, auth: httpx.Auth | None = None, **options: Any) -> AsyncIterator[Client]:
    """A client under a clock that stands, whose naps take no time and whose jitter is its upper bound."""
    given: dict[str, Any] = {"clock": lambda: NOW, "sleep": Naps(), "jitter": lambda: 1.0, **options}
    async with Client(url, auth or signature(), **given) as client:
        yield client


@asynccontextmanager
async def wire(handle: Wire, trust: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server of bytes, `handle` for each connection; yields `host:port`."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=trust)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


def answering(reply: bytes, heads: list[bytes] | None = None) -> Wire:
    """Reads one request's head, answers these bytes, hangs up; `heads` keeps the exact bytes of the request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heads is not None:
            heads.append(head)
        writer.write(reply)
        await writer.drain()

    return handle


def http(body: bytes, *headers: str) -> bytes:
    """The bytes of a whole 200."""
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers])
    return head.encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def proxy(heads: list[bytes]) -> AsyncIterator[str]:
    """A forward proxy, by CONNECT for https and by absolute URL for http; yields its URL, `heads` keeps requests."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        method, target, rest = head.split(b" ", 2)
        authority = target if method == b"CONNECT" else target.split(b"/", 3)[2]
        host, port = authority.decode().rsplit(":", 1)
        inner, outer = await asyncio.open_connection(host, int(port))
        try:
            if method == b"CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                outer.write(b" ".join((method, b"/" + target.split(b"/", 3)[3], rest)))
            async with asyncio.TaskGroup() as both:
                both.create_task(_pour(reader, outer))
                both.create_task(_pour(inner, writer))
        finally:
            outer.close()

    async with wire(handle) as authority:
        yield f"http://{authority}"


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(65536):
        target.write(chunk)
        await target.drain()
    target.close()
