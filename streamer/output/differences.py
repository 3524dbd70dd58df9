"""What is different between one answer of an account and the one before: to watch a question, not to publish events.

It says what was answered and judges nothing: a token that is no longer listed may be deleted, may no longer meet what
was asked for, or may be missing from a replica for a moment. Only the service proves deletions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from streamer import avro
from streamer.diff import Change, Kind, changes
from streamer.known import Known
from streamer.output import lines
from streamer.state import Status, TokenRow
from streamer.tokens import Sighting, Snapshot, Token
from streamer.wire.jsonform import rfc3339

_WORDS: Final = {Kind.CREATED: "listed", Kind.MODIFIED: "changed", Kind.MISSING: "unlisted"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One token that is answered otherwise than before.

    Attributes:
        at: our time (ms) at which the answer was complete.
        kind: `listed`, `changed` or `unlisted`.
        fields: which changed, where both are there.
        before, after: the token; None where it was not listed.
    """

    at: int
    source: str
    kind: str
    fields: tuple[str, ...]
    before: Token | None
    after: Token | None

    @property
    def token(self) -> Token:
        """The token as it is known last."""
        return self.after or self.before or Token("")

    def form(self) -> dict[str, Any]:
        """As JSON; tokens in their one JSON form."""
        return {
            "at": rfc3339(self.at),
            "source": self.source,
            "difference": self.kind,
            "moid": self.token.moid,
            "changed_fields": list(self.fields),
            "before": avro.token_form(self.before) if self.before else None,
            "after": avro.token_form(self.after) if self.after else None,
        }

    def text(self) -> str:
        """As one line for a person, all of it printable."""
        client = lines.short(self.token.client_name or self.token.client_id or "")
        what = lines.steps(self.fields, *(avro.token_record(one) if one else {} for one in (self.before, self.after)))
        told = (rfc3339(self.at), f"{self.kind:8}", self.source, self.token.moid, client, what)
        return "  ".join(part for part in told if part)


@dataclass
class Answered:
    """What one account answered last."""

    source: str
    _rows: dict[str, TokenRow] = field(default_factory=dict)

    @property
    def known(self) -> Known:
        """What need not be decoded again."""
        return Known.of(self._rows)

    def next(self, answer: Snapshot) -> Iterator[Difference]:
        """What is different in this answer, which was made against `known`; it is the last one from now on."""
        for change in changes(self._rows, answer):
            yield self._difference(change, answer.finished_at)
            if change.after is None:
                del self._rows[change.moid]
            else:
                self._rows[change.moid] = _row(change.after, answer.started_at)

    def _difference(self, change: Change, at: int) -> Difference:
        before = change.before
        if change.kind is Kind.MISSING:
            before = avro.decode_token(self._rows[change.moid].datum)
        after = change.after.token if change.after else None
        return Difference(at, self.source, _WORDS[change.kind], change.fields, before, after)


def _row(seen: Sighting, seen_at: int) -> TokenRow:
    return TokenRow(Status.LIVE, seen_at, seen.raw, seen.meaning, seen.datum)
