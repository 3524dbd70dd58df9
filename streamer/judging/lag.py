"""What of a snapshot may be a replica's old view, and so is not believed yet.

Intersight may answer from a replica that is behind by up to `replica_lag`. Such a reply shows tokens as they were, and
tokens that are gone. It can be told by two marks: a ModTime older than the one we know, and a token whose deletion we
proved less than the lag ago. (The third, a young token that is missing, is the business of `absence`.) Everything else
is believed at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from streamer.diff import Found, Kind
from streamer.events import Poll
from streamer.known import Known
from streamer.state import TokenRow

Since = Mapping[str, int]


class Distrust:
    """What of one snapshot is not believed.

    Args:
        known: what the snapshot was compared with.
        poll: its start and the lag.
        before: `stale` of the accepted snapshot before.

    Attributes:
        stale: by Moid of a token that is shown older than we know it, the start of the first snapshot in a row that
            did so. Once that is longer ago than the lag, it is believed: no replica is so far behind.
        ghosts: the Moids that are shown although their deletion was proven less than the lag before.
    """

    def __init__(self, known: Known, poll: Poll, before: Since) -> None:
        self.stale: dict[str, int] = {}
        self.ghosts: set[str] = set()
        self._known = known
        self._poll = poll
        self._before = before

    def believed(self, found: Iterable[Found]) -> Iterator[Found]:
        """Of what differs, what is believed; the rest is noted as it comes."""
        for one in found:
            if one.kind is Kind.MODIFIED and (since := self._stale_since(one)) is not None:
                self.stale[one.moid] = since
            elif one.kind is Kind.CREATED and self._is_ghost(one):
                self.ghosts.add(one.moid)
            else:
                yield one

    def _stale_since(self, one: Found) -> int | None:
        if one.seen is None or one.place is None or not is_before(one.seen.mod_time, self._known.mod_time(one.place)):
            return None
        since = self._before.get(one.moid, self._poll.started_at)
        return since if self._poll.started_at - since <= self._poll.replica_lag_ms else None

    def _is_ghost(self, one: Found) -> bool:
        return one.place is not None and may_be_a_ghost(self._known.row(one.place), self._poll, self._poll.started_at)


def is_before(one: int | None, other: int | None) -> bool:
    """Whether one ModTime is earlier than another; not if either is not known."""
    return one is not None and other is not None and one < other


def may_be_a_ghost(row: TokenRow, poll: Poll, started_at: int) -> bool:
    """Whether a snapshot that began at `started_at` (server's clock) may show a token that we know to be deleted."""
    if row.known or row.deleted_at is None or poll.replica_lag_ms == 0:
        return False
    return started_at - poll.clock.latest(row.deleted_at) <= poll.replica_lag_ms
