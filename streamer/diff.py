"""What differs between what we know and what a snapshot shows: pure, total, ordered by Moid (short ones first).

It compares by meaning and decides nothing: an absence is a candidate here, not a deletion, and a change that a person
wishes to suppress is still a change. Of a token whose bytes or meaning did not change nothing is decoded; of any other,
nothing before somebody asks what changed in it: all changes of an account decoded at once would fill the memory.

The law: `same(apply(a, changes(a, b)), b)`, and `changes(a, a) == ()`, whatever order the pages came in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from heapq import merge
from operator import attrgetter

from streamer import avro
from streamer.frozen import Frozen
from streamer.known import Known
from streamer.sightings import Outline, Sightings
from streamer.state import Status, TokenRow
from streamer.tokens import MEANING, Sighting, Snapshot, Token
from streamer.wire.binary import write_text

ABSENT = (Status.WAITING, Status.HELD)

_meaning = attrgetter(*MEANING)
REFRESH = ("refresh",)  # the kinds of a change that only says: an application renewed its access token
_KINDS = {
    "refresh": {"access_expiration_time"},
    "lifetime": {"expiration_time"},
    "login": {"last_login_time", "last_login_client"},
    "client": {"client_id", "client_name", "client_ip_address", "user_agent", "device_model"},
    "identity": {"user_moid"},
    "privilege": {"permission_moid", "permission_resources", "app_registration_moid", "shared_scope"},
    "ownership": {"account_moid", "domain_group_moid", "owners", "parent_moid"},
    "metadata": {"tags", "token_id", "create_time"},
}


class Kind(Enum):
    """What a change is, seen from the published stream."""

    CREATED = "created"
    MODIFIED = "modified"
    MISSING = "missing"  # a candidate for deletion: absent from the snapshot, nothing proven yet
    RETURNED = "returned"  # an unsettled absence that ended: same meaning, no event


class Change(Frozen, frozen=True):
    """One Moid that differs between the state and a snapshot.

    Attributes:
        kind: see `Kind`.
        moid: the identity.
        row: the state's row; None where it has none.
        after: the sighting; None for MISSING.
        before: for MODIFIED the token the state holds.
        fields: for MODIFIED the names of `MEANING` that differ, in order.
    """

    kind: Kind
    moid: str
    row: TokenRow | None = None
    after: Sighting | None = None
    before: Token | None = None
    fields: tuple[str, ...] = ()


def changes(before: Mapping[str, TokenRow], after: Snapshot) -> tuple[Change, ...]:
    """Every Moid that differs, in the order of rows.

    Args:
        before: the state's rows; those published as deleted are not known any more.
        after: a complete snapshot, made against the digests of these rows.
    """
    known, rows = Known.of(before), Sightings.of(after.rows)
    return tuple(change(known, one, rows.at) for one in found(known, after, rows))


class Found(Frozen, frozen=True):
    """A Moid that differs, before anything of it is decoded.

    Attributes:
        moid, kind: as of `Change`.
        place: where its row is known; None: it is not.
        seen: its sighting; None: it has none.
    """

    moid: str
    kind: Kind
    place: int | None
    seen: Outline | None = None


def found(known: Known, after: Snapshot, rows: Sightings) -> Iterator[Found]:
    """Every Moid that differs, in the order of rows; `rows` are the snapshot's."""
    returned = (moid for moid in known.absent() if moid in after.unchanged)
    unseen = missing(known, after)
    return merge(
        _differing(known, rows),
        (Found(moid, Kind.RETURNED, known.place(moid)) for moid in returned),
        (Found(moid, Kind.MISSING, known.place(moid)) for moid in unseen),
        key=lambda one: write_text(one.moid),
    )


def _differing(known: Known, rows: Sightings) -> Iterator[Found]:
    for seen, place in rows.beside(known):
        kind = _kind(known, place, seen.meaning)
        if kind is not None:
            yield Found(seen.moid, kind, place, seen)


def _kind(known: Known, place: int | None, meaning: bytes) -> Kind | None:
    """What a sighting with this meaning is beside the row that is known there; None: nothing new."""
    if place is None or known.status(place) is Status.DELETED:
        return Kind.CREATED
    if not known.says(place, meaning):
        return Kind.MODIFIED
    return Kind.RETURNED if known.status(place) in ABSENT else None


def change(known: Known, one: Found, sighting: Callable[[int], Sighting]) -> Change:
    """What differs, with all that there is to say of it; `sighting` gives the one at a place."""
    row = None if one.place is None else known.row(one.place)
    if one.seen is None:
        return Change(one.kind, one.moid, row)
    seen = sighting(one.seen.at)
    if one.kind is not Kind.MODIFIED or row is None:
        return Change(one.kind, one.moid, row, seen)
    before = avro.decode_token(row.datum)
    return Change(one.kind, one.moid, row, seen, before, _fields(before, seen.token))


def missing(before: Mapping[str, TokenRow], after: Snapshot) -> tuple[str, ...]:
    """The known Moids that a snapshot lacks, in order: candidates, to be looked up before anybody judges them."""
    known = Known.of(before)
    unseen = [moid for moid in known.others(after.unchanged) if moid not in after.rows]
    return tuple(moid for moid in unseen if known[moid].known)


@lru_cache(maxsize=1024)  # few fields change, and then they do so in many tokens
def change_kinds(fields: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of change that these fields mean, in the order of the contract; ModTime adds nothing to others."""
    kinds = tuple(kind for kind, names in _KINDS.items() if not names.isdisjoint(fields))
    return kinds or (("metadata",) if fields else ())


def _fields(before: Token, after: Token) -> tuple[str, ...]:
    pairs = zip(MEANING, _meaning(before), _meaning(after), strict=True)
    return tuple([name for name, old, new in pairs if old != new])
