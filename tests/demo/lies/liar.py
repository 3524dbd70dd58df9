"""A simulator that lies, a caller without any defence, and the truth beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from streamer.demo.credentials import Credentials
from streamer.demo.shapes import Row
from streamer.demo.shorthand import read_fault
from streamer.demo.simulator import Simulator
from streamer.demo.world import World
from tests.demo.stage import TOKENS, Clock, served, still

COUNTED = {"$inlinecount": "allpages", "$orderby": "Moid"}


@dataclass(slots=True)
class Liar:
    """A served simulator without noise, and `client`, whose requests are signed; `naps` are the seconds it waited."""

    simulator: Simulator
    clock: Clock
    naps: list[float] = field(default_factory=list)
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)

    @property
    def world(self) -> World:
        """What is true."""
        return self.simulator.world

    @property
    def moids(self) -> list[str]:
        """The Moids that are there, in order."""
        return list(self.world.moids)

    @property
    def rows(self) -> list[Row]:
        """The rows that are there, in the order of their Moids."""
        return [self.world.tokens[moid] for moid in self.world.moids]

    def arm(self, *faults: str) -> None:
        """Let it lie."""
        self.simulator.faults.arm(*map(read_fault, faults))

    async def page(self, **options: Any) -> Any:
        """One list's JSON: `top`, `skip`, `filter` and so on, with Count."""
        reply = await self.client.get(TOKENS, params=COUNTED | {f"${name}": value for name, value in options.items()})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def seen(self, **options: Any) -> list[str]:
        """The Moids of one list."""
        return [row["Moid"] for row in (await self.page(**options))["Results"]]

    async def status(self, path: str) -> int:
        """What a GET is answered with."""
        return (await self.client.get(path)).status_code

    async def by_moid(self, moid: str) -> int:
        """What a look-up is answered with."""
        return await self.status(f"{TOKENS}/{moid}")


@asynccontextmanager
async def lying(
    credentials: Credentials, clock: Clock, *faults: str, tokens: int = 30, honest: bool = True
) -> AsyncIterator[Liar]:
    """A liar with these faults armed; afterwards its ledger must be as it was, and the world what the ledger says.

    `honest=False` for what acts on the world.
    """
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    world = still(tokens, clock=clock, account=credentials.account, admin=credentials.admin)
    simulator = Simulator(world, credentials, noise=0, sleep=nap)
    liar = Liar(simulator, clock, naps)
    liar.arm(*faults)
    before = list(world.truth)
    async with served(simulator, clock) as client:
        liar.client = client
        yield liar
    assert not honest or list(world.truth) == before
    assert world.truth.state() == dict(world.tokens)
