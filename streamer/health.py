"""What the worker knows of itself: what it is waiting for, how old what it knows of each source is, what it counted.

Workers write here, as they go; `status` reads it whenever somebody asks. Nothing here acts, waits or formats.

Question: who counts a source that has never been read? Choice: its age runs from the moment this worker took it, so
that a source whose first poll never succeeds turns red like any other; `age_s` stays null, for there is nothing to be
old. Rejected: red from the start (every restart would alarm), or green until the first success (nobody would notice).

Question: a source that only its rows tell of, since the configuration does not name it? Choice: it is listed and red,
for nobody polls it, until a person says that it may be forgotten. Rejected: not to list it; a source that was lost from
the file by mistake would be silent without a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.known import Known
from streamer.state import Hold, SourceState
from streamer.status.recent import Recent
from streamer.status.tally import Tally
from streamer.wire.jsonform import rfc3339

STALE_INTERVALS: Final = 3


@dataclass(slots=True)
class SourceHealth:
    """What is known of one source; the worker that reads it writes here.

    Attributes:
        source: its configured name.
        owner: the worker that writes its state, such as `host-4711`.
        interval_s: how often it is polled.
        watched_since: when this worker took it, ms UTC.
        epoch, last_sequence, tokens: as in its state; None until that is restored.
        hold: the deletions that wait for a person.
        last_accepted_at: when the last accepted snapshot was judged, ms UTC.
        last_verdict, last_reason: of the last report.
        damaged: values that were cut, repaired or nulled since this worker took it.
        damaged_state: its rows in the log cannot be read, so nobody polls it.
        configured: False: only its rows tell of it, and nobody polls it here.
        unknown: properties met since then that this version does not know.
    """

    source: str
    owner: str
    interval_s: float
    watched_since: int
    epoch: str | None = None
    last_sequence: int | None = None
    tokens: int | None = None
    hold: Hold | None = None
    last_accepted_at: int | None = None
    last_verdict: str | None = None
    last_reason: str | None = None
    damaged: int = 0
    unknown: int = 0
    damaged_state: bool = False
    configured: bool = True

    @property
    def held(self) -> int:
        """How many deletions wait for a person."""
        return self.hold.count if self.hold else 0

    def show(self, state: SourceState | None) -> None:
        """Tell what a state says from now on; nothing while it is not known, or of a source that has none."""
        if state is None or state.row is None:
            return
        row = state.row
        self.epoch, self.last_sequence = row.epoch, row.last_sequence
        self.tokens = Known.of(state.tokens).existing()
        if row.complete:
            self.last_accepted_at = row.complete.accepted_at
        self.hold = row.hold

    def age_s(self, now: int) -> float:
        """Seconds from the last accepted poll to `now` (ms UTC); of a source never read: since this worker took it."""
        since = self.watched_since if self.last_accepted_at is None else self.last_accepted_at
        return max(0, now - since) / 1000

    def stale(self, now: int) -> bool:
        """Whether it was not read within 3 intervals of `now` (ms UTC)."""
        return self.age_s(now) > STALE_INTERVALS * self.interval_s

    def healthy(self, now: int) -> bool:
        """Whether it is polled here, nothing is held and it was read within 3 intervals of `now` (ms UTC)."""
        return self.configured and not self.damaged_state and self.hold is None and not self.stale(now)

    def row(self, now: int) -> dict[str, Any]:
        """The source as `/sources` tells it, in the order it is documented in."""
        accepted_at = self.last_accepted_at
        return {
            "source": self.source,
            "owner": self.owner,
            "epoch": self.epoch,
            "last_sequence": self.last_sequence,
            "tokens": self.tokens,
            "held": self.held,
            "hold_id": self.hold.hold_id if self.hold else None,
            "last_accepted_at": None if accepted_at is None else rfc3339(accepted_at),
            "age_s": None if accepted_at is None else self.age_s(now),
            "last_verdict": self.last_verdict,
            "last_reason": self.last_reason,
            "interval_s": self.interval_s if self.configured else None,
            "healthy": self.healthy(now),
        }


@dataclass(slots=True)
class Board:
    """What the worker last wrote down about itself.

    Attributes:
        missing: what keeps it from being ready, and why: `{"registry": "no answer from http://..."}`. A new board is
            not ready; whoever is done with a thing takes it away.
        sources: by name, those this worker owns.
        tallies: by source, what this process counted; they stay when a source is given away.
        statuses: by source, how often the API answered with which HTTP status.
        recent: the last events and rejected polls.
    """

    missing: dict[str, str] = field(default_factory=lambda: {"start": "the service is starting"})
    sources: dict[str, SourceHealth] = field(default_factory=dict)
    tallies: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    statuses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    recent: Recent = field(default_factory=Recent)
