"""How the house must be built, as rules over its source: each takes rooms and yields one sentence for each offence.

A rule reads syntax trees and never imports what it judges. The tables below are the plan of the house; whoever adds a
room or needs an exception says so there, with the reason.
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LONGEST_FILE, LONGEST_FUNCTION, MEDIAN, NINETIETH = 350, 60, 10, 30
TOP = {"LICENSE", "README.md", "docker-compose.yml", "pyproject.toml", "schemas", "streamer", "tests"}
VAGUE = {"util", "utils", "common", "core", "helper", "helpers", "manager", "managers", "base"}
CORE = tuple(
    f"streamer.{room}"
    for room in (
        *("tokens", "events", "report", "state", "known", "sightings", "frozen"),  # values
        *("diff", "absence", "batch", "ordering", "control"),  # rules
        *("judging.judgement", "judging.steps", "judging.history", "judging.lag"),  # verdicts
        *("avro", "wire"),  # bytes
        *("verify.findings", "verify.told", "verify.compare"),  # comparisons
    )
)
BORDERS = ("streamer.intersight", "streamer.kafka", "streamer.registry", "streamer.registry_http", "streamer.demo")
NETWORK = ("httpx", "aiokafka", "confluent_kafka", "socket", "ssl", "starlette", "uvicorn")

# Where everything may be caught, and why.
CATCH_ALL = {
    "streamer.watch": "the top of a source's loop: its failure must not end another's",
    "streamer.kafka.writer": "whatever happens in a transaction, the producer goes",
}


@dataclass(frozen=True)
class Room:
    """One source file. `name` is dotted, `where` its path below the root."""

    name: str
    where: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full name of all that is imported, wherever it stands: `a.b` of `from a import b`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                package = self.name if self.where.endswith("__init__.py") else self.name.rpartition(".")[0]
                above = package.rsplit(".", node.level - 1)[0] if node.level else ""
                start = ".".join(part for part in (above, node.module or "") if part)
                yield from ((node.lineno, f"{start}.{alias.name}") for alias in node.names)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """All functions, nested ones and methods too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@dataclass(frozen=True)
class Wall:
    """`rooms` (and what is in them) never import `never`, but for `doors`."""

    rooms: tuple[str, ...]
    never: tuple[str, ...]
    why: str
    doors: tuple[str, ...] = ()


WALLS = (
    Wall(CORE, ("asyncio", "time", "threading", "random", "subprocess", *NETWORK), "the core is pure and has no clock"),
    Wall(CORE, (*BORDERS, "streamer.config", "streamer.app", "streamer.cycle"), "the core knows nobody around it"),
    Wall(("streamer.cycle",), (*BORDERS, *NETWORK, "streamer.config"), "it sees the borders through its Protocols"),
    Wall(("streamer.settings",), ("os", "asyncio", *BORDERS, *NETWORK), "settings are values"),
    Wall(
        ("streamer",),
        ("streamer.app",),
        "only a command builds the service",
        ("streamer.app", "streamer.commands.run", "streamer.commands.demo"),
    ),
    Wall(
        ("streamer",),
        ("streamer.demo",),
        "the stage is no part of the service",
        ("streamer.demo", "streamer.commands.demo", "streamer.commands.simulate"),
    ),
    Wall(("streamer.demo",), ("streamer.diff", "streamer.tokens"), "a broken diff must turn the demo red"),
    Wall(("streamer",), ("aiokafka",), "one library, one room", ("streamer.kafka",)),
    Wall(("streamer",), ("fastavro",), "one library, one room", ("streamer.avro",)),
    Wall(("streamer",), ("confluent_kafka",), "it is an extra", ("streamer.demo",)),
    Wall(("streamer",), ("pydantic",), "one library, one room", ("streamer.config", "streamer.settings")),
    Wall(("streamer",), ("uvicorn",), "one library, one room", ("streamer.serving",)),
    Wall(("streamer",), ("prometheus_client",), "one library, one room", ("streamer.status.metrics",)),
    Wall(("streamer.status",), BORDERS, "what is told is made of the board"),
    Wall(
        ("streamer",),
        ("httpx",),
        "one library, one room a border",
        ("streamer.intersight", "streamer.registry", "streamer.registry_http"),
    ),
)


