"""Logstash's configuration language, read by its own grammar (logstash-core, `grammar.treetop`) as far as we use it.

Sections hold plugins and conditions; a plugin holds `name => value`; values are barewords, numbers, strings without
escapes, arrays, and plugins (codecs). A comment goes to the end of its line.
"""

from __future__ import annotations

import re
from typing import Any

TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      |(?P<string>"(?:\\"|[^"])*"|'(?:\\'|[^'])*')
      |(?P<number>-?[0-9]+(?:\.[0-9]+)?)
      |(?P<name>[A-Za-z0-9_@-]+)
      |(?P<mark>=>|[{}\[\],])""",
    re.VERBOSE,
)
Plugins = list[tuple[str, dict[str, Any]]]


class Reader:
    """Reads one text; `ValueError` with the place where it is none."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            found = TOKEN.match(text, position)
            if found is None:
                raise ValueError(f"no token of Logstash: {text[position : position + 40]!r}")
            if found.lastgroup != "space":
                self.tokens.append((str(found.lastgroup), found[0]))
            position = found.end()

    def sections(self) -> dict[str, Plugins]:
        """The plugins of `input`, `filter` and `output`, those under conditions with the rest."""
        found: dict[str, Plugins] = {}
        while self.tokens:
            name = self.take("name")
            if name not in {"input", "filter", "output"}:
                raise ValueError(f"{name} is no section")
            found[name] = self.block()
        return found

    def block(self) -> Plugins:
        """Plugins between braces."""
        self.take("mark", "{")
        found: Plugins = []
        while self.tokens[0][1] != "}":
            if self.tokens[0][1] == "if":
                found += self.condition()
            else:
                found.append((self.take("name"), self.options()))
        self.take("mark", "}")
        return found

    def condition(self) -> Plugins:
        """`if "text" in [field] { ... }`."""
        self.take("name", "if")
        self.take("string")
        self.take("name", "in")
        for kind, text in (("mark", "["), ("name", ""), ("mark", "]")):
            self.take(kind, text)
        return self.block()

    def options(self) -> dict[str, Any]:
        """`name => value` between braces, each once."""
        self.take("mark", "{")
        found: dict[str, Any] = {}
        while self.tokens[0][1] != "}":
            name = self.take("name")
            if name in found:
                raise ValueError(f"{name} is given twice")
            self.take("mark", "=>")
            found[name] = self.value()
        self.take("mark", "}")
        return found

    def value(self) -> Any:
        """A value; a codec is a pair of its name and its options."""
        kind, text = self.tokens.pop(0)
        if kind == "string":
            return text[1:-1]
        if kind == "number":
            return int(text)
        if kind == "name":
            return (text, self.options()) if self.tokens[0][1] == "{" else text
        if text != "[":
            raise ValueError(f"{text} is no value")
        found = []
        while self.tokens[0][1] != "]":
            found.append(self.value())
            if self.tokens[0][1] == ",":
                self.take("mark", ",")
        self.take("mark", "]")
        return found

    def take(self, kind: str, text: str = "") -> str:
        """The next token, which must be of this kind (and text)."""
        found = self.tokens.pop(0)
        if found[0] != kind or (text and found[1] != text):
            raise ValueError(f"{found[1]!r} stands where {text or kind} is wanted")
        return found[1]


def read(text: str) -> dict[str, Plugins]:
    """The sections of a configuration."""
    return Reader(text).sections()
