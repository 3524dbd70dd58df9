"""All tokens that are known of one source, in as little memory as their bytes take.

A row is one `bytes`: the token's Avro first, which begins with its Moid, then what a poll asks of every row, at fixed
distances from the end. Rows stand in one list in the order of their bytes, so a Moid is found by bisection, and a page
of the API, which comes in the same order, is a stretch of the list. The list is never changed: a poll that wrote
something makes another one of it, of the same rows but for those. To everybody else it is a mapping of `TokenRow`s.

Question: what does a token take? Its Avro (534 bytes), 89 behind it, 41 for Python and 8 in the list. Rejected: a dict
of objects, 1.1 kB more: a key, a slot, an object with its parts, and two digests that lead back to the Moid. What only
a token has that is absent or gone (48 bytes) stands only in the row of such a one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from itertools import compress
from struct import Struct
from typing import Final

from streamer.errors import Misconfigured
from streamer.state import FIXED, INSTANT, NEVER, STATUSES, VERSION, Status, TokenRow, check_version, instant, optional
from streamer.tokens import DIGEST_SIZE
from streamer.wire.binary import read_text, write_text

_VALUE: Final = 1 + FIXED.size  # where the token's bytes begin in a row of the log (see `state`); before them stand:
_STATUS, _TIMES, _DIGESTS = slice(1, 2), slice(2, 34), slice(34, 82)
_ABSENCE, _LAST = slice(82, 130), slice(130, _VALUE)
_ENDS: Final = Struct(f">qqqqq{DIGEST_SIZE}s{DIGEST_SIZE}sB")  # times, last event, digests, status
_TAIL: Final = _ENDS.size  # behind the token; before it the absence, if there is one
_RAW, _MEANING, _EXPIRES, _MODIFIED = slice(-49, -25), slice(-25, -1), slice(-81, -73), slice(-73, -65)
_MORE: Final = 0x80  # in the byte of the status: the absence is there
_STATUS_OF: Final = {status | more: status for status in Status for more in (0, _MORE)}
_NO_ABSENCE: Final = INSTANT.pack(NEVER) + bytes(32) + INSTANT.pack(NEVER)
_NONE: Final = (None,) * 4
SAME: Final = 1  # marks, see `Marked`
CHANGED: Final = 2
_UNMARKED, _SAME_ONLY = bytes((1, *bytes(255))), bytes((0, 1, *bytes(254)))  # as `bytes.translate` takes them
_ABSENT: Final = frozenset(status | more for status in (Status.WAITING, Status.HELD) for more in (0, _MORE))
_DELETED: Final = frozenset({Status.DELETED, Status.DELETED | _MORE})


def packed(value: bytes) -> bytes:
    """The row of a value in `P.state`; nothing of it is decoded.

    Raises:
        Misconfigured: as `TokenRow.from_bytes`.
    """
    check_version(value, at_least=_VALUE)
    status, absence = value[1], value[_ABSENCE]
    if status not in STATUSES:
        TokenRow.from_bytes(value)  # which says what is wrong
    parts = value[_VALUE:], value[_TIMES], value[_LAST], value[_DIGESTS]
    if absence == _NO_ABSENCE:
        return b"".join((*parts, value[_STATUS]))
    return b"".join((parts[0], absence, *parts[1:], bytes((status | _MORE,))))


def _value(row: bytes) -> bytes:
    """The value of a row with an absence."""
    token = len(row) - _TAIL - len(_NO_ABSENCE)
    absence, tail = row[token:-_TAIL], row[-_TAIL:]
    return b"".join((bytes((VERSION, row[-1] & ~_MORE)), tail[:32], tail[40:88], absence, tail[32:40], row[:token]))


def checked(row: bytes, moid: str) -> bytes:
    """The row, if it is of this token; else `Misconfigured` is raised."""
    if row.startswith(write_text(moid)):
        return row
    raise Misconfigured(f"a state row of the token {moid} holds another token")


def of_token(row: TokenRow, moid: str) -> bytes:
    """As `packed` does with its value, which is not made for the usual one; checked."""
    if (row.absent_since, row.hold_id, row.deleted_event_id, row.deleted_at) != _NONE:
        return checked(packed(row.to_bytes()), moid)
    times = map(instant, (row.seen_at, row.expiration_time, row.mod_time, row.visible_since, row.last_event_at))
    return checked(row.datum + _ENDS.pack(*times, row.raw, row.meaning, row.status), moid)


def _unpacked(row: bytes) -> TokenRow:
    if row[-1] & _MORE:
        return TokenRow.from_bytes(_value(row))
    seen, expires, modified, visible, last, raw, meaning, status = _ENDS.unpack_from(row, len(row) - _TAIL)
    return TokenRow(
        _STATUS_OF[status],
        seen,
        raw,
        meaning,
        row[:-_TAIL],
        expiration_time=optional(expires),
        mod_time=optional(modified),
        visible_since=optional(visible),
        last_event_at=optional(last),
    )


def _moid(row: bytes) -> str:
    return read_text(row, 0)[0]


def place_in(rows: Sequence[bytes], head: bytes, near: int = 0) -> int | None:
    """Where the row that begins so stands among sorted ones, looked for `near` first; None: nowhere."""
    if near < len(rows) and rows[near].startswith(head):
        return near
    place = bisect_left(rows, head)
    return place if place < len(rows) and rows[place].startswith(head) else None


class Known(Mapping[str, TokenRow]):
    """The rows of a source, by Moid."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[bytes] = ()) -> None:
        """Of rows as `packed` makes them, each Moid once, in any order."""
        self._rows = sorted(rows)

    @classmethod
    def of(cls, tokens: Mapping[str, TokenRow]) -> Known:
        """The same rows; the same object, if it is one."""
        return tokens if isinstance(tokens, Known) else cls(of_token(row, m) for m, row in tokens.items())

    def __getitem__(self, moid: str) -> TokenRow:
        place = self.place(moid)
        if place is None:
            raise KeyError(moid)
        return _unpacked(self._rows[place])

    def __contains__(self, moid: object) -> bool:
        return isinstance(moid, str) and self.place(moid) is not None

    def __iter__(self) -> Iterator[str]:
        return map(_moid, self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def items(self) -> ItemsView[str, TokenRow]:
        """As of any mapping; no row is searched for."""
        return _Items(self)

    def values(self) -> ValuesView[TokenRow]:
        """As of any mapping; no row is searched for."""
        return _Values(self)

    def after(self, written: Iterable[bytes], gone: Iterable[str] = ()) -> Known:
        """With these rows written, as `of_token` makes them, each Moid once, and without those of some Moids."""
        rows: list[bytes] = list(self._rows)
        new, near = [], 0
        for row in written:
            place = self.place(_moid(row), near)
            if place is None:
                new.append(row)
            else:
                rows[place], near = row, place + 1
        places = [place for moid in gone if (place := self.place(moid)) is not None]
        for place in sorted(places, reverse=True):
            del rows[place]
        known = Known()
        known._rows = rows + new if rows else new  # at a first start these lists are a fiftieth of the rows themselves
        if new:
            known._rows.sort()
        return known

    # What a page is compared with...

    def place(self, moid: str, near: int = 0) -> int | None:
        """Where the row of a token stands, maybe `near`, where it is looked for first; None: it is not known."""
        return self.place_of(write_text(moid), near)

    def place_of(self, head: bytes, near: int = 0) -> int | None:
        """The same, of the bytes with which the row begins: the Moid."""
        return place_in(self._rows, head, near)

    def moid(self, place: int) -> str:
        """Whose row stands there."""
        return _moid(self._rows[place])

    def row(self, place: int) -> TokenRow:
        """The row that stands there."""
        return _unpacked(self._rows[place])

    def status(self, place: int) -> Status:
        """The status of the row that stands there."""
        return _STATUS_OF[self._rows[place][-1]]

    def mod_time(self, place: int) -> int | None:
        """The ModTime of the token whose row stands there."""
        return optional(INSTANT.unpack(self._rows[place][_MODIFIED])[0])

    def says(self, place: int, digest: bytes) -> bool:
        """Whether the row there is of a token that exists, and this is the digest of its bytes or of its meaning.

        No JSON text has a datum's bytes 0 and 2, so no digest is both.
        """
        if place >= len(self._rows):
            return False
        row = self._rows[place]
        return (row[_RAW] == digest or row[_MEANING] == digest) and row[-1] not in _DELETED

    def stretch(self, first: str, last: str) -> tuple[Sequence[int], bytes]:
        """The places of the tokens that exist from one Moid to another, and the digests of their bytes in a row."""
        begin, end = self.place(first), self.place(last)
        if begin is None or end is None:
            return (), b""
        rows = self._rows[begin : end + 1]
        there = [row[_RAW] for row in rows if row[-1] not in _DELETED]
        places: Sequence[int] = range(begin, end + 1)
        if len(there) < len(rows):
            places = [place for place, row in zip(places, rows, strict=True) if row[-1] not in _DELETED]
        return places, b"".join(there)

    # What is asked of all rows in every poll...

    def absent(self) -> dict[str, TokenRow]:
        """The rows of the tokens that are missing without a verdict."""
        return {_moid(row): _unpacked(row) for row in self._rows if row[-1] in _ABSENT}

    def deleted(self) -> dict[str, TokenRow]:
        """The rows of the tokens whose deletion was published."""
        return {_moid(row): _unpacked(row) for row in self._rows if row[-1] in _DELETED}

    def existing(self) -> int:
        """How many tokens exist, by what readers of the events believe."""
        return len(self._rows) - sum([row[-1] in _DELETED for row in self._rows])

    def over(self, now: int) -> list[str]:
        """The tokens that exist and whose time is over."""
        time = INSTANT.unpack
        past = [row for row in self._rows if NEVER < time(row[_EXPIRES])[0] <= now]
        return [_moid(row) for row in past if row[-1] not in _DELETED]

    def naming(self, part: bytes) -> list[TokenRow]:
        """The rows of existing tokens that have these bytes in them."""
        return [_unpacked(row) for row in self._rows if part in row and row[-1] not in _DELETED]

    def others(self, seen: AbstractSet[str]) -> list[str]:
        """The Moids of all rows but those seen; of `Marked` ones those without any mark."""
        if isinstance(seen, Marked) and seen.known is self:
            return [_moid(row) for row in compress(self._rows, seen.marks.translate(_UNMARKED))]
        return [moid for moid in self if moid not in seen]


class Marked(AbstractSet[str]):
    """Some of the tokens that are known: a byte for each row, which is `SAME` if it is one of them.

    The mark of any other row is 0, or `CHANGED` if it was seen all the same.
    """

    __slots__ = ("_size", "known", "marks")

    def __init__(self, known: Known, marks: bytearray) -> None:
        self.known = known
        self.marks = marks
        self._size = marks.count(SAME)

    def __contains__(self, moid: object) -> bool:
        place = self.known.place(moid) if isinstance(moid, str) else None
        return place is not None and self.marks[place] == SAME

    def __iter__(self) -> Iterator[str]:
        return compress(self.known, self.marks.translate(_SAME_ONLY))

    def __len__(self) -> int:
        return self._size


def ends_of(moids: Collection[str]) -> tuple[str, ...]:
    """The least and the greatest of them, in some order that holds for all; none of none."""
    if isinstance(moids, Marked):
        return tuple(
            moids.known.moid(place) for place in (moids.marks.find(SAME), moids.marks.rfind(SAME)) if place >= 0
        )
    return (min(moids), max(moids)) if moids else ()


class _Items(ItemsView[str, TokenRow]):
    _mapping: Known

    def __iter__(self) -> Iterator[tuple[str, TokenRow]]:
        return ((_moid(row), _unpacked(row)) for row in self._mapping._rows)  # noqa: SLF001 - a part of it


class _Values(ValuesView[TokenRow]):
    _mapping: Known

    def __iter__(self) -> Iterator[TokenRow]:
        return map(_unpacked, self._mapping._rows)  # noqa: SLF001 - a part of it
