"""HTML that cannot be broken by what stands in it: text is escaped unless it is HTML made here.

Words come from outside; an application's name may be `<script>`, end an attribute, or turn the direction of what
follows. So nobody here writes HTML as text: `tag` escapes every child and every attribute that is not `Html`, and what
does not print becomes a visible escape first.
"""

from __future__ import annotations

from html import escape

from streamer.output.printable import printable


class Html(str):
    """Text that is HTML already. It is made by `tag` and `many`, or from constants of this package."""

    __slots__ = ()


Child = str | int | None


def tag(name: str, /, *children: Child, **attributes: Child) -> Html:
    """An element.

    Args:
        name: such as `td`.
        children: text is escaped, `Html` is not; None is nothing.
        attributes: `_` in a name stands for `-`, and one at its end for nothing (`class_`); None is left out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{many(*children)}</{name}>")


def void(name: str, /, **attributes: Child) -> Html:
    """An element without content, such as `rect`; in HTML and in SVG alike."""
    return Html(tag(name, **attributes).removesuffix(f"></{name}>") + "/>")


def many(*children: Child) -> Html:
    """One after another."""
    return Html("".join(child if isinstance(child, Html) else _text(child) for child in children if child is not None))


def _text(value: Child) -> str:
    return escape(printable(str(value)))
