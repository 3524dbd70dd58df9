"""Lies of a list as a whole: rows that are missing or stand twice, and a `Count` that is none.

They are put on a good reply on its way out, so the world and all that the query did are right up to there. A reply that
is no list, or that an inner fault has made unreadable, is left as it is.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from streamer.demo.lies.fault import TOKENS, Call, Fault, Some


class Edited(Fault, frozen=True, kw_only=True):
    """A lie that changes the values of a good reply."""

    layer: ClassVar[int] = 1
    strikes: ClassVar[str] = "lists"

    path: str = TOKENS

    async def strike(self, call: Call) -> None:
        """Let the application answer, and send what `edit` makes of it."""
        reply = await call.reply()
        if reply is None:
            return
        value = reply.json()
        if isinstance(value, dict):
            edited = self.edit(value, call)
            reply.body = reply.body if edited is None else msgspec.json.encode(edited)
        await call.answer(reply)

    def edit(self, value: dict[str, Any], call: Call) -> dict[str, Any] | None:
        """The reply's JSON instead of `value`, which may be changed; None: as it was."""
        raise NotImplementedError


class Listed(Edited, frozen=True, kw_only=True):
    """A lie that changes the rows of a list."""

    def edit(self, value: dict[str, Any], call: Call) -> dict[str, Any] | None:
        """The same with other rows, if there are any."""
        rows = value.get("Results")
        return {**value, "Results": self.rows_of(rows, call)} if rows else None

    def rows_of(self, rows: list[Any], call: Call) -> list[Any]:
        """The rows instead of `rows`."""
        raise NotImplementedError


class Short(Listed, frozen=True, kw_only=True, tag="short"):
    """A page lacks so many `rows`, the `last` ones, the `first` or `random` ones; its Count is right."""

    main: ClassVar = "rows"
    variants: ClassVar = ({}, {"where": "random"})

    rows: Some = 1
    where: Literal["last", "first", "random"] = "last"

    def rows_of(self, rows: list[Any], call: Call) -> list[Any]:
        """Fewer."""
        left = max(0, len(rows) - self.rows)
        if self.where == "random":
            return [rows[n] for n in sorted(call.random.sample(range(len(rows)), left))]
        return rows[:left] if self.where == "last" else rows[len(rows) - left :]


class Twice(Listed, frozen=True, kw_only=True, tag="twice"):
    """A row of the page stands twice, in the place of its neighbour: as many rows, one of them missing."""

    def rows_of(self, rows: list[Any], call: Call) -> list[Any]:
        """As many."""
        if len(rows) < 2:  # noqa: PLR2004
            return [*rows, *rows]
        at = call.random.randrange(1, len(rows))
        return [*rows[:at], rows[at - 1], *rows[at + 1 :]]


class Unsorted(Listed, frozen=True, kw_only=True, tag="unsorted"):
    """The rows of a page are right and in any order."""

    def rows_of(self, rows: list[Any], call: Call) -> list[Any]:
        """Shuffled."""
        return call.random.sample(rows, len(rows))


class Repeated(Fault, frozen=True, kw_only=True, tag="repeated"):
    """A page has the rows of the page before it once more, by `$skip` or `Moid gt`; its Count is right."""

    layer: ClassVar[int] = 2
    strikes: ClassVar[str] = "pages behind the first"

    path: str = TOKENS

    async def strike(self, call: Call) -> None:
        """Let the application turn the wrong page."""
        call.show(again=True)
        await call.go_on()


class Count(Edited, frozen=True, kw_only=True, tag="count"):
    """Count is off `by` a number, or it is `missing`, `null` or `text`; the rows are right."""

    main: ClassVar = "by"
    strikes: ClassVar[str] = "lists that have one"
    variants: ClassVar = ({}, {"by": -1}, {"by": "missing"}, {"by": "null"}, {"by": "text"})

    by: int | Literal["missing", "null", "text"] = 1

    def edit(self, value: dict[str, Any], call: Call) -> dict[str, Any] | None:
        """Another Count; never a negative one."""
        del call
        count = value.get("Count")
        if count is None:
            return None
        if self.by == "missing":
            return {name: other for name, other in value.items() if name != "Count"}
        wrong = {"null": None, "text": str(count)}
        return {**value, "Count": max(0, count + self.by) if isinstance(self.by, int) else wrong[self.by]}


class Empty(Edited, frozen=True, kw_only=True, tag="empty"):
    """A list without rows, and Count 0 if one was asked for; 200."""

    def edit(self, value: dict[str, Any], call: Call) -> dict[str, Any] | None:
        """Nothing there."""
        del call
        if "Results" not in value:
            return None
        return {**value, **({"Count": 0} if "Count" in value else {}), "Results": []}


class Null(Edited, frozen=True, kw_only=True, tag="null"):
    """Results are `null`, or `missing`; Count is right."""

    main: ClassVar = "how"
    variants: ClassVar = ({}, {"how": "missing"})

    how: Literal["null", "missing"] = "null"

    def edit(self, value: dict[str, Any], call: Call) -> dict[str, Any] | None:
        """No list."""
        del call
        if "Results" not in value:
            return None
        without = {name: other for name, other in value.items() if name != "Results"}
        return without if self.how == "missing" else {**without, "Results": None}
