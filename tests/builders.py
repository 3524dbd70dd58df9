"""Values for tests, each with a default for all that a test does not speak of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from streamer import avro
from streamer.avro import Values
from streamer.batch import Batch, Folding, Form
from streamer.events import Poll
from streamer.known import Known
from streamer.state import SourceState, Status, TokenRow
from streamer.tokens import ServerClock, Sighting, Snapshot, Token, Walk

NOON = 1_764_072_000_000  # 2025-11-25T12:00:00Z
SECOND = 1000
ACCOUNT = "5f3a1c9e7564612d30c1a2b0"
EPOCH = "0b0f3c5a-6f0e-4d5e-9d57-0d5f3a3d6a10"
SAME_CLOCK = ServerClock()
FORM = Form(Values("avro", {}))


def token(moid: str = "a", **fields: Any) -> Token:
    """A token created an hour before noon."""
    usual: dict[str, Any] = {
        "account_moid": ACCOUNT,
        "client_name": "portal",
        "create_time": NOON - 3600 * SECOND,
        "mod_time": NOON - 3600 * SECOND + 1,
    }
    return Token(moid, **usual | fields)


def sighting(seen: Token, *, arrived_at: int = NOON, noise: str = "") -> Sighting:
    """The token as one reply showed it; `noise` makes other bytes of the same meaning."""
    compared, extras = avro.encode_token(seen)
    raw = avro.digest(compared + extras + noise.encode())
    return Sighting(seen, compared + extras, avro.digest(compared), raw, arrived_at, trace_id="trace")


def row(seen: Token, status: Status = Status.LIVE, *, seen_at: int = NOON - 120 * SECOND, **fields: Any) -> TokenRow:
    """The state's row of a token."""
    shown = sighting(seen)
    return TokenRow(
        status,
        seen_at,
        shown.raw,
        shown.meaning,
        shown.datum,
        expiration_time=seen.expiration_time,
        mod_time=seen.mod_time,
        visible_since=seen.create_time,
        **fields,
    )


def known_of(*seen: Sighting) -> Known:
    """What is known once the rows of an answer are in the state."""
    return Known.of({one.token.moid: TokenRow(Status.LIVE, NOON, one.raw, one.meaning, one.datum) for one in seen})


def snapshot(
    tokens: Iterable[Token | Sighting],
    *,
    known: Iterable[TokenRow] = (),
    started_at: int = NOON - SECOND,
    clock: ServerClock = SAME_CLOCK,
    **fields: Any,
) -> Snapshot:
    """A complete snapshot of the tokens; those whose bytes `known` rows hold are unchanged."""
    seen = [one if isinstance(one, Sighting) else sighting(one) for one in tokens]
    digests = {known_row.raw for known_row in known if known_row.known}
    rows = {one.token.moid: one for one in seen if one.raw not in digests}
    moids = sorted(one.token.moid for one in seen)
    shown = Snapshot(
        snapshot_id="5c1f9a52-3f0e-4f5e-8f0a-1a2b3c4d5e6f",
        started_at=started_at,
        finished_at=NOON,
        walk=Walk(pages=1, rows=len(seen), server_count=len(seen), server_date=NOON, clock=clock),
        clock=clock,
        account_moid=ACCOUNT if seen else None,
        moids_sha256=hashlib.sha256("\n".join(moids).encode()).hexdigest(),
        unchanged=frozenset(moids) - frozenset(rows),
        rows=rows,
    )
    return replace(shown, **fields)


def fold(state: SourceState, *written: Batch) -> SourceState:
    """The state after batches of one poll were committed."""
    folding = Folding(state)
    for part in written:
        folding.add(part)
    return folding.state()


def poll(**fields: Any) -> Poll:
    """A poll at noon; the one before it began a minute earlier."""
    usual: dict[str, Any] = {
        "source": "prod",
        "epoch": EPOCH,
        "snapshot_id": "5c1f9a52-3f0e-4f5e-8f0a-1a2b3c4d5e6f",
        "account_moid": ACCOUNT,
        "detected_at": NOON,
        "started_at": NOON - SECOND,
        "clock": ServerClock(),
        "last_complete": NOON - 61 * SECOND,
        "first_started_at": NOON - 600 * SECOND,
        "replica_lag_ms": 120 * SECOND,
    }
    return Poll(**usual | fields)
