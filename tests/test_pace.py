"""Places for polls, and when the first one of a source is due."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from hypothesis import given
from hypothesis import strategies as st

from streamer.pace import Pace, Places
from tests.builders import NOON

MINUTE_S = 60.0


async def _waits(places: Places, *, slow: bool) -> bool:
    """Whether no place is to be had now."""
    try:
        async with asyncio.timeout(0), places.one(slow=slow):
            return False
    except TimeoutError:
        return True


async def test_so_many_have_a_place_and_no_more() -> None:
    """Whoever leaves makes room for one."""
    places = Places(3)
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(places.one(slow=False))
        async with places.one(slow=False):
            assert await _waits(places, slow=False)
        assert not await _waits(places, slow=False)


async def test_slow_ones_leave_half_to_the_quick() -> None:
    """However many slow accounts there are; and one place is one place."""
    places = Places(4)
    async with places.one(slow=True), places.one(slow=True):
        assert await _waits(places, slow=True)
        assert not await _waits(places, slow=False)
        async with places.one(slow=False), places.one(slow=False):
            assert await _waits(places, slow=False)

    assert not await _waits(Places(1), slow=True)


async def test_places_are_given_in_the_order_of_asking() -> None:
    """Nobody starves."""
    places = Places(1)
    had: list[int] = []

    async def ask(number: int) -> None:
        async with places.one(slow=False):
            had.append(number)

    async with asyncio.TaskGroup() as group, places.one(slow=False):
        for number in range(5):
            group.create_task(ask(number))
        await asyncio.sleep(0)
        assert had == []

    assert had == [0, 1, 2, 3, 4]


@given(age_ms=st.integers(-(10**9), 10**9))
def test_a_first_poll_is_due_an_interval_after_the_last_one(age_ms: int) -> None:
    """Whoever made that; other workers' clocks may be ahead, and then it is at most an interval."""
    pace = Pace(Places(1), clock=lambda: NOON + age_ms)

    early_s = pace.early_s(NOON, MINUTE_S)

    assert early_s == min(max(0.0, MINUTE_S - age_ms / 1000), MINUTE_S)
    assert pace.early_s(None, MINUTE_S) == 0


def test_phases_differ() -> None:
    """Sources that begin together do not go on together."""
    pace = Pace(Places(1))

    phases = [pace.phase() for _ in range(200)]

    assert all(0.5 <= phase <= 1 for phase in phases)
    assert len(set(phases)) > 100
