"""One account as the rest of the service sees it: all its tokens at once, and what the API says beside them.

Configuration comes in, values go out; requests, signatures and pages stay behind. What is remembered from one call to
the next (how the account can be paged, what it answered before) is only ever used to ask better, never to answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from streamer.clock import utc_ms
from streamer.config import SourceSettings
from streamer.errors import Misconfigured, Rejected
from streamer.events import UserInfo
from streamer.intersight.audit import AuditReader
from streamer.intersight.client import Client
from streamer.intersight.lookup import look_up
from streamer.intersight.oauth import ClientCredentials
from streamer.intersight.paging import Paging
from streamer.intersight.rights import RightsReader
from streamer.intersight.rows import Spellings
from streamer.intersight.search import Portion, find
from streamer.intersight.servertime import OwnTime, ServerTime
from streamer.intersight.signing import Signature
from streamer.intersight.snapshot import read_snapshot
from streamer.intersight.users import Directory
from streamer.known import Known, ends_of
from streamer.log import WARNING, say
from streamer.renewed import Renewed
from streamer.sightings import Sightings
from streamer.tokens import Audit, Finding, Rights, Snapshot, Unsure
from streamer.underway import Underway


class IntersightSource:
    """A source of tokens.

    Args:
        settings: of this source.
        clock: ms UTC.
        elapsed: ms that nobody sets, by which it is seen that `clock` was set; None: it never is.
        sleep: waits that many seconds.

    Raises:
        Misconfigured: the key, the CA file or the proxy cannot be used.
    """

    def __init__(
        self,
        settings: SourceSettings,
        *,
        clock: Callable[[], int] = utc_ms,
        elapsed: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not settings.verify_tls:
            say("tls.unverified", level=WARNING, source=settings.name, url=settings.url, hint="anybody may answer")
        self.name = settings.name
        self._page_size = settings.page_size
        self._clock = clock
        self._paging = Paging(settings.name)
        self._server_time = ServerTime()
        self._own_time = OwnTime(clock, elapsed or clock)
        self._spellings = Spellings()
        self._witnesses: tuple[str, ...] = ()
        credential = _credential(settings, clock)
        self._client = _client(settings, credential, clock, elapsed, sleep)
        key_id = settings.api_key.read_id(f"sources.{self.name}.api_key.") if settings.api_key else None
        oauth = credential if isinstance(credential, ClientCredentials) else None
        self._rights = RightsReader(self._client, key_id, oauth)
        self._audit = AuditReader(self._client)
        self._directory = Directory(self._client, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    @property
    def requests(self) -> int:
        """How many were sent so far, whatever for."""
        return self._client.requests

    @property
    def statuses(self) -> Mapping[str, int]:
        """How often the API answered with which HTTP status so far; `none`: not at all."""
        return self._client.statuses

    @property
    def damaged(self) -> int:
        """How many values of users and audit records were cut or left out so far."""
        return self._directory.damaged + self._audit.damaged

    def find(self, where: Sequence[str], *, limit: int | None = None) -> AsyncGenerator[Portion, None]:
        """The tokens that meet these conditions of `$filter`, all of them, as they come.

        Args:
            where: none for all tokens of the account.
            limit: how many are enough.

        Raises:
            Rejected: not all of them could be read; those handed over until then are true.
        """
        return find(self._client, self._paging, where, page_size=self._page_size, clock=self._clock, limit=limit)

    async def snapshot(self, known: Known, where: Sequence[str] = ()) -> Snapshot:
        """All tokens of the account, complete, or all that meet some conditions of `$filter`.

        Args:
            known: what is compared with; of a row that says nothing new only the place is kept.
            where: the conditions.

        Raises:
            Rejected: the poll is void; `walk` tells how far it came.
        """
        self._was_set()
        what = f"{self.name}: first snapshot"
        with Underway("snapshot.reading", what, ("rows", "of"), source=self.name) as underway:
            seen = await read_snapshot(
                self._client,
                known,
                self._paging,
                page_size=self._page_size,
                clock=self._clock,
                spellings=self._spellings,
                where=where,
                underway=None if known or where else underway,  # others are soon over
            )
        if step := self._was_set():
            void = Rejected("clock_set", f"this machine's clock was set by {step / 1000:+g} s while pages were read")
            void.walk = seen.walk
            raise void
        ends = {*ends_of(seen.unchanged), *Sightings.of(seen.rows).ends()}
        self._witnesses = tuple(sorted({min(ends), max(ends)})) if ends else ()
        told = None if seen.walk.server_date is None else seen.walk.clock
        return replace(seen, clock=self._server_time.after(told))

    async def look_up(self, moids: Collection[str]) -> Mapping[str, Finding]:
        """What the API says of each Moid: a sighting, the proof of its absence, or neither; never raises `Rejected`."""
        found = await look_up(self._client, moids, self._witnesses)
        if self._was_set():
            return {moid: Unsure(moid, "this machine's clock was set meanwhile") for moid in found}
        return found

    def _was_set(self) -> int:
        """By how many ms our clock was set since this was last asked; what is believed of the server's follows."""
        if step := self._own_time.was_set_by():
            self._server_time.moved(step)
        return step

    async def rights(self, known: str | None = None) -> Rights:
        """Whom the API takes us for, and what we may see; raises `Rejected` if it does not say.

        Args:
            known: `Rights.seen` as it is remembered; what differs from it is asked for more than once.
        """
        return await self._rights.read(known)

    async def audit(self, moids: Collection[str], users: Collection[str], since: int, until: int) -> Audit:
        """What was done to these tokens, and these users' logouts, from `since` to `until` (ms, the server's clock).

        Raises:
            Rejected: they cannot be read just now; that we may not read them at all is no error.
        """
        return await self._audit.read(moids, users, since, until)

    async def users(self, moids: Collection[str]) -> Mapping[str, UserInfo]:
        """The users with these Moids, as far as they can be found out; never raises `Rejected`."""
        return await self._directory.users(moids)


def client_of(settings: SourceSettings, *, clock: Callable[[], int] = utc_ms) -> Client:
    """A client of the account, for single questions; raises `Misconfigured` as `IntersightSource` does."""
    return _client(settings, _credential(settings, clock), clock, None, asyncio.sleep)


def _client(
    settings: SourceSettings,
    credential: Signature | ClientCredentials,
    clock: Callable[[], int],
    elapsed: Callable[[], int] | None,
    sleep: Callable[[float], Awaitable[None]],
) -> Client:
    return Client(
        settings.url,
        credential,
        clock=clock,
        elapsed=elapsed,
        sleep=sleep,
        timeout=settings.timeout,
        ca_file=settings.ca_file,
        verify_tls=settings.verify_tls,
        proxy=settings.proxy,
        where=f"sources.{settings.name}",
    )


def _credential(settings: SourceSettings, clock: Callable[[], int]) -> Signature | ClientCredentials:
    """How requests of this source are authorised."""
    where = f"sources.{settings.name}"
    if key := settings.api_key:
        named = f"{where}.api_key."
        return Signature(lambda: (key.read_id(named), key.read(named)), clock=clock, where=f"{where}.api_key")
    if settings.oauth:
        secret = Renewed(f"{where}.oauth", partial(settings.oauth.read, f"{where}.oauth."), str)
        return ClientCredentials(settings.url, settings.oauth.client_id, secret, clock=clock)
    raise Misconfigured(f"{where} has no credential, wanted api_key or oauth")
