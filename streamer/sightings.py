"""The rows of a snapshot that say something new, in hardly more memory than their bytes take.

At a first start, and when everything changed, that is every row of an account; a token decoded takes three times its
bytes, and all of them at once what a restart alone gives back. So a row is one `bytes`, as in `known`: the token's Avro
first, which begins with its Moid, then what is asked of every row, at fixed distances from the end. Rows stand in the
order of their bytes. Whoever writes them has them handed over one by one, each let go as its row of the state is made.
To everybody else it is a mapping of `Sighting`s, each decoded when it is asked for.

Question: a row that changed is decoded to be compared, though reading it made a token of it already. Choice: the first
hundred thousand of those stay decoded as well. Rejected: all, or those of new tokens, which a first start has most of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import Final, TypeVar

from streamer import avro
from streamer.frozen import Frozen
from streamer.known import Known, place_in
from streamer.state import NEVER, instant, optional
from streamer.tokens import DIGEST_SIZE, Sighting
from streamer.wire.binary import read_text, write_text

_ENDS: Final = Struct(f">qqqIII{DIGEST_SIZE}s{DIGEST_SIZE}s")  # times; reply, user, damaged; digests
_TAIL: Final = _ENDS.size
KEPT: Final = 100_000  # decoded, of known tokens: 2.4 kB each, for 10 us less of CPU
_LET_GO: Final = b""
_ASKED_LATE: Final = "rows of this snapshot were handed over to be written, and are asked for once more"
_T = TypeVar("_T")


class Outline(Frozen, frozen=True):
    """What is asked of a row before anybody decodes it.

    Attributes:
        at: its place in the order.
        moid, meaning, mod_time, create_time, user_moid: of its `Sighting` and of its token.
    """

    at: int
    moid: str
    meaning: bytes
    mod_time: int | None
    create_time: int | None
    user_moid: str | None


class Sightings(Mapping[str, Sighting]):
    """Rows by Moid; added to by whoever reads a snapshot, then only read, and handed over in the end.

    Attributes:
        damaged: values in all of them that were cut, repaired or nulled.
    """

    __slots__ = (
        "_handed_over",
        "_in_order",
        "_kept",
        "_replies",
        "_reply_at",
        "_rows",
        "_user_at",
        "_users",
        "damaged",
    )

    def __init__(self, seen: Iterable[Sighting] = ()) -> None:
        """Of these; each Moid once."""
        self._rows: list[bytes] = []
        self._in_order, self._handed_over = True, False
        self._replies: list[tuple[int, str | None]] = []  # when it came, its trace id
        self._reply_at: dict[tuple[int, str | None], int] = {}
        self._users: list[str | None] = []
        self._user_at: dict[str | None, int] = {}
        self._kept: dict[str, Sighting] = {}
        self.damaged = 0
        for one in seen:
            self.add(one)

    @classmethod
    def of(cls, rows: Mapping[str, Sighting]) -> Sightings:
        """The same rows; the same object, if it is one."""
        return rows if isinstance(rows, Sightings) else cls(rows.values())

    def add(self, seen: Sighting, *, known: bool = False) -> None:
        """One more; its Moid is none of those there. If its token is known, it is kept decoded, to be compared."""
        token, reply = seen.token, (seen.arrived_at, seen.trace_id)
        ends = _ENDS.pack(
            instant(token.expiration_time),
            instant(token.mod_time),
            instant(token.create_time),
            _noted(reply, self._replies, self._reply_at),
            _noted(token.user_moid, self._users, self._user_at),
            seen.damaged,
            seen.raw,
            seen.meaning,
        )
        row = seen.datum + ends
        self._in_order = self._in_order and (not self._rows or self._rows[-1] < row)
        self._rows.append(row)
        if known and len(self._kept) < KEPT:
            self._kept[token.moid] = seen
        self.damaged += seen.damaged

    def with_(self, found: Iterable[Sighting]) -> Sightings:
        """These and some more."""
        more = Sightings()
        more._rows, more._in_order, more.damaged = self._rows.copy(), self._in_order, self.damaged
        more._replies, more._reply_at = self._replies.copy(), self._reply_at.copy()
        more._users, more._user_at, more._kept = self._users.copy(), self._user_at.copy(), self._kept.copy()
        for one in found:
            more.add(one)
        return more

    def __getitem__(self, moid: str) -> Sighting:
        place = self._place(moid)
        if place is None:
            raise KeyError(moid)
        return self._seen(self._rows[place])

    def __contains__(self, moid: object) -> bool:
        return isinstance(moid, str) and self._place(moid) is not None

    def __iter__(self) -> Iterator[str]:
        return (read_text(row, 0)[0] for row in self._ordered())

    def __len__(self) -> int:
        return len(self._rows)

    def beside(self, known: Known) -> Iterator[tuple[Outline, int | None]]:
        """What is asked of every row, in order, and where its token is known; None: it is not. Nothing is decoded."""
        users, near = self._users, 0
        for at, row in enumerate(self._ordered()):
            _, modified, created, _, user, _, _, meaning = _ENDS.unpack_from(row, len(row) - _TAIL)
            moid, end = read_text(row, 0)
            place = known.place_of(row[:end], near)
            near = near if place is None else place + 1
            yield Outline(at, moid, meaning, optional(modified), optional(created), users[user]), place

    def over(self, now: int) -> int:
        """How many tokens' time is over."""
        return sum([NEVER < _ENDS.unpack_from(row, len(row) - _TAIL)[0] <= now for row in self._rows])

    def ends(self) -> tuple[str, ...]:
        """The Moids of the first and the last row; none of none."""
        rows = self._ordered()
        return tuple(read_text(row, 0)[0] for row in (*rows[:1], *rows[-1:]))

    def at(self, place: int) -> Sighting:
        """The row at this place in the order."""
        return self._seen(self._ordered()[place])

    def hand_over(self, place: int) -> Sighting:
        """The row at this place in the order, which is let go; from then on nothing else can be asked but `len`."""
        row, self._rows[place] = self._rows[place], _LET_GO
        self._handed_over = True
        seen = self._seen(row)
        self._kept.pop(seen.token.moid, None)
        return seen

    def _ordered(self) -> list[bytes]:
        if self._handed_over:
            raise LookupError(_ASKED_LATE)
        if not self._in_order:
            self._rows.sort()
            self._in_order = True
        return self._rows

    def _place(self, moid: str) -> int | None:
        return place_in(self._ordered(), write_text(moid))

    def _seen(self, row: bytes) -> Sighting:
        if not row:
            raise LookupError(_ASKED_LATE)
        if self._kept and (kept := self._kept.get(read_text(row, 0)[0])):
            return kept
        *_, reply, _, damaged, raw, meaning = _ENDS.unpack_from(row, len(row) - _TAIL)
        arrived_at, trace_id = self._replies[reply]
        datum = row[:-_TAIL]
        return Sighting(avro.decode_token(datum), datum, meaning, raw, arrived_at, trace_id, damaged=damaged)


def _noted(value: _T, values: list[_T], places: dict[_T, int]) -> int:
    """Where a value stands among those that many rows share."""
    place = places.setdefault(value, len(values))
    if place == len(values):
        values.append(value)
    return place
