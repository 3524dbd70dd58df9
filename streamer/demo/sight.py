"""What one request is shown of the world: all of it as it is, unless a fault says otherwise.

A sight is a value that the API asks while it answers; the world does not know of it and cannot be changed through it.
It is taken before the query runs, so that filters, order, pages and Counts are those of what is shown: a replica that
is behind, or a caller who may see less, gets answers that are consistent in themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from starlette.types import Scope

from streamer.demo import kinds
from streamer.demo.filters import BadQuery
from streamer.demo.query import Table
from streamer.demo.replies import forbidden
from streamer.demo.shapes import Row, account_row
from streamer.demo.world import World

_AFTER: Final = re.compile(r"\bMoid\s+gt\s+('(?:[^']|'')*')")
_OTHERWISE: Final = {"ignored": "Moid ne ''", "ge": r"Moid ge \1"}

Keyset = Literal["right", "refused", "ignored", "ge"]
Unseen = Literal[404, 403, "visible"]
Accounts = Literal["right", "more", "none", "other"]


@dataclass(frozen=True, slots=True)
class Sight:
    """How the world looks to one request.

    Attributes:
        lag_ms: tokens are shown as they were so long ago.
        foreign: the Moids of tokens that are shown as another account's, and under which Moids: `same` or another.
        hidden: the Moids of tokens that are not listed.
        unseen: what a look-up by Moid gets for a hidden one.
        keyset: what becomes of `Moid gt` in a filter.
        again: a page is the one before it once more.
        audit_late_ms: audit records can be read so much later.
        accounts: which accounts are listed: ours, ours and another, none, another.
        claims: what a new access token says otherwise, within `intersight`.
    """

    lag_ms: int = 0
    foreign: Callable[[str], bool] | None = None
    foreign_moids: Literal["other", "same"] = "other"
    hidden: Callable[[str], bool] | None = None
    unseen: Unseen = 404
    keyset: Keyset = "right"
    again: bool = False
    audit_late_ms: int = 0
    accounts: Accounts = "right"
    claims: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, scope: Scope) -> Sight:
        """The sight of a request."""
        sight = scope["state"].get("sight")
        return sight if isinstance(sight, Sight) else cls()

    def alone(self, moid: str, path: str) -> Sight:
        """The sight of a look-up of one token; Refused (403) where it may not be seen."""
        if self.hidden is None or self.unseen == 404 or not self.hidden(moid):  # noqa: PLR2004
            return self
        if self.unseen == 403:  # noqa: PLR2004
            raise forbidden("GET", path)
        return replace(self, hidden=None)

    def asked(self, options: Mapping[str, str]) -> Mapping[str, str]:
        """The query's options as they are understood.

        Raises:
            BadQuery: `Moid gt` is not.
        """
        text = options.get("$filter", "")
        if self.keyset == "right" or not _AFTER.search(text):
            return options
        if self.keyset == "refused":
            raise BadQuery("gt cannot compare Moid")
        return {**options, "$filter": _AFTER.sub(_OTHERWISE[self.keyset], text)}

    def tokens(self, world: World) -> Table:
        """The tokens; without a fault they are no copy, as they are many and asked for all the time."""
        if not self.lag_ms and self.foreign is None and self.hidden is None:
            return Table(kinds.TOKEN, world.tokens, world.moids)
        rows = world.truth.past(world.tokens, world.clock() - self.lag_ms) if self.lag_ms else world.tokens
        return Table.of(kinds.TOKEN, self._seen(rows))

    def account_rows(self, world: World) -> list[Row]:
        """The accounts."""
        ours, other = world.accounts(), replace(world.account, moid=world.account.moid[::-1], name="other-account")
        theirs = [account_row(other, world.began_at)]
        return {"right": ours, "more": ours + theirs, "none": [], "other": theirs}[self.accounts]

    def _seen(self, rows: Mapping[str, Row]) -> Iterator[Row]:
        for moid, row in rows.items():
            if self.hidden is None or not self.hidden(moid):
                yield self._foreign(row) if self.foreign is not None and self.foreign(moid) else row

    def _foreign(self, row: Row) -> Row:
        """The row as if it were another account's: its Moids read backwards."""
        account = row["AccountMoid"][::-1]
        return {
            **row,
            "AccountMoid": account,
            "DomainGroupMoid": row["DomainGroupMoid"][::-1],
            "Moid": row["Moid"] if self.foreign_moids == "same" else row["Moid"][::-1],
            "Owners": [account, *row["Owners"][1:]],
        }
