"""Places for polls, and when the first one of a source is due."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import pace
from streamer.pace import Crowded, Pace, Place, Places
from tests.builders import NOON

MINUTE_S = 60.0


async def _waits(places: Places, kind: int) -> bool:
    """Whether no place is to be had now."""
    try:
        async with asyncio.timeout(0), places.one(kind):
            return False
    except TimeoutError:
        return True


async def test_so_many_have_a_place_and_no_more() -> None:
    """Whoever leaves makes room for one."""
    places = Places(3)
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(places.one())
        async with places.one():
            assert await _waits(places, 0)
        assert not await _waits(places, 0)


async def test_slow_ones_leave_half_to_the_quick() -> None:
    """However many slow accounts there are; and one place is one place."""
    places = Places(4)
    async with places.one(1), places.one(1):
        assert await _waits(places, 1)
        assert not await _waits(places, 0)
        async with places.one(), places.one():
            assert await _waits(places, 0)

    assert not await _waits(Places(1), 1)


async def test_whoever_is_overdue_for_longest_is_next() -> None:
    """Whoever asked before: after a worker was lost, its sources do not stand behind those that nobody neglected."""
    places = Places(1)
    had: list[float] = []

    async def ask(due: float) -> None:
        async with places.one(due=due):
            had.append(due)

    async with asyncio.TaskGroup() as group, places.one():
        for due in (4.0, 2.0, 5.0, 1.0, 3.0):
            group.create_task(ask(due))
        await asyncio.sleep(0)

    assert had == [1.0, 2.0, 3.0, 4.0, 5.0]


async def test_places_are_given_in_the_order_of_asking() -> None:
    """To those that were due at the same moment; nobody starves."""
    places = Places(1)
    had: list[int] = []

    async def ask(number: int) -> None:
        async with places.one():
            had.append(number)

    async with asyncio.TaskGroup() as group, places.one():
        for number in range(5):
            group.create_task(ask(number))
        await asyncio.sleep(0)
        assert had == []

    assert had == [0, 1, 2, 3, 4]


@given(age_ms=st.integers(-(10**9), 10**9))
def test_a_first_poll_is_due_an_interval_after_the_last_one(age_ms: int) -> None:
    """Whoever made that; other workers' clocks may be ahead, and then it is at most an interval. It may be overdue."""
    paced = Pace(Places(1), clock=lambda: NOON + age_ms)

    early_s = paced.early_s(NOON, MINUTE_S)

    assert early_s == min(MINUTE_S - age_ms / 1000, MINUTE_S)
    assert paced.early_s(None, MINUTE_S) == 0


def test_phases_differ() -> None:
    """Sources that begin together do not go on together."""
    paced = Pace(Places(1))

    phases = [paced.phase() for _ in range(200)]

    assert all(0 <= phase <= 1 for phase in phases)
    assert len(set(phases)) > 100


# Looks that take too long...


class Crowd:
    """Looks that hang until they are let go, and time that passes for all of them at once."""

    def __init__(self, most: int) -> None:
        self.places = Places(most)
        self.began: list[str] = []
        self.given_up: list[str] = []
        self.looking: dict[str, Place] = {}
        self.most = 0
        self.lets_go: dict[str, asyncio.Event] = {}

    async def hangs(self, name: str, kind: int = 0) -> None:
        """One that hangs, again and again if it has to give its place up."""
        go = self.lets_go.setdefault(name, asyncio.Event())
        try:
            async with self.places.one(kind) as place, place.look():
                self.began.append(name)
                self.looking[name] = place
                self.most = max(self.most, len(self.looking))
                try:
                    await go.wait()
                finally:
                    del self.looking[name]
        except Crowded:
            self.given_up.append(name)
            await self.hangs(name, place.kind + 1)

    async def passes(self, name: str) -> None:
        """One that does not hang."""
        async with self.places.one() as place, place.look():
            self.began.append(name)

    async def time_passes(self) -> None:
        """Every look that hangs has exceeded the limit of its kind."""
        for place in list(self.looking.values()):
            if place.kind < len(pace.SLOW_S) and place not in self.places._overdue:  # that is said once
                self.places.exceeds(place)
        await turns()

    def all_go(self) -> None:
        """Nothing hangs any more."""
        for go in self.lets_go.values():
            go.set()


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes but what a test lets pass."""
    monkeypatch.setattr(pace, "SLOW_S", (1e6, 2e6))


async def turns() -> None:
    """Let the loop do all that it has to do."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_hanging_looks_do_not_keep_quick_ones_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knew before that they hang, and they took all places: all quick ones are served while they still do."""
    monkeypatch.setattr(pace, "SLOW_S", (0.01, 0.02))
    crowd, quick = Crowd(4), [f"quick {number}" for number in range(20)]
    async with asyncio.TaskGroup() as group:
        for number in range(9):
            group.create_task(crowd.hangs(f"hanging {number}"))
        await asyncio.wait([group.create_task(crowd.passes(name)) for name in quick])
        assert len(crowd.looking) >= 2
        crowd.all_go()

    assert [name for name in crowd.began if name in quick] == quick
    assert all(crowd.given_up.count(name) <= len(pace.SLOW_S) for name in crowd.lets_go)


