"""From pages to one complete snapshot, or an error. There is no third outcome: a shorter snapshot is a false deletion.

The service promises no consistency between two pages, and has no cursor. So the list is read by Moid (`keyset`), which
nothing can tear, as long as the service bears it; else by offset (`offset`), with the checks that this needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.errors import Rejected
from streamer.intersight.client import Client
from streamer.intersight.keyset import read_by_moid
from streamer.intersight.offset import read_by_offset
from streamer.intersight.pages import Reading
from streamer.intersight.paging import Disproved, Paging
from streamer.intersight.rows import Spellings
from streamer.known import Known
from streamer.tokens import Snapshot
from streamer.underway import Underway


async def read_snapshot(
    client: Client,
    known: Known,
    paging: Paging,
    *,
    page_size: int,
    clock: Callable[[], int],
    spellings: Spellings | None = None,
    where: Sequence[str] = (),
    underway: Underway | None = None,
) -> Snapshot:
    """Read all tokens of the account, or all that meet some conditions.

    Args:
        client: of the account.
        known: what is compared with; of a row that says nothing new only the place is kept.
        paging: what is known of the account's paging; kept up to date.
        page_size: rows to ask for at a time, at most 1000.
        clock: ms UTC.
        spellings: what other bytes of rows mean, remembered from snapshot to snapshot.
        where: conditions of `$filter`.
        underway: hears how far it is.

    Raises:
        Rejected: with `walk` telling how far the last walk came: what `read_by_moid` or `read_by_offset` raise.
    """
    reading = Reading(
        client,
        known,
        size=page_size,
        clock=clock,
        spellings=spellings,
        where=where,
        underway=underway,
    )
    try:
        if paging.by_keyset(clock()):
            try:
                return await read_by_moid(reading, paging, clock)
            except Disproved as why:
                paging.disproved(why, clock())
        return await read_by_offset(reading)
    except Rejected as rejected:
        rejected.walk = reading.walk()
        raise
