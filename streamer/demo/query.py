"""The query options of a list: `$filter $orderby $top $skip $select $expand $inlinecount $count` over a table of rows.

Paging is by offset over whatever the table holds at that moment, as the real API's is: there is no cursor and no
consistency between two pages. A walk over a moving table tears here as it does there.

Unknown of the real API, and chosen here: `$top` over 1000 is refused, as are several keys in `$orderby` and any
`$` option not named above; rows that lack the property to sort by come first; equal ones by Moid.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from streamer.demo.filters import BadQuery, Filter, kind_at, parse, reader
from streamer.demo.kinds import REFERENCE, Nested, Scalar
from streamer.demo.shapes import Row

PAGE: Final = 100
LARGEST_PAGE: Final = 1000
_ALWAYS: Final = ("ClassId", "Moid", "ObjectType")  # sent whatever `$select` names
_OPTIONS: Final = {"$filter", "$orderby", "$top", "$skip", "$select", "$expand", "$inlinecount", "$count"}
_EXPANSION: Final = re.compile(r"\s*(\w+)\s*(?:\(\s*\$select=([\w,\s]+)\))?\s*(?:,|$)", re.ASCII)

Expand = Callable[[str, str], Row | None]  # (object type, Moid) -> the object


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one object type as they are now: by Moid, and their Moids in order."""

    kind: Nested
    rows: Mapping[str, Row]
    moids: Sequence[str]

    @classmethod
    def of(cls, kind: Nested, rows: Iterable[Row]) -> Table:
        """A table of these rows, in whatever order they are."""
        by_moid = {row["Moid"]: row for row in rows}
        return cls(kind, by_moid, sorted(by_moid))


@dataclass(frozen=True, slots=True)
class View:
    """How each row is shown: `$select` and `$expand`, both empty for the whole row."""

    select: frozenset[str] = frozenset()
    expand: tuple[tuple[str, frozenset[str]], ...] = ()  # property, and what to select of the object behind it

    def of(self, row: Row, look_up: Expand) -> Row:
        """The row as the caller wants it, in the alphabetical order the API sends."""
        if not self.select and not self.expand:
            return row
        shown = _selected(row, self.select)
        for name, select in self.expand:
            reference = row[name]
            there = look_up(reference["ObjectType"], reference["Moid"]) if reference else None
            if there is not None:
                shown[name] = _selected(there, select)
        return dict(sorted(shown.items()))


@dataclass(frozen=True, slots=True)
class Query:
    """A list's query. `order` is a property and whether to go down it; None: by Moid."""

    filter: Filter | None = None
    order: tuple[str, bool] | None = None
    top: int = PAGE
    skip: int = 0
    view: View = View()
    inline_count: bool = False
    count_only: bool = False

    def run(self, table: Table) -> tuple[int, list[Row]]:
        """How many rows match, and those of the page, not yet as the view shows them."""
        moids, tested = self._candidates(table)
        if tested and self.order is None:
            return len(moids), [table.rows[moid] for moid in moids[self.skip : self.skip + self.top]]
        rows = [table.rows[moid] for moid in moids]
        if not tested and self.filter is not None:
            rows = [row for row in rows if self.filter.test(row)]
        if self.order is not None:
            name, down = self.order
            value = reader([name], table.kind.properties[name])
            rows.sort(key=lambda row: _nothing_first(value(row)), reverse=down)
        return len(rows), rows[self.skip : self.skip + self.top]

    def before(self, table: Table) -> Query:
        """The query of the page before this one, by `$skip` or by `Moid gt`; of the first page, itself."""
        if self.filter is None or self.filter.after is None:
            return replace(self, skip=max(0, self.skip - self.top))
        start = bisect_right(table.moids, self.filter.after) - self.top
        after = table.moids[start - 1] if start > 0 else ""
        return replace(self, filter=replace(self.filter, after=after))

    def _candidates(self, table: Table) -> tuple[Sequence[str], bool]:
        """The Moids to look at, in order; True if each of them is known to match."""
        if self.filter is None:
            return table.moids, True
        if self.filter.after is not None:
            return table.moids[bisect_right(table.moids, self.filter.after) :], True
        if self.filter.among is not None:
            return sorted(table.rows.keys() & self.filter.among), True
        return table.moids, False


