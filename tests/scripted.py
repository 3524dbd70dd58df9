"""Servers that say what a test tells them to, on real sockets: registries in every mood."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from streamer.config import RegistrySettings
from streamer.registry import Registry
from streamer.serving import serve


class Script:
    """A server that gives its answers in order, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: Response) -> None:
        self._answers: Iterator[Response] = iter(answers[:-1])
        self._last = answers[-1]
        self.asked: list[Request] = []
        self.bodies: list[bytes] = []
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST", "PUT"])])

    async def _answer(self, request: Request) -> Response:
        self.asked.append(request)
        self.bodies.append(await request.body())
        return next(self._answers, self._last)


class Pauses(list[float]):
    """A sleep that takes no time and remembers how long it should have been."""

    async def __call__(self, pause_s: float) -> None:
        """`asyncio.sleep`'s face."""
        self.append(pause_s)


def says(status: int, code: int, message: str) -> JSONResponse:
    """An error in the registry's words."""
    return JSONResponse({"error_code": code, "message": message}, status)


@asynccontextmanager
async def scripted(*answers: Response, **settings: Any) -> AsyncIterator[tuple[Registry, Script, Pauses]]:
    """A client of a scripted server."""
    script, pauses = Script(*answers), Pauses()
    async with serve(script.app) as url, Registry(RegistrySettings(url=url, **settings), sleep=pauses) as client:
        yield client, script, pauses


@asynccontextmanager
async def raw(answer: Callable[[], bytes], tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[Any]]]:
    """A server that answers a connection's first request with bytes and hangs up; lists the clients' certificates."""
    certificates: list[Any] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if tls is not None:
            certificates.append(writer.get_extra_info("peercert"))
        writer.write(answer())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    async with server:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}", certificates
