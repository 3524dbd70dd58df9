"""What the compacted topic `P.state` keeps: a row a token, a source, a user; with the log, all there is to restore.

Every value is one version byte and a bare Avro datum (`schemas/state_*.avsc`); nothing outside needs to read it.

Question: how does a restart over a million rows avoid decoding a million tokens? Choice: all that a diff asks of a
token (status, digests, times) is of Avro type `fixed` and stands first, so one `struct` unpacks it; the token's own
bytes stand last, exactly as they stand in the events. Rejected: optional fields as unions, whose places move. A user's
row is made alike: only its time is read, until an event of that user asks for the rest.

Instants in rows are the server's clock, already rounded outwards, because the next worker has another clock of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import IntEnum
from typing import Final
from uuid import UUID

from streamer import avro
from streamer.errors import Misconfigured
from streamer.frozen import Frozen
from streamer.report import Report
from streamer.tokens import DIGEST_SIZE

VERSION: Final = 1
USER_VERSION: Final = 2  # of a user's row; version 1, which nobody wrote, has no time in front and is still read
FIXED: Final = struct.Struct(f">Bqqqq{DIGEST_SIZE}s{DIGEST_SIZE}sq16s16sqq")
INSTANT: Final = struct.Struct(">q")
NEVER: Final = -(2**63)  # a null instant
LAST_SEQUENCE: Final = 2**62  # room for what follows: an event's sequence is a long
NOBODY: Final = bytes(16)  # a null UUID


class Status(IntEnum):
    """What we hold of a token."""

    LIVE = 0
    WAITING = 1  # absent, and no verdict yet
    HELD = 2  # absent, and a person must say whether that may be published; without a hold: said that it is there
    DELETED = 3  # published as deleted; remembered for 7 days


STATUSES: Final = frozenset(Status)


class TokenRow(Frozen, frozen=True):
    """What is known of one token; its last published event says the same.

    Attributes:
        status: see `Status`.
        seen_at: start of the snapshot that wrote this row.
        raw, meaning: digests, as of `Sighting`.
        datum: the token's bare Avro bytes: the `after` of its last event (the `before`, if that was a deletion).
        expiration_time, mod_time: of the token, readable without decoding it.
        visible_since: its create_time; if it was shown later than replicas lag, when that was.
        absent_since: start of the last snapshot that showed it, while it is absent.
        hold_id: of the hold it stands in.
        deleted_event_id, deleted_at: of the deletion, once published.
        last_event_at: `detected_at` of the last event.
    """

    status: Status
    seen_at: int
    raw: bytes
    meaning: bytes
    datum: bytes
    expiration_time: int | None = None
    mod_time: int | None = None
    visible_since: int | None = None
    absent_since: int | None = None
    hold_id: str | None = None
    deleted_event_id: str | None = None
    deleted_at: int | None = None
    last_event_at: int | None = None

    @property
    def known(self) -> bool:
        """Whether readers of the events believe that this token exists."""
        return self.status is not Status.DELETED

    def to_bytes(self) -> bytes:
        """The row's value in `P.state`."""
        times = (self.seen_at, self.expiration_time, self.mod_time, self.visible_since)
        fixed = FIXED.pack(
            self.status,
            *map(instant, times),
            self.raw,
            self.meaning,
            instant(self.absent_since),
            _uuid(self.hold_id),
            _uuid(self.deleted_event_id),
            instant(self.deleted_at),
            instant(self.last_event_at),
        )
        return b"".join((bytes((VERSION,)), fixed, self.datum))

    @classmethod
    def from_bytes(cls, value: bytes) -> TokenRow:
        """The row of a value; its token stays undecoded.

        Raises:
            Misconfigured: written by a version this one does not know, or not by a streamer at all.
        """
        check_version(value, at_least=1 + FIXED.size)
        status, seen, expires, modified, visible, raw, meaning, absent, hold, event, deleted, last = FIXED.unpack_from(
            value, 1
        )
        return cls(
            _status(status),
            seen,
            raw,
            meaning,
            value[1 + FIXED.size :],
            expiration_time=optional(expires),
            mod_time=optional(modified),
            visible_since=optional(visible),
            absent_since=optional(absent),
            hold_id=_text(hold),
            deleted_event_id=_text(event),
            deleted_at=optional(deleted),
            last_event_at=optional(last),
        )


