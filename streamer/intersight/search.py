"""A person's question to one account: the tokens that meet some conditions, page by page, as they come.

It pages as a snapshot does (`keyset`, else `offset`) and so is complete or ends in an error; but it hands each proven
page over at once, instead of one whole at the end, and remembers nothing of it but Moids. It judges less than a poll
does: rows of several accounts in one list are shown as they are, since each names its own.

Question: a poll looks up by Moid whatever it misses, and here nobody does. Choice: an answer of nothing, and one that
comes to fewer than its first page counted, are asked to go on once more from where they ended; what they say twice is
believed, for tokens do go meanwhile. Rejected: an error as soon as numbers differ, which a busy account always gives.

Question: the way by Moid turns out not to hold in the middle of the list. Choice: what was shown is true, so the list
is read again by offset, and what was not yet shown follows. Rejected: to hold all back until the end, for a case that
hardly ever comes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from streamer.intersight.client import Client
from streamer.intersight.keyset import walk
from streamer.intersight.offset import read_by_offset
from streamer.intersight.pages import Reading
from streamer.intersight.paging import Disproved, Paging
from streamer.intersight.rows import Page
from streamer.known import Known
from streamer.tokens import Token


@dataclass(frozen=True, slots=True)
class Portion:
    """Some of the tokens found; `total` is how many there are in all, by the server's own count at the beginning."""

    tokens: tuple[Token, ...]
    total: int


async def find(
    client: Client,
    paging: Paging,
    where: Sequence[str],
    *,
    page_size: int,
    clock: Callable[[], int],
    limit: int | None = None,
) -> AsyncGenerator[Portion, None]:
    """All tokens that meet these conditions, by Moid as a rule; each once.

    Args:
        client: of the account.
        paging: what is known of the account's paging; kept up to date.
        where: conditions of `$filter`.
        page_size: rows to ask for at a time, at most 1000.
        clock: ms UTC.
        limit: how many are enough; a page may hold more.

    Raises:
        Rejected: what `walk` or `read_by_offset` raise; then there may be more tokens than those handed over.
    """
    reading = Reading(client, Known(), size=min(page_size, limit or page_size), clock=clock, where=where)
    shown: set[str] = set()
    total = 0
    if paging.by_keyset(clock()):
        try:
            async with aclosing(_walked(reading, paging, clock)) as pages:
                async for page in pages:
                    total = total or page.count or 0
                    shown.update(page.moids)
                    yield Portion(tuple(row.token for row in page.rows), total)
                    if limit is not None and len(shown) >= limit:
                        return
        except Disproved as why:
            paging.disproved(why, clock())
        else:
            return
    seen = await read_by_offset(reading) or await read_by_offset(reading)
    rest = tuple(row.token for moid, row in seen.rows.items() if moid not in shown)
    if rest:
        yield Portion(rest, max(total, len(seen)))


async def _walked(reading: Reading, paging: Paging, clock: Callable[[], int]) -> AsyncGenerator[Page, None]:
    """The pages by Moid; where they end too early, they are asked to go on once more."""
    total = number = 0
    last: str | None = None
    again = False
    while True:
        before = number
        async with aclosing(walk(reading, paging, clock, last)) as pages:
            async for page in pages:
                total = total or page.count or 0
                number += len(page.moids)
                last = max(page.moids, default=last)
                if page.moids:
                    yield page
        if number >= total > 0 or (again and number == before):
            return
        again = True
