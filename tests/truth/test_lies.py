"""One row a lie: what the API says, what is published meanwhile, and what the report of that poll tells.

The scene is always the same: all is known; then one token is deleted, one changes and one is created, and the API
lies. Under no lie a token that is there is published as deleted, and once the lie is over readers know the truth. The
control (`naive`) stands beside: where the table says that it is fooled, it publishes a deletion that did not happen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx
import pytest

from tests.demo.stage import Signed
from tests.truth.happened import LAG_MS
from tests.truth.model import CREDENTIALS, INTERVAL_MS, Play, playing
from tests.truth.naive import Naive

TOKENS: Final = 30
SEED: Final = 3
NOTHING: Final = (0, 0, 0)
ALL: Final = (1, 1, 1)


@dataclass(frozen=True, slots=True)
class Lie:
    """A row.

    Attributes:
        fault: what is armed, in the simulator's short form; several with spaces between.
        published: how many created, modified and deleted events.
        reason: of a rejected poll; None: it is accepted.
        held, waiting, stale: what the report counts.
        fools: whether the control publishes a false delete.
        judged: False where another content or another time is told: events are not held to what happened then.
    """

    fault: str
    published: tuple[int, int, int] = NOTHING
    reason: str | None = None
    held: int = 0
    waiting: int = 0
    stale: int = 0
    fools: bool = True
    judged: bool = True


TABLE: Final[tuple[Lie, ...]] = (
    Lie("unknown", ALL, fools=False),
    Lie("unknown=enum", ALL, fools=False),
    Lie("short", reason="short_page"),
    Lie("short,where=first", reason="short_page"),
    Lie("short,where=random", reason="short_page"),
    Lie("short=3,times=1", ALL),
    Lie("twice", reason="duplicate_moid"),
    Lie("unsorted", reason="duplicate_moid", fools=False),
    Lie("repeated", reason="duplicate_moid", fools=False),
    Lie("count=+1", reason="short_page", fools=False),
    Lie("count=-1", reason="count_mismatch", fools=False),
    Lie("count=missing", reason="count_mismatch", fools=False),
    Lie("count=null", reason="count_mismatch", fools=False),
    Lie("count=text", reason="not_a_list", fools=False),
    Lie("empty", held=31),
    Lie("empty,times=1", held=31),
    Lie("null", reason="short_page"),
    Lie("null=missing", reason="not_a_list"),
    Lie("html", reason="not_json"),
    Lie("html=502", reason="unavailable"),
    Lie("redirect", reason="http_302"),
    Lie("truncated", reason="not_json"),
    Lie("truncated=wrong", reason="unavailable"),
    Lie("drip=3s,pieces=3", ALL, fools=False),
    Lie("reset", reason="unavailable"),
    Lie("reset=within", reason="unavailable"),
    Lie("status=500", reason="unavailable"),
    Lie("status=503,times=1", ALL),
    Lie("status=403", reason="forbidden"),
    Lie("status=401", reason="unauthorized"),
    Lie("status=503,on=moid", (1, 1, 0), waiting=1, fools=False),
    Lie("html,on=moid", (1, 1, 0), waiting=1, fools=False),
    Lie("throttled", reason="throttled"),
    Lie("throttled,retry_after=1,times=1", ALL),
    Lie("throttled,retry_after=300", reason="throttled"),
    Lie("slow=20s", ALL, fools=False),
    Lie("lag=25s", waiting=1),
    Lie("lag=25s,on=list", waiting=1),
    Lie("lag=25s,on=moid", (1, 1, 0), fools=False),
    Lie("hidden=0.6", held=13),
    Lie("hidden=1", held=31),
    Lie("hidden=0.6,by_moid=403", held=13),
    Lie("hidden=1,by_moid=403", held=31),
    Lie("hidden=0.6,by_moid=visible", held=13),
    Lie("hidden=0.05,by_moid=403", ALL, waiting=1),
    Lie("hidden=0.05,by_moid=visible", ALL),
    Lie("account", reason="wrong_account"),
    Lie("account,moids=same", reason="wrong_account", fools=False),
    Lie("account=0.3", reason="wrong_account"),
    Lie("account=0.3,moids=same", reason="wrong_account", fools=False),
    Lie("accounts=more", (1, 1, 0), held=1, fools=False),
    Lie("accounts=none", (1, 1, 0), held=1, fools=False),
    Lie("accounts=other", reason="wrong_account", fools=False),
    Lie("skew=300s", ALL, fools=False, judged=False),
    Lie("skew=-300s", (1, 1, 0), waiting=1, fools=False, judged=False),
    Lie("skew=0,text=yesterday", ALL, fools=False, judged=False),
    Lie("moid=missing", reason="row_without_moid"),
    Lie("moid=null", reason="row_without_moid"),
    Lie("moid=empty", reason="row_without_moid"),
    Lie("moid=number", reason="bad_moid"),
    Lie("moid=long", reason="bad_moid"),
    Lie("moid=odd", reason="bad_moid"),
    Lie("utf8", (1, 6, 1), judged=False),
    Lie("surrogate", (1, 6, 1), fools=False, judged=False),
    Lie("huge", (1, 6, 1), fools=False, judged=False),
    Lie("nan", reason="not_json", fools=False),
    Lie("types", (1, 6, 1), fools=False, judged=False),
    Lie("audit=60s", (1, 1, 0), waiting=1, fools=False),
    Lie("audit,forbidden=true", ALL, fools=False),
    Lie("keyset=refused", ALL, fools=False),
    Lie("keyset=ignored", ALL, fools=False),
    Lie("keyset=ge", ALL, fools=False),
    Lie("between", (4, 1, 1)),
    Lie("between,where=coming", (4, 1, 0), held=5, fools=False),
)


async def _begun(play: Play) -> None:
    """What both know before the lie: all tokens, of which the last one is only seconds old."""
    play.wait(LAG_MS + INTERVAL_MS)
    play.world.login(play.world.users[1], play.world.clients[1])


def _scene(play: Play) -> None:
    """What really happens between the two polls."""
    world = play.world
    play.wait(5000)
    world.login(world.users[0], world.clients[0])
    old = [moid for moid in world.moids if world.tokens[moid]["CreateTime"] < world.accounts()[0]["CreateTime"]]
    world.remove(old[3])
    world.widen(old[11])
    play.wait(1000)


async def _fooled(lie: Lie) -> set[str]:
    """What the control publishes as deleted in the same scene, and is there."""
    async with playing(seed=SEED, tokens=TOKENS, noise=0.0) as play:
        auth = Signed(CREDENTIALS.ec, play.clock)
        async with httpx.AsyncClient(base_url=play.url, auth=auth, timeout=30) as client:
            naive = Naive(client)
            await _begun(play)
            await naive.deleted()
            _scene(play)
            play.arm(*lie.fault.split())
            return await naive.deleted() & play.world.tokens.keys()


@pytest.mark.parametrize("lie", TABLE, ids=lambda lie: lie.fault)
async def test_a_lie(lie: Lie) -> None:
    """What the table says is published and reported; no false delete; the truth once the lie is over."""
    async with playing(seed=SEED, tokens=TOKENS, noise=0.0) as play:
        await _begun(play)
        await play.poll()
        _scene(play)
        play.arm(*lie.fault.split())
        play.judged = lie.judged
        report = await play.poll()
        assert report is not None
        told = Lie(
            lie.fault,
            (report.created, report.modified, report.deleted),
            report.reason,
            held=report.held,
            waiting=report.waiting,
            stale=report.stale,
            fools=bool(await _fooled(lie)),
            judged=lie.judged,
        )
        assert told == lie
        assert play.false_deletes() == []
        await play.quiet()
        assert play.false_deletes() == []


async def test_the_truth_fools_nobody() -> None:
    """Without any lie the control tells the same as we do: it is the lies that it cannot bear."""
    assert await _fooled(Lie("unknown")) == set()


def test_the_table_bites() -> None:
    """Most of its rows fool the control."""
    assert sum(lie.fools for lie in TABLE) > len(TABLE) / 2
