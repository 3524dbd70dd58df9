"""What may happen in a life: a person's or an account's deed, a lie, a crash, the passing of time; one after another.

Each is told by values alone, so that chance (`test_random_life`) and hypothesis (`test_stateful_life`) lead the same
lives, and so that a life that failed can be led again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from streamer import control
from tests.truth.model import INTERVAL_MS, Play

TOKENS: Final = 30
FEWEST: Final = 20  # below it there are more logins: a list that is nearly empty proves little
SKEWS: Final = (0, 40_000, -40_000)  # how wrong the worker's clock is
PAUSES: Final = (INTERVAL_MS, 1000, 3 * INTERVAL_MS)  # before a poll
WAITS: Final = (50, 2000, 45_000, 120_000, 20 * 3_600_000, 8 * 86_400_000)  # a session ends, a deletion is forgotten
STEPS_OF_A_POLL: Final = 12  # at which of the ledger's steps a worker may die
OLD: Final = ("lag=25s", "lag=20s:0.5", "lag=25s,on=moid", "lag=25s,replicas=3", "lag=25s,replicas=3,each=connection")
LIES: Final = (
    *(OLD * 4),  # the likeliest lie, and the one that is right in everything but the time
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
    "utf8:0.3",
    "utf8=TokenId,rows=3",
    "surrogate:0.3",
    "surrogate=LastLoginClient",
    "huge=40000:0.3",
    "huge=33000,property=SharedScope,rows=3",
    "types:0.3",
    "types,rows=4",
    "types=UserMeta,rows=9",
    "types=ModTime:0.5",
    "types=ExpirationTime,rows=9",
    "skew=300s",
    "skew=-300s",
    "skew=90s:0.3",
    "skew=-4000s,times=3",
    "skew=0,text=yesterday",
    "skew=0,text=yesterday:0.5",
)
ACTS: Final = {
    "login": 4,
    "short login": 2,
    "refresh": 5,
    "relogin": 2,
    "widen": 1,
    "rename": 1,
    "tag": 2,
    "remove": 1,
    "vanish": 1,
    "logout": 1,
}  # how often, beside each other
BIRTHS: Final = ("login", "short login")


class Walk:
    """One life, in a play; `done` counts what was done."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.done: Counter[str] = Counter()

    async def poll(self, pause_ms: int, *, fail_at: int = 0) -> None:
        """After a while the worker polls; it dies at the `fail_at`-th step of the ledger, if not 0."""
        self.play.wait(pause_ms)
        report = await self.play.poll(fail_at=fail_at)
        self.done[report.verdict if report else "cut off"] += 1
        if report and report.held:
            self.done["held"] += 1

    async def crash(self) -> None:
        """The worker dies between two polls."""
        await self.play.crash()

    async def wait(self, milliseconds: int) -> None:
        """Time goes by without any poll."""
        self.play.wait(milliseconds)

    async def honest(self) -> None:
        """The API tells the truth from now on."""
        self.play.simulator.faults.clear()

    async def lie(self, lie: str) -> None:
        """The API lies from now on, about this too.

        Not a lost privilege while deletions are let go: a person who says they are real is believed. And no old replica
        while `Date` is wrong: nothing but a clock tells how old a view may be.
        """
        armed = {type(fault).__name__ for fault in self.play.simulator.faults.armed()}
        if "by_moid=404" in lie and (self.play.is_released or len(self.play.world.tokens) < FEWEST):
            return
        if (lie.startswith("lag") and "Skew" in armed) or (lie.startswith("skew") and "Lag" in armed):
            return
        self.play.arm(lie)

    async def person(self, *, discards: bool) -> None:
        """A person who looks into what is held, once the API tells the truth again; what is gone is released."""
        play = self.play
        play.simulator.faults.clear()
        known_alive = all(moid in play.world.tokens for moid in play.held)
        play.order(control.DISCARD if known_alive and discards else control.RELEASE)
        await self.poll(0)

    async def quiet(self) -> None:
        """Nothing happens until all is understood."""
        await self.play.quiet()

    async def act(self, name: str, pick: int) -> None:
        """Somebody does something; `pick` says who, and to which token."""
        world, now = self.play.world, self.play.clock.now
        world.tick()
        name = name if len(world.tokens) >= FEWEST else BIRTHS[pick % len(BIRTHS)]
        user = world.users[pick % len(world.users)]
        clients = world.clients
        client = [None, *clients][pick % (len(clients) + 1)]
        moid = world.moids[pick % len(world.moids)] if world.moids else ""
        acts: dict[str, Callable[[], object]] = {
            "login": lambda: world.login(user, client),
            "short login": lambda: world.login(user, client, session_ms=(300, 9000, 60_000)[pick % 3]),
            "refresh": lambda: world.refresh(moid),
            "relogin": lambda: world.relogin(user),
            "widen": lambda: world.widen(moid),
            "rename": lambda: world.rename(clients[pick % len(clients)], f"app at {now}"),
            "tag": lambda: world.tag(moid, "owner", ("netops", 'équipe "blue"', None)[pick % 3]),
            "remove": lambda: world.remove(moid),
            "vanish": lambda: world.vanish(moid),
            "logout": lambda: world.logout(world.user(world.tokens[moid]["User"]["Moid"])),
        }
        acts[name]()
        self.done[name] += 1

    def told(self) -> dict[str, int]:
        """What was done, and what was published."""
        events = self.play.events
        done = self.done + Counter(event["event_type"] for event in events)
        done += Counter(f"cause {event['delete_cause']}" for event in events if event["delete_cause"])
        done += Counter(baseline=sum(event["baseline"] for event in events))
        return dict(sorted(done.items()))
