"""From one row of JSON to one `Token`: what the service writes in several ways becomes one value here.

Absent, null, "" and the zero time are None; times are instants; arrays are sorted; relations are Moids. Whatever a
hostile client can put into a row, the row still becomes a token of bounded size, and what was done to it is counted.
It must never raise for a value: only a row without a usable Moid has no identity and voids the poll.

Question: what stands in the place of something too large. Choice: a mark with its size and SHA-256, so that a change
beyond the cut still changes the token. `text…[cut: 40000 bytes, sha256 9f86d0...]` for a string; for an array one last
element `…[cut: 812 more, sha256 ...]`; in `extras` the mark as a JSON string. Rejected: a bare ellipsis, behind which
anything may change unseen.

Question: decode rows into a typed struct, or by property. Choice: by property, so that one unreadable value costs
itself and not the row, and the raw text of what is not understood is at hand. A row that is as documented never comes
here: `typed` reads it to the same values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Raw

from streamer.errors import Rejected
from streamer.tokens import Extra, Tag, Token

LONGEST: Final = 32 * 1024  # bytes of one string in UTF-8, its mark included
ARRAYS: Final = 128 * 1024  # bytes of owners, permission_resources and tags together, as Avro
EXTRAS: Final = 64 * 1024  # bytes of all extras together, as Avro
MARK: Final = 128  # no mark that stands for dropped elements is larger, encoded
LONE: Final = rb"\uFFfD"  # what a lone surrogate's escape was replaced with: U+FFFD, in a spelling no encoder uses
DROPPED: Final = frozenset({"ClassId", "ObjectType", "Ancestors", "VersionContext", "DisplayNames"})
MOID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
ZERO_MS: Final = -62_135_596_800_000  # 0001-01-01T00:00:00Z: how the API writes "no time"
_LAST_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z: the last instant that RFC 3339 can write
_NOTHING: Final = frozenset({b"null", b'""'})

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str | None)
_TEXTS: Final = msgspec.json.Decoder(list[str | None])
_OBJECTS: Final = msgspec.json.Decoder(list[dict[str, Raw] | None])


@dataclass(slots=True)
class Canonical:
    """A row's token, and what had to be done to it.

    Attributes:
        token: the value.
        damaged: values cut, repaired or nulled.
        unknown: properties this version does not know.
    """

    token: Token
    damaged: int
    unknown: int


def canonical(raw: bytes) -> Canonical:
    """The token of one row: a JSON object whose lone surrogates are replaced already.

    Raises:
        Rejected: `row_without_moid`, `bad_moid`, or `not_json` for one nested too deep to be read.
    """
    row, repaired = _properties(raw)
    reading = _Reading(_moid(row), damaged=repaired)
    for name, value in row.items():
        if name != "Moid" and name not in DROPPED:
            reading.take(name, bytes(value))
    return reading.done()


def _properties(raw: bytes) -> tuple[dict[str, Raw], int]:
    """A row's properties, each as its own JSON text, with invalid UTF-8 replaced; and how much was."""
    repaired = raw.count(LONE)
    try:
        str(raw, "utf-8")
    except UnicodeDecodeError:
        text = str(raw, "utf-8", "replace")
        repaired += text.count("\ufffd") - raw.count("\ufffd".encode())
        raw = text.encode()
    try:
        return _OBJECT.decode(raw), repaired
    except msgspec.ValidationError as error:
        raise Rejected("row_without_moid", f"a row is no object: {error}") from error
    except RecursionError as error:  # here first: the row was split off with less of the stack in use
        raise Rejected("not_json", f"a row of {len(raw)} bytes is nested too deep to be read") from error


def _moid(row: dict[str, Raw]) -> str:
    raw = bytes(row.get("Moid", b"null"))
    if raw in _NOTHING:
        raise Rejected("row_without_moid", f"a row has no Moid, but {len(row)} other properties")
    try:
        moid = _TEXT.decode(raw) or ""
    except msgspec.DecodeError:
        moid = ""
    if not MOID.fullmatch(moid):
        raise Rejected("bad_moid", f"a row's Moid is {raw[:80]!r}, wanted 1 to 128 of A-Z a-z 0-9 _ -")
    return moid


def instant(text: str) -> int | None:
    """The ms of an RFC 3339 time with up to nine decimals (what is finer is cut) and any offset; None: the zero time.

    Raises:
        ValueError: it is none.
    """
    if not _TIME.fullmatch(text):
        raise ValueError("no time as RFC 3339 writes it")
    ms = (datetime.fromisoformat(text) - _EPOCH) // _MS  # refuses the 31st of June
    if not ZERO_MS <= ms <= _LAST_MS:
        raise ValueError("a time before the year 1 or after 9999")
    return None if ms == ZERO_MS else ms


class _Unreadable(Exception):
    """A known property is not of the type it should be."""


