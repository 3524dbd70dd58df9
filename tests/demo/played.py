"""The day played in memory: the real source, diff and events, against the simulator, under a clock that is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import SecretStr

from streamer.avro import Values
from streamer.batch import Batch, Form
from streamer.config import ApiKey, SourceSettings
from streamer.cycle import Cycle
from streamer.demo.credentials import Credentials
from streamer.demo.day import Stage, a_world, play
from streamer.demo.faults import Status
from streamer.demo.simulator import Simulator
from streamer.demo.truth import Entry
from streamer.intersight.source import IntersightSource
from streamer.judging.judgement import Policy
from streamer.serving import serve
from streamer.state import SourceState
from tests.builders import fold
from tests.demo.stage import Clock

SOURCE: Final = "demo"
TOPICS: Final = ("created", "modified", "deleted")


@dataclass(slots=True)
class Log:
    """A ledger in memory: what was committed, in order."""

    state: SourceState = field(default_factory=SourceState)
    events: list[dict[str, Any]] = field(default_factory=list)

    async def restore(self, _: str) -> SourceState:
        """What was committed."""
        return self.state

    async def commands(self, _: str, __: int | None) -> tuple[tuple[int, bytes], ...]:
        """Nobody orders anything."""
        return ()

    async def commit(self, _: str, written: Batch) -> None:
        """Keep the events as JSON."""
        self.state = fold(self.state, written)
        self.events += [json.loads(r.value) for r in written.records if r.topic in TOPICS and r.value is not None]


@dataclass(slots=True)
class Played:
    """A day that is over.

    `told` are the sentences, `made` the ledger's entries that each act made, `events` the JSON forms published,
    `verdicts` of all polls.
    """

    told: list[str] = field(default_factory=list)
    made: list[list[Entry]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    ledger: list[Entry] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)


async def played(seed: int = 7) -> Played:
    """Play it, one poll after each act, or two where the API answers the first with an error."""
    clock, day, log = Clock(), Played(), Log()
    world = a_world(clock, seed=seed)
    credentials = Credentials.new(world.account, world.admin)
    simulator = Simulator(world, credentials)
    key = ApiKey(id=credentials.ec.id, pem=SecretStr(credentials.ec.pem))

    async def nap(seconds: float) -> None:
        clock.now += round(seconds * 1000) + 1

    async with serve(simulator.app) as url:
        settings = SourceSettings(name=SOURCE, url=url, api_key=key)
        async with IntersightSource(settings, clock=clock, sleep=nap) as source:
            policy = Policy(SOURCE, Form(Values("json")), replica_lag_ms=0, audit_wait=1, users=True)
            cycle = Cycle(policy, source, log, clock)

            async def poll(_: int = 0) -> None:
                verdict = ""
                while verdict != "accepted":
                    await nap(0.5)
                    await cycle.prepare()
                    verdict = (await cycle.settle(await cycle.look())).verdict
                    day.verdicts.append(verdict)
                    await nap(0.5)
                day.made.append(list(world.truth)[sum(map(len, day.made)) :])

            stage = Stage(world, hiccup=lambda: simulator.faults.arm(Status(status=503, times=50, path="/api")))
            await poll()
            await play(stage, tell=day.told.append, seen=poll, sleep=nap)
    day.events, day.ledger = log.events, list(world.truth)
    return day
