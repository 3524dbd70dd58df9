"""A control: the streamer everybody writes first. Two lists, a set difference, and whatever is missing is deleted.

It reads the number of rows and asks for as many pages, newest first, as tools for this API do; a row that differs is
modified. It is here to be fooled: a table of lies that it survives would prove nothing.
"""

from __future__ import annotations

from typing import Any

import httpx

TOKENS = "/api/v1/iam/OAuthTokens"
PAGE = 10
MOST = 100  # rows, lest a Count without an end be believed


class Naive:
    """Lists tokens through `client`, whose requests are authorised, and remembers the last list."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._known: dict[str, Any] = {}

    async def changes(self) -> dict[str, set[str]]:
        """The Moids that it would publish now as created, modified and deleted."""
        seen: dict[str, Any] = {}
        skip, count = 0, 1
        while skip < min(count, MOST):
            rows, count = await self._page(skip)
            seen |= {str(row.get("Moid")): row for row in rows}
            skip += PAGE
        known, self._known = self._known, seen
        return {
            "created": seen.keys() - known.keys(),
            "modified": {moid for moid in seen.keys() & known.keys() if seen[moid] != known[moid]},
            "deleted": known.keys() - seen.keys(),
        }

    async def _page(self, skip: int) -> tuple[list[Any], int]:
        """A page and the Count; what cannot be read has no rows."""
        asked: dict[str, str | int] = {
            "$orderby": "CreateTime desc",
            "$top": PAGE,
            "$skip": skip,
            "$inlinecount": "allpages",
        }
        try:
            reply = (await self._client.get(TOKENS, params=asked)).json()
            return list(reply["Results"]), int(reply["Count"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError):
            return [], 0