@dataclass(slots=True)
class _Reading:
    """One row, property by property."""

    moid: str
    damaged: int
    unknown: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    extras: list[Extra] = field(default_factory=list)

    def take(self, name: str, raw: bytes) -> None:
        """Read one property into its fields, or keep its text: as unknown, or as damaged."""
        targets = _PROPERTIES.get(name)
        if targets is None:
            self.unknown += 1
            self.extras.append(Extra(self.cut(name), raw.decode()))
            return
        if raw in _NOTHING:
            return
        try:
            for target, read in targets:
                self.values[target] = read(self, raw)
        except (_Unreadable, msgspec.DecodeError):
            self.damaged += 1
            self.extras.append(Extra(name, raw.decode()))

    def done(self) -> Canonical:
        """The token, arrays and extras brought within their bounds."""
        left = ARRAYS - 3 * MARK
        for name in ("owners", "permission_resources", "tags"):
            if name in self.values:
                self.values[name], left = self._bounded(self.values[name], left)
        token = Token(self.moid, **self.values, extras=self._bounded_extras())
        return Canonical(token, self.damaged, self.unknown)

    def cut(self, text: str) -> str:
        """The text, or its beginning and a mark."""
        if len(text) <= LONGEST // 4:
            return text
        data = text.encode()
        if len(data) <= LONGEST:
            return text
        self.damaged += 1
        mark = f"…[cut: {len(data)} bytes, sha256 {sha256(data).hexdigest()}]"
        return data[: LONGEST - len(mark.encode())].decode(errors="ignore") + mark

    def _bounded(self, items: tuple[Any, ...], left: int) -> tuple[tuple[Any, ...], int]:
        """As many elements as fit into `left` bytes, a mark for the rest, and the bytes that remain."""
        for kept, item in enumerate(items):
            size = _size(item.key, item.value) if isinstance(item, Tag) else _size(item)
            if size > left:
                self.damaged += 1
                rest = msgspec.json.encode(items[kept:])
                mark = f"…[cut: {len(items) - kept} more, sha256 {sha256(rest).hexdigest()}]"
                return ordered((*items[:kept], Tag(mark) if isinstance(item, Tag) else mark)), 0
            left -= size
        return items, left

    def _bounded_extras(self) -> tuple[Extra, ...]:
        """All extras by name; a mark for the text of one that does not fit, one mark for all that not even so fit."""
        kept, left = [], EXTRAS - MARK
        found = sorted(self.extras)
        for number, extra in enumerate(found):
            if _size(extra.name, extra.json) > left:
                self.damaged += 1
                data = extra.json.encode()
                extra = Extra(extra.name, f'"…[cut: {len(data)} bytes, sha256 {sha256(data).hexdigest()}]"')  # noqa: PLW2901 - what is kept of it
            if _size(extra.name, extra.json) > left:
                kept.append(Extra("…", f'"…[cut: {len(found) - number} more]"'))
                break
            kept.append(extra)
            left -= _size(extra.name, extra.json)
        return tuple(sorted(kept))


def _size(*texts: str | None) -> int:
    """The bytes of an array's element as Avro, or a few more: a length of up to 3 bytes and the UTF-8 of each text."""
    return sum(4 + len(text.encode()) for text in texts if text is not None)


def ordered(items: tuple[Any, ...] | list[Any]) -> tuple[Any, ...]:
    """Moids by text; tags by key, then value, the absent one first."""
    return tuple(sorted(items, key=lambda i: (i.key, i.value is not None, i.value or "") if isinstance(i, Tag) else i))


# Readers: one property's JSON text to a field's value...

_Read = Callable[[_Reading, bytes], Any]


def _text(reading: _Reading, raw: bytes) -> str | None:
    return reading.cut(_TEXT.decode(raw) or "") or None


def _time(_: _Reading, raw: bytes) -> int | None:
    text = _TEXT.decode(raw) or ""
    try:
        return instant(text)
    except ValueError as error:
        raise _Unreadable from error


def _part(name: str) -> _Read:
    """Reads one property of an object, such as the Moid of a relation, a reference and the whole object alike."""

    def read(reading: _Reading, raw: bytes) -> str | None:
        return _text(reading, bytes(_OBJECT.decode(raw).get(name, b"null")))

    return read


def _texts(reading: _Reading, raw: bytes) -> tuple[str, ...]:
    return ordered([reading.cut(text) for text in _TEXTS.decode(raw) if text])


def _relations(reading: _Reading, raw: bytes) -> tuple[str, ...]:
    moids = [_text(reading, bytes(each.get("Moid", b"null"))) for each in _OBJECTS.decode(raw) if each]
    return ordered([moid for moid in moids if moid])


def _tags(reading: _Reading, raw: bytes) -> tuple[Tag, ...]:
    return ordered([_tag(reading, each) for each in _OBJECTS.decode(raw) if each])


def _tag(reading: _Reading, tag: dict[str, Raw]) -> Tag:
    key = _text(reading, bytes(tag.get("Key", b"null")))
    if key is None:
        raise _Unreadable
    return Tag(key, _text(reading, bytes(tag.get("Value", b"null"))))


_PROPERTIES: Final[dict[str, tuple[tuple[str, _Read], ...]]] = {
    "TokenId": (("token_id", _text),),
    "ClientId": (("client_id", _text),),
    "ClientName": (("client_name", _text),),
    "ClientIpAddress": (("client_ip_address", _text),),
    "LastLoginClient": (("last_login_client", _text),),
    "LastLoginTime": (("last_login_time", _time),),
    "AccessExpirationTime": (("access_expiration_time", _time),),
    "ExpirationTime": (("expiration_time", _time),),
    "CreateTime": (("create_time", _time),),
    "ModTime": (("mod_time", _time),),
    "AccountMoid": (("account_moid", _text),),
    "DomainGroupMoid": (("domain_group_moid", _text),),
    "SharedScope": (("shared_scope", _text),),
    "User": (("user_moid", _part("Moid")),),
    "AppRegistration": (("app_registration_moid", _part("Moid")),),
    "Permission": (("permission_moid", _part("Moid")),),
    "UserMeta": (("user_agent", _part("UserAgent")), ("device_model", _part("DeviceModel"))),
    "Parent": (("parent_moid", _part("Moid")),),
    "Owners": (("owners", _texts),),
    "PermissionResources": (("permission_resources", _relations),),
    "Tags": (("tags", _tags),),
}
