"""One account as the rest of the service sees it: all its tokens at once, or what the API says of a single one.

Configuration comes in, values go out; requests, signatures and pages stay behind. A look-up must never mistake a
fault for an absence: only the API's own `NotFound`, asked by Moid, proves that a token is gone. A gateway's 404, a
missing right, a timeout or another object in the answer prove nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, Self

import httpx

from streamer.config import SourceSettings
from streamer.errors import Misconfigured, Rejected
from streamer.intersight.client import Client
from streamer.intersight.oauth import ClientCredentials
from streamer.intersight.replies import NOT_FOUND, OK, Journal, Reply
from streamer.intersight.rows import read_row
from streamer.intersight.signing import Signature
from streamer.intersight.snapshot import PATH, read_snapshot
from streamer.tokens import Finding, Gone, Snapshot, Unsure

ABSENT: Final = "NotFound"  # the API's code for an object that does not exist


def utc_ms() -> int:
    """Now, on this machine's clock."""
    return time.time_ns() // 1_000_000


class IntersightSource:
    """A source of tokens.

    Args:
        settings: of this source.
        clock: ms UTC.
        sleep: waits that many seconds.

    Raises:
        Misconfigured: the key, the CA file or the proxy cannot be used.
    """

    def __init__(
        self,
        settings: SourceSettings,
        *,
        clock: Callable[[], int] = utc_ms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = settings.name
        self._page_size = settings.page_size
        self._clock = clock
        self._client = Client(
            settings.url,
            _credential(settings, clock),
            clock=clock,
            sleep=sleep,
            timeout=settings.timeout,
            ca_file=settings.ca_file,
            verify_tls=settings.verify_tls,
            proxy=settings.proxy,
            where=f"sources.{settings.name}",
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def snapshot(self, known: Mapping[bytes, str]) -> Snapshot:
        """All tokens of the account, complete.

        Args:
            known: by raw digest, the Moid of each row that need not be decoded again.

        Raises:
            Rejected: the poll is void; `walk` tells how far it came.
        """
        return await read_snapshot(self._client, known, page_size=self._page_size, clock=self._clock)

    async def look_up(self, moid: str) -> Finding:
        """What the API says of one Moid: a sighting, the proof of its absence, or neither."""
        try:
            reply = await self._client.get(f"{PATH}/{moid}", (), Journal())
            return _finding(moid, reply)
        except Rejected as rejected:
            return Unsure(moid, f"{rejected.reason}: {rejected}")


def _finding(moid: str, reply: Reply) -> Finding:
    """What an answer by Moid proves; `Rejected` if nothing."""
    if reply.status == OK:
        row = read_row(reply.body, reply.received_at, reply.trace_id)
        if row.token.moid != moid:
            raise Rejected("wrong_moid", f"{reply.request} answered with the object {row.token.moid}")
        return row
    error = reply.error()
    if reply.status == NOT_FOUND and error.code == ABSENT:
        return Gone(moid, reply.received_at, trace_id=error.trace_id)
    raise error


def _credential(settings: SourceSettings, clock: Callable[[], int]) -> httpx.Auth:
    """How requests of this source are authorised."""
    where = f"sources.{settings.name}"
    if settings.api_key:
        return Signature(
            settings.api_key.id, settings.api_key.read(f"{where}.api_key."), clock=clock, where=f"{where}.api_key"
        )
    if settings.oauth:
        return ClientCredentials(
            settings.url, settings.oauth.client_id, settings.oauth.read(f"{where}.oauth."), clock=clock
        )
    raise Misconfigured(f"{where} has no credential, wanted api_key or oauth")
