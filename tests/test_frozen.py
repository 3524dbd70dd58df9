"""A value made by msgspec is a frozen dataclass to whoever uses it."""

from __future__ import annotations

import gc
from dataclasses import asdict, fields, is_dataclass
from dataclasses import replace as slowly

import pytest

from streamer.diff import Change, Kind
from streamer.frozen import replace
from streamer.tokens import Tag, Token

TOKEN = Token("a", client_name="x", tags=(Tag("k", "v"),))


def test_it_is_a_dataclass() -> None:
    """`fields`, `replace` and `asdict` say what they say of one; tuples and the values in them are taken apart too."""
    assert is_dataclass(TOKEN)
    assert [field.name for field in fields(Token)][:2] == ["moid", "token_id"]
    assert (
        slowly(TOKEN, client_name="y")
        == replace(TOKEN, client_name="y")
        == Token("a", client_name="y", tags=TOKEN.tags)
    )
    assert asdict(TOKEN)["tags"] == ({"key": "k", "value": "v"},)


def test_it_is_frozen_and_equal_by_value_and_kind() -> None:
    """Nothing of it can be set; two of one kind and content are one, in a set too."""
    with pytest.raises(AttributeError):
        TOKEN.moid = "b"  # type: ignore[misc]
    assert len({TOKEN, replace(TOKEN), Token("b")}) == 2
    kinds: list[object] = [Change(Kind.MISSING, "a"), Token("a")]
    assert kinds[0] != kinds[1]


def test_the_garbage_collector_does_not_look_at_it() -> None:
    """A million of them cost no collection anything."""
    assert not gc.is_tracked(TOKEN)
