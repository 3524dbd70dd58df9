"""Paging by offset, where the service knows no other way: every shift is a tear, and every tear another walk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from streamer.errors import Rejected
from streamer.intersight.paging import Disproved, Paging
from streamer.tokens import Snapshot
from tests.intersight.account import Account, Asked, Shown, moids, moving, outcome, read, refused
from tests.intersight.stage import NOW

MOIDS = moids(7)


async def _by_offset(account: Account, *, size: int = 3, clock: Callable[[], int] = lambda: NOW) -> Snapshot:
    paging = Paging("test")
    paging.disproved(Disproved("said so"), NOW)
    return await read(account, size=size, paging=paging, clock=clock)


@pytest.mark.parametrize(("size", "pages"), [(1, 7), (2, 7), (3, 4), (6, 2), (7, 2), (8, 1), (1000, 1)])
async def test_pages_overlap_by_a_row(size: int, pages: int) -> None:
    """Each page begins with the last row of the page before; every row is in the snapshot, once."""
    account = Account(set(MOIDS))
    seen = await _by_offset(account, size=size)

    assert (sorted(seen.rows), seen.walk.paging) == (MOIDS, "skip")
    assert (seen.walk.pages, seen.walk.rows, seen.walk.server_count, len(account.asked)) == (pages, 7, 7, pages)
    top = max(size, 2)
    assert [asked.query for asked in account.asked] == [
        (("$top", str(top)), ("$skip", str(n * (top - 1))), ("$orderby", "Moid"), ("$inlinecount", "allpages"))
        for n in range(pages)
    ]


def on(skip: int, lie: Callable[[Shown], Shown]) -> Callable[[Asked, Shown], Response | Shown]:
    """A lie told whenever the page at this offset is asked for."""
    return lambda asked, shown: lie(shown) if asked.skip == skip else shown


TEARS: dict[str, tuple[Callable[[Asked, Shown], Response | Shown], str]] = {
    "Count grows": (on(2, lambda s: Shown(s.moids, 8)), "torn"),
    "Count shrinks": (on(2, lambda s: Shown(s.moids, 6)), "torn"),
    "Count falls to 0": (on(2, lambda _: Shown([], 0)), "torn"),
    "Count missing": (on(2, lambda s: Shown(s.moids, None)), "count_mismatch"),
    "Count missing at first": (on(0, lambda s: Shown(s.moids, None)), "count_mismatch"),
    "Count negative": (on(0, lambda s: Shown(s.moids, -1)), "count_mismatch"),
    "first page short": (on(0, lambda s: Shown(s.moids[:2], s.count)), "short_page"),
    "middle page short": (on(2, lambda s: Shown(s.moids[:2], s.count)), "short_page"),
    "empty 200 with a Count": (on(0, lambda s: Shown([], s.count)), "short_page"),
    "more rows than Count": (on(0, lambda s: Shown(s.moids, 2)), "count_mismatch"),
    "more rows than asked for": (on(0, lambda s: Shown(MOIDS[:4], s.count)), "count_mismatch"),
    "a page repeated": (on(2, lambda s: Shown(MOIDS[:3], s.count)), "duplicate_moid"),
    "a row twice on a page": (on(0, lambda s: Shown([MOIDS[0], MOIDS[1], MOIDS[0]], s.count)), "duplicate_moid"),
    "shifted left": (on(2, lambda s: Shown(MOIDS[3:6], s.count)), "torn"),
    "shifted right": (on(2, lambda s: Shown(MOIDS[1:4], s.count)), "duplicate_moid"),
    "the first page shuffled": (on(0, lambda s: Shown([MOIDS[1], MOIDS[2], MOIDS[0]], s.count)), "torn"),
    "the overlap shuffled": (on(2, lambda s: Shown([MOIDS[3], MOIDS[2], MOIDS[4]], s.count)), "torn"),
}


@pytest.mark.parametrize("name", TEARS)
async def test_a_tear_that_does_not_heal_rejects_the_poll(name: str) -> None:
    """A walk with this fault is taken three times; then it is the reason, with how far the last walk came."""
    spoil, reason = TEARS[name]
    account = Account(set(MOIDS), spoil=spoil)
    with pytest.raises(Rejected) as caught:
        await _by_offset(account)

    assert (caught.value.reason, caught.value.walk.paging) == (reason, "skip")
    assert sum(asked.skip == 0 for asked in account.asked) == 3
    assert len(account.asked) == 3 * caught.value.walk.pages


@pytest.mark.parametrize("name", TEARS)
async def test_a_tear_that_heals_is_forgotten(name: str) -> None:
    """A whole walk after two torn ones is a snapshot, of its own rows alone, that began after the torn ones."""
    spoil, _ = TEARS[name]
    ticks = iter(range(NOW, NOW + 10_000))
    walks: list[int] = []

    def twice(asked: Asked, shown: Shown) -> Response | Shown:
        walks.extend([asked.number] if asked.skip == 0 else [])
        return spoil(asked, shown) if len(walks) < 3 else shown

    seen = await _by_offset(Account(set(MOIDS), spoil=twice), clock=lambda: next(ticks))

    assert (sorted(seen.rows), seen.walk.pages, seen.walk.rows) == (MOIDS, 4, 7)
    assert seen.started_at > NOW + walks[2]
    assert seen.rows[MOIDS[0]].arrived_at > seen.started_at


async def test_the_server_s_date_is_that_of_the_last_reply() -> None:
    """Of the walk that holds, not of one that was torn."""
    account = Account(set(MOIDS))

    def dated(asked: Asked, shown: Shown) -> Response:
        answer = account.page(Shown(shown.moids, 8) if asked.number == 1 else shown)
        answer.headers["date"] = formatdate(NOW // 1000 + asked.number, usegmt=True)
        return answer

    account.spoil = dated
    seen = await _by_offset(account)

    assert (len(account.asked), seen.walk.server_date) == (2 + 4, NOW + 5000)


async def test_a_shift_that_keeps_every_count_is_caught() -> None:
    """One token gone before the offset and one come behind it, between two pages: no row is lost."""
    account = Account(set(MOIDS))

    def before(number: int) -> None:
        if number == 1:
            account.moids ^= {MOIDS[0], "m9999"}

    account.before = before
    seen = await _by_offset(account)

    assert {request.skip for request in account.asked[:2]} == {0, 2}
    assert sorted(seen.rows) == [*MOIDS[1:], "m9999"]
    assert sum(asked.skip == 0 for asked in account.asked) == 2


async def test_an_account_that_never_stands_still_is_torn() -> None:
    """If each of three walks is shifted so, the poll is `torn`."""
    account = Account({*MOIDS, *(f"a{i:03d}" for i in range(50))})

    def before(number: int) -> None:
        account.moids.discard(f"a{number:03d}")
        account.moids.add(f"z{number:03d}")

    account.before = before
    with pytest.raises(Rejected) as caught:
        await _by_offset(account)
    assert caught.value.reason == "torn"


async def test_rows_in_an_order_that_moves_are_read_twice() -> None:
    """Where rows do not ascend by Moid, a row may jump over the overlap: two walks must name the same tokens."""
    listing = MOIDS[::-1]

    def jumping(_: Iterable[str]) -> list[str]:
        return listing

    account = Account(set(MOIDS), order=jumping)

    def before(number: int) -> None:
        if number == 1:  # a row not yet read jumps to the front, one read goes, another comes at the end
            listing[:] = [listing[5], *listing[1:5], listing[6], "m9999"]

    account.before = before
    seen = await _by_offset(account)

    assert set(seen.rows) == set(listing)
    assert sum(asked.skip == 0 for asked in account.asked) == 4


async def test_rows_in_another_order_that_stands_still_are_a_snapshot() -> None:
    """A list that descends is read twice, and that is all."""
    account = Account(set(MOIDS), order=lambda moids: sorted(moids, reverse=True))
    seen = await _by_offset(account)

    assert (sorted(seen.rows), seen.walk.pages, len(account.asked)) == (MOIDS, 4, 8)
    await _by_offset(account, size=8)
    assert len(account.asked) == 8 + 1  # there is no other page to lose a row to


POOL = [f"{letter}{digit}" for letter in "aBc" for digit in range(5)]


@settings(deadline=None, max_examples=50)  # each example is a server of its own
@given(
    st.sets(st.sampled_from(POOL)),
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from(POOL), st.booleans()), max_size=8),
    st.integers(1, 4),
)
async def test_no_row_that_stays_is_lost(first: set[str], edits: list[tuple[int, str, bool]], size: int) -> None:
    """Whatever comes and goes between any two requests: the poll is torn, or who was there all the time is seen."""
    account = Account(set(first), spoil=refused)
    always, ever = moving(account, edits)
    told = await outcome(read(account, size=size))

    if isinstance(told, Rejected):
        assert (told.walk.paging, edits != []) == ("skip", True)
    else:
        assert always <= set(told.rows) <= ever
