"""Says what is wrong with a configuration: the key, what was given and by whom, what is wanted.

It must never repeat a secret, so it shows a value only where a plain, known, public key holds one.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from streamer.errors import Misconfigured
from streamer.settings.keys import field_at, keys, section_of
from streamer.settings.layers import FromEnvironment, is_flow, kind, unfolded, variable_of
from streamer.settings.section import file_key_of, is_secret, shown
from streamer.settings.values import without_password

_SHOWN_AT_MOST: Final = 60
_ALIKE_HERE: Final = 0.6  # difflib's ratio: `intervall`, `page-size`, `sasl_user`
_ALIKE_ELSEWHERE: Final = 0.85  # another section's key must be nearly the same word
_BOUNDS: Final = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_KINDS: Final = {
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "model": "keys with values",
    "path": "the path of a file",
    "string": "a text, in quotes if it looks like something else",
    "tuple": "a list",
}
Location = Sequence[str | int]


def complaint(error: ValidationError, model: type[BaseModel], tree: Any) -> Misconfigured:
    """All that pydantic found in `tree`, one sentence each.

    Args:
        error: what validation raised.
        model: the model of the whole configuration.
        tree: what was validated; values that stood in the environment are `FromEnvironment`.
    """
    problems = error.errors(include_url=False)
    items = {problem["loc"][:-1] for problem in problems}
    told = [p for p in problems if p["type"] != "too_short" or p["loc"] not in items]  # bad items are left out of it
    return Misconfigured("\n".join(_sentence(problem, model, tree) for problem in told))


def _sentence(problem: ErrorDetails, model: type[BaseModel], tree: Any) -> str:
    location = problem["loc"]
    field, value = field_at(model, location), _at(tree, location)
    path = _path(location)
    if problem["type"] == "extra_forbidden":
        return _unknown(location, value, model)
    if field is None or (section_of(field) and problem["type"] == "value_error"):  # a contradiction names its keys
        return f"{path}: {_said(problem)}" if path else _said(problem)
    if problem["type"] == "missing":
        return f"{path}: missing, wanted {str(field.description).replace('`', '')}"
    if is_secret(field):
        return _secret(location, model, _said(problem))
    return f"{path}: given {_given(field, value)}{_by(value)}, wanted {_wanted(problem, field)}"


def _wanted(problem: ErrorDetails, field: FieldInfo) -> str:
    context = problem.get("ctx", {})
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"{words} {shown(field, context[bound])}"
    if problem["type"] == "value_error":
        return _said(problem).removeprefix("wanted ")
    if problem["type"] in {"string_too_short", "too_short"}:
        return "something, not nothing"
    if "expected" in context:
        return str(context["expected"])
    if "pattern" in context:
        return f"a text of the form {context['pattern'].strip('^$')}"
    return _KINDS.get(problem["type"].partition("_")[0], problem["msg"])


def _said(problem: ErrorDetails) -> str:
    return str(problem.get("ctx", {}).get("error", problem["msg"]))


def _secret(location: Location, model: type[BaseModel], said: str) -> str:
    path, name = _path(location), str(location[-1])
    field = field_at(model, location[:-1])
    holder = section_of(field) if field else model
    file_key = path.removesuffix(name) + file_key_of(holder or model, name)
    return f"{path}: {said}, wanted {file_key}, or the variable {variable_of(path)}"


def _unknown(location: Location, value: Any, model: type[BaseModel]) -> str:
    path = _path(location)
    told = f"{path}: unknown key{_by(value)}"
    meant = _nearest(location, model)
    if meant is None:
        here = section_of(field) if (field := field_at(model, location[:-1])) else model
        return f"{told}, wanted one of {', '.join((here or model).model_fields)}"
    return f"{told}, did you mean {variable_of(meant) if _by(value) else meant}?"


def _nearest(location: Location, model: type[BaseModel]) -> str | None:
    """The key that was meant: one of the same section, one written with too few `__`, one of another section."""
    *above, name = location
    section, name = re.sub(r"\[\d+\]", "[]", _path(above)), str(name)
    known = [key.path.removesuffix("[]") for key in keys(model)]
    here = {path.rpartition(".")[2]: path for path in known if path.rpartition(".")[0] == section}
    flat = {re.sub(r"\[\]|\.", "_", path).replace("__", "_"): path for path in known}
    anywhere = {path.rpartition(".")[2]: path for path in known}
    for names, alike in ((here, _ALIKE_HERE), (flat, _ALIKE_ELSEWHERE), (anywhere, _ALIKE_ELSEWHERE)):
        if found := difflib.get_close_matches(name.lower().replace("-", "_"), names, 1, alike):
            return _indexed(names[found[0]], location)
    return None


def _indexed(path: str, location: Location) -> str:
    index = next((step for step in location if isinstance(step, int)), 0)
    return path.replace("[]", f"[{index}]")


def _path(location: Location) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).lstrip(".")


def _at(tree: Any, location: Location) -> Any:
    """What was given at a place; the last thing on the way to it, if that is no list or mapping."""
    for step in location:
        tree = unfolded(tree) if isinstance(tree, FromEnvironment) and is_flow(tree) else tree
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int):
            tree = tree[step]
    return tree


def _given(field: FieldInfo, value: Any) -> str:
    if section_of(field) or isinstance(value, dict | list):
        return kind(value)
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    if "-----BEGIN" in value:
        return "(hidden)"
    public = without_password(value)
    return repr(public if len(public) <= _SHOWN_AT_MOST else f"{public[:_SHOWN_AT_MOST]}...")


def _by(value: Any) -> str:
    variable = next(_variables(value), None)
    return f" by {variable}" if variable else ""


def _variables(value: Any) -> Iterator[str]:
    """The variables that a value, or anything in it, came from."""
    if isinstance(value, FromEnvironment):
        yield value.variable
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _variables(part)
