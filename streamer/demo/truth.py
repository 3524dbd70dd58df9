"""What really happened, in order: the measure that events are held to.

It is written by the world at the moment it changes, and never by anything that compares two snapshots: a mistake in
the streamer's diff must not be able to repeat itself here. So this room imports nothing of the streamer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Row = dict[str, Any]
What = Literal["created", "modified", "deleted"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to one token.

    Attributes:
        number: 1, 2, 3, ... over the whole ledger.
        what: created, modified or deleted.
        moid: of the token.
        at: the moment (ms, the server's clock) from which the API shows it.
        cause: the act behind it, such as `login`, `refresh`, `expire`, `remove`; `seed` for those there from the start.
        changed: names of the API's properties that differ between `before` and `after`; empty unless modified.
        before, after: the API's full objects; None before a creation and after a deletion.
    """

    number: int
    what: What
    moid: str
    at: int
    cause: str
    changed: tuple[str, ...]
    before: Row | None
    after: Row | None


class Truth:
    """The ledger: grows only, in the order of time."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.counts: Counter[str] = Counter()  # by `what`, and by `cause`

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def write(self, before: Row | None, after: Row | None, *, at: int, cause: str) -> Entry:
        """Write down that `before` became `after`; one of them is a row."""
        row = after if after is not None else before
        if row is None:
            raise ValueError("nothing became nothing")
        what: What = "modified" if before and after else "created" if after else "deleted"
        changed = tuple(k for k in after if after[k] != before.get(k)) if before and after else ()
        entry = Entry(len(self.entries) + 1, what, row["Moid"], at, cause, changed, before, after)
        self.entries.append(entry)
        self.counts[what] += 1
        self.counts[cause] += 1
        return entry

    def state(self, at: int | None = None) -> dict[str, Row]:
        """The tokens that existed at `at` (ms; None: now), by Moid: every entry up to then, replayed from nothing."""
        state: dict[str, Row] = {}
        for entry in self.entries:
            if at is not None and entry.at > at:
                break
            if entry.after is None:
                del state[entry.moid]
            else:
                state[entry.moid] = entry.after
        return state

    def past(self, now: Mapping[str, Row], at: int) -> dict[str, Row]:
        """The tokens that existed at `at` (ms): `now`, which the ledger has led to, with all that came later undone.

        It equals `state(at)`, and costs what happened since then rather than all that ever happened.
        """
        state = dict(now)
        for entry in reversed(self.entries):
            if entry.at <= at:
                break
            if entry.before is None:
                del state[entry.moid]
            else:
                state[entry.moid] = entry.before
        return state
