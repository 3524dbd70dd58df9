"""What is published: one event for one change of one token, and the rules by which a change becomes one.

An event carries its tokens as bytes (`before`, `after`): they were encoded once, when the row was decoded, and are
spliced into every record that shows them. Field names, order and types are those of record `OAuthTokenEvent` in
`schemas/oauth_token_event.avsc`. Times are ms UTC.

Honest time: `not_before` and `not_after` are the server's clock, rounded outwards, and the true moment lies between
them. `event_time` is an estimate within those two; only a baseline, whose moment lies before we looked, goes outside.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from streamer.frozen import Frozen
from streamer.tokens import ServerClock, Token

NAMESPACE: Final = UUID("8d63d314-d7bb-423f-a5f7-98a95e06fd8b")
NETWORK_BITS: Final = {4: 24, 6: 64}  # by IP version: two addresses in one such prefix are one network


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a deletion is believed. `method`: `lookup` (404 by Moid) or `filter`; an actor is never guessed."""

    method: str
    checked_at: int
    audit_record_moid: str | None = None
    audit_event: str | None = None
    actor: str | None = None
    actor_ip: str | None = None


@dataclass(frozen=True, slots=True)
class UserInfo:
    """The token's user, as resolved when the change was detected."""

    moid: str
    name: str | None = None
    email: str | None = None
    id: str | None = None


class Derived(Frozen, frozen=True):
    """Figures a detection rule would otherwise have to compute; None where they cannot be known."""

    lifetime_s: int | None = None
    idle_s: int | None = None
    new_client_for_user: bool | None = None
    login_network_changed: bool | None = None
    outlived_expiry: bool | None = None


class Event(Frozen, frozen=True):
    """One `OAuthTokenEvent`; `before` and `after` are bare Avro data of record `OAuthToken`."""

    event_id: str
    event_type: str
    source: str
    epoch: str
    sequence: int
    account_moid: str | None
    moid: str
    detected_at: int
    event_time: int
    not_before: int | None
    not_after: int
    snapshot_id: str
    baseline: bool = False
    before: bytes | None = None
    after: bytes | None = None
    changed_fields: tuple[str, ...] = ()
    change_kinds: tuple[str, ...] = ()
    delete_cause: str | None = None
    delete_evidence: Evidence | None = None
    retracts: str | None = None
    user: UserInfo | None = None
    trace_id: str | None = None
    derived: Derived | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """What all events of one poll have in common.

    Attributes:
        source, epoch, snapshot_id, account_moid: as in the event.
        detected_at: the worker's clock when the snapshot was judged.
        started_at: start of this snapshot, server's clock rounded down.
        clock: leads from the worker's clock to the server's.
        last_complete: start of the last complete snapshot, server's clock rounded down; None where there was none.
        first_started_at: start of the first judged snapshot as well as the server's clock is known.
        replica_lag_ms: how far behind a replica may be.
    """

    source: str
    epoch: str
    snapshot_id: str
    account_moid: str | None
    detected_at: int
    started_at: int
    clock: ServerClock
    last_complete: int | None
    first_started_at: int
    replica_lag_ms: int


def event_id(
    epoch: str, moid: str, event_type: str, *, not_before: int | None, before: bytes | None, after: bytes | None
) -> str:
    """A name that an aborted and repeated publish has again: a UUIDv5 of what was known and what was seen."""
    state = hashlib.sha256((before or b"") + (after or b"")).hexdigest()
    name = f"{epoch}/{moid}/{event_type}/{not_before or 0}/{state}"
    made = bytearray(hashlib.sha1(NAMESPACE.bytes + name.encode(), usedforsecurity=False).digest()[:16])
    made[6] = made[6] & 0x0F | 0x50  # what `uuid.uuid5` does, without its two objects
    made[8] = made[8] & 0x3F | 0x80
    text = made.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_baseline(poll: Poll, create_time: int | None, not_before: int | None) -> bool:
    """Whether a token that is new to us was there before we could see it.

    That is so if it is older than our first look, or than the last one that did not show it (rights were regained). A
    token without CreateTime is taken for old only on the first look.
    """
    if create_time is None:
        return not_before is None
    return create_time <= poll.first_started_at or was_hidden(poll, create_time, not_before)


def was_hidden(poll: Poll, create_time: int | None, not_before: int | None) -> bool:
    """Whether a token was there already when a snapshot that began at `not_before` did not show it."""
    if create_time is None or not_before is None:
        return False
    return create_time < not_before - poll.replica_lag_ms


def within(estimate: int | None, poll: Poll, not_before: int | None, not_after: int) -> int:
    """The best estimate of when it happened, else the time of detection, kept within the two bounds."""
    moment = poll.detected_at if estimate is None else estimate
    return min(moment if not_before is None else max(moment, not_before), not_after)


def lifetime_s(create_time: int | None, expiration_time: int | None) -> int | None:
    """For how many seconds the token was given out."""
    return None if create_time is None or expiration_time is None else (expiration_time - create_time) // 1000


def derived(before: Token | None, after: Token) -> Derived:
    """The figures of a token that was created (`before` is None) or modified."""
    return Derived(
        lifetime_s=lifetime_s(after.create_time, after.expiration_time),
        idle_s=_idle_s(before, after),
        login_network_changed=_network_changed(before, after),
        outlived_expiry=_outlived(before, after),
    )


def _idle_s(before: Token | None, after: Token) -> int | None:
    if before is None or before.last_login_time is None or after.last_login_time is None:
        return None
    return (after.last_login_time - before.last_login_time) // 1000


def _network_changed(before: Token | None, after: Token) -> bool | None:
    """Whether the last login came from another /24 or /64; None if an address is missing or does not parse."""
    if before is None or before.last_login_client is None or after.last_login_client is None:
        return None
    networks = network(before.last_login_client), network(after.last_login_client)
    return None if None in networks else networks[0] != networks[1]


@lru_cache(maxsize=4096)  # one office stands in most of an account's tokens
def network(address: str) -> str | None:
    """The /24 or /64 that an address lies in, such as `192.0.2.0/24`; None if it does not parse."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    kind = ipaddress.IPv4Network if parsed.version == 4 else ipaddress.IPv6Network  # noqa: PLR2004 - the version's name
    return str(kind((int(parsed), NETWORK_BITS[parsed.version]), strict=False))


def _outlived(before: Token | None, after: Token) -> bool | None:
    """Whether it changed, or its user logged in, after the expiry it had until then."""
    ends = (before or after).expiration_time
    if ends is None:
        return None
    return any(moment is not None and moment > ends for moment in (after.mod_time, after.last_login_time))
