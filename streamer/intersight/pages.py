"""What both ways of paging share: asking for a page, keeping what was read, and making a snapshot of it at the end.

Nothing here judges whether a page belongs to the walk; the room that asked for it does, before it hands the page over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from uuid import uuid4

from streamer.errors import Rejected
from streamer.intersight.client import Client
from streamer.intersight.question import all_of
from streamer.intersight.replies import Journal
from streamer.intersight.rows import Page, Spellings, Unread
from streamer.known import CHANGED, SAME, Known, Marked
from streamer.sightings import Sightings
from streamer.tokens import ServerClock, Snapshot, Walk
from streamer.underway import Underway

PATH: Final = "iam/OAuthTokens"
TRIES: Final = 3  # of a page that is not proven, or of a walk that was torn


class Reading:
    """The reading of one snapshot, in one walk or several; tells how far it came, whenever it ends.

    Args:
        client: of the account.
        known: what is compared with; of a row that says nothing new only the place is kept.
        size: rows to ask for at a time.
        clock: ms UTC.
        spellings: what other bytes of rows mean, added to; None: nothing is remembered from snapshot to snapshot.
        where: conditions of `$filter` that all its rows meet; none for all tokens.
        underway: hears how far it is.
    """

    def __init__(
        self,
        client: Client,
        known: Known,
        *,
        size: int,
        clock: Callable[[], int],
        spellings: Spellings | None = None,
        where: Sequence[str] = (),
        underway: Underway | None = None,
    ) -> None:
        self.size = size
        self._where = where
        self._client = client
        self._known = known
        self._clock = clock
        self._journal = Journal()
        self._spellings = Spellings() if spellings is None else spellings
        self._underway = underway
        self._pages = Pages("keyset", 0, known)

    def begin(self, paging: str) -> Pages:
        """Begin a walk; what another one read is forgotten."""
        self._pages = Pages(paging, self._clock(), self._known)
        return self._pages

    async def ask(
        self,
        *,
        top: int,
        skip: int | None = None,
        after: str | None = None,
        meanwhile: Callable[[], object] | None = None,
    ) -> Unread:
        """The answer for a page of at most `top` rows, from the offset `skip` or after the Moid `after`.

        `meanwhile` is as of `Client.get`.

        Raises:
            Rejected: what `Client.get`, `Reply.raise_for_status` and `Unread` raise.
        """
        query = [("$top", str(top))]
        query += [] if skip is None else [("$skip", str(skip))]
        conditions = [*self._where, *([] if after is None else [f"Moid gt '{after}'"])]
        query += [("$filter", all_of(conditions))] if conditions else []
        query += [("$orderby", "Moid"), ("$inlinecount", "allpages")]
        reply = await self._client.get(PATH, query, journal=self._journal, meanwhile=meanwhile)
        reply.raise_for_status()
        return Unread(reply.body, reply.received_at, reply.trace_id, self._spellings)

    def read(self, answer: Unread) -> Page:
        """The page that an answer is; raises what `Unread.read` does."""
        page = answer.read(self._known)
        self._pages.unproven = page
        if self._underway is not None:
            walk = self.walk()
            self._underway.tell(rows=walk.rows, of=walk.server_count)
        return page

    def walk(self) -> Walk:
        """How far the walk in hand came."""
        return self._pages.walk(self._journal)

    def snapshot(self, moids_sha256: str) -> Snapshot:
        """The snapshot that the walk in hand is, once it is complete; the hash is of its sorted Moids."""
        return self._pages.snapshot(self._journal, moids_sha256)


class Pages:
    """The pages of one walk that belong together.

    Attributes:
        number: of pages taken.
        rows: on them.
        count: what the first of them said of all.
        unproven: the page last read, not taken; a rejected poll's report tells of it.
    """

    def __init__(self, paging: str, started_at: int, known: Known) -> None:
        self.number = self.rows = 0
        self.count: int | None = None
        self.unproven: Page | None = None
        self._paging = paging
        self._started_at = self._finished_at = started_at
        self._accounts: set[str] = set()
        self._known = known
        self._marks = bytearray(len(known))  # how each was shown, see `Marked`
        self._sightings = Sightings()
        self._unknown = 0

    def take(self, page: Page, *, but: int = 0) -> None:
        """Take a proven page over, without its first `but` rows, which an earlier page showed.

        Raises:
            Rejected: `wrong_account`, if its rows and the earlier ones name several.
        """
        self._accounts.update(row.token.account_moid for row in page.rows if row.token.account_moid)
        if len(self._accounts) > 1:
            listed = ", ".join(moid[:64] for moid in sorted(self._accounts)[:3])
            raise Rejected("wrong_account", f"rows of one list name several accounts: {listed}")
        shown = frozenset(page.moids[:but])
        self.unproven = None
        self.number += 1
        self.count = page.count if self.count is None else self.count
        self.rows += len(page.moids) - but
        marks, near = self._marks, 0
        for place in page.unchanged:
            marks[place] = marks[place] or SAME  # what was shown in other words before has been seen so
        for row in page.rows:
            if row.token.moid not in shown:
                known_at = self._known.place(row.token.moid, near)
                self._sightings.add(row, known=known_at is not None)
                if known_at is not None:
                    marks[known_at], near = CHANGED, known_at + 1
        self._unknown += page.unknown
        self._finished_at = page.arrived_at

    def walk(self, journal: Journal) -> Walk:
        """How far this walk came."""
        more = self.unproven
        return Walk(
            paging=self._paging,
            pages=self.number + (more is not None),
            rows=self.rows + (len(more.moids) if more else 0),
            server_count=more.count if more and self.count is None else self.count,
            server_date=journal.server_date,
            clock=journal.clock or ServerClock(),
            trace_ids=tuple(journal.trace_ids),
        )

    def snapshot(self, journal: Journal, moids_sha256: str) -> Snapshot:
        """The snapshot that complete pages are."""
        walk = self.walk(journal)
        return Snapshot(
            snapshot_id=str(uuid4()),
            started_at=self._started_at,
            finished_at=self._finished_at,
            walk=walk,
            clock=walk.clock,
            account_moid=next(iter(self._accounts), None),
            moids_sha256=moids_sha256,
            unchanged=Marked(self._known, self._marks),
            rows=self._sightings,
            unknown=self._unknown,
        )
