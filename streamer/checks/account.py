"""What must work at one Intersight account: the key, the clocks, who we are, what we may read, how it may be asked.

Question: which of it is a failure? Choice: what the service cannot work without. Without audit records a deletion has
no actor, without users an event has no name, without `Moid gt` a list is read another way: those are warnings, with
what is lost. Rejected: to fail on them; whoever decided so would get no start until the configuration said it again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from streamer.checks.checklist import FAILED, UNPROVEN, UNREADABLE, WARNING, Answer, Checklist
from streamer.config import SourceSettings
from streamer.errors import ApiError
from streamer.intersight.client import Client
from streamer.intersight.probe import Probe
from streamer.intersight.replies import FORBIDDEN
from streamer.intersight.source import client_of

UNREACHED: Final = "can its `url` be reached from here, or does it want a `proxy` or a `ca_file`?"
STRANGE: Final = "what answers at `url` is out of order, or no Intersight: ask whoever runs it, or what stands between"


class AccountChecks:
    """The questions about one source.

    Args:
        checks: where they are noted; the edge is the source's name.
        settings: of the source.
        clock: ms UTC.
    """

    def __init__(self, checks: Checklist, settings: SourceSettings, clock: Callable[[], int]) -> None:
        self._checks = checks
        self._settings = settings
        self._clock = clock
        self._client: Client | None = None
        self._made: Probe | None = None

    async def offline(self) -> None:
        """What needs no network: the credential, the authorities, the proxy."""
        await self._checks.ask(self._settings.name, "credential", self._credential, hint=UNREADABLE)

    async def online(self) -> None:
        """All else, after `offline`."""
        edge, ask = self._settings.name, partial(self._checks.ask, hint=STRANGE)
        try:
            await ask(edge, "connection", self._connection, needs=["credential"], hint=UNREACHED)
            await ask(edge, "authentication", self._authentication, needs=["connection"])
            await ask(edge, "clock", self._clocks, needs=["connection"])
            await ask(edge, "tokens", self._tokens, needs=["authentication"])
            slower = "the list is read by offset instead, which costs more and tears sooner"
            await ask(edge, "Moid gt", self._paging, needs=["tokens"], softly=slower)
            await ask(edge, "quotes", self._quotes, needs=["tokens"], softly="filters with a quote in a text will fail")
            await ask(edge, "audit", self._audit, needs=["authentication"])
            await ask(edge, "users", self._users, needs=["authentication"])
        finally:
            if self._client is not None:
                await self._client.aclose()

    @property
    def _probe(self) -> Probe:
        if self._made is None:
            raise ValueError("no question is asked of an account without a usable credential")
        return self._made

    async def _credential(self) -> Answer:
        self._client = client_of(self._settings, clock=self._clock)
        self._made = Probe(self._client)
        of = "API key" if self._settings.api_key else "OAuth2 client"
        if not self._settings.verify_tls:
            return Answer(f"{of} read; anybody may answer", WARNING, "name the authority in ca_file, not verify_tls")
        return Answer(f"{of} read")

    async def _connection(self) -> Answer:
        return Answer(await self._probe.reach())

    async def _authentication(self) -> Answer:
        return Answer(self._probe.authenticated())

    async def _clocks(self) -> Answer:
        told, fine = self._probe.clock()
        if fine:
            return Answer(told)
        refused = self._checks.outcome(self._settings.name, "authentication") == FAILED
        return Answer(
            told,
            FAILED if refused else WARNING,
            "set this machine's clock by NTP: a signature with a wrong date is refused",
        )

    async def _tokens(self) -> Answer:
        return Answer(self._probe.listed())

    async def _paging(self) -> Answer:
        told = await self._probe.pages_by_moid()
        if told is None:
            return Answer("there are too few tokens to try it", UNPROVEN, "check again once there are two")
        return Answer(told)

    async def _quotes(self) -> Answer:
        return Answer(await self._probe.escapes_quotes())

    async def _audit(self) -> Answer:
        if not self._settings.audit.enabled:
            return Answer("not wanted: audit.enabled is false")
        lost = "no deletion can be attributed, revoked is told as removed"
        return await self._readable("aaa/AuditRecords", lost, "Audit Log Viewer", "audit.enabled")

    async def _users(self) -> Answer:
        if not self._settings.users:
            return Answer("not wanted: users is false")
        return await self._readable("iam/Users", "events carry no names of users", "Read-Only", "users")

    async def _readable(self, path: str, lost: str, role: str, key: str) -> Answer:
        """That a list beside the tokens may be read; that it may not is no more than a loss."""
        try:
            return Answer(await self._probe.reads(path))
        except ApiError as error:
            if error.status != FORBIDDEN:
                raise
            hint = f"give the identity a role that may read {path}, such as {role}; or set {key}: false"
            return Answer(f"{path} may not be read, so {lost}", WARNING, hint)
