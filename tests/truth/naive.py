"""A control: the streamer everybody writes first. Two lists, a set difference, and whatever is missing is deleted.

It is here to be fooled: a table of lies that it survives would prove nothing.
"""

from __future__ import annotations

from typing import Any

import httpx

TOKENS = "/api/v1/iam/OAuthTokens"
PAGE = 7
MOST = 20  # pages, lest a list that repeats itself be read for ever


class Naive:
    """Lists tokens through `client`, whose requests are authorised, and remembers the last list."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._known: set[str] = set()

    async def deleted(self) -> set[str]:
        """The Moids that it would publish as deleted now."""
        seen: set[str] = set()
        for page in range(MOST):
            rows = await self._rows(page * PAGE)
            seen |= {str(row.get("Moid")) for row in rows}
            if len(rows) < PAGE:
                break
        gone, self._known = self._known - seen, seen
        return gone

    async def _rows(self, skip: int) -> list[Any]:
        """A page; what cannot be read has no rows."""
        try:
            reply = await self._client.get(TOKENS, params={"$orderby": "Moid", "$top": str(PAGE), "$skip": str(skip)})
            return list(reply.json().get("Results") or ())
        except (httpx.HTTPError, ValueError, AttributeError):
            return []
