"""Lies of single rows: values that no reader expects, in bytes that not every reader can read.

They strike the rows of lists and single objects alike. Which rows: so many by chance, or the one token they name.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec

from streamer.demo.kinds import TOKEN, Many, Scalar
from streamer.demo.lies.fault import Call, Some
from streamer.demo.lies.pages import Edited
from streamer.demo.shapes import Row

MEGABYTE: Final = 1 << 20
_FUTURE: Final = {"ClassId": "iam.Imagined", "Flags": [1, 2.5, None, True], "ObjectType": "iam.Imagined"}
_VERSION: Final = {"ClassId": "mo.VersionContext", "ObjectType": "mo.VersionContext", "VersionType": "Imagined"}


class Rows(Edited, frozen=True, kw_only=True):
    """A lie that changes single rows: so many `rows` of a reply, or the token `moid`."""

    strikes: ClassVar[str] = "rows of lists and single objects"

    rows: Some = 1
    moid: str | None = None

    def edit(self, value: dict[str, Any], call: Call) -> dict[str, Any] | None:
        """The same with other rows."""
        results = value.get("Results")
        if results is None:
            chosen = "Moid" in value and self.moid in {None, value["Moid"]}
            return self.row_of(value, call) if chosen else None
        for at in self._chosen(results, call):
            results[at] = self.row_of(results[at], call)
        return value

    def row_of(self, row: Row, call: Call) -> Row:
        """The row instead of `row`, which may be changed."""
        raise NotImplementedError

    def _chosen(self, rows: list[Row], call: Call) -> list[int]:
        if self.moid is not None:
            return [at for at, row in enumerate(rows) if row.get("Moid") == self.moid]
        return call.random.sample(range(len(rows)), min(self.rows, len(rows)))


class Unknown(Rows, frozen=True, kw_only=True, tag="unknown"):
    """What newer servers send: a `property` nobody knows (X1Imagined, an object), or new `enum` values."""

    main: ClassVar = "what"
    variants: ClassVar = ({}, {"what": "enum"})

    what: Literal["property", "enum"] = "property"

    def row_of(self, row: Row, call: Call) -> Row:
        """More than before."""
        del call
        if self.what == "property":
            return {**row, "X1Imagined": _FUTURE}
        tags = [{**tag, "Type": "Imagined"} for tag in row.get("Tags") or []]
        references = {
            name: {**row[name], "ClassId": "mo.Imagined"}
            for name in ("Parent", "Permission", "User", "UserMeta")
            if row.get(name)
        }
        return {**row, **references, "Tags": tags, "VersionContext": _VERSION}


class BadMoid(Rows, frozen=True, kw_only=True, tag="moid"):
    """A row's Moid is `missing`, `null`, `empty`, a `number`, `long` (300 characters) or `odd` (quote, space, é)."""

    main: ClassVar = "how"
    variants: ClassVar = tuple({"how": how} for how in ("missing", "null", "empty", "number", "long", "odd"))

    how: Literal["missing", "null", "empty", "number", "long", "odd"] = "missing"

    def row_of(self, row: Row, call: Call) -> Row:
        """Another Moid."""
        del call
        if self.how == "missing":
            return {name: value for name, value in row.items() if name != "Moid"}
        wrong = {"null": None, "empty": "", "number": 12345, "long": "a" * 300, "odd": "it's é/.."}
        return {**row, "Moid": wrong[self.how]}


class _Property(Rows, frozen=True, kw_only=True):
    property: str = "ClientName"

    def row_of(self, row: Row, call: Call) -> Row:
        """The row with another value of the property."""
        del call
        return {**row, self.property: msgspec.Raw(self.raw())}

    def raw(self) -> bytes:
        """The JSON of it, as it is sent."""
        raise NotImplementedError


class Utf8(_Property, frozen=True, kw_only=True, tag="utf8"):
    """A `property` holds bytes that are no UTF-8."""

    main: ClassVar = "property"

    def raw(self) -> bytes:
        """A lone continuation byte, a cut sequence."""
        return b'"caf\xe9 \x80\xff \xe2\x82"'


class Surrogate(_Property, frozen=True, kw_only=True, tag="surrogate"):
    """A `property` holds the escape of a lone surrogate."""

    main: ClassVar = "property"

    def raw(self) -> bytes:
        """One half of a pair."""
        return rb'"half \ud83d of a pair \udc00"'


class Huge(_Property, frozen=True, kw_only=True, tag="huge"):
    """A `property` is a string of so many bytes (`size`)."""

    main: ClassVar = "size"

    size: Annotated[int, msgspec.Meta(ge=0, le=64 * MEGABYTE)] = MEGABYTE

    def raw(self) -> bytes:
        """Only one letter."""
        return b'"' + b"x" * self.size + b'"'


class NotANumber(_Property, frozen=True, kw_only=True, tag="nan"):
    """A `property` is NaN, Infinity or -Infinity, which is no JSON."""

    main: ClassVar = "value"

    value: Literal["NaN", "Infinity", "-Infinity"] = "NaN"

    def raw(self) -> bytes:
        """The bare word."""
        return self.value.encode()


class Types(Rows, frozen=True, kw_only=True, tag="types"):
    """Known properties are of a wrong type: this `property`, or all but Moid, ClassId and ObjectType."""

    main: ClassVar = "property"

    property: str | None = None

    def row_of(self, row: Row, call: Call) -> Row:
        """Numbers for strings, lists for times, strings for all else."""
        del call
        names = set(TOKEN.properties) - {"Moid", "ClassId", "ObjectType"}
        return {
            name: _wrong(name) if name in names and self.property in {None, name} else value
            for name, value in row.items()
        }


def _wrong(name: str) -> Any:
    kind = TOKEN.properties[name]
    if kind is Scalar.TIME:
        return ["2025-10-09T08:53:20Z"]
    if kind is Scalar.TEXT:
        return 4711
    return {"0": "a list"} if isinstance(kind, Many) else "an object"
