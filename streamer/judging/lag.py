"""What of a snapshot may be a replica's old view, and so is not believed yet.

Intersight may answer from a replica that is behind by up to `replica_lag`. Such a reply shows tokens as they were, and
tokens that are gone. It can be told by two marks: a ModTime older than the one we know, and a token whose deletion we
proved less than the lag ago. (The third, a young token that is missing, is the business of `absence`.) Everything else
is believed at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.diff import Found, Kind
from streamer.events import Poll
from streamer.known import Known
from streamer.state import TokenRow
from streamer.tokens import Sighting, Snapshot

Since = Mapping[str, int]


def stale_since(one: Found, known: Known, poll: Poll, before: Since) -> int | None:
    """The start of the first snapshot in a row that showed the token older than we know it; None: it is believed.

    Once that is longer ago than the lag, a row is believed: no replica is so far behind.

    Args:
        one: what differs.
        known: from this.
        poll: its start and the lag.
        before: by Moid, what this gave for the accepted snapshot before.
    """
    if one.kind is not Kind.MODIFIED or one.seen is None or one.place is None:
        return None  # what means the same has the same ModTime
    if not _is_before(one.seen.mod_time, known.mod_time(one.place)):
        return None
    since = before.get(one.moid, poll.started_at)
    return since if poll.started_at - since <= poll.replica_lag_ms else None


def ghosts(tokens: Mapping[str, TokenRow], snapshot: Snapshot, poll: Poll) -> frozenset[str]:
    """The Moids that are shown although their deletion was proven less than the lag before this snapshot began."""
    deleted = Known.of(tokens).deleted() if snapshot.rows else {}
    return frozenset(
        moid for moid, row in deleted.items() if may_be_a_ghost(row, poll, poll.started_at) and moid in snapshot.rows
    )


def is_older(seen: Sighting, row: TokenRow | None) -> bool:
    """Whether a row shows an earlier state of a token than the one we know."""
    return row is not None and row.known and _is_before(seen.token.mod_time, row.mod_time)


def _is_before(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one < other


def may_be_a_ghost(row: TokenRow, poll: Poll, started_at: int) -> bool:
    """Whether a snapshot that began at `started_at` (server's clock) may show a token that we know to be deleted."""
    if row.known or row.deleted_at is None or poll.replica_lag_ms == 0:
        return False
    return started_at - poll.clock.latest(row.deleted_at) <= poll.replica_lag_ms
