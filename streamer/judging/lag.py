"""What of a snapshot may be a replica's old view, and so is not believed yet.

Intersight may answer from a replica that is behind by up to `replica_lag`. Such a reply shows tokens as they were, and
tokens that are gone. It can be told by two marks: a ModTime older than the one we know, and a token whose deletion we
proved less than the lag ago. (The third, a young token that is missing, is the business of `absence`.) Everything else
is believed at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.events import Poll
from streamer.state import TokenRow
from streamer.tokens import Sighting, Snapshot

Since = Mapping[str, int]


def stale(tokens: Mapping[str, TokenRow], snapshot: Snapshot, poll: Poll, before: Since) -> Since:
    """The Moids whose row is older than what we know, each with the start of the first snapshot in a row that said so.

    Once that is longer ago than the lag, a row is believed: no replica is so far behind.

    Args:
        tokens: all that is known.
        snapshot: what is shown now.
        poll: its start and the lag.
        before: what this gave for the accepted snapshot before.
    """
    shown = {moid for moid, seen in snapshot.rows.items() if is_older(seen, tokens.get(moid))}
    since = {moid: before.get(moid, poll.started_at) for moid in shown}
    return {moid: first for moid, first in since.items() if poll.started_at - first <= poll.replica_lag_ms}


def ghosts(tokens: Mapping[str, TokenRow], snapshot: Snapshot, poll: Poll) -> frozenset[str]:
    """The Moids that are shown although their deletion was proven less than the lag before this snapshot began."""
    return frozenset(
        moid for moid in snapshot.rows if moid in tokens and may_be_a_ghost(tokens[moid], poll, poll.started_at)
    )


def is_older(seen: Sighting, row: TokenRow | None) -> bool:
    """Whether a row shows an earlier state of a token than the one we know."""
    if row is None or not row.known or row.mod_time is None or seen.token.mod_time is None:
        return False
    return seen.token.mod_time < row.mod_time


def may_be_a_ghost(row: TokenRow, poll: Poll, started_at: int) -> bool:
    """Whether a snapshot that began at `started_at` (server's clock) may show a token that we know to be deleted."""
    if row.known or row.deleted_at is None or poll.replica_lag_ms == 0:
        return False
    return started_at - poll.clock.latest(row.deleted_at) <= poll.replica_lag_ms
