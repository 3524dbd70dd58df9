"""From pages to one complete snapshot, or an error. There is no third outcome: a shorter snapshot is a false deletion.

The list is paged by offset over a set that moves, and the service promises no consistency. So a walk is believed only
if every page tells the same `Count`, every page is as long as it must be, no Moid stands twice, and no second account
is named. A walk that fails so was torn by a change under it and is taken again; any other fault rejects the poll.

Question: what does equality of `Count` not show. One token gone before the offset and one come behind it leave it
equal and skip a row. Choice: bear it, because a missing Moid is looked up before it is believed gone, and a missed
creation is seen by the next poll. Rejected: walking twice and comparing, at twice the load.

Question: when did a snapshot that was walked anew begin. Choice: with its last walk: all its rows were read after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final
from uuid import uuid4

from streamer.errors import Rejected
from streamer.intersight.client import Client
from streamer.intersight.replies import OK, Journal
from streamer.intersight.rows import Page, read_page
from streamer.tokens import ServerClock, Sighting, Snapshot, Walk

PATH: Final = "iam/OAuthTokens"
WALKS: Final = 3
TEARS: Final = frozenset({"torn", "short_page", "count_mismatch", "duplicate_moid"})


async def read_snapshot(
    client: Client, known: Mapping[bytes, str], *, page_size: int, clock: Callable[[], int]
) -> Snapshot:
    """Walk over all pages until one walk holds.

    Args:
        client: of the account.
        known: by raw digest, the Moid of each row that need not be decoded again.
        page_size: rows to ask for at a time, at most 1000.
        clock: ms UTC.

    Raises:
        Rejected: with `walk` telling how far the last walk came: a tear that three walks did not heal, or anything
            that `Client.get`, `Reply.error` and `read_page` raise.
    """
    journal = Journal()
    walks_left = WALKS
    while True:
        walks_left -= 1
        pages, started_at = _Pages(page_size), clock()
        try:
            finished_at = await _walk(client, pages, known, journal)
        except Rejected as rejected:
            rejected.walk = pages.walk(journal)
            if rejected.reason not in TEARS or not walks_left:
                raise
        else:
            return pages.snapshot(started_at, finished_at, journal)


async def _walk(client: Client, pages: _Pages, known: Mapping[bytes, str], journal: Journal) -> int:
    """Read page after page until all rows are there; our time at which they were."""
    while True:
        query = [
            ("$top", str(pages.size)),
            ("$skip", str(pages.rows)),
            ("$orderby", "Moid"),
            ("$inlinecount", "allpages"),
        ]
        reply = await client.get(PATH, query, journal)
        if reply.status != OK:
            raise reply.error()
        pages.add(read_page(reply.body, known, reply.received_at, reply.trace_id))
        if pages.complete:
            return reply.received_at


class _Pages:
    """The pages of one walk, each held against the ones before."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows = 0  # so far; the offset of the next page
        self._count: int | None = None
        self._pages = 0
        self._moids: set[str] = set()
        self._accounts: set[str] = set()
        self._sightings: dict[str, Sighting] = {}
        self._unknown = 0

    @property
    def complete(self) -> bool:
        """Whether all rows that the server counts are there."""
        return self.rows == self._count

    def add(self, page: Page) -> None:
        """Take a page over, or raise `Rejected` if it cannot belong to a complete snapshot."""
        self._pages += 1
        self.rows += len(page.moids)
        self._check_count(page, self.rows - len(page.moids))
        for moid in page.moids:
            if moid in self._moids:
                raise Rejected("duplicate_moid", f"{moid} stands on page {self._pages} for the second time")
            self._moids.add(moid)
        for row in page.rows:
            self._sightings[row.token.moid] = row
        self._unknown += page.unknown
        self._check_account(page)

    def _check_count(self, page: Page, before: int) -> None:
        if page.count is None or page.count < 0:
            raise Rejected("count_mismatch", f"page {self._pages} has the Count {page.count}, though it was asked for")
        if self._count is None:
            self._count = page.count
        if page.count != self._count:
            raise Rejected("torn", f"Count went from {self._count} to {page.count} on page {self._pages}")
        due, got = min(self.size, self._count - before), len(page.moids)
        if got < due:
            raise Rejected("short_page", f"page {self._pages} has {got} rows where {due} of {self._count} were due")
        if got > due:
            raise Rejected(
                "count_mismatch", f"page {self._pages} has {got} rows, {due} of Count {self._count} were due"
            )

    def _check_account(self, page: Page) -> None:
        self._accounts.update(row.token.account_moid for row in page.rows if row.token.account_moid)
        if len(self._accounts) > 1:
            listed = ", ".join(moid[:64] for moid in sorted(self._accounts)[:3])
            raise Rejected("wrong_account", f"rows of one list name several accounts: {listed}")

    def walk(self, journal: Journal) -> Walk:
        """How far this walk came."""
        return Walk(
            pages=self._pages,
            requests=journal.requests,
            rows=self.rows,
            server_count=self._count,
            server_date=journal.server_date,
            clock=journal.clock or ServerClock(),
            trace_ids=tuple(journal.trace_ids),
        )

    def snapshot(self, started_at: int, finished_at: int, journal: Journal) -> Snapshot:
        """The snapshot that complete pages are."""
        return Snapshot(
            snapshot_id=str(uuid4()),
            started_at=started_at,
            finished_at=finished_at,
            walk=self.walk(journal),
            account_moid=next(iter(self._accounts), None),
            moids_sha256=sha256("\n".join(sorted(self._moids)).encode()).hexdigest(),
            unchanged=frozenset(self._moids - self._sightings.keys()),
            rows=self._sightings,
            unknown=self._unknown,
        )
