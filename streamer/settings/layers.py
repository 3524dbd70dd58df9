"""The two places a configuration comes from, laid over each other: a YAML file, then the environment.

The result is a plain tree. What stood in the environment is a `FromEnvironment`, so that later rooms can tell the two
apart: a secret may come from there only, and a complaint names the variable. Nothing here knows which keys exist, and
no error here repeats what a file or a variable holds: it may be a secret.

Question: pydantic-settings or a merge of our own? Choice: our own, a page long. It takes the environment as a value
(only the command line reads the process's), knows list items by index, and keeps where a value came from. Rejected:
pydantic-settings reads `os.environ` by itself, merges no list items, and forgets the origin.

Question: what if the orchestrator sets `STREAMER_...` variables of its own? Choice: those that Kubernetes makes for a
service called `streamer` (`STREAMER_PORT=tcp://...`, `STREAMER_SERVICE_HOST`) are passed over; every other one must be
a key, for a misspelt variable that is silently ignored is worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import yaml
from yaml.parser import ParserError
from yaml.scanner import ScannerError

from streamer.errors import Misconfigured

PREFIX: Final = "STREAMER_"
NO_KEYS: Final = frozenset({"STREAMER_CONFIG"})  # names the file
_KUBERNETES: Final = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?)")
_MERGE: Final = "tag:yaml.org,2002:merge"  # `<<`
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
Tree = dict[str, Any]


class FromEnvironment(str):
    """Text that came from the environment; `variable` is its name."""

    __slots__ = ("variable",)
    variable: str

    def __new__(cls, text: str, variable: str) -> Self:
        """`text` as found in `variable`."""
        made = super().__new__(cls, text)
        made.variable = variable
        return made


class _Loader(yaml.SafeLoader):
    """Plain YAML whose keys are text and stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = "" if key_node.tag == _MERGE else self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _BadKey(f"the key {key!r} is not text; put it in quotes", key_node.start_mark)
            if key and key in seen:
                raise _BadKey(f"the key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


class _BadKey(yaml.MarkedYAMLError):
    """A key, unlike a value, may be told."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


def read_file(path: Path) -> Tree:
    """The tree of a YAML file; an empty file is an empty tree.

    Raises:
        Misconfigured: it cannot be read, is not YAML, repeats a key, or is no mapping.
    """
    try:
        tree = _parsed(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise Misconfigured(
            f"cannot read the configuration file {path}: {error.strerror}",
            hint="name another with -c/--config or STREAMER_CONFIG",
        ) from error
    except UnicodeDecodeError:
        raise Misconfigured(f"the configuration file {path} is not UTF-8 text") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise Misconfigured(f"the configuration file {path} holds {kind(tree)}, wanted keys with values")
    return tree


def overlay(tree: Tree, environ: Mapping[str, str]) -> Tree:
    """The tree with the environment laid over it: `STREAMER_KAFKA__GROUP` is key `group` of `kafka`, a number an index.

    An empty variable counts as not given: compose files pass those on for what is not set.

    Raises:
        Misconfigured: a variable leads nowhere: below a plain value, or past the end of a list.
    """
    given = {name: text for name, text in environ.items() if _is_ours(name) and text}
    for name in sorted(given, key=_by_path):  # a whole list before its items, item 2 before item 10
        _put(tree, _path(name), FromEnvironment(given[name], name))
    return tree


def unfolded(value: FromEnvironment) -> Any:
    """A list or mapping that stood in one variable as JSON or flow-style YAML; its texts stay `FromEnvironment`."""
    return _marked(_parsed(value, value.variable), value.variable)


def is_flow(text: str) -> bool:
    """Whether a text is a list or mapping in one variable; `[::1]:9092` is none."""
    return text.strip()[:1] + text.strip()[-1:] in {"[]", "{}"}


def variable_of(path: str) -> str:
    """The variable of a key: `STREAMER_SOURCES__0__INTERVAL` of `sources[0].interval`."""
    return PREFIX + re.sub(r"\[(\d*)\]", r"__\1", path).replace(".", "__").upper()


def kind(value: object) -> str:
    """What something is, told without telling what it holds."""
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else "a single value"


def _parsed(text: str, origin: str) -> Any:
    try:
        tree = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
        _check_end(tree, (), set())
    except (yaml.YAMLError, ValueError) as error:
        raise Misconfigured(f"{origin}{_told(error)}") from None  # not chained: its text quotes the lines around it
    except RecursionError:
        raise Misconfigured(f"{origin}: nested without end, or too deeply") from None
    return tree


def _check_end(value: Any, above: tuple[int, ...], known: set[int]) -> None:
    """Raise RecursionError for what contains itself, as YAML's anchors allow; each part is looked at once."""
    if id(value) in above:
        raise RecursionError
    if isinstance(value, dict | list) and id(value) not in known:
        for part in value.values() if isinstance(value, dict) else value:
            _check_end(part, (*above, id(value)), known)
        known.add(id(value))


def _told(error: Exception) -> str:
    """Where and what; of a parser's own words none, since they are about its grammar, and quote what stands there."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "not YAML"
    if isinstance(error, ScannerError | ParserError):
        problem = "not YAML, here or just above: look at colons, quotes and indentation (blanks, no tabs)"
    where = f", line {mark.line + 1}" if mark else ""
    return f"{where}: {problem if isinstance(error, _BadKey) else _QUOTED.sub('...', problem)}"


def _marked(value: Any, variable: str) -> Any:
    if isinstance(value, dict):
        return {key: _marked(item, variable) for key, item in value.items()}
    if isinstance(value, list):
        return [_marked(item, variable) for item in value]
    return FromEnvironment(value, variable) if isinstance(value, str) else value


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and name not in NO_KEYS and not _KUBERNETES.fullmatch(name.removeprefix(PREFIX))


def _path(name: str) -> list[str | int]:
    steps = name.removeprefix(PREFIX).lower().split("__")
    return [int(step) if step.isdecimal() else step for step in steps]


def _by_path(name: str) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (-1, step) for step in _path(name)]


def _put(tree: Tree, path: list[str | int], value: FromEnvironment) -> None:
    node: Any = tree
    for step, following in pairwise(path):
        _make_room(node, step, value.variable)
        child = node[step]
        if isinstance(child, FromEnvironment):
            child = unfolded(child)
        if child is None:
            child = [] if isinstance(following, int) else {}
        node[step] = child
        node = child
    _make_room(node, path[-1], value.variable)
    node[path[-1]] = value


def _make_room(node: Any, step: str | int, variable: str) -> None:
    """After this `node[step]` can be read and written; it is None where nothing stood."""
    if isinstance(node, dict) and isinstance(step, str):
        node.setdefault(step, None)
    elif isinstance(node, list) and isinstance(step, int):
        if step > len(node):
            raise Misconfigured(f"{variable}: given index {step}, wanted {len(node)}, the next one, or less")
        node[step:] = node[step:] or [None]
    else:
        wanted = "an index of the list" if isinstance(node, list) else "a key that has keys below it"
        raise Misconfigured(f"{variable}: {str(step)!r} leads nowhere, wanted {wanted}")
