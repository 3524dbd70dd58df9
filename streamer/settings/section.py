"""What every section of the configuration has in common: how keys are declared, and what no section may hold.

It opens a file in one place only, `Section.secret`, when a room asks for a secret it is about to use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr, model_validator
from pydantic.fields import FieldInfo

from streamer.errors import Misconfigured
from streamer.settings.layers import FromEnvironment, unfolded


def key(default: Any, meaning: str, **bounds: Any) -> Any:
    """A key with a default, its meaning in a few words, and pydantic's bounds (`ge`, `le`, `pattern`, ...)."""
    return Field(default, description=meaning, **bounds)


def section(default: type[BaseModel], meaning: str) -> Any:
    """A key that holds keys, all of which have defaults."""
    return Field(default_factory=default, description=meaning)


class Section(BaseModel):
    """A frozen group of keys: no unknown ones, no secret given twice, nothing of a later version switched on."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def secret(self, name: str, where: str = "") -> str | None:
        """The text of a secret key: its own value, else what the file of its `_file` key holds, else None.

        Args:
            name: the key.
            where: what stands before it in an error, such as `kafka.`.

        Raises:
            Misconfigured: the file cannot be read or is empty; names the key and the file, never a content.
        """
        value: SecretStr | None = getattr(self, name)
        if value is not None:
            return value.get_secret_value()
        return self.held(file_key_of(type(self), name), where)

    def held(self, file_key: str, where: str = "") -> str | None:
        """What the file of this key holds, as it is now; None if no file is named. Raises `Misconfigured`."""
        path: Path | None = getattr(self, file_key)
        meaning = str(type(self).model_fields[file_key].description)
        return None if path is None else _content(path, f"{where}{file_key}", meaning)

    @model_validator(mode="before")
    @classmethod
    def _from_environment(cls, given: Any) -> Any:
        """A section in one variable is unfolded; a variable that says `null` takes a value of the file away."""
        given = unfolded(given) if isinstance(given, FromEnvironment) else given
        if not isinstance(given, dict):
            return given
        return {name: None if _says_null(cls, name, value) else value for name, value in given.items()}

    @model_validator(mode="after")
    def _secrets_once(self) -> Self:
        for name in secrets(type(self)):
            other = file_key_of(type(self), name)
            if getattr(self, name) is not None and getattr(self, other) is not None:
                raise ValueError(f"{name} and {other} are both given, wanted one of them")
        return self

    def differing(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix` and have another value than their default."""
        return [
            name
            for name, field in type(self).model_fields.items()
            if name.startswith(prefix) and getattr(self, name) != field.get_default(call_default_factory=True)
        ]


def secrets(model: type[BaseModel]) -> Iterator[str]:
    """The names of the keys of a section that hold secrets."""
    return (name for name, field in model.model_fields.items() if is_secret(field))


def is_secret(field: FieldInfo) -> bool:
    """Whether a key holds a secret."""
    return "SecretStr" in str(field.annotation)


def shown(field: FieldInfo, value: Any) -> str:
    """A value of a key as an operator writes it."""
    for mark in field.metadata:
        if isinstance(mark, PlainSerializer):
            return str(mark.func(value))  # type: ignore[call-arg]
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return json.dumps(value).strip('"')


def file_key_of(model: type[BaseModel], name: str) -> str:
    """The key that names the file of a secret: `x_file`, or `file` where the section holds one secret only."""
    return f"{name}_file" if f"{name}_file" in model.model_fields else "file"


def refuse(*contradictions: tuple[object, str]) -> None:
    """Raise a ValueError with the sentence of each pair whose first part is true."""
    if told := [sentence for wrong, sentence in contradictions if wrong]:
        raise ValueError("; ".join(told))


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *firsts, last = names or ("",)
    return f"{', '.join(firsts)} and {last}" if firsts else last


def _says_null(model: type[BaseModel], name: str, value: object) -> bool:
    field = model.model_fields.get(name)
    return isinstance(value, FromEnvironment) and value == "null" and field is not None and not is_secret(field)


def _content(path: Path, name: str, meaning: str) -> str:
    """The text of a file that holds one value; raises `Misconfigured`, which names the key, never what stands there."""
    hint = f"{name} names the {meaning}: put it there, where this user may read it, or name another path"
    hint += "" if path.is_absolute() else f"; without a slash before it it begins in the current folder, {Path.cwd()}"
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise Misconfigured(f"{name}: cannot read {path}: {error.strerror}", hint=hint) from error
    except UnicodeDecodeError:
        raise Misconfigured(f"{name}: {path} is not UTF-8 text, wanted a file that holds the value alone") from None
    if not text:
        raise Misconfigured(f"{name}: {path} is empty, wanted a file that holds the value alone")
    return text