async def test_there_are_never_more_than_allowed() -> None:
    """However many move from one kind to the next, and whenever they end; afterwards no place is lost."""
    crowd, chance = Crowd(5), random.Random(7)
    async with asyncio.TaskGroup() as group:
        for number in range(60):
            group.create_task(crowd.hangs(f"{number}", chance.choice((0, 0, 0, 1, 2))))
        while sum(go.is_set() for go in crowd.lets_go.values()) < 60:
            await crowd.time_passes()
            for name in chance.sample(sorted(crowd.looking), chance.randint(0, len(crowd.looking))):
                crowd.lets_go[name].set()
            await turns()

    assert crowd.most == 5
    async with AsyncExitStack() as held:
        for _ in range(5):
            await held.enter_async_context(crowd.places.one())
        assert await _waits(crowd.places, 0)
    async with crowd.places.one(2):
        assert await _waits(crowd.places, 2)


async def test_a_slow_look_goes_on_while_nobody_waits() -> None:
    """Also if all places are taken by slow ones; who waits then ends one of them, and no more."""
    crowd = Crowd(2)
    async with asyncio.TaskGroup() as group:
        for name in ("one", "two"):
            group.create_task(crowd.hangs(name))
        await turns()
        await crowd.time_passes()
        assert crowd.given_up == []
        await crowd.passes("late")
        assert crowd.began == ["one", "two", "late"]
        assert crowd.given_up == ["two"]  # the other one has the place that slow ones have
        crowd.all_go()


async def test_a_lone_place_is_kept() -> None:
    """With one at a time there is nobody slower to go to: what nobody else could do without is not done twice."""
    crowd = Crowd(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(crowd.hangs("hanging"))
        await turns()
        group.create_task(crowd.passes("quick"))
        for _ in range(3):
            await crowd.time_passes()
        assert crowd.began == ["hanging"]
        crowd.all_go()

    assert crowd.given_up == []


async def test_what_is_written_is_never_given_up() -> None:
    """Once the look is over the place is kept for as long as the writing takes, whoever waits."""
    crowd, held, wrote = Crowd(2), asyncio.Event(), False

    async def writes() -> None:
        nonlocal wrote
        async with crowd.places.one() as place:
            async with place.look():
                await turns()
                crowd.places.exceeds(place)
            held.set()
            await turns()
            wrote = True

    async with asyncio.TaskGroup() as group:
        group.create_task(crowd.hangs("slow", 1))
        group.create_task(writes())
        await held.wait()
        await crowd.passes("quick")
        assert wrote
        crowd.all_go()


async def test_a_time_out_of_the_looks_own_stays_one() -> None:
    """It is not taken for a place that was given up."""
    with pytest.raises(TimeoutError):
        async with Places(1).one() as place, place.look():
            raise TimeoutError


async def test_a_place_is_not_lost_with_who_waits_for_it() -> None:
    """Whoever is cancelled in the very moment of being let in passes it on."""
    crowd = Crowd(1)
    async with asyncio.TaskGroup() as group:
        async with crowd.places.one():
            first, _ = [group.create_task(crowd.passes(name)) for name in ("one", "two")]
            await turns()
        first.cancel()  # it has just been let in

    assert crowd.began == ["two"]
    assert not await _waits(crowd.places, 0)
