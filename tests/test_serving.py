"""Our sockets: real, free, and gone afterwards."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from streamer import serving
from streamer.errors import Misconfigured
from streamer.serving import listen, serve


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


@pytest.mark.parametrize(("host", "named"), [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")])
async def test_an_address_of_either_kind_is_listened_on(host: str, named: str) -> None:
    """Whatever may be configured, and the URL that is told is one that can be asked."""
    async with serve(APP, host=host) as url, httpx.AsyncClient() as client:
        reply = await client.get(url)
    assert (reply.status_code, url.rpartition(":")[0]) == (200, f"http://{named}")


async def test_what_cannot_be_listened_on_is_told_with_what_to_change() -> None:
    """A port that is taken is another mistake than an address that is not ours."""
    async with AsyncExitStack() as opened:
        url = await listen(opened, APP, "[::1]:0", "http.listen:")
        with pytest.raises(Misconfigured) as taken:
            await listen(opened, APP, url.removeprefix("http://"), "http.listen:")
        with pytest.raises(Misconfigured) as foreign:
            await listen(opened, APP, "192.0.2.1:0", "http.listen:")

    assert taken.value.hint == "another streamer may run here; give another port, or 0 for a free one"
    assert str(foreign.value).startswith("http.listen: 192.0.2.1:0 is given and cannot be listened on: ")
    assert foreign.value.hint.startswith("give an address of this machine")


async def test_whoever_asks_for_nothing_takes_no_more_than_there_is() -> None:
    """On an operator's port, connections that say half a request are bounded; others are answered after them."""
    async with AsyncExitStack() as opened:
        url = await listen(opened, APP, "127.0.0.1:0", "http.listen:")
        port = urlsplit(url).port
        made = [await asyncio.open_connection("127.0.0.1", port) for _ in range(serving.MOST + 5)]
        for _, writer in made:
            writer.write(b"GET / HTTP/1.1\r\nHost: ")
        ended = [await _ended(reader) for reader, _ in made[-5:]]
        waiting = [reader.at_eof() for reader, _ in made[:-5]]
        for _, writer in made:
            writer.transport.abort()
        async with asyncio.timeout(20), httpx.AsyncClient() as client:
            while not (answered := await _answers(client, url)):
                pass  # the server hears of each end in its turn

    assert (ended, any(waiting), answered) == ([True] * 5, False, True)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    """Whether there is a place again."""
    try:
        return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False


async def _ended(reader: asyncio.StreamReader) -> bool:
    """Wait until the other side is gone."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


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