def rooms(root: Path, *tops: str) -> list[Room]:
    """The source files below some folders of a checkout, in order."""
    paths = sorted(path for top in tops for path in (root / top).rglob("*.py"))
    return [Room(_dotted(path.relative_to(root)), str(path.relative_to(root)), path.read_text()) for path in paths]


def edges(house: Iterable[Room]) -> dict[str, set[str]]:
    """Which room imports which."""
    house = list(house)
    names = {room.name for room in house}
    found = {room.name: {_room_of(target, names) for _, target in room.imports()} for room in house}
    return {name: targets & names - {name} for name, targets in found.items()}


def cycles(house: Iterable[Room]) -> Iterator[str]:
    """No room reaches itself through its imports."""
    graph = edges(house)
    for name in sorted(graph):
        if name in reached(graph, name):
            yield f"{name} imports itself by way of {', '.join(sorted(graph[name] & _reaching(graph, name)))}"


def walls(house: Iterable[Room]) -> Iterator[str]:
    """No import goes through a wall."""
    for room in house:
        for line, target in room.imports():
            for wall in WALLS:
                if (
                    _within(room.name, wall.rooms)
                    and not _within(room.name, wall.doors)
                    and _within(target, wall.never)
                ):
                    yield f"{room.where}:{line} imports {target}: {wall.why}"


def hidden_paths(house: Iterable[Room]) -> Iterator[str]:
    """The demo reaches the diff by no detour either."""
    graph = edges(house)
    for name in sorted(graph):
        if _within(name, ("streamer.demo",)) and "streamer.diff" in reached(graph, name):
            yield f"{name} reaches streamer.diff: a broken diff must turn the demo red"


def clocks(house: Iterable[Room]) -> Iterator[str]:
    """The core asks no clock for the time."""
    for room in house:
        for node in ast.walk(room.tree) if _within(room.name, CORE) else ():
            if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
                yield f"{room.where}:{node.lineno} asks for {ast.unparse(node)}: time is an argument"


def environment(house: Iterable[Room]) -> Iterator[str]:
    """Only the command line reads the environment."""
    for room in house:
        for node in ast.walk(room.tree):
            if not isinstance(node, ast.Attribute) or node.attr not in {"environ", "getenv"}:
                continue
            if ast.unparse(node.value) == "os" and room.name != "streamer.cli":
                yield f"{room.where}:{node.lineno} reads the environment: it is an argument"


def sizes(house: Iterable[Room]) -> Iterator[str]:
    """No file and no function is too long."""
    for room in house:
        if (lines := len(room.text.splitlines())) > LONGEST_FILE:
            yield f"{room.where} has {lines} lines, at most {LONGEST_FILE}"
        for function in room.functions():
            if (length := _length(function)) > LONGEST_FUNCTION:
                yield f"{room.where}:{function.lineno} {function.name} has {length} lines, at most {LONGEST_FUNCTION}"


def proportions(house: Iterable[Room]) -> Iterator[str]:
    """Most functions are short."""
    lengths = [_length(function) for room in house for function in room.functions()]
    median, ninetieth = statistics.median(lengths), statistics.quantiles(lengths, n=10)[-1]
    if median > MEDIAN:
        yield f"the median function has {median} lines, at most {MEDIAN}"
    if ninetieth >= NINETIETH:
        yield f"a tenth of the functions have {ninetieth} lines or more, under {NINETIETH} wanted"


def names(house: Iterable[Room]) -> Iterator[str]:
    """No name says nothing."""
    for room in house:
        defined = [n.name for n in ast.walk(room.tree) if isinstance(n, ast.ClassDef)]
        defined += [function.name for function in room.functions()]
        for name in (*room.name.split("."), *defined):
            if vague := VAGUE & {word.lower() for word in re.findall(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])", name)}:
                yield f"{room.where}: {name} says {vague.pop()}, which says nothing"


def catches(house: Iterable[Room]) -> Iterator[str]:
    """Everything is caught only where CATCH_ALL says so; the log's border may clean up and raise again."""
    for room in house:
        for node in ast.walk(room.tree):
            if not isinstance(node, ast.ExceptHandler) or room.name in CATCH_ALL:
                continue
            caught = ast.unparse(node.type) if node.type else "everything"
            again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            cleans_up = caught == "BaseException" and again and _within(room.name, ("streamer.kafka",))
            if re.search(r"\b(everything|Exception|BaseException)\b", caught) and not cleans_up:
                yield f"{room.where}:{node.lineno} catches {caught}: return or raise, never go on"


