"""Avro's bytes, written and read by hand where that is done for every row that changed.

A general encoder walks the schema for every value: 17 us for a token, which takes 7 here. Record `OAuthToken` is frozen
for all of version 1 of the event, so its 24 fields are spelled out; other records are compiled from their schema. This
room must never write another byte than a general encoder would; a test compares the two, value by value.

Question: why not compare decoded values instead? Choice: the encoded bytes are what the state keeps and events carry,
so they are made anyhow. Rejected: a tree of objects in memory for each token.

Question: what of bytes that are no token? Choice: the reader says None, and whoever asked has the general decoder say
why. Rejected: a second set of messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from streamer.tokens import TOKEN_FIELDS, Extra, Tag
from streamer.wire.jsonform import without_surrogates

Values = tuple[Any, ...]  # of a token's fields, in their order
Write = Callable[[Any], bytes]

values_of: Final = attrgetter(*TOKEN_FIELDS)
_TEXTS: Final = slice(TOKEN_FIELDS.index("moid") + 1, TOKEN_FIELDS.index("last_login_time"))
_TIMES: Final = slice(_TEXTS.stop, TOKEN_FIELDS.index("account_moid"))
_MORE_TEXTS: Final = slice(_TIMES.stop, TOKEN_FIELDS.index("owners"))
_NULL: Final = b"\x00"  # the index of null in ["null", X]; and the end of an array
_SOME: Final = b"\x02"  # the index of X
_LOW: Final = 0x7F
_MORE: Final = 0x80
REMEMBERED: Final = 256  # values of a field; as many rows as may be of one page and one client
_SIX_BYTES: Final = range(1 << 35, 1 << 42)  # instants from 1970-07-18 to 2039, doubled


def written(values: Values) -> tuple[bytes, bytes]:
    """The bytes of a token's fields in two parts: all that a diff compares, then `extras`."""
    parts = [write_text(values[0]), *_optional_texts(values[_TEXTS])]
    parts += [_NULL if ms is None else _SOME + _long(ms) for ms in values[_TIMES]]
    parts += _optional_texts(values[_MORE_TEXTS])
    owners, resources, tags, extras = values[_MORE_TEXTS.stop :]
    parts += [_array([write_text(moid) for moid in items]) for items in (owners, resources)]
    parts.append(_array([_tag(tag) for tag in tags]))
    return b"".join(parts), _array([_extra(extra) for extra in extras])


def write_text(text: str) -> bytes:
    """A text: its length, and UTF-8."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = without_surrogates(text).encode()
    return (_LENGTHS[len(data)] if len(data) < len(_LENGTHS) else _long(len(data))) + data


def _long(value: int) -> bytes:
    """Zigzag, seven bits a byte, the lowest first."""
    rest = value << 1 if value >= 0 else (-value << 1) - 1
    if rest in _SIX_BYTES:
        return bytes(
            (
                rest & _LOW | _MORE,
                rest >> 7 & _LOW | _MORE,
                rest >> 14 & _LOW | _MORE,
                rest >> 21 & _LOW | _MORE,
                rest >> 28 & _LOW | _MORE,
                rest >> 35,
            )
        )
    out = bytearray()
    while rest > _LOW:
        out.append(rest & _LOW | _MORE)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_LENGTHS: Final = [_long(length) for length in range(1024)]
_SOME_LENGTHS: Final = [_SOME + length for length in _LENGTHS]


def _optional_texts(texts: Sequence[str | None]) -> list[bytes]:
    try:
        return [_NULL if text is None else _SOME_LENGTHS[len(data := text.encode())] + data for text in texts]
    except (UnicodeEncodeError, IndexError):  # one with a lone surrogate, or a long one
        return [_NULL if text is None else _SOME + write_text(text) for text in texts]


def _array(items: Sequence[bytes]) -> bytes:
    """One block and its end; nothing but the end where it is empty."""
    return b"".join((_long(len(items)), *items, _NULL)) if items else _NULL


def _tag(tag: Tag) -> bytes:
    return write_text(tag.key) + (_NULL if tag.value is None else _SOME + write_text(tag.value))


def _extra(extra: Extra) -> bytes:
    return write_text(extra.name) + write_text(extra.json)


# Tokens, read...


class _Strange(Exception):
    """Not what a token's bytes look like."""


def read(datum: bytes) -> Values | None:
    """The values of the fields of a token's bytes; None where they are none, or only a general decoder can tell."""
    try:
        values, at = _values(datum)
    except (IndexError, ValueError, _Strange):
        return None
    return values if at == len(datum) else None


def _values(data: bytes) -> tuple[Values, int]:
    moid, at = read_text(data, 0)
    texts, at = _optional_texts_at(data, at, _TEXTS.stop - _TEXTS.start)
    times, at = _optional_longs_at(data, at, _TIMES.stop - _TIMES.start)
    more, at = _optional_texts_at(data, at, _MORE_TEXTS.stop - _MORE_TEXTS.start)
    arrays = []
    for item_at in _ITEMS:
        items, at = ((), at + 1) if data[at] == 0 else _items_at(data, at, item_at)
        arrays.append(items)
    return (moid, *texts, *times, *more, *arrays), at


