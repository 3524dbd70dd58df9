"""Pages to rows, in three tiers: what is known by its bytes costs one digest, only the rest is decoded.

This is the hot path: at a million tokens nearly every row of nearly every poll is byte for byte the one before. So a
page in which nothing was new is known by its own digest when it comes again; it is not even split, but each of its rows
must still be what the state holds. Any other page is split into its rows, and a row whose digest is that of the row in
the state says nothing new. Which row that is, is guessed: the one behind the last, else the one of its Moid, which is
all that is read of it; a wrong guess costs time and nothing else. A row in other bytes may still mean the same
(lists in another order, links to another host): it is decoded into a struct, encoded, and compared by the digest of
that, before anything is made of it. What bytes mean never changes, so it is remembered, and noise that comes again
costs no more than silence. This room must never decide whether a page is the right one; that is the snapshot's concern.

Question: how much noise is remembered? Choice: the last spellings, twice to four times as many as there are tokens, in
two generations, the older of which is dropped whole. Rejected: a list for each token, a million small objects.

Question: what is remembered of a page? Choice: its first and last Moid and one digest of its rows' digests, which the
state has. Rejected: its rows' digests and Moids, a seventh of what the state takes.

Question: which digest names a page? Choice: SHA-256, which processors compute in hardware: 1.4 us for the 1.9 kB of a
token, where BLAKE2b, which rows have in the state, takes 2.9. Only pages in which nothing was new are remembered, so an
account in which every page changes in every poll pays for none. Rejected: a checksum; a change must not be hidden.

Question: a lone surrogate in one string, or a bare NaN as many encoders write it, makes a whole page malformed to a
strict parser. Choice: replace such words in the page's text, once the strict parser has refused it, and split it again:
NaN by what no property can be, so that it costs its own property; the rows beside it keep their bytes and so their
digests. Rejected: a lenient parser for every page, which pays for a case that hardly ever comes; to refuse the page,
which would stop the feed for as long as one token has such a value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from streamer import avro
from streamer.errors import Rejected
from streamer.intersight import typed
from streamer.intersight.canonical import LONE, MOID, canonical
from streamer.known import Known
from streamer.tokens import Sighting, Token

LIST: Final = "iam.OAuthToken.List"
_T = TypeVar("_T")


class _Envelope(msgspec.Struct, rename="pascal"):
    """A list's answer; its rows stay bytes."""

    object_type: str | None = None
    count: int | None = None
    results: list[Raw] | UnsetType | None = UNSET


