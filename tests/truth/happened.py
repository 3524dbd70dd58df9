"""The judge of a play: holds events to the world's own ledger, which alone says what happened, and when.

It must never ask the streamer what is true: it knows events as readers do, and rows as the API documents them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from streamer.demo.life import Life
from streamer.demo.truth import Entry, Row
from tests import judge

LAG_MS: Final = 30_000  # what was read may have been true so much earlier


class Broken(AssertionError):
    """A promise was broken; says which ones, and by what."""


class Judge:
    """Holds events to the ledger of `world`, which alone says what happened, and when."""

    def __init__(self, world: Life) -> None:
        self._world = world
        self._number = 0
        self._lives: defaultdict[str, list[Entry]] = defaultdict(list)

    @staticmethod
    def demand(faults: Iterable[str]) -> None:
        """Raise `Broken` if there is any."""
        if found := list(faults):
            raise Broken("\n".join(found))

    def faults(self, before: list[judge.Event], new: list[judge.Event], *, judged: bool) -> list[str]:
        """What is wrong with the new events, which come after those `before`."""
        self._learn()
        last = judge.Log(before).last()
        found = []
        for number, event in enumerate(new, len(before) + 1):
            if event["sequence"] != number:
                found.append(f"sequence {event['sequence']} where {number} was due")
            if event["before"] != last.get(event["moid"]):
                found.append(f"{_name(event)}: before is not the after before it")
            last[event["moid"]] = event["after"]
            if judged and not self._is_true(event):
                found.append(f"{_name(event)} did not happen within {_bounds(event)}: {self._told(event['moid'])}")
        return found

    def unseen(self, believed: Mapping[str, judge.Event], started_at: int, finished_at: int) -> list[str]:
        """What a poll without any lie did not tell: tokens that were there all the while, as none of its moments was.

        `started_at` and `finished_at` are the server's clock.
        """
        self._learn()
        found = []
        for moid, life in self._lives.items():
            there = [e for e, end in _lasting(life) if e.at <= finished_at and end >= started_at]
            always = there and there[0].at <= started_at and all(entry.after is not None for entry in there)
            if always and believed.get(moid) not in [_shown(entry.after) for entry in there]:
                found.append(f"{moid} was there from {started_at} to {finished_at} and is not known so: {there[-1]}")
        return found

    def _is_true(self, event: judge.Event) -> bool:
        """Whether its old state became its new one, by any way, within its bounds, the replicas' lag allowed for."""
        life = self._lives[event["moid"]]
        low = (event["not_before"] or 0) - LAG_MS
        old = None if event["before"] is None else without_extras(event["before"])
        new = None if event["after"] is None else without_extras(event["after"])
        states = [None, *(_shown(entry.after) for entry in life)]
        for ended, entry in enumerate(life):  # the old state ended with this entry
            in_time = event["baseline"] or entry.at >= low
            if states[ended] == old and in_time:
                return any(
                    state == new and later.at <= event["not_after"]
                    for state, later in zip(states[ended + 1 :], life[ended:], strict=True)
                )
        return False

    def _learn(self) -> None:
        self._world.tick()
        for entry in self._world.truth.entries[self._number :]:
            self._lives[entry.moid].append(entry)
        self._number = len(self._world.truth.entries)

    def _told(self, moid: str) -> str:
        return ", ".join(f"{entry.what} ({entry.cause}) at {entry.at}" for entry in self._lives[moid])


def _lasting(life: list[Entry]) -> Iterable[tuple[Entry, int]]:
    """Each entry with the moment up to which it was true."""
    ends = [entry.at for entry in life[1:]]
    return zip(life, [*ends, 1 << 62], strict=True)


def _shown(row: Row | None) -> judge.Event | None:
    return None if row is None else judge.as_published(row)


def without_extras(token: judge.Event) -> judge.Event:
    """The fields that are compared; what is unknown is only carried."""
    return {name: value for name, value in token.items() if name != "extras"}


def _name(event: judge.Event) -> str:
    return f"{event['sequence']} {event['event_type']} {event['moid']}"


def _bounds(event: judge.Event) -> str:
    return f"{event['not_before']}..{event['not_after']}"