def _optional_texts_at(data: bytes, at: int, number: int) -> tuple[list[str | None], int]:
    """So many texts or nulls; the usual one, of under 8,192 bytes, without a call."""
    texts: list[str | None] = []
    for _ in range(number):
        if data[at] == 0:
            texts.append(None)
            at += 1
            continue
        if data[at] != _SOME[0]:
            raise _Strange
        at += 2
        size = data[at - 1]
        if size >= _MORE:
            size += (data[at] - 1) << 7
            if data[at] >= _MORE:
                text, at = read_text(data, at - 1)
                texts.append(text)
                continue
            at += 1
        if size & 1:
            raise _Strange
        end = at + (size >> 1)
        texts.append(data[at:end].decode())
        at = end
    return texts, at


def _optional_longs_at(data: bytes, at: int, number: int) -> tuple[list[int | None], int]:
    """So many longs or nulls; the usual one, an instant of six bytes, without a call."""
    values: list[int | None] = []
    for _ in range(number):
        if data[at] == 0:
            values.append(None)
            at += 1
            continue
        if data[at] != _SOME[0]:
            raise _Strange
        a, b, c, d, e, f = data[at + 1 : at + 7]  # behind the times there are more bytes than these, or it is no token
        if a & b & c & d & e & _MORE and f < _MORE and not a & 1:
            low = (a & _LOW) | (b & _LOW) << 7 | (c & _LOW) << 14
            values.append((low | (d & _LOW) << 21 | (e & _LOW) << 28 | f << 35) >> 1)
            at += 7
        else:
            value, at = _long_at(data, at + 1)
            values.append(value)
    return values, at


def read_text(data: bytes, at: int) -> tuple[str, int]:
    """The text that begins there, and where it ends."""
    size = data[at]
    if size < _MORE:
        at += 1
    else:
        size, at = _zigzag_at(data, at)
    if size & 1:
        raise _Strange
    end = at + (size >> 1)
    return data[at:end].decode(), end


def _zigzag_at(data: bytes, at: int) -> tuple[int, int]:
    rest = shift = 0
    while True:
        byte = data[at]
        at += 1
        rest |= (byte & _LOW) << shift
        if byte < _MORE:
            return rest, at
        shift += 7


def _long_at(data: bytes, at: int) -> tuple[int, int]:
    rest, at = _zigzag_at(data, at)
    return (rest >> 1) ^ -(rest & 1), at


def _items_at(data: bytes, at: int, item_at: Callable[[bytes, int], tuple[Any, int]]) -> tuple[tuple[Any, ...], int]:
    """Those of an array that is not empty."""
    number, at = _long_at(data, at)
    items = []
    for _ in range(number):
        item, at = item_at(data, at)
        items.append(item)
    if data[at] != 0:  # another block, which we never write
        raise _Strange
    return tuple(items), at + 1


def _tag_at(data: bytes, at: int) -> tuple[Tag, int]:
    key, at = read_text(data, at)
    if data[at] == 0:
        return Tag(key), at + 1
    value, at = read_text(data, at + 1)
    return Tag(key, value), at


def _extra_at(data: bytes, at: int) -> tuple[Extra, int]:
    name, at = read_text(data, at)
    json, at = read_text(data, at)
    return Extra(name, json), at


_ITEMS: Final = (read_text, read_text, _tag_at, _extra_at)  # of owners, resources, tags, extras


# Any record of types that our schemas have...


def compiled(record: Mapping[str, Any], unique: Collection[str] = ()) -> Write:
    """What writes an object with the attributes that a record's schema names, instants as ms; all of it hashable.

    Most of what stands in an event stands in those beside it too, so each field remembers what it wrote last, but for
    the `unique` ones.
    """
    names = [field["name"] for field in record["fields"]]
    made = {field["name"]: _writer(field["type"]) for field in record["fields"]}
    writes = [write if name in unique else lru_cache(maxsize=REMEMBERED)(write) for name, write in made.items()]
    take = attrgetter(*names)

    def write(value: Any) -> bytes:
        return b"".join([write_one(part) for write_one, part in zip(writes, take(value), strict=True)])

    return write


def _writer(schema: Any) -> Write:
    if isinstance(schema, list):
        return _optional(_writer(schema[1]))
    match schema if isinstance(schema, str) else schema["type"]:
        case "string":
            return write_text
        case "long":
            return _long
        case "boolean":
            return lambda value: b"\x01" if value else b"\x00"
        case "array":
            write_item = _writer(schema["items"])
            return lambda items: _array([write_item(item) for item in items])
        case "record":
            return compiled(schema)
        case other:
            raise ValueError(f"no writer for the Avro type {other!r}")


def _optional(write: Write) -> Write:
    return lambda value: _NULL if value is None else _SOME + write(value)
