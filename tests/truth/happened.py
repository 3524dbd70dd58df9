"""The judge of a play: holds events to the world's own ledger, which alone says what happened, and when.

It must never ask the streamer what is true: it knows events as readers do, and rows as the API documents them.

What it forgives is what nobody can know who only reads the API, and no more of it than was the case:
- While anything lies, what is read may have been true up to `LAG_MS` earlier (an old replica), and a token that is
  there may be unseen (a lost privilege; what it hid for longer is a baseline): bounds that rest on a poll of that time
  begin so much earlier.
- While replies tell a wrong `Date`, and up to the first snapshot after it (a jump is believed once it is said twice),
  bounds that rest on a poll of that time are off by as much, and so is what follows from them. All others are exact,
  and after a poll without any lie no wider than what was read.
- A row that told another content is the API's own word: an event may repeat it exactly as the contract reads it, if it
  was told within the event's bounds. Whether its token is there stays a matter of the ledger alone.

Not judged: what is published while a replica is behind and `Date` is wrong at once (`Play.judged`), for nothing but a
clock tells how old a view is; nor the causes that a lie about audit records takes away, for `removed` is never wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streamer.demo.life import Life
from streamer.demo.truth import Entry, Row
from tests import judge
from tests.truth.told import compared

LAG_MS: Final = 30_000  # how far behind a replica may be
SECOND: Final = 1000  # the resolution of `Date`: bounds are so much wider than what was read
NEVER: Final = -1 << 62

Told = Mapping[str, Sequence[tuple[int, judge.Event | None]]]


class Broken(AssertionError):
    """A promise was broken; says which ones, and by what."""


@dataclass(slots=True)
class Forgiven:
    """What the bounds of events may be off, by what was told when.

    Attributes:
        lied_until, skewed_until: the last moment at which a poll was lied to at all, or told a wrong `Date`.
        skew_ms: by how much it was wrong, at most.
        lies, skews: whether that is so in the poll in hand.
        lingers: whether a wrong `Date` was told after the last right one that was read.
    """

    lied_until: int = NEVER
    skewed_until: int = NEVER
    skew_ms: int = 0
    lies: bool = False
    skews: bool = False
    lingers: bool = False

    def begin(self, *, lies: bool, skew_ms: int | None) -> None:
        """A poll begins; `skew_ms` is None if every `Date` is right."""
        self.lies, self.skews = lies, self.lingers or skew_ms is not None
        self.skew_ms = max(self.skew_ms, skew_ms or 0)

    def end(self, now: int) -> None:
        """It is over."""
        self.lied_until = now if self.lies else self.lied_until
        self.skewed_until = now if self.skews else self.skewed_until

    def low(self, moment: int | None) -> int:
        """The true moment that a lower bound stands for, at the earliest."""
        if moment is None:
            return NEVER
        early = moment - (self.skew_ms if self.was_skewed(moment) else 0)
        return early - (LAG_MS if early <= self.lied_until else 0)

    def was_skewed(self, moment: int) -> bool:
        """Whether a lower bound may rest on a wrong `Date`."""
        return moment <= self.skewed_until + self.skew_ms

    def high(self, moment: int) -> int:
        """The true moment that an upper bound stands for, at the latest."""
        return moment + (self.skew_ms if self.skews else 0)


class Judge:
    """Holds events to the ledger of `world`, and to what was `told` beside.

    Args:
        world: the account.
        told: by Moid, the moment and the token of each row that left the API while it told another content; None for
            the API's word that there is no such token.
    """

    def __init__(self, world: Life, told: Told) -> None:
        self.forgiven = Forgiven()
        self._world, self._told = world, told
        self._number = 0
        self._lives: defaultdict[str, list[Entry]] = defaultdict(list)
        self._first: int | None = None

    @staticmethod
    def demand(faults: Iterable[str]) -> None:
        """Raise `Broken` if there is any."""
        if found := list(faults):
            raise Broken("\n".join(found))

    def faults(
        self, before: list[judge.Event], new: list[judge.Event], started_at: int, *, judged: bool = True
    ) -> list[str]:
        """What is wrong with the new events, of a poll that began at `started_at`, which come after those `before`.

        `judged`: they are held to what happened, too.
        """
        self._learn()
        self.forgiven.end(self._world.clock())
        if new and self._first is None:
            self._first = started_at
        last = judge.Log(before).last() if new else {}
        found = []
        for number, event in enumerate(new, len(before) + 1):
            if event["sequence"] != number:
                found.append(f"sequence {event['sequence']} where {number} was due")
            if event["before"] != last.get(event["moid"]):
                found.append(f"{_name(event)}: before is not the after before it")
            last[event["moid"]] = event["after"]
            found += self._untrue(event) if judged else ()
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

    def loose(self, events: Iterable[judge.Event], since: int, finished_at: int) -> list[str]:
        """Bounds that are wider than what was read, in a poll without any lie after another that began at `since`.

        A deletion may have been proven earlier, and a token taken back is older; both begin where it was last seen.
        """
        found = []
        for event in events:
            low = NEVER if event["not_before"] is None else event["not_before"]
            recent = event["event_type"] == "modified" or (event["event_type"] == "created" and not event["retracts"])
            if event["not_after"] > finished_at + SECOND and not self.forgiven.was_skewed(low):
                found.append(f"{_name(event)}: {_bounds(event)} ends after {finished_at}")
            if recent and low < since - SECOND:
                found.append(f"{_name(event)}: {_bounds(event)} begins before {since}")
        return found

    def _untrue(self, event: judge.Event) -> list[str]:
        """What is wrong with an event by itself."""
        found = [*self._misflagged(event), *self._misattributed(event)]
        if not self._is_true(event):
            found.append(f"{_name(event)} did not happen within {_bounds(event)}: {self._life_of(event['moid'])}")
        return found

    def _is_true(self, event: judge.Event) -> bool:
        """Whether its old state became its new one, by any way, within its bounds."""
        life, told = self._lives[event["moid"]], self._told.get(event["moid"], ())
        low, high = self.forgiven.low(event["not_before"]), self.forgiven.high(event["not_after"])
        old, new = _known(event["before"]), _known(event["after"])
        states = [None, *(_shown(entry.after) for entry in life)]
        for ended, entry in enumerate(life):  # the old state ended with this entry
            in_time = event["baseline"] or entry.at >= low
            if states[ended] == old and in_time:
                return any(
                    state == new and later.at <= high
                    for state, later in zip(states[ended + 1 :], life[ended:], strict=True)
                ) or _was_told(told, new, low, high)
        if old not in states or any(token == old for _, token in told):  # then it only stood in replies
            return _was_told(told, old, NEVER, high) and (
                _was_told(told, new, low, high) or _was_so(life, new, low, high)
            )
        return _was_told(told, new, low, high)

    def _misflagged(self, event: judge.Event) -> list[str]:
        """Whether a token that is new to readers was there before we could see it, and whether it is said to be."""
        born = event["after"]["create_time"] if event["event_type"] == "created" else None
        if born is None or self._first is None:
            return [f"{_name(event)} is no baseline"] if event["baseline"] and event["event_type"] != "created" else []
        off = SECOND + self.forgiven.skew_ms
        regained = event["not_before"] is not None and born < event["not_before"] - LAG_MS
        old, new = born <= self._first + off or regained, born >= self._first - off
        if event["retracts"] is not None:
            return [f"{_name(event)} is taken back, and no baseline"] if event["baseline"] else []
        if event["baseline"] and not old:
            return [f"{_name(event)} is no baseline: born at {born}, first look at {self._first}"]
        return [] if event["baseline"] or (new and not regained) else [f"{_name(event)} is a baseline: born at {born}"]

    def _misattributed(self, event: judge.Event) -> list[str]:
        """Whether a cause is one that the audit or the clock bears out; an actor is never guessed."""
        if event["event_type"] != "deleted":
            return []
        cause, evidence = event["delete_cause"], event["delete_evidence"]
        record = next((r for r in self._world.records() if r["Moid"] == evidence["audit_record_moid"]), None)
        named = {"revoked": event["moid"], "logout": event["before"]["user_moid"]}.get(cause)
        ends = event["before"]["expiration_time"]
        right = (
            record is not None and record["ObjectMoid"] == named and record["Email"] == evidence["actor"]
            if cause in {"revoked", "logout"}
            else (evidence["audit_record_moid"], evidence["audit_event"], evidence["actor"]) == (None, None, None)
        )
        if cause == "expired" and (ends is None or ends > event["not_after"]):
            right = False
        return [] if right else [f"{_name(event)}: {cause} is not what {record} and {evidence} say"]

    def _learn(self) -> None:
        self._world.tick()
        for entry in self._world.truth.entries[self._number :]:
            self._lives[entry.moid].append(entry)
        self._number = len(self._world.truth.entries)

    def _life_of(self, moid: str) -> str:
        life = [f"{entry.what} ({entry.cause}) at {entry.at}" for entry in self._lives[moid]]
        told = [f"told otherwise at {at}" for at, _ in self._told.get(moid, ())]
        return ", ".join(life + told)


def _was_told(told: Sequence[tuple[int, judge.Event | None]], token: judge.Event | None, low: int, high: int) -> bool:
    """Whether a reply of that time said so."""
    return any(low <= at <= high and shown == token for at, shown in told)


def _was_so(life: list[Entry], token: judge.Event | None, low: int, high: int) -> bool:
    """Whether it was so at some moment of that time."""
    return any(e.at <= high and end >= low and _shown(e.after) == token for e, end in _lasting(life))


def _lasting(life: list[Entry]) -> Iterable[tuple[Entry, int]]:
    """Each entry with the moment up to which it was true."""
    ends = [entry.at for entry in life[1:]]
    return zip(life, [*ends, 1 << 62], strict=True)


def _shown(row: Row | None) -> judge.Event | None:
    return None if row is None else compared(judge.as_published(row))


def _known(token: judge.Event | None) -> judge.Event | None:
    return None if token is None else compared(token)


def _name(event: judge.Event) -> str:
    return f"{event['sequence']} {event['event_type']} {event['moid']}"


def _bounds(event: judge.Event) -> str:
    return f"{event['not_before']}..{event['not_after']}"
