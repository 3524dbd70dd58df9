"""Which records were handed out but are not written down yet: what a group may say it has read. Pure.

Records of a partition come in order and are written out of it, because events of several partitions wait for one
another. A group's offset may move only up to the first record that is not written, or a crash would lose it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Lane:
    pending: deque[int] = field(default_factory=deque)  # offsets in order; those in `written` are done
    written: set[int] = field(default_factory=set)


class Unwritten:
    """Offsets by partition."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, _Lane] = {}

    def add(self, lane: Hashable, offset: int) -> None:
        """A record was handed out; offsets of one partition come in order."""
        self._lanes.setdefault(lane, _Lane()).pending.append(offset)

    def remove(self, lane: Hashable, offset: int) -> None:
        """It is written down. One that is not known (any more) is none of ours."""
        at = self._lanes.get(lane)
        if at is None or not at.pending or offset < at.pending[0]:
            return
        at.written.add(offset)
        while at.pending and at.pending[0] in at.written:
            at.written.remove(at.pending.popleft())

    def first(self, lane: Hashable) -> int | None:
        """The first offset that is not written; None if all are."""
        at = self._lanes.get(lane)
        return at.pending[0] if at and at.pending else None

    def count(self, lane: Hashable) -> int:
        """How many are handed out since the first that is not written."""
        at = self._lanes.get(lane)
        return len(at.pending) if at else 0

    def clear(self) -> None:
        """Forget all: they will be read again, here or elsewhere."""
        self._lanes.clear()
