"""The connection a request came by, for the lies that break it: HTTP has no word for hanging up.

ASGI has none either. Question: how to get at the connection. Choice: the server's own `send` belongs to an object that
holds the transport; it is taken from there, and where there is none (an application called in memory), a reset raises.
Rejected: raising within a reply, which makes the server log an error of ours for each lie; a server of our own.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from itertools import count
from weakref import WeakKeyDictionary

from starlette.types import ASGIApp, Receive, Scope, Send

_NO_LINGER = struct.pack("ii", 1, 0)  # closing discards what is unsent and resets


@dataclass(frozen=True, slots=True)
class Line:
    """One request's connection.

    Attributes:
        transport: None in memory.
        number: 1, 2, 3, ... by the order of their first requests; 0 in memory. Its port is anybody's guess.
    """

    transport: asyncio.Transport | None
    number: int = 0

    @property
    def gone(self) -> bool:
        """Whether nobody listens any more."""
        return self.transport is not None and self.transport.is_closing()

    async def reset(self, receive: Receive) -> None:
        """Break it as a crashed peer does: RST."""
        if self.transport is not None:
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.transport.abort()
        await self._end(receive)

    async def close(self, receive: Receive) -> None:
        """Close it once what was sent has left: FIN."""
        if self.transport is not None:
            self.transport.close()
        await self._end(receive)

    async def _end(self, receive: Receive) -> None:
        """Return when the server knows: it would take an earlier return for a mistake."""
        if self.transport is None:
            raise ConnectionResetError("the simulated connection broke")
        while (await receive())["type"] != "http.disconnect":
            pass


def with_line(app: ASGIApp) -> ASGIApp:
    """`app`, whose requests know their connection: `scope["state"]["line"]`; one that they know already stays."""
    numbers: WeakKeyDictionary[asyncio.Transport, int] = WeakKeyDictionary()
    counter = count(1)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None and transport not in numbers:
            numbers[transport] = next(counter)
        number = 0 if transport is None else numbers[transport]
        scope.setdefault("state", {}).setdefault("line", Line(transport, number))
        await app(scope, receive, send)

    return answer
