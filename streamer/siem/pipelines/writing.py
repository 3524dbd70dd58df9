"""How a configuration is written down: YAML, JSON and Logstash's own form, each with its comments on top.

Question: templates or values? Choice: a configuration is a value, and the format's own writer writes it; only where
no writer exists (Logstash, rsyslog, SQL) is text put together, and there every text from outside goes through one
function that quotes it or refuses it. Rejected: a template engine: a user name with a quote in it would end a string.

Question: collectors replace `${NAME}` (some of them `$NAME`) in any text by a variable; what of a user name such as
`$ConnectionString`? Choice: `literal` doubles the `$` for the latter, and refuses `${` for the others.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from streamer.errors import Misconfigured

WIDTH: Final = 118


class _Dumper(yaml.SafeDumper):
    """Lists stand within their key, nothing is an alias, and text of several lines is written as it is read."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def comments(lines: Iterable[str], mark: str = "#") -> str:
    """Sentences as comment lines, wrapped; one that begins with two spaces stays as it is."""
    written = []
    for line in lines:
        parts = [line] if line.startswith("  ") else textwrap.wrap(line, WIDTH, break_on_hyphens=False) or [""]
        written += [f"{mark} {part}".rstrip() for part in parts]
    return "".join(f"{line}\n" for line in written)


def yaml_text(notes: Iterable[str], tree: Mapping[str, Any]) -> str:
    """A YAML document with comments on top."""
    return comments(notes) + yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=2**20, allow_unicode=True)


def literal(text: str, collector: str, *, doubles: bool = False) -> str:
    """A text that the collector reads as it stands, whatever `$` is in it.

    Args:
        text: from the configuration.
        collector: for the message.
        doubles: it reads `$$` as `$`.

    Raises:
        Misconfigured: it would take a part of the text for a variable.
    """
    if doubles:
        return text.replace("$", "$$")
    if "${" in text:
        raise Misconfigured(f"{text!r} is given; {collector} would replace what begins with ${{ by a variable")
    return text


def quoted(text: str, collector: str) -> str:
    """A text between double quotes, for formats whose strings know no escapes.

    Raises:
        Misconfigured: the text has a character that cannot stand there.
    """
    if any(c in text for c in '"\\') or not text.isprintable():
        raise Misconfigured(f"{text!r} is given; a string of {collector} can hold no quote, backslash or control")
    return f'"{text}"'


def given(**values: Any) -> dict[str, Any]:
    """The values that are there, in order; a name's double underscores are dots."""
    return {name.replace("__", "."): value for name, value in values.items() if value is not None}
