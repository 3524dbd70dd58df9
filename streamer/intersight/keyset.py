"""Paging by Moid: each page begins after the last Moid of the one before, so no change between two pages can tear it.

A row that exists during the whole walk is seen exactly once, whatever is created or deleted meanwhile, if each page
shows the first rows above its bound. Of every page that is proven as far as a page can: its Moids ascend as text, all
above the bound (so nothing comes twice, and the server's order is the one we think it is), and it is either as long as
was asked for, or as long as the server's own `Count` of what is left. A full page never ends a walk, whatever `Count`
says: the walk goes on until a page is short. `Count` of different pages are not compared; the set may move.

Question: what no page can show is a row left out, where the filter's order is not the list's. Choice: try it out once
in a while, on rows at hand: ask for what comes after the middle of the first page, which must be the rest of that page.
A filter that is refused, ignored, off by one or of another order is caught; that it will hold tomorrow is not proven.
Rejected: to try it out with invented Moids, which proves nothing about rows.

Question: why is the next page not asked for while this one is digested? Choice: one after the other. What could go on
meanwhile is 1.5 ms of a page of 1000 rows in which nothing is new (5 where one is), and the last Moid, which must be
known first, takes 0.9 ms to find; the answer takes 10 ms even from a server on the same machine. In a first poll it is
45 ms a page. Rejected: a second request under way for that, to be called off whenever a page is not proven.

Question: what to do with a page that is not proven. Choice: ask for that page again, up to three times: the pages
before it stay true. Then wrong numbers reject the poll, and a wrong order means that the service cannot page by Moid.
Rejected: to walk anew from the beginning, which a large account with a fault in a hundred never comes through.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from hashlib import sha256
from itertools import pairwise

from streamer.errors import ApiError, Rejected
from streamer.intersight.pages import TRIES, Reading
from streamer.intersight.paging import Disproved, Paging
from streamer.intersight.rows import Page
from streamer.tokens import Snapshot

_REFUSED = frozenset({"NotSupported", "NotImplemented"})
_BAD_REQUEST = 400


async def read_by_moid(reading: Reading, paging: Paging, clock: Callable[[], int]) -> Snapshot:
    """All tokens, in one walk; arguments and errors are those of `walk`, and `wrong_account`."""
    pages, moids = reading.begin("keyset"), sha256()
    async with aclosing(walk(reading, paging, clock)) as walked:
        async for page in walked:
            if page.moids:  # hashed as `absence.moids_sha256` does, without a list of all
                moids.update(("\n" * bool(pages.rows) + "\n".join(sorted(page.moids))).encode())
            pages.take(page)
    return reading.snapshot(moids.hexdigest())


async def walk(
    reading: Reading, paging: Paging, clock: Callable[[], int], after: str | None = None
) -> AsyncGenerator[Page, None]:
    """Each page once it is proven; all that was asked for has been shown when it ends without an error.

    Args:
        reading: does the asking.
        paging: whether the filter must be tried out; told how that went well.
        clock: ms UTC.
        after: a Moid to begin behind; None for the beginning.

    Raises:
        Disproved: the service cannot be paged so; the pages shown until then are true.
        Rejected: `short_page`, `count_mismatch` or `duplicate_moid`, three times in a row; and what `Reading.page`
            raises.
    """
    page = await _proven(reading, after)
    if after is None and _is_full(page, reading) and paging.wants_proof(clock()):
        page = await _tried_out(reading, page, paging, clock)
    yield page
    while _is_full(page, reading):
        page = await _proven(reading, page.moids[-1])
        yield page


def _is_full(page: Page, reading: Reading) -> bool:
    return len(page.moids) == reading.size


async def _tried_out(reading: Reading, first: Page, paging: Paging, clock: Callable[[], int]) -> Page:
    """The first page, once its second half is what comes after its first; read again if the set moved meanwhile."""
    for _ in range(TRIES):
        middle = len(first.moids) // 2
        if not middle or not _is_full(first, reading):
            return first  # nothing to try it out with
        rest = first.moids[middle:]
        if (await _proven(reading, first.moids[middle - 1], len(rest))).moids == rest:
            paging.holds(clock())
            return first
        first = await _proven(reading)
    raise Disproved("`Moid gt` does not show the rows that a list of all shows after its bound")


async def _proven(reading: Reading, after: str | None = None, top: int | None = None) -> Page:
    """The page after a Moid, asked for until it is one; by default of the usual size."""
    top, fault = top or reading.size, None
    for _ in range(TRIES):
        try:
            page = await reading.page(top=top, after=after)
        except ApiError as error:
            if after is not None and (error.status == _BAD_REQUEST or error.code in _REFUSED):
                raise Disproved(f"`Moid gt` is refused: {error}") from error
            raise
        fault = _wrong_order(page, after, top) or _wrong_number(page, top)
        if fault is None:
            return page
    raise fault or AssertionError  # three faults


def _wrong_order(page: Page, after: str | None, top: int) -> Exception | None:
    """What is wrong with the Moids of a page; the number of its rows set aside."""
    if len(set(page.moids)) < len(page.moids):
        return Rejected("duplicate_moid", f"a page of {len(page.moids)} rows has a Moid for the second time")
    if after is not None and page.moids and page.moids[0] <= after:
        return Disproved(f"`Moid gt '{after}'` is answered with {page.moids[0]}")
    if after is None and len(page.moids) < top:
        return None  # all there is on one page, in whatever order
    if page.moids == tuple(sorted(page.moids)):
        return None
    one, next_one = next(pair for pair in pairwise(page.moids) if pair[0] > pair[1])
    return Disproved(f"`$orderby=Moid` puts {one} before {next_one}")


def _wrong_number(page: Page, top: int) -> Rejected | None:
    """What is wrong with the number of a page's rows."""
    rows, count = len(page.moids), page.count
    if count is None or not rows <= count:
        return Rejected("count_mismatch", f"a page of {rows} rows has the Count {count}, wanted at least as many")
    if rows > top:
        return Rejected("count_mismatch", f"a page has {rows} rows where {top} were asked for")
    if rows < min(top, count):
        hint = "if the server never sends as many as are asked for, lower `page_size`"
        return Rejected("short_page", f"a page has {rows} rows where {min(top, count)} of {count} were due", hint=hint)
    return None
