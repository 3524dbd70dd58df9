"""Serves an ASGI application on a real socket of this machine, for as long as a `with` block lasts.

Health, the simulator and the embedded registry live inside somebody else's event loop, so this room must never
install signal handlers, never end the process, and never leave a task behind.

Question: how to run uvicorn inside a loop that is not its own. Choice: its own `startup` and `shutdown`, without
`main_loop`. That loop only refreshes a `Date` header and waits to be told to stop; here the block's end tells it, and
the applications send their own `Date`, from their own clock. Rejected: `Server.serve()` in a task, which captures
signals, needs a parent for the task and a wait for "started".

Question: why name TCP for a socket that can be nothing else. Choice: the event loop sends at once (TCP_NODELAY) only
where the socket says so itself. Otherwise the body of every reply, which is written after its head, is kept back until
the other side has acknowledged the head, and that side waits 40 ms for more before it does: a reply took 43 ms that
takes half a millisecond.

Question: what of somebody who opens connections and asks for nothing. Choice: an operator's port has so many at a time,
and whoever comes then is sent away. Rejected: no limit, as uvicorn has it; once a process may open no more files, it
polls nobody, and whoever reaches the port could see to that.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from streamer.errors import Misconfigured
from streamer.log import say
from streamer.settings.values import host_and_port

MOST: Final = 100  # connections: those who look at the status page, each browser some, and scrapers and probes
GRACE_S = 1  # a reply still being written when the block ends gets this long, then its task is cancelled


class _Bounded(H11Protocol):
    """A connection, unless there are too many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody came."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()


@asynccontextmanager
async def serve(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, bounded: bool = False) -> AsyncIterator[str]:
    """Serve `app` until the block ends; yields its URL, such as `http://127.0.0.1:40123`, once it accepts requests.

    Args:
        app: any ASGI application; its lifespan events are not sent, it must set `Date` itself if it wants one.
        host: an address or name of this machine; a name means its IPv4 address.
        port: 0 for a free one.
        bounded: whether there are at most `MOST` connections at a time.

    Raises:
        OSError: the address cannot be listened on.
    """
    listener = _listener(host, port)
    config = Config(
        app,
        interface="asgi3",
        http=_Bounded if bounded else H11Protocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,  # a poller that sleeps an interval finds its connection open
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    finally:
        await server.shutdown(sockets=[listener])


async def listen(opened: AsyncExitStack, app: ASGIApp, where: str, named: str) -> str:
    """Serve `app` where an operator wants it, `host:port`, until `opened` is closed; `named` is how they gave it.

    Returns:
        Its URL.

    Raises:
        Misconfigured: the address cannot be listened on.
    """
    host, port = host_and_port(where)
    try:
        url = await opened.enter_async_context(serve(app, host=host, port=port, bounded=True))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise Misconfigured(
            f"{named} {where} is given and cannot be listened on: {error}",
            hint="another streamer may run here; give another port, or 0 for a free one"
            if taken
            else "give an address of this machine, such as 127.0.0.1, and a port that this user may use",
        ) from error
    say("http.listening", url=url)
    return url


def _listener(host: str, port: int) -> socket.socket:
    """A bound socket: the port is known before the first request, and a taken one raises here."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