class _Named(msgspec.Struct, rename="pascal"):
    """A row, of which nothing is read but whose it is."""

    moid: str


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_ROW: Final = msgspec.json.Decoder(Raw)
_MOID: Final = msgspec.json.Decoder(_Named)
_ESCAPE: Final = re.compile(  # every escape, so that an escaped backslash is never taken for the start of one
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_NO_NUMBER: Final = re.compile(  # strings are skipped, and one without an end is skipped to the end: no second look
    rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|(-?(?:NaN|Infinity)\b)', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list.

    Attributes:
        count: the server's `Count` over all pages; None where it sent none.
        moids: of all rows, in the page's order, with repetitions.
        rows: what had to be decoded; the other Moids are unchanged.
        unknown: properties met that this version does not know.
        arrived_at: our time (ms) at which the answer was complete.
        unchanged: the places of the unchanged ones among what is known.
    """

    count: int | None
    moids: tuple[str, ...]
    rows: tuple[Sighting, ...]
    unknown: int
    arrived_at: int
    unchanged: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class _Met:
    """A page that said nothing new: its `Count`, how many rows it had, the first's and the last's Moid, one digest."""

    count: int | None
    number: int
    first: str
    last: str
    digest: bytes


class _Latest(Generic[_T]):
    """What was noted last, by digest: of those younger than the last `most` none is forgotten."""

    def __init__(self) -> None:
        self._young: dict[bytes, _T] = {}
        self._old: dict[bytes, _T] = {}

    def __bool__(self) -> bool:
        return bool(self._young or self._old)

    def get(self, digest: bytes) -> _T | None:
        return self._young.get(digest) or self._old.get(digest)

    def note(self, digest: bytes, value: _T, most: int) -> None:
        if len(self._young) >= most:
            self._young, self._old = {}, self._young
        self._young[digest] = value


class Spellings:
    """What bytes mean that were met before: rows in other bytes than the state's, and pages without anything new."""

    def __init__(self) -> None:
        self._rows = _Latest[bytes]()
        self._pages = _Latest[_Met]()

    def meaning(self, raw: bytes) -> bytes | None:
        """The digest of what a row with this digest means, if it is remembered."""
        return self._rows.get(raw)

    def note(self, raw: bytes, meaning: bytes, most: int) -> None:
        """Remember it; of those younger than the last `most` none is forgotten."""
        self._rows.note(raw, meaning, most)

    def met(self, body: bytes) -> _Met | None:
        """The page with these bytes, if it is remembered."""
        return self._pages.get(sha256(body).digest()) if self._pages else None

    def note_page(self, body: bytes, page: Page, digests: bytes, known: Known) -> None:
        """Remember a page, as `note` does a row, if its rows are a stretch of what is known."""
        number, first, last = len(page.moids), page.moids[0], page.moids[-1]
        if known.stretch(first, last)[1] == digests:
            met = _Met(page.count, number, first, last, avro.digest(digests))
            self._pages.note(sha256(body).digest(), met, 1 + 2 * len(known) // number)


class Unread:
    """One answer to the list before its rows are read: how many there are is known, whether they are right is not.

    Args:
        body: the answer, unpacked.
        arrived_at: our time (ms) at which the answer was complete.
        trace_id: of the answer.
        spellings: what other bytes mean; added to.

    Attributes:
        count: the server's `Count` over all pages; None where it sent none.
        number: of rows.
        last: the last row's Moid; None where there is none.

    Raises:
        Rejected: `not_json` or `not_a_list`.
    """

    def __init__(self, body: bytes, arrived_at: int, trace_id: str | None, spellings: Spellings) -> None:
        self._body = body
        self._arrived_at = arrived_at
        self._trace_id = trace_id
        self._spellings = spellings
        self._met = met = spellings.met(body)
        self._raws: list[Raw] | None = None
        self.last: str | None
        if met is not None:
            self.count, self.number, self.last = met.count, met.number, met.last
        else:
            self.count, self._raws = read_envelope(body, LIST)
            last = _named(self._raws[-1]) if self._raws else None
            self.number, self.last = len(self._raws), last if last and MOID.fullmatch(last) else None

    def read(self, known: Known) -> Page:
        """Its rows, compared with those that are known; once, since its bytes are let go then.

        Raises:
            Rejected: `row_without_moid` or `bad_moid`.
        """
        page = (self._met and self._known_again(self._met, known)) or self._split(known)
        self._body, self._raws = b"", None  # the next page is received already: two take a tenth more time than one
        return page

    def _known_again(self, met: _Met, known: Known) -> Page | None:
        """The page, if its rows are still what is known."""
        places, digests = known.stretch(met.first, met.last)
        if not places or avro.digest(digests) != met.digest:
            return None
        return Page(met.count, tuple([known.moid(place) for place in places]), (), 0, self._arrived_at, tuple(places))

    def _split(self, known: Known) -> Page:
        raws = read_envelope(self._body, LIST)[1] if self._raws is None else self._raws
        reading = _Reading(known, self._spellings, self._arrived_at, self._trace_id)
        digests = [avro.digest(raw) for raw in raws]
        moids = tuple([reading.moid(raw, digest) for raw, digest in zip(raws, digests, strict=True)])
        unchanged = tuple(reading.unchanged)
        page = Page(self.count, moids, tuple(reading.rows), reading.unknown, self._arrived_at, unchanged)
        if raws and not reading.asked:
            self._spellings.note_page(self._body, page, b"".join(digests), known)
        return page


def read_page(body: bytes, arrived_at: int, trace_id: str | None) -> Page:
    """One answer to the list, each of its rows decoded; arguments and errors as of `Unread`."""
    return Unread(body, arrived_at, trace_id, Spellings()).read(Known())


def read_envelope(body: bytes, object_type: str) -> tuple[int | None, list[Raw]]:
    """The `Count` and the rows of a list's answer, each row as its JSON text, lone surrogates and NaN replaced.

    Raises:
        Rejected: `not_json`, or `not_a_list` for anything but a list of this type, such as `iam.User.List`.
    """
    envelope = _decoded(_ENVELOPE, body)
    if envelope.object_type != object_type or isinstance(envelope.results, UnsetType):
        told = f"ObjectType {envelope.object_type!r}, {'without' if envelope.results is UNSET else 'with'} Results"
        raise Rejected("not_a_list", f"the answer has {told}; wanted {object_type} with Results")
    return envelope.count, envelope.results or []


def read_row(body: bytes, arrived_at: int, trace_id: str | None) -> Sighting:
    """The one object of an answer by Moid, which has no envelope; raises as `read_page` does."""
    raw = bytes(_decoded(_ROW, body))
    reading = _Reading(Known(), Spellings(), arrived_at, trace_id)
    reading.moid(raw, avro.digest(raw))
    return reading.rows[0]


class _Reading:
    """The rows of a page, one by one.

    Attributes:
        unchanged: the places of those that say nothing new.
        rows: the others.
        asked: how many are in other bytes than what is known.
        unknown: properties that mean something new.
    """

    def __init__(self, known: Known, spellings: Spellings, arrived_at: int, trace_id: str | None) -> None:
        self.unchanged: list[int] = []
        self.rows: list[Sighting] = []
        self.unknown = self.asked = 0
        self._known = known
        self._next = 0  # the place where the next row is guessed to be
        self._spellings = spellings
        self._arrived_at = arrived_at
        self._trace_id = trace_id

    def moid(self, raw: Raw | bytes, digest: bytes) -> str:
        """The Moid of a row, which is one of `rows` from now on if it means something new."""
        if self._known.says(self._next, digest):
            return self._same(self._next)
        place = self._place(raw)
        if place is not None and self._known.says(place, digest):
            return self._same(place)
        self.asked += 1
        meaning = self._spellings.meaning(digest)
        if place is not None and meaning is not None and self._known.says(place, meaning):
            return self._same(place)
        self._next = self._next if place is None else place + 1
        return self._decoded(bytes(raw), digest, place)

    def _same(self, place: int) -> str:
        self.unchanged.append(place)
        self._next = place + 1
        return self._known.moid(place)

    def _place(self, raw: Raw | bytes) -> int | None:
        """Where the row is known, by what it says is its Moid."""
        moid = _named(raw)
        return None if moid is None else self._known.place(moid, self._next)

    def _decoded(self, raw: bytes, digest: bytes, place: int | None) -> str:
        read = typed.read(raw)
        if read is None:
            return self._judged(raw, digest)
        values, whole = read
        compared, extras = avro.encode_values(values)
        meaning = avro.digest(compared)
        place = self._known.place(values[0], place or 0)
        if place is not None and self._known.says(place, meaning):
            self._spellings.note(digest, meaning, 2 * len(self._known))
            return self._same(place)
        if not whole:
            return self._judged(raw, digest)
        return self._shown(Token(*values), compared + extras, meaning, digest)

    def _judged(self, raw: bytes, digest: bytes) -> str:
        """The slow way: property by property."""
        read = canonical(raw)
        self.unknown += read.unknown
        compared, extras = avro.encode_token(read.token)
        return self._shown(read.token, compared + extras, avro.digest(compared), digest, read.damaged)

    def _shown(self, token: Token, datum: bytes, meaning: bytes, digest: bytes, damaged: int = 0) -> str:
        self.rows.append(Sighting(token, datum, meaning, digest, self._arrived_at, self._trace_id, damaged=damaged))
        return token.moid


def _named(raw: Raw | bytes) -> str | None:
    """What a row says is its Moid, as far as it can be read at all."""
    try:
        return _MOID.decode(raw).moid
    except (ValueError, RecursionError):
        return None


def _decoded(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """What a body holds; lone surrogates and NaN are replaced if they are what stands in the way."""
    try:
        try:
            return decoder.decode(body)
        except msgspec.DecodeError:
            mended = _ESCAPE.sub(lambda escape: LONE if escape[1] else escape[0], body)
            mended = _NO_NUMBER.sub(lambda word: b'[["%s"]]' % word[1] if word[1] else word[0], mended)
            if mended == body:
                raise
            return decoder.decode(mended)
    except msgspec.ValidationError as error:
        raise Rejected("not_a_list", f"the answer is JSON, but not what was asked for: {error}") from error
    except (ValueError, RecursionError) as error:
        raise Rejected("not_json", f"{len(body)} bytes that are no JSON: {error}; they begin {body[:60]!r}") from error
