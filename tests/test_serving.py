"""Our sockets: real, free, and gone afterwards."""

import asyncio
import signal
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from streamer.serving import serve


async def _hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", _hello)])


async def test_answers_while_the_block_lasts_and_not_after() -> None:
    """A served application answers on its URL inside the block, and refuses connections after it."""
    async with serve(APP) as url, httpx.AsyncClient() as client:
        reply = await client.get(url)
        assert (reply.status_code, reply.text) == (200, "hello")
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_two_servers_at_once_on_the_ports_asked_for() -> None:
    """Port 0 gives each server a port of its own; a named port is the one used; a taken one raises OSError."""
    async with serve(APP) as first, serve(APP) as second:
        assert first != second
    port = urlsplit(first).port or 0
    async with serve(APP, port=port) as again:
        assert again == first
        with pytest.raises(OSError, match="in use"):
            async with serve(APP, port=port):
                pass


async def test_a_reply_leaves_at_once() -> None:
    """No part of a reply is kept back until the caller has acknowledged the part before it: not even a small body."""
    delays: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        connection = getattr(send, "__self__").transport.get_extra_info("socket")  # noqa: B009  not of ASGI
        delays.append(not connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await APP(scope, receive, send)

    async with serve(app) as url, httpx.AsyncClient() as client:
        await client.get(url)
    assert delays == [False]


async def test_leaves_signals_and_tasks_alone() -> None:
    """Serving installs no signal handler, and leaves no task behind."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serve(APP) as url, httpx.AsyncClient() as client:
        await client.get(url)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert asyncio.all_tasks() == {asyncio.current_task()}
