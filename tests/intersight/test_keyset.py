"""Paging by Moid: what a page must prove, what the first one tries out, and that nothing that moves is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from streamer.errors import Rejected
from streamer.intersight.paging import KEYSET_FOR_MS, SKIP_FOR_MS, Disproved, Paging
from streamer.known import Known
from streamer.serving import serve
from tests.intersight.account import (
    Account,
    Asked,
    Shown,
    Spoil,
    held,
    moids,
    moving,
    outcome,
    read,
    refused,
    snapshots,
    taken,
)
from tests.intersight.stage import NOW, client_of, fault

MOIDS = moids(7)


async def test_asks_for_what_comes_after_the_last_row() -> None:
    """Each page is asked for by `$top`, the last Moid, `$orderby=Moid` and `$inlinecount=allpages`; never by offset."""
    account = Account(set(MOIDS))
    await read(account, paging=held())

    assert [asked.query for asked in account.asked] == [
        (("$top", "3"), *after, ("$orderby", "Moid"), ("$inlinecount", "allpages"))
        for after in ((), (("$filter", "Moid gt 'm0002'"),), (("$filter", "Moid gt 'm0005'"),))
    ]


# What is wrong with a page...


def on_second(lie: Callable[[Shown], Response | Shown]) -> Spoil:
    """A lie told whenever the page after the first three rows is asked for."""
    return lambda asked, shown: lie(shown) if asked.after == MOIDS[2] else shown


WRONG_NUMBERS: dict[str, tuple[Callable[[Shown], Response | Shown], str]] = {
    "short page": (lambda s: Shown(s.moids[:2], s.count), "short_page"),
    "empty page": (lambda s: Shown([], s.count), "short_page"),
    "Count too small": (lambda s: Shown(s.moids, len(s.moids) - 1), "count_mismatch"),
    "Count negative": (lambda _: Shown([], -1), "count_mismatch"),
    "Count missing": (lambda s: Shown(s.moids, None), "count_mismatch"),
    "more rows than asked for": (lambda s: Shown([*s.moids, "m0006"], s.count), "count_mismatch"),
    "a row twice": (lambda s: Shown([s.moids[0], s.moids[0], s.moids[1]], s.count), "duplicate_moid"),
    "a row twice, apart": (lambda s: Shown([s.moids[0], s.moids[1], s.moids[0]], s.count), "duplicate_moid"),
}
WRONG_ORDERS: dict[str, Callable[[Shown], Response | Shown]] = {
    "page repeated": lambda s: Shown(MOIDS[:3], s.count),
    "page shuffled": lambda s: Shown([s.moids[1], s.moids[0], s.moids[2]], s.count),
    "page descending": lambda s: Shown(s.moids[::-1], s.count),
    "gt as ge": lambda s: Shown(MOIDS[2:5], (s.count or 0) + 1),
    "a row below the bound": lambda s: Shown([MOIDS[0], *s.moids[1:]], s.count),
    "another row below the bound": lambda s: Shown([*s.moids[:2], MOIDS[0]], s.count),
}
LATE = {  # what only the rows show: by then the page behind is asked for
    *("a row twice", "a row twice, apart", "page shuffled", "page descending", "gt as ge", "a row below the bound"),
}


def asked_again(account: Account, times: int = 3) -> bool:
    """Whether the second page was asked for so many times, and what was asked for behind it went for nothing."""
    return [asked.after for asked in account.asked].count(MOIDS[2]) == times


@pytest.mark.parametrize("name", WRONG_NUMBERS)
async def test_wrong_numbers_reject_the_poll(name: str) -> None:
    """A page with this fault is asked for three times; then the fault is the reason, with how far the walk came."""
    lie, reason = WRONG_NUMBERS[name]
    account = Account(set(MOIDS), spoil=on_second(lie))
    async with serve(account) as url, client_of(url) as client:
        with pytest.raises(Rejected) as caught:
            await taken(client, Known())

    walk = caught.value.walk
    assert (caught.value.reason, walk.paging, walk.pages, walk.server_count) == (reason, "keyset", 2, 7)
    assert asked_again(account)
    assert client.requests == 4 + 3 * (name in LATE)


@pytest.mark.parametrize("name", WRONG_ORDERS)
async def test_a_wrong_order_falls_back_to_offsets(name: str) -> None:
    """A page with this fault is asked for three times; then the account is read by offset, and nothing is lost."""
    account = Account(set(MOIDS), spoil=on_second(WRONG_ORDERS[name]))
    seen = await read(account, paging=held())

    assert (sorted(seen.rows), seen.walk.paging) == (MOIDS, "skip")
    assert asked_again(account)


@pytest.mark.parametrize("name", [*WRONG_NUMBERS, *WRONG_ORDERS])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_fault_that_passes_is_forgotten(name: str, times: int) -> None:
    """A page that is right at the second or third try is one page, and the walk goes on where it was.

    What was asked for behind it meanwhile is thrown away, but counted.
    """
    lie = WRONG_ORDERS[name] if name in WRONG_ORDERS else WRONG_NUMBERS[name][0]
    spoil, account = on_second(lie), Account(set(MOIDS))
    account.spoil = lambda asked, shown: shown if asked_again(account, times + 1) else spoil(asked, shown)
    async with serve(account) as url, client_of(url) as client:
        seen = await taken(client, Known())

    assert (sorted(seen.rows), seen.walk.paging, seen.walk.pages) == (MOIDS, "keyset", 3)
    assert asked_again(account, times + 1)
    assert client.requests == 3 + times + times * (name in LATE)


@pytest.mark.parametrize("name", ["short page", "Count too small", "Count missing", "a row twice"])
async def test_the_first_page_is_checked_like_others(name: str) -> None:
    """What is wrong with the numbers of the first page, and of an only one, rejects the poll as well."""
    lie, reason = WRONG_NUMBERS[name]
    for size in (3, 10):
        with pytest.raises(Rejected) as caught:
            await read(Account(set(MOIDS), spoil=lambda _, shown: lie(shown)), size=size)
        assert (caught.value.reason, caught.value.walk.pages) == (reason, 1)


async def test_a_full_page_never_ends_the_walk() -> None:
    """A `Count` that only counts the page's own rows cannot end a walk early: the next page is asked for."""
    account = Account(set(MOIDS), spoil=lambda _, shown: Shown(shown.moids, len(shown.moids)))
    assert sorted((await read(account, paging=held())).rows) == MOIDS


