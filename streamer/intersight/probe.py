"""Single questions to one account, to find out whether the service could live with its answers.

Each question costs one request, or a few, and changes nothing. What is learnt is told in sentences for an operator;
whoever asks decides what a failure means. It must never walk the whole list: an account may hold a million tokens, and
the service may be reading it just now.

Question: what proves that a quote is escaped as we do it? Choice: a filter with a doubled quote in a text that no token
has, and-ed with the Moid of a token that is there: exactly that token must come back. A service that takes the quote
for the end of the text refuses the filter, one that keeps both finds the same; so it proves that the doubled quote is
understood, not what it is taken for. Rejected: to look for a client whose name has a quote; there may be none.
"""

from __future__ import annotations

from typing import Final

from streamer.errors import ApiError, Rejected
from streamer.intersight.client import Client
from streamer.intersight.pages import PATH
from streamer.intersight.replies import FORBIDDEN, OK, SKEW_MS, Journal, Reply
from streamer.intersight.rows import Page, read_page

ROWS: Final = 10  # of the list, as many as a probe of its order needs
TRIES: Final = 2
QUOTED: Final = "nobody''s client, it''s not there"


class Probe:
    """Questions about one account.

    Args:
        client: of the account; whoever made it closes it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._first: Reply | None = None
        self._refused: ApiError | None = None
        self._journal = Journal()
        self._page: Page | None = None

    async def reach(self) -> str:
        """Whether anybody answers at all; the answer is kept for the next questions.

        Raises:
            Rejected: nobody does, or not in time.
        """
        try:
            query = [("$top", str(ROWS)), ("$orderby", "Moid"), ("$inlinecount", "allpages")]
            self._first = await self._client.get(PATH, query, journal=self._journal, tries=TRIES)
        except ApiError as refused:  # by the token endpoint, or busy: somebody answered
            self._refused = refused
            return f"{refused.status} came back"
        return f"{self._first.status} came back"

    def clock(self) -> tuple[str, bool]:
        """How far this machine's clock is off, by the reply's `Date`; and whether that is little enough.

        A signature is refused if its date is too far off; how far is not documented, so `SKEW_MS` is a guess.
        """
        if self._journal.clock is None:
            return "the reply has no Date: not known", True
        offset = self._journal.clock.offset
        if offset == 0:
            return "this machine's clock agrees with Intersight's, to the second", True
        told = f"this machine's clock is {abs(offset) / 1000:.1f} s {'slow' if offset > 0 else 'fast'}"
        return told, abs(offset) <= SKEW_MS

    def authenticated(self) -> str:
        """That we are who we say.

        Raises:
            ApiError: the credential is refused, or nobody looked at it.
        """
        refused = self._refused or (self._first.error() if self._first and self._first.status != OK else None)
        if refused and refused.status != FORBIDDEN:  # who may not list is known, too
            raise refused
        return "the credential is accepted"

    def listed(self) -> str:
        """That tokens may be listed.

        Raises:
            Rejected: they may not, or what comes is no list of them.
        """
        if self._first is None or self._first.status != OK:
            raise self._refused or (self._first.error() if self._first else Rejected("unavailable", "no answer"))
        self._page = page = read_page(self._first.body, self._first.received_at, self._first.trace_id)
        if page.count is None:
            raise Rejected("count_mismatch", "the list has no Count although `$inlinecount=allpages` asks for it")
        accounts = sorted({row.token.account_moid for row in page.rows if row.token.account_moid})
        of = f" of account {', '.join(accounts)}" if accounts else ""
        return f"{page.count} tokens{of} are seen"

    async def pages_by_moid(self) -> str | None:
        """That `Moid gt` shows what the list shows after that Moid; None where there are too few tokens to try.

        Raises:
            Rejected: it is refused, or shows something else.
        """
        moids = self._page.moids if self._page else ()
        for _ in range(TRIES):  # the set may move between two questions
            if len(moids) < 2:  # noqa: PLR2004 - a bound, and something behind it
                return None
            bound, rest = moids[(len(moids) - 1) // 2], moids[(len(moids) + 1) // 2 :]
            found = await self._list(f"Moid gt '{bound}'", len(rest))
            if found == rest:
                return f"`Moid gt` shows the {len(rest)} tokens that the list shows after its bound"
            moids = await self._list(None, ROWS)
        raise Rejected("torn", f"`Moid gt '{bound}'` shows other tokens than the list shows after that one")

    async def escapes_quotes(self) -> str:
        """That a doubled quote in a filter's text is understood.

        Raises:
            Rejected: it is refused, or changes what is found.
        """
        named = [row.token.moid for row in self._page.rows if row.token.client_name] if self._page else []
        of = f"Moid eq '{named[0]}' and " if named else ""
        found = await self._list(f"{of}ClientName ne '{QUOTED}'", 1)
        if named and found != (named[0],):
            raise Rejected("torn", "a filter with a doubled quote does not find the token that it names")
        return "a doubled quote in a filter is understood"

    async def reads(self, path: str) -> str:
        """That another list may be read.

        Raises:
            Rejected: it may not.
        """
        (await self._client.get(path, [("$top", "1")], tries=TRIES)).raise_for_status()
        return f"{path} may be read"

    async def _list(self, condition: str | None, top: int) -> tuple[str, ...]:
        """The Moids of the first rows that a filter leaves."""
        query = [("$top", str(top)), ("$orderby", "Moid"), ("$inlinecount", "allpages")]
        query += [] if condition is None else [("$filter", condition)]
        reply = (await self._client.get(PATH, query, tries=TRIES)).raise_for_status()
        return read_page(reply.body, reply.received_at, reply.trace_id).moids