@dataclass(frozen=True, slots=True)
class Complete:
    """The last complete snapshot: `started_at` on the server's clock rounded down, `accepted_at` on the worker's."""

    snapshot_id: str
    started_at: int
    accepted_at: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Deletions that wait for a person; `count` and `moids_sha256` are of the rows that name this hold.

    `released_at`: when a person let them go; what is still in it is looked up again, poll by poll, until nothing is.
    """

    hold_id: str
    since: int
    reason: str
    count: int
    moids_sha256: str
    released_at: int | None = None

    @property
    def released(self) -> bool:
        """Whether a person let them go."""
        return self.released_at is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a control command: `outcome` is `done` or `refused`, `detail` one sentence for a person."""

    command_id: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class SourceRow:
    """The source's own row: written by every transaction of the source, so it tells how far the log is.

    Attributes:
        epoch: UUID of this history; committed alone before the first poll.
        last_sequence: of the last event; 0 if there was none.
        account_moid: the account all rows must name, once one was seen.
        first_started_at: start of the first judged snapshot, as well as the server's clock is known; never changed.
        complete: the last complete snapshot.
        open: the snapshot whose chunks are being committed, as the report that would tell of its interruption.
        hold: deletions that wait for a person.
        rights: what we may see, as remembered.
        control_offset: the next control command to read.
        configuration: hash of the source's configuration without its secrets.
        answer: what became of the last control command.
    """

    epoch: str
    last_sequence: int = 0
    account_moid: str | None = None
    first_started_at: int | None = None
    complete: Complete | None = None
    open: Report | None = None
    hold: Hold | None = None
    rights: str | None = None
    control_offset: int | None = None
    configuration: str | None = None
    answer: Answer | None = None

    def to_bytes(self) -> bytes:
        """The row's value in `P.state`."""
        return bytes((VERSION,)) + avro.encode("state_source", asdict(self))

    @classmethod
    def from_bytes(cls, value: bytes) -> SourceRow:
        """The row of a value; raises `Misconfigured` as `TokenRow.from_bytes` does."""
        check_version(value, at_least=2)
        row = avro.decode("state_source", value[1:])
        if not 0 <= row["last_sequence"] < LAST_SEQUENCE:
            raise Misconfigured(f"a source row has the sequence {row['last_sequence']}, which no streamer comes to")
        complete, hold, unfinished = row.pop("complete"), row.pop("hold"), row.pop("open")
        answer = row.pop("answer")
        return cls(
            **row,
            complete=Complete(**complete) if complete else None,
            hold=Hold(**hold) if hold else None,
            open=Report(**unfinished | {"trace_ids": tuple(unfinished["trace_ids"])}) if unfinished else None,
            answer=Answer(**answer) if answer else None,
        )


class UserRow(Frozen, frozen=True):
    """What is remembered of one user; decoded only when it is asked for.

    Attributes:
        seen_at: start of the snapshot that wrote this row.
        datum: the rest of the row, bare Avro.
    """

    seen_at: int
    datum: bytes

    @classmethod
    def of(cls, seen_at: int, clients: Mapping[str, int], networks: Mapping[str, int]) -> UserRow:
        """The row that says when each client and each network was last seen (ms UTC)."""
        lists = {"clients": _seen(clients), "networks": _seen(networks)}
        return cls(seen_at, avro.encode("state_user", {"seen_at": bytes(INSTANT.size), **lists})[INSTANT.size :])

    def seen(self) -> tuple[dict[str, int], dict[str, int]]:
        """The clients and the networks, each with when it was last seen."""
        record = avro.decode("state_user", bytes(INSTANT.size) + self.datum)
        clients, networks = ({one["value"]: one["last_seen"] for one in record[n]} for n in ("clients", "networks"))
        return clients, networks

    def to_bytes(self) -> bytes:
        """The row's value in `P.state`."""
        return b"".join((bytes((USER_VERSION,)), INSTANT.pack(self.seen_at), self.datum))

    @classmethod
    def from_bytes(cls, value: bytes) -> UserRow:
        """The row of a value, undecoded; raises `Misconfigured` as `TokenRow.from_bytes` does."""
        if value[:1] == bytes((VERSION,)):
            old = cls(0, value[1:])
            return replace(old, seen_at=max((at for part in old.seen() for at in part.values()), default=0))
        check_version(value, at_least=1 + INSTANT.size, version=USER_VERSION)
        (seen_at,) = INSTANT.unpack_from(value, 1)
        return cls(seen_at, value[1 + INSTANT.size :])


@dataclass(frozen=True, slots=True)
class SourceState:
    """Everything known of one source: what a poll is compared with. `row` is None before its epoch was committed."""

    row: SourceRow | None = None
    tokens: Mapping[str, TokenRow] = field(default_factory=dict)
    users: Mapping[str, UserRow] = field(default_factory=dict)


def source_key(source: str) -> bytes:
    """The key of a source's own row."""
    return source.encode()


def token_key(source: str, moid: str) -> bytes:
    """The key of a token's row."""
    return f"{source}/t/{moid}".encode()


def user_key(source: str, moid: str) -> bytes:
    """The key of a user's row."""
    return f"{source}/u/{moid}".encode()


def _seen(values: Mapping[str, int]) -> list[dict[str, object]]:
    return [{"value": value, "last_seen": at} for value, at in sorted(values.items())]


def check_version(value: bytes, *, at_least: int, version: int = VERSION) -> None:
    """Raise `Misconfigured` for a value of another version, or one that is shorter than any of this one."""
    if not value or value[0] != version:
        raise Misconfigured(
            f"a state row begins with byte {value[:1].hex() or 'nothing'}, wanted {version:02x}: "
            "another program, or a newer streamer, writes to this topic",
            hint="give every deployment its own kafka.topic_prefix, or run the newer version",
        )
    if len(value) < at_least:
        raise Misconfigured(f"a state row of {len(value)} bytes is cut short, wanted at least {at_least}")


def _status(byte: int) -> Status:
    if byte not in STATUSES:
        raise Misconfigured(f"a state row has the status {byte}, wanted one of {', '.join(map(str, STATUSES))}")
    return Status(byte)


def instant(ms: int | None) -> int:
    """As a row has it."""
    return NEVER if ms is None else ms


def optional(ms: int) -> int | None:
    """From a row."""
    return None if ms == NEVER else ms


def _uuid(text: str | None) -> bytes:
    return NOBODY if text is None else UUID(text).bytes


def _text(raw: bytes) -> str | None:
    return None if raw == NOBODY else str(UUID(bytes=raw))
