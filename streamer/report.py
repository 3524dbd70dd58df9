"""What every poll leaves behind: a `SnapshotReport`, whether it was believed or not.

Field names, order and types are those of record `SnapshotReport` in `schemas/snapshot_report.avsc`; times are ms UTC
of the worker's clock, `server_date` the server's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from streamer.errors import Rejected
from streamer.events import Poll
from streamer.tokens import Snapshot, Walk

DETAIL_LIMIT: Final = 1024  # characters of `detail`
MOST_TRACES: Final = 200  # at 36 letters each 8 kB, in every report and now and then in the source's row


@dataclass(frozen=True, slots=True)
class Report:
    """One poll. `verdict`: accepted, rejected or interrupted; `reason` is one stable code, null if accepted."""

    snapshot_id: str
    source: str
    epoch: str | None
    account_moid: str | None
    started_at: int
    finished_at: int
    server_date: int | None
    clock_offset_ms: int | None
    verdict: str
    reason: str | None = None
    detail: str | None = None
    paging: str = "skip"
    pages: int = 0
    requests: int = 0
    rows: int = 0
    server_count: int | None = None
    moids_sha256: str | None = None
    baseline: bool = False
    created: int = 0
    modified: int = 0
    deleted: int = 0
    unchanged: int = 0
    suppressed: int = 0
    held: int = 0
    waiting: int = 0
    stale: int = 0
    outlived: int = 0
    first_sequence: int | None = None
    last_sequence: int | None = None
    hold_id: str | None = None
    trace_ids: tuple[str, ...] = ()


def accepted(
    poll: Poll,
    snapshot: Snapshot,
    *,
    baseline: bool,
    finished_at: int,
    requests: int,
    looked_up: tuple[str, ...] = (),
) -> Report:
    """The report of a poll that is believed, before anything is counted.

    Args:
        poll: what its events share.
        snapshot: what was read.
        baseline: none was believed before.
        finished_at: when it was judged.
        requests: all that the poll sent.
        looked_up: the trace ids of what was read beside the list.
    """
    return _report(
        snapshot.walk,
        looked_up,
        snapshot_id=snapshot.snapshot_id,
        source=poll.source,
        epoch=poll.epoch,
        account_moid=poll.account_moid,
        started_at=snapshot.started_at,
        finished_at=finished_at,
        requests=requests,
        verdict="accepted",
        moids_sha256=snapshot.moids_sha256,
        baseline=baseline,
    )


def rejected(
    error: Rejected,
    *,
    snapshot_id: str,
    source: str,
    epoch: str,
    account_moid: str | None,
    started_at: int,
    finished_at: int,
    requests: int,
    baseline: bool,
) -> Report:
    """The report of a poll that must not be believed: as much as is known of how far it came."""
    return _report(
        error.walk,
        () if error.trace_id is None else (error.trace_id,),
        snapshot_id=snapshot_id,
        source=source,
        epoch=epoch,
        account_moid=account_moid,
        started_at=started_at,
        finished_at=finished_at,
        requests=requests,
        verdict="rejected",
        reason=error.reason,
        detail=str(error)[:DETAIL_LIMIT],
        baseline=baseline,
    )


def _report(walk: Walk, more: tuple[str, ...], **facts: Any) -> Report:
    """What the reading tells, with the facts of the judgement; `more` are the trace ids of later replies."""
    return Report(
        server_date=walk.server_date,
        clock_offset_ms=None if walk.server_date is None else walk.clock.offset,
        paging=walk.paging,
        pages=walk.pages,
        rows=walk.rows,
        server_count=walk.server_count,
        trace_ids=tuple(dict.fromkeys((*walk.trace_ids, *more)))[-MOST_TRACES:],
        **facts,
    )