async def test_counts_of_different_pages_are_not_compared() -> None:
    """While tokens come and go behind the bound, `Count` goes up and down, and the walk holds at the first try."""
    account = Account(set(MOIDS))

    def before(number: int) -> None:
        if number == 1:
            account.moids |= {"m9001", "m9002"}
        if number == 2:
            account.moids -= {"m9001", "m0000"}

    account.before = before
    seen = await read(account, paging=held())

    assert sorted(seen.rows) == [*MOIDS, "m9002"]
    assert (len(account.asked), seen.walk.server_count) == (3, 7)


# What is tried out...


async def test_the_first_snapshot_tries_the_filter_out_once() -> None:
    """What comes after the middle of the first page is asked for once, and not again for an hour."""
    account, paging, now = Account(set(MOIDS)), Paging("test"), [NOW]
    async with snapshots(account, paging=paging, clock=lambda: now[0]) as take:
        for passed, requests in ((0, 4), (0, 3), (KEYSET_FOR_MS - 1, 3), (1, 4), (0, 3), (-KEYSET_FOR_MS, 4)):
            now[0] += passed
            before = len(account.asked)
            assert (await take()).walk.paging == "keyset"
            assert len(account.asked) - before == requests

    assert (account.asked[1].after, account.asked[1].top) == (MOIDS[0], 2)


@pytest.mark.parametrize("size", [8, 1000])
async def test_one_page_needs_no_filter(size: int) -> None:
    """An account of one page is read with one request, whatever its filter is worth."""
    account = Account(set(MOIDS), spoil=refused)
    seen = await read(account, size=size)

    assert (len(seen), seen.walk.paging, len(account.asked)) == (7, "keyset", 1)


async def test_one_page_may_stand_in_any_order() -> None:
    """All there is on one page is all there is, however it is ordered."""
    account = Account(set(MOIDS), order=lambda moids: sorted(moids, reverse=True))
    for paging in (Paging("test"), held()):
        assert len(await read(account, size=8, paging=paging)) == 7
    assert len(account.asked) == 2


def _ignored(asked: Asked, _: Shown) -> Shown:
    return Shown(MOIDS[asked.skip : asked.skip + asked.top], 7)


def _as_ge(asked: Asked, shown: Shown) -> Shown:
    matching = [moid for moid in MOIDS if asked.after is None or moid >= asked.after]
    return shown if asked.after is None else Shown(matching[: asked.top], len(matching))


