"""What the system speaks of: a token, a snapshot of all tokens of an account, and what the API says beside them.

Frozen values, no behaviour that needs a clock or a network. Every instant is an integer: milliseconds since 1970 UTC.
Two clocks exist and are never mixed: the worker's (ours) and the server's (`ServerClock` leads from one to the other).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields

from streamer.frozen import Frozen

DATE_RESOLUTION_MS = 1000  # an HTTP `Date` header names a whole second


@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """A tag of the object; sorted by key, then value (an absent value sorts first)."""

    key: str
    value: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Extra:
    """A property this version does not know, or could not read: its API name and its raw JSON text."""

    name: str
    json: str


class Token(Frozen, frozen=True):
    """One `iam.OAuthToken` in its canonical form: absent, null, "" and the zero time are None, arrays are sorted.

    Field names, order and types are those of record `OAuthToken` in `schemas/oauth_token_event.avsc`.
    """

    moid: str
    token_id: str | None = None
    client_id: str | None = None
    client_name: str | None = None
    client_ip_address: str | None = None
    last_login_client: str | None = None
    last_login_time: int | None = None
    access_expiration_time: int | None = None
    expiration_time: int | None = None
    create_time: int | None = None
    mod_time: int | None = None
    account_moid: str | None = None
    domain_group_moid: str | None = None
    shared_scope: str | None = None
    user_moid: str | None = None
    app_registration_moid: str | None = None
    permission_moid: str | None = None
    user_agent: str | None = None
    device_model: str | None = None
    parent_moid: str | None = None
    owners: tuple[str, ...] = ()
    permission_resources: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    extras: tuple[Extra, ...] = ()


DIGEST_SIZE = 24  # bytes; two texts with one digest cost about 2**96 tries

TOKEN_FIELDS = tuple(f.name for f in fields(Token))
INSTANTS = frozenset(name for name in TOKEN_FIELDS if name.endswith("_time"))
MEANING = tuple(name for name in TOKEN_FIELDS if name not in {"moid", "extras"})  # what a diff compares, in order


@dataclass(frozen=True, slots=True)
class ServerClock:
    """How far the server's clock is ahead of ours: an interval in ms that holds the true offset.

    A reply with `Date: D` (whole seconds), asked for at our time s and received at r, was made between s and r while
    the server's clock read between D and D + 1 s. So the offset lies between D - r and D + 1 s - s.
    """

    lowest: int = 0
    highest: int = 0

    @classmethod
    def of_reply(cls, date_ms: int, sent_at: int, received_at: int) -> ServerClock:
        """The interval one reply proves; all arguments in ms."""
        return cls(date_ms - received_at, date_ms + DATE_RESOLUTION_MS - sent_at)

    def narrowed(self, other: ServerClock) -> ServerClock:
        """Both replies are true, so their intersection is; where they contradict (a clock was set) the later one is."""
        lowest, highest = max(self.lowest, other.lowest), min(self.highest, other.highest)
        return ServerClock(lowest, highest) if lowest <= highest else other

    @property
    def offset(self) -> int:
        """The best single figure: none at all where the two clocks may agree, else the nearer bound."""
        return min(max(0, self.lowest), self.highest)

    def earliest(self, ours: int) -> int:
        """The server's time at our time `ours`, rounded down."""
        return ours + self.lowest

    def latest(self, ours: int) -> int:
        """The server's time at our time `ours`, rounded up."""
        return ours + self.highest

    def best(self, ours: int) -> int:
        """The server's time at our time `ours`, as well as we know it."""
        return ours + self.offset


class Sighting(Frozen, frozen=True):
    """A token as one reply showed it. Digests are BLAKE2b: who can name a client must not be able to hide a change.

    Attributes:
        token: the decoded value.
        datum: its bare Avro bytes: what the state keeps and events carry, encoded this once.
        meaning: digest of the part of `datum` that a diff compares (all but `extras`, which stand last).
        raw: digest of the row's bytes on the wire; equal bytes need no decoding.
        arrived_at: our time at which the reply was complete.
        trace_id: Intersight's trace id of the reply.
        damaged: values of this row that were cut, repaired or nulled.
    """

    token: Token
    datum: bytes
    meaning: bytes
    raw: bytes
    arrived_at: int
    trace_id: str | None = None
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the reading of a snapshot came: what a report tells also when the poll is rejected.

    Attributes:
        paging: `keyset` or `skip`.
        pages: replies used.
        rows: on all pages used.
        server_count: the server's own `Count`.
        server_date: the last reply's `Date` (ms); None where none was sent.
        clock: the server's clock as all `Date` headers tell it.
        trace_ids: the replies' trace ids, in order.
    """

    paging: str = "skip"
    pages: int = 0
    rows: int = 0
    server_count: int | None = None
    server_date: int | None = None
    clock: ServerClock = ServerClock()
    trace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All tokens of one account, complete: whoever could not read all of them raised instead.

    Attributes:
        snapshot_id: UUID text; joins events and reports.
        started_at: our time before the first request was sent.
        finished_at: our time after the last reply was complete.
        walk: how it was read.
        clock: the server's clock to go by, which is the walk's unless its `Date` headers are not to be believed.
        account_moid: the one account all rows name; None where no row names one.
        moids_sha256: hex, over the sorted Moids joined by newlines.
        unchanged: Moids whose rows say what the state says, in the same bytes or in others; no token was made of them.
        rows: every other row, by Moid.
        unknown: properties met that this version does not know.
    """

    snapshot_id: str
    started_at: int
    finished_at: int
    walk: Walk
    clock: ServerClock
    account_moid: str | None
    moids_sha256: str
    unchanged: AbstractSet[str]
    rows: Mapping[str, Sighting]
    unknown: int = 0

    def __contains__(self, moid: str) -> bool:
        return moid in self.unchanged or moid in self.rows

    def __len__(self) -> int:
        return len(self.unchanged) + len(self.rows)


@dataclass(frozen=True, slots=True)
class Gone:
    """The API itself says that a Moid does not exist.

    `checked_at` is our time at which that reply was complete; `method` is how it said so: `lookup`, 404 with its own
    `NotFound` by Moid, or `filter`, absent from a complete answer to a list of named Moids.
    """

    moid: str
    checked_at: int
    method: str = "lookup"
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unsure:
    """A look-up that proves neither presence nor absence; `why` is for the log."""

    moid: str
    why: str


Finding = Sighting | Gone | Unsure


@dataclass(frozen=True, slots=True)
class Rights:
    """Whom the API takes us for, as read before a snapshot.

    Attributes:
        account_moid: the account that our credential belongs to; None where nothing tells.
        seen: what we may see, as far as it tells (role claims, accounts); to be compared for equality, no more.
    """

    account_moid: str | None
    seen: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One `aaa.AuditRecord`: somebody did something to an object. Every text is bounded.

    Attributes:
        moid: of the record itself.
        event: what was done, such as `Deleted` or `Logout`; a free text of the service's.
        object_type, object_moid: to what it was done.
        user_moid: who did it, by Moid.
        actor, actor_ip: who did it, by e-mail or name, and from where.
        timestamp: when the object changed, by the server's clock.
    """

    moid: str
    event: str
    object_type: str
    object_moid: str
    user_moid: str | None
    actor: str | None
    actor_ip: str | None
    timestamp: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit records found, by time; `readable` is False where our role may not read them (then there are none)."""

    records: tuple[AuditRecord, ...]
    readable: bool
