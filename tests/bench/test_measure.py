"""A figure is of what its name says: of the process that did it, for as many tokens as it did, and it was done."""

from __future__ import annotations

import pytest

from tests.bench.measure import Spent, interleaved
from tests.bench.polls import Nowhere, Service, account, changing


async def test_a_process_of_its_own_tells_what_it_spent() -> None:
    """Per token of those that it did, beside a control that did another number; medians, and the ratio of these."""
    rounds = iter([Spent(1.0, 1.0, 1), Spent(0.004, 0.008, 2), Spent(0.0, 0.0, 1)])

    async def control() -> Spent:
        return Spent(0.01, 0.01, 10)

    async def other() -> Spent:
        return next(rounds)

    found = await interleaved("poll", {"control": control, "other": other}, 10, 3)

    assert [(one.way, one.tokens, one.ratio) for one in found] == [("control", 10, None), ("other", 10, 2.0)]
    assert [(one.cpu_us, one.wall_us) for one in found] == [(1000.0, 1000.0), (2000.0, 4000.0)]


async def test_a_poll_is_held_to_what_its_figure_is_called() -> None:
    """One in which nothing changed is no figure for changes, nor the other way round."""
    async with account(3) as shown:
        service = Service(shown.url, Nowhere())
        async with service.source:
            await service.turn()
            await changing(service, changes=False)()
            with pytest.raises(AssertionError, match="0 of 3 tokens changed"):
                await changing(service)()
            shown.show("one")
            with pytest.raises(AssertionError, match="1 of 3 tokens changed"):
                await changing(service, changes=False)()
