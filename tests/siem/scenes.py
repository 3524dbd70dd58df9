"""One scene for each detection and one that is nearly the same: the simulator plays, the real cycle tells, ECS lines.

`RULES` names by the rule's title what must fire and what must not; nothing here knows how a rule is written.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from streamer import avro
from streamer.absence import Guard
from streamer.demo.shapes import ZERO_TIME, rfc3339
from streamer.siem.forms import FORMS
from tests.truth.model import POLICY, Play, playing

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
OFFICE, NEXT_DESK, ABROAD, ELSEWHERE = "198.51.100.24", "198.51.100.25", "203.0.113.66", "192.0.2.7"
INSIDE: Final = "10.1.2.3"
ANYTHING: Final = Guard(percent=100, at_least=1_000, at_most=1_000, window_ms=MINUTE)  # no deletion is held

Act = Callable[[Play], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Recording:
    """What a SIEM has after a scene: the events as the relay's lines, ECS and plain JSON, and the reports."""

    events: list[dict[str, Any]]
    plain: list[dict[str, Any]]
    reports: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Scenes:
    """`fires`: the detection tells it; `silent`: nearly the same, and it does not."""

    fires: Act
    silent: Act


_PLAYED: Final[dict[Act, Recording]] = {}


async def record(act: Act) -> Recording:
    """What a scene left; it is played once, whoever asks."""
    if act not in _PLAYED:
        _PLAYED[act] = await _play(act)
    return _PLAYED[act]


async def _play(act: Act) -> Recording:
    """Play a scene in an account of eight tokens that were there before, and are no other person's business."""
    async with playing(seed=11, tokens=8, linger_ms=2 * HOUR) as play:
        play.policy = replace(POLICY, guard=ANYTHING)
        play.world.users.sort(key=lambda user: len(play.world.owned_by(user)))
        await play.poll()
        await act(play)
    events, plain = ([json.loads(FORMS[form](event)) for event in play.events] for form in ("ecs", "json"))
    return Recording(events, plain, [json.loads(avro.json_line(report, avro.REPORT)) for report in play.reports])


async def later(play: Play, milliseconds: int = MINUTE, *, polls: int = 1) -> None:
    """So much time goes by, and then so many polls, ten seconds apart."""
    play.wait(milliseconds)
    for _ in range(polls):
        await play.poll()
        play.wait(10_000)


def login(play: Play, ip: str = INSIDE, *, person: int = 0, app: int = 0, session_ms: int = DAY) -> str:
    """A token is born; its Moid."""
    world = play.world
    return world.login(world.users[person], world.clients[app], ip, session_ms=session_ms)


def logins(*addresses: str, every: int, people: tuple[int, ...] = (0,)) -> Act:
    """A login from each address, so far apart, by these people in turn."""

    async def act(play: Play) -> None:
        for number, ip in enumerate(addresses):
            login(play, ip, person=people[number % len(people)])
            await later(play, every)

    return act


def session(milliseconds: int) -> Act:
    """A token that may live so long."""

    async def act(play: Play) -> None:
        login(play, session_ms=milliseconds)
        await later(play)

    return act


def relogins(*addresses: str, after: int, launched_from: str = INSIDE, session_ms: int = 0) -> Act:
    """A token is launched, and its user logs in from each address, so long after the step before."""

    async def act(play: Play) -> None:
        login(play, launched_from, person=1, session_ms=session_ms)
        await later(play, 1_000)
        for ip in addresses:
            play.wait(after)
            play.world.relogin(play.world.users[1], ip)
            await later(play, 1_000)

    return act


def lingering(polls: int) -> Act:
    """A token stays in the list past its time, for so many polls."""

    async def act(play: Play) -> None:
        login(play, session_ms=2 * MINUTE)
        await later(play)
        await later(play, 5 * MINUTE, polls=polls)

    return act


def removals(count: int, *, polls: int = 6) -> Act:
    """An administrator deletes so many of a dozen tokens."""

    async def act(play: Play) -> None:
        moids = [login(play, person=number % 3) for number in range(12)]
        await later(play, HOUR)
        for moid in moids[:count]:
            play.world.remove(moid)
        await later(play, polls=polls)

    return act


def held(count: int) -> Act:
    """So many tokens of a dozen are deleted, where more than three are held."""

    async def act(play: Play) -> None:
        play.policy = POLICY
        await play.crash()
        await removals(count, polls=3)(play)

    return act


async def refreshes(play: Play) -> None:
    """Every token is renewed, whatever its end."""
    login(play)
    await later(play)
    for moid in [*play.world.tokens]:
        play.world.refresh(moid)
    await later(play)


async def expiries(play: Play) -> None:
    """A dozen tokens end by themselves."""
    for number in range(12):
        login(play, person=number % 3, session_ms=10 * MINUTE)
    await later(play)
    await later(play, 4 * HOUR, polls=6)


def edit(**changes: Any) -> Act:
    """A token of a day's life is changed in place, by its properties' API names."""

    async def act(play: Play) -> None:
        moid = login(play)
        await later(play)
        play.world.edit(moid, "edit", **changes)
        await later(play)

    return act


