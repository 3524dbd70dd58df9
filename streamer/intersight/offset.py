"""Paging by `$skip`, for a service that cannot be paged by Moid: an offset into a list that moves.

A walk is believed only if every page tells the same `Count` and is as long as that makes it, and no Moid stands twice.
Anything else is a tear, and the walk is taken again, three times at most.

Question: one token gone before the offset and one come behind it leave every `Count` equal, and a row between two pages
is never seen. Choice: pages overlap by one row: each must begin with the last row of the page before. While rows stand
in an order by something that never changes, that row can only be there if as many rows stand before it as before, and
what follows it is all that ever followed; so a row that exists during the whole walk is in it, for one row a page.
Rejected: walking twice and comparing, at twice the load; and an account that changes all the time never compares equal.

Question: an order by something that does change, which is no order to overlap in. Choice: rows that do not ascend by
Moid are such a case, and only then the walk is taken twice and both must name the same tokens. Rejected: to trust it.

Question: why is no page read while the next one is asked for, as it is by Moid. Choice: one after the other. Any page
may tear the walk, and then what was asked for behind it is a part of no walk; few accounts are read so, and not for
long. Rejected: a second way to walk, for the milliseconds of reading a page.

Question: when did a snapshot that was walked anew begin. Choice: with its last walk: all its rows were read after it.
"""

from __future__ import annotations

from itertools import pairwise

from streamer.absence import moids_sha256
from streamer.errors import Rejected
from streamer.intersight.pages import TRIES, Pages, Reading
from streamer.intersight.rows import Page
from streamer.tokens import Snapshot

TEARS = frozenset({"torn", "short_page", "count_mismatch", "duplicate_moid"})


async def read_by_offset(reading: Reading) -> Snapshot:
    """All tokens, in one walk that holds.

    Raises:
        Rejected: `torn`, `short_page`, `count_mismatch` or `duplicate_moid`, the last walk's of three; `wrong_account`;
            and what `Reading.ask` and `Reading.read` raise.
    """
    for walks_left in reversed(range(TRIES)):
        try:
            moids = await _walk(reading)
            if len(moids) > reading.size and any(one > next_one for one, next_one in pairwise(moids)):
                moids = await _walked_again(reading, moids)
        except Rejected as rejected:
            if rejected.reason not in TEARS or not walks_left:
                raise
        else:
            break
    return reading.snapshot(moids_sha256(moids))


async def _walked_again(reading: Reading, first: list[str]) -> list[str]:
    second = await _walk(reading)
    if differ := set(first).symmetric_difference(second):
        raise Rejected("torn", f"rows do not ascend by Moid, and two walks differ in {len(differ)} of them")
    return second


async def _walk(reading: Reading) -> list[str]:
    """Read page after page until one is not full; the Moids of all rows, in order."""
    pages, top = reading.begin("skip"), max(reading.size, 2)  # one of them is the overlap
    moids: list[str] = []
    seen: set[str] = set()
    while True:
        overlap = min(len(moids), 1)
        page = reading.read(await reading.ask(top=top, skip=len(moids) - overlap))
        _check_number(pages, page, top, overlap)
        _check_moids(pages.number + 1, page, moids, seen)
        pages.take(page, but=overlap)
        moids.extend(page.moids[overlap:])
        seen.update(page.moids)
        if len(page.moids) < top:
            return moids


def _check_number(pages: Pages, page: Page, top: int, overlap: int) -> None:
    number, got = pages.number + 1, len(page.moids)
    if page.count is None or page.count < 0:
        raise Rejected("count_mismatch", f"page {number} has the Count {page.count}, though it was asked for")
    if page.count != (page.count if pages.count is None else pages.count):
        raise Rejected("torn", f"Count went from {pages.count} to {page.count} on page {number}")
    due = min(top, page.count - pages.rows + overlap)
    if got != due:
        reason = "short_page" if got < due else "count_mismatch"
        raise Rejected(reason, f"page {number} has {got} rows where {due} of Count {page.count} were due")


def _check_moids(number: int, page: Page, moids: list[str], seen: set[str]) -> None:
    """Against those of the pages before it, the last of which comes again."""
    overlap = min(len(moids), 1)
    again = seen.intersection(page.moids)
    if len(again) > overlap or len(set(page.moids)) < len(page.moids):  # the overlap was asked for twice
        moid = min(again.difference(moids[-1:]), default="a Moid")
        raise Rejected("duplicate_moid", f"{moid} stands on page {number} for the second time")
    if list(page.moids[:overlap]) != moids[-1:]:
        raise Rejected("torn", f"page {number} does not begin with the last row of the page before")
