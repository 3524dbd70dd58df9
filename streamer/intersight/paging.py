"""Which way of paging an account bears, remembered from one snapshot to the next.

`Moid gt '<last>'` is plausible and nowhere documented, so it is tried before it is relied on, and what was found is
found again now and then, because the service may change under us: after an hour where it holds; where it did not
after a minute, then after twice as long each time, up to ten: the other way costs more and tears, and one page that was
repeated by mistake is no proof for long.
"""

from __future__ import annotations

from typing import Final

from streamer import log
from streamer.log import say

KEYSET_FOR_MS: Final = 60 * 60_000
SKIP_FOR_MS: Final = 60_000
LONGEST_SKIP_MS: Final = 10 * 60_000


class Disproved(Exception):
    """The service does not page by Moid as it must; the message says what it did."""


class Paging:
    """What is known of one source's paging; `source` is its name. All times are ms of our clock."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._holds: bool | None = None
        self._since = 0
        self._skip_for_ms = SKIP_FOR_MS

    def by_keyset(self, now: int) -> bool:
        """Whether the next walk goes by Moid: unless that was disproved a short time ago."""
        return self._holds is not False or self._is_old(now)

    def wants_proof(self, now: int) -> bool:
        """Whether a walk by Moid must try out first whether its filter leaves nothing out."""
        return self._holds is not True or self._is_old(now)

    def holds(self, now: int) -> None:
        """It was tried out, and it did what it must."""
        if self._holds is False:
            say("source.paging", source=self._source, paging="keyset")
        self._holds, self._since, self._skip_for_ms = True, now, SKIP_FOR_MS

    def disproved(self, why: Disproved, now: int) -> None:
        """It did something else."""
        if self._holds is not False:
            say("source.paging", level=log.WARNING, source=self._source, paging="skip", reason=str(why))
        else:
            self._skip_for_ms = min(2 * self._skip_for_ms, LONGEST_SKIP_MS)
        self._holds, self._since = False, now

    def _is_old(self, now: int) -> bool:
        return not 0 <= now - self._since < (KEYSET_FOR_MS if self._holds else self._skip_for_ms)
