"""YARA-L 2.0 as a published grammar reads it, which is not Google's: there is none of theirs to be had."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any, Final

import tree_sitter
import tree_sitter_yaral

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the grammar hands itself over as tree-sitter once wanted it
    _PARSER: Final = tree_sitter.Parser(tree_sitter.Language(tree_sitter_yaral.language()))


def wrong(text: str) -> list[str]:
    """Every place that the grammar does not take: line, column and how the text goes on."""
    return [
        f"line {node.start_point[0] + 1}, column {node.start_point[1] + 1}: {node.text.decode()[:40]!r}"
        for node in _nodes(_PARSER.parse(text.encode()).root_node)
        if node.is_error or node.is_missing
    ]


def fields(text: str) -> set[str]:
    """The names of the lines' fields that a rule speaks of."""
    return set(re.findall(r'\.extracted\.fields\["([^"]+)"\]', text))


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in node.children:
        yield from _nodes(child)
