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
from typing import Final

from streamer.errors import Misconfigured
from streamer.state import FIXED, INSTANT, NEVER, STATUSES, VERSION, Status, TokenRow, check_version
from streamer.wire.binary import read_text, write_text

_VALUE: Final = 1 + FIXED.size  # where the token's bytes begin in a row of the log (see `state`); before them stand:
_STATUS, _TIMES, _DIGESTS = slice(1, 2), slice(2, 34), slice(34, 82)
_ABSENCE, _LAST = slice(82, 130), slice(130, _VALUE)
_TAIL: Final = 89  # behind the token: times, last event, digests, status; before them the absence, if there is one
_RAW, _MEANING, _EXPIRES = slice(-49, -25), slice(-25, -1), slice(-81, -73)
_MORE: Final = 0x80  # in the byte of the status: the absence is there
_NO_ABSENCE: Final = INSTANT.pack(NEVER) + bytes(32) + INSTANT.pack(NEVER)
_ABSENT: Final = frozenset(status | more for status in (Status.WAITING, Status.HELD) for more in (0, _MORE))
_DELETED: Final = frozenset({Status.DELETED, Status.DELETED | _MORE})


def packed(value: bytes, moid: str | None = None) -> bytes:
    """The row of a value in `P.state`; nothing of it is decoded.

    Args:
        value: of the token's row.
        moid: the token's, if it is to be checked.

    Raises:
        Misconfigured: as `TokenRow.from_bytes`, or it is the row of another token.
    """
    check_version(value, at_least=_VALUE)
    status, absence = value[1], value[_ABSENCE]
    if status not in STATUSES:
        TokenRow.from_bytes(value)  # which says what is wrong
    if moid is not None and not value.startswith(write_text(moid), _VALUE):
        raise Misconfigured(f"a state row of the token {moid} holds another token")
    parts = value[_VALUE:], value[_TIMES], value[_LAST], value[_DIGESTS]
    if absence == _NO_ABSENCE:
        return b"".join((*parts, value[_STATUS]))
    return b"".join((parts[0], absence, *parts[1:], bytes((status | _MORE,))))


def _value(row: bytes) -> bytes:
    """The value of a row."""
    last, tail = row[-1], row[-_TAIL:]
    absence = row[-_TAIL - len(_NO_ABSENCE) : -_TAIL] if last & _MORE else _NO_ABSENCE
    head = bytes((VERSION, last & ~_MORE)), tail[:32], tail[40:88], absence, tail[32:40]
    return b"".join((*head, row[: -_TAIL - (len(_NO_ABSENCE) if last & _MORE else 0)]))


def _unpacked(row: bytes) -> TokenRow:
    return TokenRow.from_bytes(_value(row))


def _moid(row: bytes) -> str:
    return read_text(row, 0)[0]


class Known(Mapping[str, TokenRow]):
    """The rows of a source, by Moid."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[bytes] = ()) -> None:
        """Of rows as `packed` makes them, each Moid once, in any order."""
        self._rows = sorted(rows)

    @classmethod
    def of(cls, tokens: Mapping[str, TokenRow]) -> Known:
        """The same rows; the same object, if it is one."""
        return tokens if isinstance(tokens, Known) else cls(packed(row.to_bytes(), m) for m, row in tokens.items())

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

    def among(self, moids: Iterable[str]) -> dict[str, TokenRow]:
        """The rows of these tokens, as far as they are known, for whoever asks for them more than once."""
        places = {moid: self.place(moid) for moid in moids}
        return {moid: _unpacked(self._rows[place]) for moid, place in places.items() if place is not None}

    def after(self, written: Mapping[str, TokenRow | None]) -> Known:
        """With these rows written; None: without."""
        rows: list[bytes] = list(self._rows)
        gone, new = [], []
        for moid, row in written.items():
            place = self.place(moid)
            if row is None:
                gone += [] if place is None else [place]
            elif place is None:
                new.append(packed(row.to_bytes(), moid))
            else:
                rows[place] = packed(row.to_bytes(), moid)
        for place in sorted(gone, reverse=True):
            del rows[place]
        known = Known()
        known._rows = sorted(rows + new) if new else rows
        return known

    # What a page is compared with...

    def place(self, moid: str) -> int | None:
        """Where the row of a token stands; None: it is not known."""
        rows, head = self._rows, write_text(moid)
        place = bisect_left(rows, head)
        return place if place < len(rows) and rows[place].startswith(head) else None

    def moid(self, place: int) -> str:
        """Whose row stands there."""
        return _moid(self._rows[place])

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
        """The Moids of all rows but those seen."""
        if isinstance(seen, Marked) and seen.known is self:
            return list(compress(self, seen.marks.translate(_INVERTED))) if len(seen) < len(self) else []
        return [moid for moid in self if moid not in seen]


_INVERTED: Final = bytes((1, *bytes(255)))


class Marked(AbstractSet[str]):
    """Some of the tokens that are known: a byte for each row, which is 1 if it is one of them."""

    __slots__ = ("_size", "known", "marks")

    def __init__(self, known: Known, marks: bytearray) -> None:
        self.known = known
        self.marks = marks
        self._size = marks.count(1)

    def __contains__(self, moid: object) -> bool:
        place = self.known.place(moid) if isinstance(moid, str) else None
        return place is not None and self.marks[place] == 1

    def __iter__(self) -> Iterator[str]:
        return compress(self.known, self.marks)

    def __len__(self) -> int:
        return self._size


def ends_of(moids: Collection[str]) -> tuple[str, ...]:
    """The least and the greatest of them, in some order that holds for all; none of none."""
    if isinstance(moids, Marked):
        return tuple(moids.known.moid(place) for place in (moids.marks.find(1), moids.marks.rfind(1)) if place >= 0)
    return (min(moids), max(moids)) if moids else ()


class _Items(ItemsView[str, TokenRow]):
    _mapping: Known

    def __iter__(self) -> Iterator[tuple[str, TokenRow]]:
        return ((_moid(row), _unpacked(row)) for row in self._mapping._rows)  # noqa: SLF001 - a part of it


class _Values(ValuesView[TokenRow]):
    _mapping: Known

    def __iter__(self) -> Iterator[TokenRow]:
        return map(_unpacked, self._mapping._rows)  # noqa: SLF001 - a part of it
