"""Lies that tell another content or another time, held to what happened all the same.

The scene is always the same: all is known; then one token is deleted, one changes and one is created, and the API
lies. What is published is what was told, exactly as the contract reads it; what is there and what is gone is as true as
ever; bounds are off by no more than `Date` was; and once the lie is over, readers know the truth again.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests import judge
from tests.truth.happened import LAG_MS
from tests.truth.model import INTERVAL_MS, Play, playing

TOKENS: Final = 30
LONGEST: Final = 32 * 1024


async def _lied_to(play: Play, fault: str, *, polls: int = 1) -> list[judge.Event]:
    """What is published while the API lies."""
    play.wait(LAG_MS + INTERVAL_MS)
    await play.poll()
    play.wait(5000)
    world, old = play.world, sorted(play.world.moids)
    world.login(world.users[0], world.clients[0])
    world.remove(old[3])
    world.widen(old[11])
    play.wait(1000)
    before = len(play.events)
    play.arm(*fault.split())
    for _ in range(polls):
        await play.poll()
        play.wait(INTERVAL_MS)
    return play.events[before:]


def _texts(token: judge.Event) -> list[str]:
    return [value for value in token.values() if isinstance(value, str)]


@pytest.mark.parametrize(
    "fault",
    [
        *("skew=300s", "skew=-300s", "skew=90s:0.5", "skew=0,text=yesterday", "skew=100000000", "skew=-100000000"),
        *("utf8", "utf8=TokenId,rows=3", "surrogate", "surrogate=UserMeta", "huge", "huge=33000,rows=3"),
        *("types", "types,rows=7", "types=ModTime,rows=7", "types=User,rows=7", "types=AccountMoid,rows=7"),
        *(
            "utf8 types",
            "huge=40000 surrogate",
            "types skew=300s",
            "types,rows=7 lag=25s",
            "utf8 hidden=0.6,by_moid=403",
        ),
    ],
)
@pytest.mark.parametrize("skew_ms", [0, 40_000])
async def test_the_law_holds(fault: str, skew_ms: int) -> None:
    """Over several polls and after them: no false delete, no event that was neither so nor told, nothing lost."""
    async with playing(seed=3, tokens=TOKENS, skew_ms=skew_ms) as play:
        await _lied_to(play, fault, polls=4)
        assert play.false_deletes() == []
        await play.quiet()
        assert play.false_deletes() == []
        assert play.polls > 4


@pytest.mark.parametrize("by", [300, -300])
async def test_bounds_move_with_the_date(by: int) -> None:
    """They are the server's time as it was told: off by as much as `Date`, and as narrow as ever."""
    async with playing(seed=3, tokens=TOKENS) as play:
        play.arm(f"skew={by}s")
        await play.poll()
        events = await _lied_to(play, "unknown", polls=3)
        moments = {entry.moid: entry.at for entry in play.world.truth.entries[-3:]}

    assert {event["event_type"] for event in events} == set(judge.EVENT_TOPICS)
    for event in events:
        assert event["not_before"] <= moments[event["moid"]] + by * 1000 <= event["not_after"]
        assert event["not_after"] - event["not_before"] < 60_000


@pytest.mark.parametrize(
    ("fault", "field", "told"),
    [
        ("utf8", "client_name", "caf\ufffd \ufffd\ufffd \ufffd"),
        ("surrogate", "client_name", "half \ufffd of a pair \ufffd"),
        ("types=ClientName", "client_name", None),
        ("types=ModTime", "mod_time", None),
        ("types=Owners", "owners", []),
        ("types=User", "user_moid", None),
    ],
)
async def test_a_value_is_told_as_the_contract_reads_it(fault: str, field: str, told: Any) -> None:
    """What is no text in a text is U+FFFD; what is of a wrong type is null, and its raw text stands in the extras."""
    async with playing(seed=3, tokens=TOKENS, noise=0.0) as play:
        events = await _lied_to(play, fault)

    (struck, *_) = [event["after"] for event in events if event["after"] and event["after"][field] == told]
    extras = {extra["name"]: json.loads(extra["json"]) for extra in struck["extras"]}
    assert len(extras) == fault.startswith("types")
    assert all(name == fault.partition("=")[2] for name in extras)


async def test_a_text_without_end_is_cut() -> None:
    """No text of an event exceeds 32 KiB; one that did says so, and begins as it did."""
    async with playing(seed=3, tokens=TOKENS, noise=0.0) as play:
        events = await _lied_to(play, "huge")

    texts = [text for event in events if event["after"] for text in _texts(event["after"])]
    longest = max(texts, key=len)
    assert len(longest.encode()) <= LONGEST
    assert longest.startswith("x" * 32_000)
    assert "1048576 bytes" in longest


@pytest.mark.parametrize("crashes", [False, True])
async def test_a_token_that_hides_its_age_may_be_young(crashes: bool) -> None:  # noqa: FBT001  a parameter of the test
    """Its CreateTime is no time, and then a replica answers that has never seen it, by list and by Moid: it waits."""
    async with playing(seed=3, tokens=TOKENS, noise=0.0) as play:
        play.wait(LAG_MS + INTERVAL_MS)
        await play.poll()
        moid = play.world.login(play.world.users[0], play.world.clients[0])
        play.arm(f"types=CreateTime,moid={moid}")
        play.wait(1000)
        await play.poll()
        assert play.believed[moid]["create_time"] is None
        play.simulator.faults.clear()
        play.arm("lag=25s")
        if crashes:
            await play.crash()
        for _ in range(4):
            play.wait(4000)
            await play.poll()
        assert play.false_deletes() == []
