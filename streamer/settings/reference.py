"""The table of all keys for the documentation, made from the model, so that neither can forget the other."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel

from streamer.settings.keys import Key, keys
from streamer.settings.section import shown

_HEAD: Final = "| key | default | meaning |\n|---|---|---|\n"


def table(model: type[BaseModel]) -> str:
    """One row for each key that holds a plain value: `| key | default | meaning |`."""
    return _HEAD + "".join(_row(key) for key in keys(model) if key.inner is None)


def _row(key: Key) -> str:
    default = "(required)" if key.field.is_required() else f"`{shown(key.field, key.field.default)}`"
    return f"| `{key.path}` | {default} | {key.field.description} |\n"
