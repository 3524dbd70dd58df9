"""Walks the keys of a configuration model: for the reference, and to find what a misspelt key meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `path` is such as `sources[].api_key.id`; `inner` the section below it, None for a plain value."""

    path: str
    field: FieldInfo
    inner: type[BaseModel] | None


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[Key]:
    """All keys of a model and of its sections, each section before what stands in it."""
    for name, field in model.model_fields.items():
        inner = section_of(field)
        many = inner is not None and "tuple" in str(field.annotation)
        path = f"{prefix}{name}{'[]' if many else ''}"
        yield Key(path, field, inner)
        if inner is not None:
            yield from keys(inner, f"{path}.")


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a key holds, alone, as an option or in a list; None for a plain value."""
    return _model_in(field.annotation)


def field_at(model: type[BaseModel], location: Sequence[str | int]) -> FieldInfo | None:
    """The key at a place such as `("sources", 0, "url")`; None if there is none."""
    inner: type[BaseModel] | None = model
    field = None
    for step in location:
        if isinstance(step, int):
            continue
        field = inner.model_fields.get(step) if inner else None
        if field is None:
            return None
        inner = section_of(field)
    return field


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
