"""The network between a worker and a broker, for a test to spoil: a TCP proxy in the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK = 2**16


class Proxy:
    """Passes bytes on, both ways, between whoever connects to `at` and `target`, both `host:port`."""

    def __init__(self) -> None:
        self.at = ""
        self.target = ""
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self._ends: set[asyncio.StreamWriter] = set()

    def pause(self) -> None:
        """A cable is out: nothing arrives and nobody is told; what is sent waits in the sockets."""
        self._flows.clear()

    def resume(self) -> None:
        """It is in again: what was sent meanwhile arrives."""
        self._flows.set()

    def cut(self) -> None:
        """Every connection is reset, and so is each new one; what was under way is lost."""
        self._is_cut = True
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """New connections are passed on."""
        self._is_cut = False

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end is gone."""
        ends = {writer}
        self._ends.add(writer)
        try:
            if self._is_cut:
                return
            host, port = self.target.split(":")
            back, there = await asyncio.open_connection(host, int(port))
            ends.add(there)
            self._ends.add(there)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass_on(reader, there))
                ways.create_task(self._pass_on(back, writer))
        except* OSError:  # one end is gone, which is the end of both
            pass
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@asynccontextmanager
async def proxied() -> AsyncIterator[Proxy]:
    """A proxy that listens; name its `target` before anybody connects."""
    proxy = Proxy()
    server = await asyncio.start_server(proxy.meet, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    proxy.at = f"{host}:{port}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.resume()
        proxy.cut()
