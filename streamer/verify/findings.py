"""A difference between two of the three: what the topics tell, what the state holds, what Intersight shows.

Pure values. A difference carries all that a person needs to look into it, and what tells it from another one, so that
it can be recognised when everything is looked at a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamer.tokens import INSTANTS, TOKEN_FIELDS, Token
from streamer.wire.jsonform import rfc3339

TOPICS: Final = "topics"
STATE: Final = "state"
API: Final = "Intersight"
UNKNOWN_MS: Final = 180_000  # the patience for a source that is not configured here: that of the defaults


@dataclass(frozen=True, slots=True)
class Told:
    """An event, as far as a difference names it."""

    event_id: str
    event_type: str
    sequence: int
    detected_at: int

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}, sequence {self.sequence}, detected {rfc3339(self.detected_at)}"


@dataclass(frozen=True, slots=True)
class Field:
    """One property on both sides, as texts."""

    name: str
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What does not agree.

    Attributes:
        source: whose.
        kind: a stable code: `gap`, `repeated`, `chain`, `report`, `untold`, `unknown`, `differs`, `gone`.
        between: the two sides, such as topics and state.
        detail: one sentence.
        moid: of the token, where it is about one.
        fields: where both sides know the token.
        event: the last event that told of it; None: there was none.
        at: since when, at the latest (ms UTC); None where nothing tells.
    """

    source: str
    kind: str
    between: tuple[str, str]
    detail: str
    moid: str | None = None
    fields: tuple[Field, ...] = ()
    event: Told | None = None
    at: int | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What it is recognised by when everything is looked at again."""
        return self.source, self.kind, self.between, self.moid, self.fields, None if self.moid else self.detail

    def is_older(self, now: int, patience_ms: int) -> bool:
        """Whether it is known to stand for longer than the patience."""
        return self.at is not None and now - self.at > patience_ms

    def told(self) -> dict[str, Any]:
        """The form for programs."""
        one, other = self.between
        return {
            "source": self.source,
            "kind": self.kind,
            "between": list(self.between),
            "moid": self.moid,
            "detail": self.detail,
            "fields": [{"name": field.name, one: field.one, other: field.other} for field in self.fields],
            "event_id": self.event.event_id if self.event else None,
            "sequence": self.event.sequence if self.event else None,
            "at": None if self.at is None else rfc3339(self.at),
        }


def fields(one: Token, other: Token, names: Iterable[str] = TOKEN_FIELDS) -> tuple[Field, ...]:
    """The properties that differ, in the order of the contract."""
    sides = ((name, getattr(one, name), getattr(other, name)) for name in names)
    return tuple(Field(name, _text(name, a), _text(name, b)) for name, a, b in sides if a != b)


def standing(
    first: Mapping[tuple[Any, ...], Difference], second: Iterable[Difference], now: int, patience_ms: Mapping[str, int]
) -> tuple[list[Difference], list[Difference]]:
    """Of what is seen at the second look: what stands for longer than the patience, and what may be younger.

    Args:
        first: what was seen a patience before, by `Difference.key`.
        second: what is seen now.
        now: ms UTC.
        patience_ms: by source.
    """
    old: list[Difference] = []
    young: list[Difference] = []
    for found in second:
        stands = found.key in first or found.is_older(now, patience_ms.get(found.source, UNKNOWN_MS))
        (old if stands else young).append(found)
    return old, young


def _text(name: str, value: Any) -> str:
    if value is None or value == ():
        return "nothing"
    if name in INSTANTS:
        return rfc3339(value)
    if isinstance(value, tuple):
        return ", ".join(part if isinstance(part, str) else repr(part) for part in value)
    return repr(value)
