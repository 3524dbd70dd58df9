"""What differs between what we know and what a snapshot shows: pure, total, ordered by Moid.

It compares by meaning and decides nothing: an absence is a candidate here, not a deletion, and a change that a person
wishes to suppress is still a change. Of a token whose bytes or meaning did not change nothing is decoded.

The law: `same(apply(a, changes(a, b)), b)`, and `changes(a, a) == ()`, whatever order the pages came in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from operator import attrgetter

from streamer import avro
from streamer.known import Known
from streamer.state import Status, TokenRow
from streamer.tokens import MEANING, Change, Kind, Sighting, Snapshot, Token

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


def changes(
    before: Mapping[str, TokenRow], after: Snapshot, rows: Mapping[str, TokenRow] | None = None
) -> tuple[Change, ...]:
    """Every Moid that differs, in order of Moid.

    Args:
        before: the state's rows; those published as deleted are not known any more.
        after: a complete snapshot, made against the digests of these rows.
        rows: of `before`, those of the tokens in `after.rows`, where they are at hand.
    """
    known = Known.of(before)
    rows = known.among(after.rows) if rows is None else rows
    found = (compare(moid, rows.get(moid), seen) for moid, seen in after.rows.items())
    returned = [Change(Kind.RETURNED, moid) for moid in known.absent() if moid in after.unchanged]
    gone = (Change(Kind.MISSING, moid) for moid in missing(known, after))
    return tuple(sorted((*filter(None, found), *returned, *gone), key=attrgetter("moid")))


def compare(moid: str, row: TokenRow | None, seen: Sighting) -> Change | None:
    """What one sighting means beside the row that is known, if there is one; None: nothing new."""
    if row is None or not row.known:
        return Change(Kind.CREATED, moid, seen)
    if row.meaning == seen.meaning:
        return Change(Kind.RETURNED, moid, seen) if row.status in ABSENT else None
    before = avro.decode_token(row.datum)
    return Change(Kind.MODIFIED, moid, seen, before, _differing(before, seen.token))


def missing(before: Mapping[str, TokenRow], after: Snapshot) -> tuple[str, ...]:
    """The known Moids that a snapshot lacks, in order: candidates, to be looked up before anybody judges them."""
    unseen = [moid for moid in Known.of(before).others(after.unchanged) if moid not in after.rows]
    return tuple(sorted(moid for moid in unseen if before[moid].known))


@lru_cache(maxsize=1024)  # few fields change, and then they do so in many tokens
def change_kinds(fields: tuple[str, ...]) -> tuple[str, ...]:
    """The classes of change that these fields mean, in the order of the contract; ModTime adds nothing to others."""
    kinds = tuple(kind for kind, names in _KINDS.items() if not names.isdisjoint(fields))
    return kinds or (("metadata",) if fields else ())


def _differing(before: Token, after: Token) -> tuple[str, ...]:
    pairs = zip(MEANING, _meaning(before), _meaning(after), strict=True)
    return tuple([name for name, old, new in pairs if old != new])
