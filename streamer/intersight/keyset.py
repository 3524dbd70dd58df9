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

Question: what is done while an answer is on its way. Choice: the page before it is read. Of an answer that has come,
number of rows, `Count` and last Moid are found at once; if more is due behind it, that is asked for, and once the last
byte of the request is with the socket the page is compared, decoded and proven, in the same task. A page that fails
calls that request off, which was sent for nothing, but counts. The walk is as true as before: whatever is taken was
asked for after the last Moid of a page that is proven by then, and after that page had come. Of a page of 1000 rows
0.8 ms are hidden so where nothing is new, 3.8 where one is, 26 in a first poll; what must come first is 1 ms, a digest
or the splitting. The CPU is the same: 7.4 us a token where nothing is new, and 7.5 one after the other. Rejected: a
task beside the walk, which hides the same, since there is one thread, and which somebody must end; a bound that is
guessed, to ask before an answer has come: twice the load at a time for the account, and again for each wrong guess.

Question: what to do with a page that is not proven. Choice: ask for that page again, up to three times: the pages
before it stay true. Then wrong numbers reject the poll, and a wrong order means that the service cannot page by Moid.
Rejected: to walk anew from the beginning, which a large account with a fault in a hundred never comes through.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import cache, partial
from hashlib import sha256
from itertools import pairwise

from streamer.errors import ApiError, Rejected
from streamer.intersight.pages import TRIES, Reading
from streamer.intersight.paging import Disproved, Paging
from streamer.intersight.replies import BAD_REQUEST
from streamer.intersight.rows import Page, Unread
from streamer.tokens import Snapshot

_REFUSED = frozenset({"NotSupported", "NotImplemented"})


async def read_by_moid(reading: Reading, paging: Paging, clock: Callable[[], int]) -> Snapshot:
    """All tokens, in one walk; arguments and errors are those of `walk`, and `wrong_account`."""
    pages, moids = reading.begin("keyset"), sha256()
    async with aclosing(walk(reading, paging, clock, ahead=True)) as walked:
        async for page in walked:
            if page.moids:  # hashed as `absence.moids_sha256` does, without a list of all
                moids.update(("\n" * bool(pages.rows) + "\n".join(sorted(page.moids))).encode())
            pages.take(page)
    return reading.snapshot(moids.hexdigest())


async def walk(
    reading: Reading, paging: Paging, clock: Callable[[], int], after: str | None = None, *, ahead: bool = False
) -> AsyncGenerator[Page, None]:
    """Each page once it is proven; all that was asked for has been shown when it ends without an error.

    Args:
        reading: does the asking.
        paging: whether the filter must be tried out; told how that went well.
        clock: ms UTC.
        after: a Moid to begin behind; None for the beginning.
        ahead: read a page while the next one is waited for, and show it once that one has come; without it, at once.

    Raises:
        Disproved: the service cannot be paged so; the pages shown until then are true.
        Rejected: `short_page`, `count_mismatch` or `duplicate_moid`, three times in a row; and what `Reading.ask` and
            `Reading.read` raise.
    """
    pages, trial = _Pages(reading), after is None and paging.wants_proof(clock())
    page = await pages.proven(after, ahead=ahead and not trial)
    if trial:
        page = await _tried_out(pages, page, reading.size, paging, clock)
    yield page
    while len(page.moids) == reading.size:
        page = await pages.proven(page.moids[-1], ahead=ahead)
        yield page


async def _tried_out(pages: _Pages, first: Page, size: int, paging: Paging, clock: Callable[[], int]) -> Page:
    """The first page, once its second half is what comes after its first; read again if the set moved meanwhile."""
    for _ in range(TRIES):
        middle = len(first.moids) // 2
        if not middle or len(first.moids) != size:
            return first  # nothing to try it out with
        rest = first.moids[middle:]
        if (await pages.proven(first.moids[middle - 1], len(rest))).moids == rest:
            paging.holds(clock())
            return first
        first = await pages.proven()
    raise Disproved("`Moid gt` does not show the rows that a list of all shows after its bound")


class _Unproven(Exception):
    """A page that proves nothing; `fault` says why, and is raised when no try is left."""

    def __init__(self, fault: Exception) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _Pages:
    """The pages of one walk, each read while the answer to the next request is waited for."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._next: tuple[str, Unread] | None = None  # what was asked for ahead: after which Moid, and what came

    async def proven(self, after: str | None = None, top: int | None = None, *, ahead: bool = False) -> Page:
        """The page after a Moid, of the usual size by default, asked for until it is one; `ahead` as of `walk`."""
        top, fault = top or self._reading.size, None
        for _ in range(TRIES):
            answer = await self._answer(after, top)
            read = cache(partial(self._read, answer, after, top))  # once, whoever comes first
            try:
                if ahead and (bound := _bound_behind(answer, after, top)):
                    self._next = bound, await self._asked(bound, self._reading.size, read)
                return read()
            except _Unproven as unproven:
                fault = unproven.fault
        raise fault or AssertionError  # three faults

    async def _answer(self, after: str | None, top: int) -> Unread:
        """The answer to this request, which may have come already."""
        ahead, self._next = self._next, None
        return ahead[1] if ahead and ahead[0] == after else await self._asked(after, top)

    async def _asked(self, after: str | None, top: int, meanwhile: Callable[[], Page] | None = None) -> Unread:
        try:
            return await self._reading.ask(top=top, after=after, meanwhile=meanwhile)
        except ApiError as error:
            if after is not None and (error.status == BAD_REQUEST or error.code in _REFUSED):
                raise Disproved(f"`Moid gt` is refused: {error}") from error
            raise

    def _read(self, answer: Unread, after: str | None, top: int) -> Page:
        page = self._reading.read(answer)
        fault = _wrong_order(page, after, top) or _wrong_number(len(page.moids), page.count, top)
        if fault is not None:
            raise _Unproven(fault)
        return page


def _bound_behind(answer: Unread, after: str | None, top: int) -> str | None:
    """After which Moid the next page begins, if one is due behind a page of which nothing else is known yet."""
    if answer.number < top or _wrong_number(answer.number, answer.count, top):
        return None
    return answer.last if answer.last and (after is None or answer.last > after) else None


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


def _wrong_number(rows: int, count: int | None, top: int) -> Rejected | None:
    """What is wrong with the number of a page's rows."""
    if count is None or not rows <= count:
        return Rejected("count_mismatch", f"a page of {rows} rows has the Count {count}, wanted at least as many")
    if rows > top:
        return Rejected("count_mismatch", f"a page has {rows} rows where {top} were asked for")
    if rows < min(top, count):
        hint = "if the server never sends as many as are asked for, lower `page_size`"
        return Rejected("short_page", f"a page has {rows} rows where {min(top, count)} of {count} were due", hint=hint)
    return None