def lifetime(change: int | None) -> Act:
    """A token's expiry moves so far; None: there is none any more."""

    async def act(play: Play) -> None:
        moid = login(play)
        await later(play)
        ends = ZERO_TIME if change is None else rfc3339(play.clock.now + DAY + change)
        play.world.edit(moid, "edit", ExpirationTime=ends)
        await later(play)

    return act


async def widening(play: Play) -> None:
    """A token's permission grows."""
    moid = login(play)
    await later(play)
    play.world.widen(moid)
    await later(play)


async def renaming(play: Play) -> None:
    """Its application is called something else, and its access is refreshed."""
    moid = login(play)
    await later(play)
    play.world.rename(play.world.clients[0], "Portal (migrated)")
    play.world.refresh(moid)
    await later(play)


def short_life(milliseconds: int) -> Act:
    """A token is deleted so long after its creation."""

    async def act(play: Play) -> None:
        moid = login(play)
        await later(play, milliseconds)
        play.world.remove(moid)
        await later(play, polls=12)

    return act


def apps(first: int, second: int) -> Act:
    """A person uses one application, and an hour later one again."""

    async def act(play: Play) -> None:
        for app in (first, second):
            login(play, app=app)
            await later(play, HOUR)

    return act


async def nothing(play: Play) -> None:
    """An hour in which nobody does anything."""
    await later(play, HOUR, polls=3)


def both(*acts: Act) -> Act:
    """One after the other."""

    async def act(play: Play) -> None:
        for one in acts:
            await one(play)

    return act


FIVE: Final = (INSIDE,) * 5
RULES: Final = {
    "Intersight OAuth2 Token Launched From An Unapproved Address": Scenes(
        logins(ABROAD, every=MINUTE), logins(INSIDE, every=MINUTE)
    ),
    "Long-Lived Intersight OAuth2 Token": Scenes(session(31 * DAY), both(session(29 * DAY), refreshes)),
    "Intersight OAuth2 Token Used After Its Expiry": Scenes(
        relogins(INSIDE, after=5 * MINUTE, session_ms=2 * MINUTE), relogins(INSIDE, after=MINUTE, session_ms=2 * MINUTE)
    ),
    "Intersight OAuth2 Tokens Keep Outliving Their Expiry": Scenes(lingering(3), lingering(2)),
    "Burst Of Intersight OAuth2 Tokens For One User": Scenes(
        logins(*FIVE, every=MINUTE), both(logins(*FIVE, every=3 * MINUTE), logins(*FIVE, every=MINUTE, people=(1, 2)))
    ),
    "Intersight OAuth2 Token Logged In From Another Network": Scenes(
        relogins(OFFICE, ABROAD, after=HOUR), relogins(OFFICE, NEXT_DESK, after=HOUR, launched_from=OFFICE)
    ),
    "Mass Revocation Of Intersight OAuth2 Tokens": Scenes(removals(10), both(removals(9), expiries)),
    "Deletions Of Intersight OAuth2 Tokens Wait For A Person": Scenes(held(4), held(3)),
    "Dormant Intersight OAuth2 Token Used Again": Scenes(
        relogins(OFFICE, OFFICE, after=31 * DAY), relogins(OFFICE, OFFICE, after=29 * DAY)
    ),
    "Intersight OAuth2 Token For An Unknown Application": Scenes(logins(INSIDE, every=MINUTE), nothing),
    "First Intersight OAuth2 Token Of An Application For This User": Scenes(apps(0, 1), apps(0, 0)),
    "Lifetime Of An Intersight OAuth2 Token Extended In Place": Scenes(
        lifetime(HOUR), both(lifetime(-2 * HOUR), renaming)
    ),
    "Owner, Permission Or Application Of An Intersight OAuth2 Token Changed": Scenes(widening, renaming),
    "Intersight OAuth2 Token Used Elsewhere Right After Its Launch": Scenes(
        relogins(ABROAD, after=5 * MINUTE, launched_from=OFFICE),
        both(
            relogins(NEXT_DESK, after=5 * MINUTE, launched_from=OFFICE),
            relogins(ABROAD, after=20 * MINUTE, launched_from=NEXT_DESK),
        ),
    ),
    "Intersight OAuth2 Tokens Of One User From Many Addresses": Scenes(
        logins(OFFICE, ABROAD, ELSEWHERE, every=10 * MINUTE),
        both(logins(OFFICE, ABROAD, OFFICE, every=10 * MINUTE), logins(ELSEWHERE, every=2 * HOUR, people=(1,))),
    ),
    "Intersight OAuth2 Token Created And Deleted Within Minutes": Scenes(short_life(MINUTE), short_life(10 * MINUTE)),
}
EXTRA: Final = {  # other ways to do the same
    "Long-Lived Intersight OAuth2 Token": session(0),
    "Lifetime Of An Intersight OAuth2 Token Extended In Place": lifetime(None),
    "Intersight OAuth2 Token Launched From An Unapproved Address": logins("somewhere", every=MINUTE),
    "Owner, Permission Or Application Of An Intersight OAuth2 Token Changed": edit(SharedScope="account"),
}
