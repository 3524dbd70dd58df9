"""The scripted day: what happens to an account's tokens, act by act, each told in one sentence.

Question: how can what a reader saw be compared exactly with what happened? Between two accepted polls only the net
change is published. Choice: an act is followed by a look: the next act waits until a poll that began after this one
was accepted, and no act changes a token twice; so each entry of the ledger is one event, on a slow machine too.
Rejected: acts at fixed seconds, which a busy machine reads two at a time.

Nothing here knows what a streamer is: the play is given the world, a way to spoil the API, and a way to wait.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.demo.life import Life, Rates
from streamer.demo.shapes import ZERO_TIME, Client, User, instant
from streamer.demo.world import HOUR_MS, Customs, World

TOKENS: Final = 60
SHORT_SESSION_MS: Final = 3_000
OFFICE: Final = "198.51.100.24"
ABROAD: Final = "203.0.113.66"
RENAMED: Final = " (migrated)"
LOGGED_OUT: Final = 3  # tokens, or about: enough to see, too few for a guard against mass deletion


def a_world(clock: Callable[[], int], **options: Any) -> Life:
    """The account as it is in the morning; `options` as of `World`. Nothing happens but what the script says."""
    nothing, lingering = Rates(per_second=0), Customs(linger_ms=HOUR_MS, sparse=0.1)
    return Life(clock, rates=nothing, **{"tokens": TOKENS, "customs": lingering, **options})


@dataclass(slots=True)
class Stage:
    """What an act finds: the world, `hiccup` to make the API fail for a moment, and the tokens of earlier acts."""

    world: World
    hiccup: Callable[[], None]
    moids: dict[str, str] = field(default_factory=dict)

    def person(self, number: int) -> User:
        """One of the account's people."""
        return self.world.users[number]

    def app(self, number: int) -> Client:
        """One of the registered applications, as it is called now."""
        return self.world.clients[number]

    def login(self, role: str, user: User, client: Client, ip: str, *, session_ms: int | None = None) -> None:
        """A token is born, and remembered by its role in the play."""
        self.moids[role] = self.world.login(user, client, ip, session_ms=session_ms)

    def ends_at(self, role: str) -> int:
        """When a token's time is over (ms)."""
        end = self.world.tokens[self.moids[role]]["ExpirationTime"]
        return 0 if end == ZERO_TIME else instant(end) or 0


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens: `do` does it and says it; `not_before` is the time (ms) it has to wait for."""

    do: Callable[[Stage], str]
    not_before: Callable[[Stage], int] = lambda _: 0


async def play(
    stage: Stage,
    *,
    tell: Callable[[str], None],
    seen: Callable[[int], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Play the whole day.

    Args:
        stage: a world nobody acted on yet, whose tokens were seen by a first poll.
        tell: takes each act's sentence once it has happened.
        seen: returns when a poll was accepted that began at this time (ms, the world's clock) or later.
        sleep: waits so many seconds.
    """
    clock = stage.world.clock
    for act in ACTS:
        while (wait_ms := act.not_before(stage) - clock()) > 0:
            await sleep(wait_ms / 1000)
        tell(act.do(stage))
        await seen(clock() + 1)


# The acts, in their order...


def _morning(stage: Stage) -> str:
    first, second, third = stage.person(0), stage.person(1), stage.person(2)
    stage.login("laptop", first, stage.app(0), OFFICE)
    stage.login("runner", second, stage.app(1), OFFICE)
    stage.login("board", third, stage.app(2), "2001:db8:17::9")
    return f"{first.name}, {second.name} and {third.name} each let an application act for them: three new tokens."


def _refreshes(stage: Stage) -> str:
    for role in ("laptop", "runner", "board"):
        stage.world.refresh(stage.moids[role])
    return "Their applications renew their access tokens in the background: routine, and told apart as `refresh`."


def _elsewhere(stage: Stage) -> str:
    user = stage.person(3)
    stage.world.relogin(user, ABROAD)
    return f"{user.name} logs in from {ABROAD}, a network not seen for them before: all their tokens show it at once."


def _nothing(_: Stage) -> str:
    return "Nothing happens. Intersight shuffles its lists and links as ever, and no event comes of it."


def _widening(stage: Stage) -> str:
    stage.world.widen(stage.moids["runner"])
    return f"The token {stage.moids['runner']} becomes an administrator's: a privilege grew without a login."


def _short_session(stage: Stage) -> str:
    world, user = stage.world, stage.person(4)
    used = {world.tokens[moid]["ClientId"] for moid in world.owned_by(user)}
    strange = next((client for client in world.clients if client.client_id not in used), stage.app(3))
    stage.login("script", user, strange, OFFICE, session_ms=SHORT_SESSION_MS)
    return f"{user.name} starts a script, never seen for them before, whose session lasts {SHORT_SESSION_MS // 1000} s."


def _renaming(stage: Stage) -> str:
    world = stage.world
    client = max(world.clients, key=lambda client: sum(_belongs(row, client) for row in world.tokens.values()))
    count = sum(_belongs(row, client) for row in world.tokens.values())
    world.rename(client, client.name + RENAMED)
    return f"The application {client.name} gets another name: {count} tokens change in one poll."


def _hiccup(stage: Stage) -> str:
    stage.hiccup()
    stage.world.tag(stage.moids["board"], "owner", "soc")
    return "The API answers 503 for a moment; a token is tagged meanwhile, and shows up with the next good answer."


def _expiry(stage: Stage) -> str:
    stage.world.expire(stage.moids["script"])
    return "The script's session is over, and its token goes: `expired`, which nobody needs to look into."


def _logout(stage: Stage) -> str:
    world = stage.world
    others = [user for user in world.users[5:] if world.owned_by(user)]
    user = min(others, key=lambda user: abs(len(world.owned_by(user)) - LOGGED_OUT))
    gone = world.logout(user)
    return f"{user.name} logs out: {len(gone)} tokens go at once, each proven by a look-up of its own."


def _removal(stage: Stage) -> str:
    stage.world.remove(stage.moids["runner"])
    return f"{stage.world.admin.name} deletes the token that became an administrator's by hand."


ACTS: Final = (
    Act(_morning),
    Act(_refreshes),
    Act(_elsewhere),
    Act(_nothing),
    Act(_widening),
    Act(_short_session),
    Act(_renaming),
    Act(_hiccup),
    Act(_expiry, not_before=lambda stage: stage.ends_at("script")),
    Act(_logout),
    Act(_removal),
    Act(_nothing),
)


def _belongs(row: dict[str, Any], client: Client) -> bool:
    return bool(row["ClientId"] == client.client_id)