def _always_empty(asked: Asked, shown: Shown) -> Shown:
    return shown if asked.after is None else Shown([], 0)


def _leaves_one_out(asked: Asked, shown: Shown) -> Shown:
    matching = [moid for moid in MOIDS if asked.after is None or (moid > asked.after and not moid.endswith("1"))]
    return shown if asked.after is None else Shown(matching[: asked.top], len(matching))


def _descending(asked: Asked, _: Shown) -> Shown:
    matching = [moid for moid in MOIDS[::-1] if asked.after is None or moid > asked.after]
    return Shown(matching[asked.skip : asked.skip + asked.top], len(matching))


def _not_supported(asked: Asked, shown: Shown) -> Response | Shown:
    return shown if asked.after is None else fault(501, "NotImplemented")


SERVICES: dict[str, Spoil] = {
    "refused": refused,
    "not implemented": _not_supported,
    "ignored": _ignored,
    "gt as ge": _as_ge,
    "always empty": _always_empty,
    "leaves one out": _leaves_one_out,
    "descending": _descending,
}


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_that_cannot_do_it_is_read_by_offset(name: str) -> None:
    """Whatever is wrong with filter or order is found out at the first snapshot, and not tried again at once."""
    account, paging, now = Account(set(MOIDS), spoil=SERVICES[name]), Paging("test"), [NOW]
    async with snapshots(account, paging=paging, clock=lambda: now[0]) as take:
        first = await take()
        by_moid = len(account.asked)
        second = await take()

        assert (sorted(first.rows), first.walk.paging, second.walk.paging) == (MOIDS, "skip", "skip")
        assert not [asked for asked in account.asked[by_moid:] if asked.after]
        account.spoil = lambda _, shown: shown
        now[0] += SKIP_FOR_MS - 1
        assert (await take()).walk.paging == "skip"
        now[0] += 1
        assert (await take()).walk.paging == "keyset"


def test_a_service_that_cannot_do_it_is_asked_ever_more_rarely() -> None:
    """A minute, two, four: ten in the end, and a minute again after it once did."""
    paging, now, waits = Paging("test"), NOW, []
    for round_ in range(7):
        paging.disproved(Disproved("an order of its own"), now)
        wait = next(s for s in range(11 * 60) if paging.by_keyset(now + s * 1000))
        waits.append(wait)
        now += wait * 1000
        if round_ == 5:
            paging.holds(now)

    assert waits == [60, 120, 240, 480, 600, 600, 60]


async def test_an_order_of_its_own_is_found_out() -> None:
    """A filter that compares without regard to case, over a list that does not, would end the walk early: tried out."""
    mixed = {"B1", "B2", "a1", "a2", "c1"}

    def folded(asked: Asked, shown: Shown) -> Shown:
        matching = [m for m in sorted(mixed) if asked.after is None or m.lower() > asked.after.lower()]
        return shown if asked.after is None else Shown(matching[: asked.top], len(matching))

    seen = await read(Account(mixed, spoil=folded), size=4)
    assert (set(seen.rows), seen.walk.paging) == (mixed, "skip")


async def test_a_token_deleted_while_the_filter_is_tried_out_is_no_proof_against_it() -> None:
    """If the first page changes between the two requests, both are asked again."""
    account = Account(set(MOIDS))
    account.before = lambda number: account.moids.discard(MOIDS[1]) if number == 1 else None
    seen = await read(account)

    assert (sorted(seen.rows), seen.walk.paging) == ([MOIDS[0], *MOIDS[2:]], "keyset")


# What moves...


POOL = [f"{letter}{digit}" for letter in "aBc" for digit in range(5)]
EDITS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(POOL), st.booleans()), max_size=25)


@settings(deadline=None, max_examples=50)  # each example is a server of its own
@given(st.sets(st.sampled_from(POOL)), EDITS, st.integers(1, 4), st.booleans())
async def test_no_row_that_stays_is_lost(
    first: set[str],
    edits: list[tuple[int, str, bool]],
    size: int,
    tried: bool,  # noqa: FBT001
) -> None:
    """Whatever comes and goes between any two requests: who was there all the time is seen, nobody else."""
    account = Account(set(first))
    always, ever = moving(account, edits)
    told = await outcome(read(account, size=size, paging=held() if tried else None))

    if isinstance(told, Rejected):  # only a walk by offset can be torn
        assert (told.walk.paging, tried) == ("skip", False)
    else:
        assert always <= set(told.rows) <= ever
        assert told.walk.paging == "keyset" or not tried