def read_query(options: Mapping[str, str], kind: Nested, now: int) -> Query:
    """The query that these decoded options ask of rows of `kind`; `now` (ms) is what `now()` stands for.

    Raises:
        BadQuery: an option is unknown, or its value is none that the API takes.
    """
    unknown = [name for name in options if name.startswith("$") and name not in _OPTIONS]
    if unknown or "at" in options or "tags" in options:
        raise BadQuery(f"the query option {', '.join(unknown) or 'at or tags'} is not supported")
    return Query(
        filter=parse(options["$filter"], kind, now) if "$filter" in options else None,
        order=_order(options.get("$orderby", "Moid"), kind),
        top=_number(options, "$top", PAGE, LARGEST_PAGE),
        skip=_number(options, "$skip", 0, 2**31 - 1),
        view=read_view(options, kind),
        inline_count=_choice(options, "$inlinecount", ("none", "allpages")),
        count_only=_choice(options, "$count", ("false", "true")),
    )


def read_view(options: Mapping[str, str], kind: Nested) -> View:
    """`$select` and `$expand` of a list or of one object; BadQuery as for `read_query`."""
    return View(_select(options.get("$select", ""), kind), tuple(_expand(options.get("$expand", ""), kind)))


def _order(text: str, kind: Nested) -> tuple[str, bool] | None:
    match = re.fullmatch(r"\s*(-?)(\w+)(?:\s+(asc|desc))?\s*", text)
    if match is None or (match[1] and match[3]):
        raise BadQuery(f"$orderby={text!r} is none of Prop, -Prop, Prop asc, Prop desc")
    name, down = match[2], bool(match[1]) or match[3] == "desc"
    if not isinstance(kind_at(kind, [name], name), Scalar):
        raise BadQuery(f"$orderby={text!r} names an object or a list")
    return None if name == "Moid" and not down else (name, down)


def _nothing_first(value: Any) -> tuple[bool, Any]:
    return value is not None, 0 if value is None else value


def _number(options: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < len(str(2**63))) or int(text) > most:
        raise BadQuery(f"{name}={text!r} is no whole number from 0 to {most}")
    return int(text)


def _choice(options: Mapping[str, str], name: str, values: tuple[str, str]) -> bool:
    """Whether the second of the two `values` is chosen; the first is the default."""
    text = options.get(name, values[0])
    if text not in values:
        raise BadQuery(f"{name}={text!r} is neither {values[0]} nor {values[1]}")
    return text == values[1]


def _select(text: str, kind: Nested) -> frozenset[str]:
    names = [name.strip() for name in text.split(",")] if text else []
    for name in names:
        kind_at(kind, [name], f"{name} in $select")
    return frozenset((*names, *_ALWAYS)) if names else frozenset()


def _expand(text: str, kind: Nested) -> Iterable[tuple[str, frozenset[str]]]:
    at = 0
    while at < len(text):
        match = _EXPANSION.match(text, at)
        if match is None:
            raise BadQuery(f"$expand={text!r} is not of the form Prop or Prop($select=A,B)")
        if kind_at(kind, [match[1]], f"{match[1]} in $expand") is not REFERENCE:
            raise BadQuery(f"$expand={match[1]} is no relationship")
        names = [name.strip() for name in (match[2] or "").split(",") if name.strip()]
        yield match[1], frozenset((*names, *_ALWAYS)) if names else frozenset()
        at = match.end()


def _selected(row: Row, names: frozenset[str]) -> Row:
    return {name: value for name, value in row.items() if name in names} if names else dict(row)