def orphans(house: Iterable[Room]) -> Iterator[str]:
    """Every task has a parent, but the one shielded commit."""
    for room in house:
        parents = _task_groups(room.tree)
        for node in ast.walk(room.tree):
            called = node.func if isinstance(node, ast.Call) else None
            method = getattr(called, "attr", getattr(called, "id", ""))
            if called is None or method not in {"create_task", "ensure_future"} or room.name == "streamer.kafka.writer":
                continue
            if method == "ensure_future" or ast.unparse(getattr(called, "value", called)) not in parents:
                yield f"{room.where}:{called.lineno} {ast.unparse(called)}: a task needs a TaskGroup"


def facades(house: Iterable[Room]) -> Iterator[str]:
    """A package's own file holds a docstring, at most a version, and never somebody else's names."""
    for room in house:
        for node in room.tree.body[1:] if room.where.endswith("__init__.py") else ():
            if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"):
                yield f"{room.where}:{node.lineno} {ast.unparse(node)[:60]}: a package re-exports nothing"


def docstrings(house: Iterable[Room]) -> Iterator[str]:
    """Every room and every public name says what it is for; a test says the law it holds."""
    for room in house:
        if not ast.get_docstring(room.tree):
            yield f"{room.where}: the room has no docstring"
        for node in _public(room.tree):
            if not ast.get_docstring(node):
                yield f"{room.where}:{node.lineno} {node.name} has no docstring"


def leaks(files: Mapping[str, str]) -> Iterator[str]:
    """No file knows the machine it was written on, where packages come from there, or papers that do not come along."""
    for where, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            if found := _LEAK.search(line):
                yield f"{where}:{number} names {found[0]}, which another machine does not have"


def strangers(files: Iterable[str]) -> Iterator[str]:
    """Nothing stands at the top that the plan does not name."""
    tops = {where.partition("/")[0] for where in files}
    yield from (f"{top} stands at the top" for top in sorted(tops - TOP) if not top.startswith("."))


def tracked(root: Path) -> dict[str, str]:
    """The text of all files that are, or would be, committed."""
    told = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    paths = [root / where for where in told.split("\0") if where]
    return {str(p.relative_to(root)): p.read_text(errors="replace") for p in paths if p.is_file()}


_LEAK = re.compile(
    r"(?<![\w.])/(work|root|Users/\w+|home/\w+)/"
    r"|\b(pypi[.]org|pythonhosted[.]org|repo1?[.]maven[.]|proxy[.]golang[.]org|artifactory[.]|nexus\d*[.])"
    r"|\b(facts/\w+[.]md|house[.]md|contract[.]md)\b",
    re.IGNORECASE,
)


def reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """All rooms that a room imports, directly or not."""
    found: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(graph.get(name, ()))
    return found


def _reaching(graph: Mapping[str, set[str]], goal: str) -> set[str]:
    return {name for name in graph if goal in reached(graph, name)}


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room_of(target: str, names: set[str]) -> str:
    while target and target not in names:
        target = target.rpartition(".")[0]
    return target


def _within(name: str, rooms: Iterable[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _task_groups(tree: ast.Module) -> set[str]:
    """The names that hold a TaskGroup: of an `async with`, or a parameter that says so."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.withitem) and "TaskGroup" in ast.unparse(node.context_expr) and node.optional_vars:
            found.add(ast.unparse(node.optional_vars))
        if isinstance(node, ast.arg) and node.annotation and "TaskGroup" in ast.unparse(node.annotation):
            found.add(node.arg)
    return found


def _public(node: ast.Module | ast.ClassDef) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public classes, functions and methods, but for the other faces of a property or an overloaded function."""
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_"):
            decorators = {ast.unparse(decorator) for decorator in inner.decorator_list}
            if not decorators & {"overload", "typing.overload", "override", "typing.override", f"{inner.name}.setter"}:
                yield inner
            if isinstance(inner, ast.ClassDef):
                yield from _public(inner)
