"""What a missing Moid means: pure verdicts over gathered evidence.

A token that a snapshot lacks is a candidate and nothing more. It is believed to be deleted only when the API itself
says, asked for this one Moid, that it does not exist; every other answer means that nobody knows, and the deletion
waits. No verdict is ever reached from silence.
"""

from __future__ import annotations

from dataclasses import dataclass

from streamer.events import Evidence
from streamer.state import TokenRow
from streamer.tokens import Finding, Gone, ServerClock


@dataclass(frozen=True, slots=True)
class Deleted:
    """The token is gone. `not_after` is the server's time of the proof, rounded up."""

    cause: str
    evidence: Evidence
    not_after: int
    trace_id: str | None = None


def judge(row: TokenRow, finding: Finding | None, clock: ServerClock) -> Deleted | None:
    """The verdict on a token that the snapshot lacks; None: there is none yet, the deletion waits.

    Args:
        row: what we know of the token.
        finding: what the API said when asked for it; None where it was not asked.
        clock: the server's; expiry is judged by it.
    """
    if not isinstance(finding, Gone):
        return None
    checked_at = clock.best(finding.checked_at)
    expired = row.expiration_time is not None and row.expiration_time <= checked_at
    return Deleted(
        cause="expired" if expired else "removed",
        evidence=Evidence(finding.method, checked_at),
        not_after=clock.latest(finding.checked_at),
        trace_id=finding.trace_id,
    )
