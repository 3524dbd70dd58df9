"""Two lies at once, made for each other: one hides tokens from the list, the other one swears that they are gone.

None of them may bring about a false deletion, however many polls they last. No guard holds what they hide, and among it
are a token that is seconds old and one that is really deleted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from streamer.absence import Guard
from streamer.intersight.lookup import ONE_BY_ONE
from tests.truth.happened import LAG_MS
from tests.truth.model import INTERVAL_MS, POLICY, Play, playing

TOKENS: Final = 30
POLLS: Final = 3
MANY: Final = 2 * ONE_BY_ONE
OPEN: Final = replace(POLICY, guard=Guard(percent=100, at_least=1000, at_most=1000))

HIDE: Final = (  # tokens that are there, from a list that is whole in itself
    "hidden=0.6,by_moid=visible",
    "hidden=0.6,by_moid=403",
    "hidden=0.6,on=list",
    "lag=25s",
    "short,where=random,after=4,times=1,on=list count=-1,after=4,times=1,on=list",
)
SWEAR: Final = (  # that they are gone, or that it is another time
    "unknown",
    "short,where=random,on=filter count=-1,on=filter",
    "empty,on=filter",
    "account,on=moid",
    "lag=25s,on=moid",
    "html=404,on=moid",
    "types",
    "skew=300s",
    "skew=100000000s",
    "skew=0,text=yesterday",
    "accounts=none:0.5",
    "between,where=any",
)


async def _scene(play: Play, *lies: str) -> None:
    """A token is seen when it is seconds old; then the lies begin, and one is deleted."""
    play.policy = OPEN
    play.wait(LAG_MS + INTERVAL_MS)
    await play.poll()
    play.world.login(play.world.users[1], play.world.clients[1])
    play.wait(4000)
    await play.poll()
    play.wait(4000)
    play.arm(*lies)
    play.world.remove(play.world.moids[5])


@pytest.mark.parametrize("swear", SWEAR)
@pytest.mark.parametrize("hide", HIDE)
async def test_two_lies_make_no_deletion(hide: str, swear: str) -> None:
    """Whatever they say together; the judge of the play looks at every event."""
    async with playing(seed=5, tokens=TOKENS, noise=0.0) as play:
        await _scene(play, *hide.split(), *swear.split())
        for _ in range(POLLS):
            play.wait(3000)
            await play.poll()
        assert play.false_deletes() == []


@pytest.mark.parametrize("lies", [f"{HIDE[0]} {SWEAR[0]}", f"{HIDE[2]} {SWEAR[1]}"])
async def test_lists_by_name_make_no_deletion(lies: str) -> None:
    """The same where there are more tokens than are asked for one by one, so that lists are asked, too."""
    async with playing(seed=5, tokens=MANY, noise=0.0, page_size=1000) as play:
        await _scene(play, *lies.split())
        play.wait(3000)
        report = await play.poll()
        assert report is not None
        assert MANY - report.rows > ONE_BY_ONE
        assert play.false_deletes() == []


async def test_a_date_that_is_wrong_all_the_time_makes_nobody_old() -> None:
    """A token appears, 300 s old by the server's `Date`, and a replica that lags does not have it yet."""
    async with playing(seed=5, tokens=TOKENS, noise=0.0) as play:
        play.policy = OPEN
        play.wait(LAG_MS + INTERVAL_MS)
        await play.poll()
        play.arm("skew=300s")
        play.world.login(play.world.users[1], play.world.clients[1])
        play.wait(4000)
        await play.poll()
        play.arm("lag=20s")
        for _ in range(POLLS):
            play.wait(3000)
            report = await play.poll()
            assert report is not None
            assert report.waiting == 1
        assert play.false_deletes() == []
