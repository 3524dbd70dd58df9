"""One whole poll over HTTP: its report tells what was really asked, and by which replies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.config import ApiKey, OAuth, SourceSettings
from streamer.cycle import Cycle
from streamer.demo.life import Life
from streamer.demo.simulator import Simulator
from streamer.intersight.source import IntersightSource
from streamer.judging.judgement import Policy
from streamer.report import Report
from streamer.serving import serve
from tests import laws
from tests.builders import FORM
from tests.demo.stage import TOKENS, Clock, still
from tests.fakes import Log, MemoryLedger
from tests.intersight.stage import Naps, fault

POLICY = Policy("prod", FORM, audit_wait=0, users=True)
SECOND = 1000


@dataclass
class Heard:
    """An API behind an ear; the clock moves on by a second with every request.

    Attributes:
        app: the API.
        clock: everybody's.
        replies: path and headers of each so far.
        refusals: so many of the next requests are answered with 503.
    """

    app: ASGIApp
    clock: Clock
    replies: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    refusals: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and keep what is answered."""
        self.clock.now += SECOND

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
                self.replies.append((scope["path"], headers))
            await send(message)

        self.refusals -= 1
        app = fault(503, Date="Thu, 09 Oct 2025 08:00:00 GMT") if self.refusals >= 0 else self.app
        await app(scope, receive, told)

    def traces(self, path: str) -> list[str]:
        """The trace ids of the replies from this path, in order."""
        return [headers["x-starship-traceid"] for at, headers in self.replies if at == path and len(headers) > 3]


@dataclass
class Played:
    """An account, an ear, and a worker."""

    life: Life
    heard: Heard
    cycle: Cycle
    log: Log

    async def turn(self) -> Report:
        """One poll; the ear has heard nothing but it."""
        self.heard.clock.now += 600 * SECOND
        self.heard.replies.clear()
        await self.cycle.prepare()
        return await self.cycle.settle(await self.cycle.look())

    @property
    def deleted(self) -> list[laws.Read]:
        """The deletions published so far."""
        return [event for event in laws.events(self.log.records) if event["event_type"] == "deleted"]


@asynccontextmanager
async def played(*, oauth: bool = False, policy: Policy = POLICY) -> AsyncIterator[Played]:
    """A still account that a test acts on."""
    clock = Clock()
    life = still(25, clock=clock)
    simulator = Simulator(life)
    keys = simulator.credentials
    opens: dict[str, Any] = {"api_key": ApiKey(id=keys.ec.id, pem=SecretStr(keys.ec.pem))}
    if oauth:
        opens = {"oauth": OAuth(client_id=keys.client_id, client_secret=SecretStr(keys.client_secret))}
    heard, log = Heard(simulator.app, clock), Log()
    async with serve(heard) as url:
        given = SourceSettings(name="prod", url=url, page_size=10, **opens)
        async with IntersightSource(given, clock=clock, sleep=Naps()) as source:
            yield Played(life, heard, Cycle(policy, source, MemoryLedger(log), clock), log)


@pytest.mark.parametrize("oauth", [False, True])
async def test_every_request_of_a_poll_is_counted(*, oauth: bool) -> None:
    """Pages, retries, look-ups, rights, audit records, users, access tokens; each poll counts its own."""
    paths: list[str] = []
    async with played(oauth=oauth) as here:
        for act in (None, "refuse", "remove", "nothing"):
            if act == "refuse":
                here.heard.refusals = 1
            if act == "remove":
                for moid in here.life.moids[:2]:
                    here.life.remove(moid)

            told = await here.turn()

            assert told.requests == len(here.heard.replies)
            paths += [path.rsplit("/", 1)[1] for path, _ in here.heard.replies]
        assert {"OAuthTokens", "Accounts", "Users", "AuditRecords"} <= set(paths)
        assert ("token" in paths) is oauth
        assert len(here.deleted) == 2


async def test_a_poll_that_comes_to_nothing_counts_too() -> None:
    """Also where it ends before the list was asked for."""
    async with played() as here:
        here.heard.refusals = 3
        first = await here.turn()
        here.heard.refusals = 100
        last = await here.turn()

        assert (first.verdict, last.verdict, last.reason) == ("rejected", "rejected", "unavailable")
        assert last.requests == len(here.heard.replies) > 0


async def test_a_report_names_the_replies_that_showed_it() -> None:
    """Those to the list and to look-ups; a deletion names the reply that said that the token is not there."""
    async with played() as here:
        await here.turn()
        removed = here.life.moids[:2]
        for moid in removed:
            here.life.remove(moid)

        told = await here.turn()

        listed = here.heard.traces(TOKENS)
        by_moid = {moid: here.heard.traces(f"{TOKENS}/{moid}") for moid in removed}
        assert len(listed) == told.pages == 3
        assert list(told.trace_ids[:3]) == listed
        assert sorted(told.trace_ids[3:]) == sorted(trace for traces in by_moid.values() for trace in traces)
        assert {event["moid"]: [event["trace_id"]] for event in here.deleted} == by_moid


async def test_a_proof_of_an_earlier_poll_is_not_named_again() -> None:
    """While a record of why is waited for; the deletion names it all the same."""
    async with played(policy=replace(POLICY, audit_wait=1)) as here:
        await here.turn()
        moid = here.life.moids[0]
        here.life.vanish(moid)
        first = await here.turn()
        (proof,) = here.heard.traces(f"{TOKENS}/{moid}")
        second = await here.turn()

        assert (first.waiting, second.deleted) == (1, 1)
        assert proof in first.trace_ids
        assert list(second.trace_ids) == here.heard.traces(TOKENS)
        assert here.deleted[0]["trace_id"] == proof


async def test_the_servers_date_is_that_of_the_last_page() -> None:
    """Not of an answer beside the list; and the poll began, for its bounds, with the first page that it kept."""
    async with played() as here:
        await here.turn()
        here.life.remove(here.life.moids[0])

        told = await here.turn()

        dates = [parsedate_to_datetime(headers["date"]) for path, headers in here.heard.replies if path == TOKENS]
        first, *_, last = (int(date.timestamp()) * SECOND for date in dates)
        assert told.server_date == last
        assert here.heard.clock.now - last > SECOND
        row = here.log.state("prod").row
        assert row is not None
        assert row.complete is not None
        assert first - 2 * SECOND <= row.complete.started_at <= told.started_at <= first
