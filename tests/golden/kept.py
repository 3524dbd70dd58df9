"""Golden state rows and control commands: what our own workers must be able to read for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamer.state import Answer, Complete, Hold, SourceRow, Status, TokenRow, UserRow
from tests.golden.published import (
    ACCOUNT,
    BORN,
    DAY,
    DELETION,
    EPOCH,
    HOLD,
    HOUR,
    INTERRUPTED,
    LOGIN,
    POLL,
    REVOKED,
    SHA,
    SPARSE,
    TOKEN,
    datum,
)

LIVE = TokenRow(
    Status.LIVE,
    seen_at=BORN + 29_000,
    raw=bytes(range(24)),
    meaning=bytes(range(100, 124)),
    datum=datum(TOKEN),
    expiration_time=TOKEN.expiration_time,
    mod_time=TOKEN.mod_time,
    visible_since=TOKEN.create_time,
    last_event_at=BORN + 31_000,
)
TOKEN_ROWS: Mapping[str, TokenRow] = {
    "live": LIVE,
    "live-sparse": TokenRow(Status.LIVE, BORN, raw=bytes(24), meaning=bytes(24), datum=datum(SPARSE)),
    "waiting": replace(LIVE, status=Status.WAITING, absent_since=REVOKED - 29_000),
    "held": replace(LIVE, status=Status.HELD, absent_since=REVOKED - 29_000, hold_id=HOLD),
    "deleted": replace(
        LIVE, status=Status.DELETED, deleted_event_id=DELETION, deleted_at=REVOKED + 31_000, last_event_at=REVOKED
    ),
}
SOURCE_ROWS: Mapping[str, SourceRow] = {
    "new": SourceRow(EPOCH),
    "open": SourceRow(
        EPOCH,
        last_sequence=44,
        account_moid=ACCOUNT,
        first_started_at=DAY,
        complete=Complete(POLL, BORN, BORN + 3000),
        open=INTERRUPTED,
        configuration=SHA,
    ),
    "held": SourceRow(
        EPOCH,
        last_sequence=99,
        complete=Complete(POLL, BORN, BORN + 3000),
        hold=Hold(HOLD, REVOKED, "threshold", 12, SHA),
        rights=SHA,
        control_offset=7,
    ),
    "released-in-part": SourceRow(EPOCH, hold=Hold(HOLD, REVOKED, "emptied", 3, SHA, released_at=REVOKED + HOUR)),
    "released": SourceRow(
        EPOCH,
        last_sequence=111,
        complete=Complete(POLL, BORN, BORN + 3000),
        control_offset=8,
        answer=Answer("f4b6a0c2-1e3d-4587-96a9-d8c7b5e0f312", "done", "12 deletions published"),
    ),
}
USER_ROWS: Mapping[str, UserRow] = {
    "new": UserRow.of(0, {}, {}),
    "seen": UserRow.of(LOGIN, {TOKEN.client_id or "": LOGIN}, {"203.0.113.0/24": BORN, "2001:db8::/64": LOGIN}),
}
RELEASE = {
    "command_id": "f4b6a0c2-1e3d-4587-96a9-d8c7b5e0f312",
    "source": "prod-us",
    "epoch": EPOCH,
    "action": "release",
    "hold_id": HOLD,
    "expect": 12,
    "moids_sha256": SHA,
    "issued_at": REVOKED,
    "issued_by": "ada@soc-7",
    "expires_at": REVOKED + HOUR,
}
COMMANDS: Mapping[str, Mapping[str, Any]] = {
    "release": RELEASE,
    "discard": RELEASE | {"action": "discard"},
    "discard-whatever": RELEASE | {"action": "discard", "expect": None, "moids_sha256": None},
    "forget": RELEASE | {"action": "forget", "hold_id": None, "expect": None, "moids_sha256": None},
}
