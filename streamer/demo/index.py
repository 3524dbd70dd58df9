"""The Moids of a world's tokens in order, as the list's pages need them, without sorting them for each page."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection

from streamer.demo.truth import Truth

_SORT_ABOVE = 64  # so many births and deaths at once, and sorting anew is cheaper than moving the list's tail for each


class Index:
    """Follows the ledger: what has been born or has died since the last look is put in or taken out."""

    def __init__(self, tokens: Collection[str], truth: Truth) -> None:
        self._tokens, self._truth = tokens, truth
        self._moids: list[str] = []
        self._seen = 0

    def sorted(self) -> list[str]:
        """The Moids that are there now; the caller must not change the list."""
        news = [entry for entry in self._truth.entries[self._seen :] if entry.what != "modified"]
        self._seen = len(self._truth)
        if len(news) > _SORT_ABOVE:
            self._moids = sorted(self._tokens)
            return self._moids
        for entry in news:
            if entry.after is None:
                del self._moids[bisect_left(self._moids, entry.moid)]
            else:
                insort(self._moids, entry.moid)
        return self._moids
