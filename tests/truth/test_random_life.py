"""A random life: whatever happens, is lied about or crashes, what is published is what happened.

A life is a walk of random steps from one seed: people log in and out, tokens change and end in every way, the API lies,
the worker crashes (between polls, and at any step of a commit), a person releases and discards. A failure names its
seed: `TRUTH_SEED=<seed>` replays that life alone; `TRUTH_STEPS=<number>` makes every life that long.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

from streamer import control
from tests.truth.model import INTERVAL_MS, Play, playing

STEPS: Final = int(os.environ.get("TRUTH_STEPS", "250"))
SEEDS: Final = [int(os.environ["TRUTH_SEED"])] if "TRUTH_SEED" in os.environ else list(range(1, 10))
TOKENS: Final = 30
FEWEST: Final = 20  # below it there are more logins: a list that is nearly empty proves little
LIES: Final = (
    "status=500:0.5",
    "status=503,times=2",
    "status=403",
    "status=401,times=1",
    "status=403,path=/api/v1/aaa/",
    "status=503,path=/api/v1/iam/Accounts",
    "status=500,on=moid",
    "status=500,on=filter",
    "throttled,times=2",
    "throttled,retry_after=2:0.3",
    "throttled,retry_after=90,times=1",
    "html:0.3",
    "html=502,on=moid",
    "redirect:0.3",
    "truncated:0.3",
    "truncated=wrong:0.3",
    "drip=3s,pieces=3:0.3",
    "reset:0.3",
    "reset=within:0.3",
    "slow=9s:0.3",
    "short:0.3",
    "short=3",
    "short,where=random:0.3",
    "twice:0.3",
    "unsorted:0.3",
    "repeated",
    "repeated:0.5",
    "count=+1",
    "count=-1:0.5",
    "count=missing:0.5",
    "count=null:0.5",
    "count=text:0.5",
    "empty",
    "empty,times=1",
    "empty:0.3",
    "null:0.5",
    "null=missing:0.5",
    "unknown,rows=5",
    "unknown=enum,rows=5",
    "moid=missing:0.5",
    "moid=null:0.2",
    "moid=odd:0.2",
    "nan:0.3",
    "lag=25s",
    "lag=20s:0.5",
    "lag=25s,replicas=3",
    "lag=25s,replicas=3,each=connection",
    "hidden=0.6,by_moid=visible",
    "hidden=0.1,by_moid=visible:0.5",
    "hidden=0.1,by_moid=403",
    "hidden=1,by_moid=403",
    "hidden=0.7,by_moid=404",
    "hidden=1,by_moid=404",
    "account",
    "account,moids=same:0.5",
    "account=0.3",
    "accounts=more",
    "accounts=none",
    "accounts=other",
    "audit=15s",
    "audit,forbidden=true",
    "keyset=refused",
    "keyset=ignored:0.5",
    "keyset=ge",
    "between",
    "between,where=any,deletes=2,inserts=1",
    "between,where=coming:0.5",
)


class Walk:
    """One life: `step` does one thing, by chance; `done` counts what was done."""

    def __init__(self, play: Play, chance: random.Random) -> None:
        self.play, self.chance = play, chance
        self.done: Counter[str] = Counter()

    async def step(self) -> None:
        """One thing happens."""
        weights = {
            "poll": 40,
            "act": 34,
            "lie": 8,
            "honest": 5,
            "wait": 4,
            "crash": 2,
            "fail": 3,
            "person": 3,
            "quiet": 1,
        }
        (what,) = self.chance.choices(list(weights), list(weights.values()))
        self.done[what] += 1
        await getattr(self, f"_{what}")()

    async def _poll(self) -> None:
        self.play.wait(self.chance.choice((INTERVAL_MS, INTERVAL_MS, 1000, 3 * INTERVAL_MS)))
        await self._polled()

    async def _polled(self, fail_at: int = 0) -> None:
        report = await self.play.poll(fail_at=fail_at)
        self.done[report.verdict if report else "cut off"] += 1
        if report and report.held:
            self.done["held"] += 1

    async def _fail(self) -> None:
        """The worker dies at some step of the ledger: before, within or after a commit."""
        await self._polled(fail_at=self.chance.randint(1, 12))

    async def _crash(self) -> None:
        await self.play.crash()

    async def _wait(self) -> None:
        self.play.wait(self.chance.choice((50, 2000, 45_000, 120_000)))

    async def _honest(self) -> None:
        self.play.simulator.faults.clear()

    async def _lie(self) -> None:
        """Not a lost privilege while deletions are let go: a person who says they are real is believed."""
        lie = self.chance.choice(LIES)
        if "by_moid=404" in lie and (self.play.is_released or len(self.play.world.tokens) < FEWEST):
            return
        self.play.arm(lie)

    async def _person(self) -> None:
        """A person who looks into what is held, once the API tells the truth again."""
        play = self.play
        play.simulator.faults.clear()
        known_alive = all(moid in play.world.tokens for moid in play.held)
        play.order(control.DISCARD if known_alive and self.chance.random() < 0.5 else control.RELEASE)
        await self._polled()

    async def _quiet(self) -> None:
        await self.play.quiet()

    async def _act(self) -> None:
        world, chance, now = self.play.world, self.chance, self.play.clock.now
        world.tick()
        user = chance.choice(world.users)
        client = chance.choice([None, *world.clients])
        moid = chance.choice(world.moids) if world.moids else ""
        acts: dict[str, tuple[int, Callable[[], object]]] = {
            "login": (4, lambda: world.login(user, client)),
            "short login": (2, lambda: world.login(user, client, session_ms=chance.choice((300, 9000, 60_000)))),
            "refresh": (5, lambda: world.refresh(moid)),
            "relogin": (2, lambda: world.relogin(user)),
            "widen": (1, lambda: world.widen(moid)),
            "rename": (1, lambda: world.rename(chance.choice(world.clients), f"app at {now}")),
            "tag": (2, lambda: world.tag(moid, "owner", chance.choice(("netops", 'équipe "blue"', None)))),
            "remove": (1, lambda: world.remove(moid)),
            "vanish": (1, lambda: world.vanish(moid)),
            "logout": (1, lambda: world.logout(world.user(world.tokens[moid]["User"]["Moid"]))),
        }
        if len(world.tokens) < FEWEST:
            acts = {name: acts[name] for name in ("login", "short login")}
        (name,) = chance.choices(list(acts), [weight for weight, _ in acts.values()])
        acts[name][1]()
        self.done[name] += 1


async def lived(seed: int, steps: int) -> Walk:
    """A life of so many steps, quiet at its end."""
    chance = random.Random(seed)
    skew_ms = chance.choice((0, 40_000, -40_000))
    async with playing(seed=seed, tokens=TOKENS, skew_ms=skew_ms) as play:
        walk = Walk(play, chance)
        number = 0
        try:
            for number in range(steps):  # noqa: B007  told when it fails
                await walk.step()
            await play.quiet()
        except AssertionError as error:
            armed = play.simulator.faults.armed()
            error.add_note(f"replay: TRUTH_SEED={seed} TRUTH_STEPS={steps} (failed at step {number}; armed: {armed})")
            raise
        walk.done |= Counter(event["event_type"] for event in play.events)
        walk.done |= Counter(f"cause {event['delete_cause']}" for event in play.events if event["delete_cause"])
        return walk


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_is_published_is_what_happened(seed: int) -> None:
    """No false delete, no wrong moment, no gap, nothing lost; and in the end readers know exactly what is there."""
    walk = await lived(seed, STEPS)

    print(f"seed {seed}: {dict(sorted(walk.done.items()))}")
    assert walk.done["accepted"] > STEPS // 20
