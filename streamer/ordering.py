"""Puts events of several partitions back into the order of their sequence, within a short wait.

Three topics with partitions of their own hold one history: `sequence` has no gap per source and epoch over all of
them, but nothing makes a reader meet the partitions in that order. This room is pure: time is an argument, and it
never drops, repeats or invents an item. What did not come is said (`missing`), not waited for for ever; what comes
after that is passed on at once (`late`).

Question: when is a missing sequence a gap? Choice: when no lane (partition) can bring it any more. A lane holds the
items of one history in order, so one that has brought a higher sequence will not; nor will one that was read to its
end a window after something behind the gap became visible, because a writer commits in order. Rejected: age alone,
which cries "gap" whenever one lane of a long backlog is read faster than another.

Question: where does a history begin that is met in its middle? Choice: with the lowest sequence met when no lane can
bring a lower one; no gap is told before it, because everything in front of the place one starts at is missing. Rejected
here too: age alone; in a backlog that is read slowly, the first event then came out after those that follow it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")

FIRST = 1  # the sequence every history begins with
NOTHING = range(0)


@dataclass(frozen=True, slots=True)
class Ordered(Generic[T]):
    """One item in its place.

    Attributes:
        item: as it was added.
        missing: the sequences right before it that did not come; empty if there are none.
        late: its place had passed: a gap was told there before, or it was there already.
    """

    item: T
    missing: range = NOTHING
    late: bool = False


@dataclass(slots=True)
class _History(Generic[T]):
    """One source's one epoch: which sequence is next, who waits behind it, and how far each lane has come."""

    next: int | None = None
    waiting: list[tuple[int, int, T]] = field(default_factory=list)  # heap of sequence, order of arrival, item
    arrivals: deque[tuple[int, int]] = field(default_factory=deque)  # time of arrival, sequence; oldest first
    reached: dict[Hashable, int] = field(default_factory=dict)  # lane -> its highest sequence


class Ordering(Generic[T]):
    """A buffer for items of any number of histories; `window` and all times are in one unit of the caller's choice."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._histories: dict[Hashable, _History[T]] = {}
        self._ready: deque[Ordered[T]] = deque()
        self._added = 0

    def __len__(self) -> int:
        """How many items are inside."""
        return len(self._ready) + sum(len(history.waiting) for history in self._histories.values())

    def add(self, history: Hashable, sequence: int, item: T, *, lane: Hashable, now: int) -> None:
        """Take an item that `lane` brought; `history` names its source and epoch."""
        at = self._histories.get(history) or self._histories.setdefault(history, _History())
        at.reached[lane] = max(sequence, at.reached.get(lane, sequence))
        if at.next is None and sequence == FIRST:
            at.next = FIRST
        self._added += 1
        heapq.heappush(at.waiting, (sequence, self._added, item))
        at.arrivals.append((now, sequence))
        self._follow_on(at)

    def lacks(self, history: Hashable, sequence: int) -> bool:
        """Whether somebody waits for this sequence."""
        at = self._histories.get(history)
        return bool(at and at.waiting and (at.next or FIRST) <= sequence < max(entry[0] for entry in at.waiting))

    def take(self, *, read: Mapping[Any, int | None]) -> Ordered[T] | None:
        """The next item that may go, or None.

        Args:
            read: for every lane the last time at which it was known to be read to its end; None if there is none.
        """
        if not self._ready:
            for at in self._histories.values():
                self._expire(at, read)
        return self._ready.popleft() if self._ready else None

    def hurry(self) -> None:
        """Let the first who waits in each history go: the caller has no room to read what they wait for."""
        for at in self._histories.values():
            if at.waiting:
                self._pass(at)
                self._follow_on(at)

    def clear(self) -> None:
        """Forget everything: whoever read these items is going to read them again."""
        self._histories.clear()
        self._ready.clear()

    def _expire(self, at: _History[T], read: Mapping[Any, int | None]) -> None:
        while at.waiting and self._is_due(at, read):
            self._pass(at)
            self._follow_on(at)

    def _is_due(self, at: _History[T], read: Mapping[Any, int | None]) -> bool:
        """Whether nobody in front of the first who waits can still come."""
        first, since = at.waiting[0][0], at.arrivals[0][0] + self._window
        return all(at.reached.get(lane, 0) >= first or (end is not None and end >= since) for lane, end in read.items())

    def _follow_on(self, at: _History[T]) -> None:
        """Let go who is next, and who is next then."""
        while at.next is not None and at.waiting and at.waiting[0][0] <= at.next:
            self._pass(at)

    def _pass(self, at: _History[T]) -> None:
        sequence, _, item = heapq.heappop(at.waiting)
        expected = sequence if at.next is None else at.next
        self._ready.append(Ordered(item, range(expected, sequence), late=sequence < expected))
        at.next = max(sequence + 1, expected)
        while at.arrivals and at.arrivals[0][1] < at.next:
            at.arrivals.popleft()
