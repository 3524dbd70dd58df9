"""What each command must be allowed to in Kafka: one table, which README shows, errors quote and the tests try.

Every row is needed: with all of a command's rows it works, and without any one of them it says which one is missing.
`Read` and `Write` include `Describe`, as Kafka has it, so `Describe` stands only where neither does. `check` asks for
what `run` needs.

Question: what does "not authorized" mean? A broker tells the resource, and nothing of the operation it wanted. Choice:
who asked knows what it was doing (reading, writing, looking), and the table says which of the command's rights cover
that: where even looking is denied, all rights that include it are missing. Rejected: to name what the failed request
wanted; an operator who grants `Describe` because we said so meets the next error.

Question: one right on all topics of the prefix? Choice: by topic. Whoever may write to `P.control` orders deletions,
and whoever may write to `P.state` rewrites what is known: the worker needs no right to order, readers need neither.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from streamer.config import KafkaSettings

READ: Final = "Read"
WRITE: Final = "Write"
CREATE: Final = "Create"
DESCRIBE: Final = "Describe"
CONFIGS: Final = "DescribeConfigs"
SHOWING: Final = frozenset({READ, WRITE})  # those that include `Describe`

TOPIC: Final = "topic"
GROUP: Final = "group"
TRANSACTIONS: Final = "transactional-id"
CLUSTER: Final = "cluster"
UNNAMED: Final = "kafka-cluster"  # as Kafka calls the one resource of that kind

ALL_TOPIC: Final = "`kafka.all_topic`"
CREATE_TOPICS: Final = "`kafka.create_topics`, while a topic is missing"
WITH_GROUP: Final = "`--group`"
NO_OFFSETS: Final = "while the group has no offsets, and there are records"
UNSEEN: Final = "without it: a warning, a state that was lost looks like one that begins"
UNTOLD: Final = "without it: the list tells less, and says so"
UNCOMPARED: Final = "without it: a warning, settings are not compared"

EVENTS: Final = ("P.created", "P.modified", "P.deleted")
LINES: Final = ("P.FORMAT", "P.snapshots.json")


class Denied(Exception):
    """Kafka knows who we are and says no: to an operation on resources of one kind."""

    def __init__(self, operation: str, kind: str, names: Iterable[str]) -> None:
        self.operation = operation
        self.kind = kind
        self.names = tuple(sorted(names))
        super().__init__(f"{operation} on {kind} {', '.join(self.names)}")


@dataclass(frozen=True, slots=True)
class Need:
    """A row of the table: operations on resources of one kind.

    Attributes:
        operations: as `kafka-acls` spells them.
        kind: of the resources.
        names: with `P` for the prefix, `WORKERS` for `kafka.group`, `GROUP` for the option `--group`, `RELAY` for the
            beginning of a relay's group and `FORMAT` for its format.
        beginning: all whose names begin so.
        note: the setting or option that asks for it, or what happens without it; none: it is always needed.
    """

    operations: tuple[str, ...]
    kind: str
    names: tuple[str, ...]
    beginning: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on one resource, or on all whose names have its `beginning`."""

    operation: str
    kind: str
    name: str
    beginning: bool = False
    vital: bool = field(default=True, compare=False)  # without it the command does nothing

    def covers(self, kind: str, name: str) -> bool:
        """Whether it is about this resource."""
        return kind == self.kind and (name.startswith(self.name) if self.beginning else name == self.name)

    def granted_by(self, principal: str, bootstrap: str) -> str:
        """The command of Kafka's that grants it."""
        words = ["kafka-acls", "--bootstrap-server", bootstrap, "--add", "--allow-principal", principal]
        words += ["--operation", self.operation, f"--{self.kind}"]
        words += [] if self.kind == CLUSTER else [self.name]
        words += ["--resource-pattern-type", "prefixed"] if self.beginning else []
        return shlex.join(words)


_CREATE = Need((CREATE,), TOPIC, ("P.",), beginning=True, note=CREATE_TOPICS)

TABLE: Final[Mapping[str, tuple[Need, ...]]] = {
    "run": (
        Need((WRITE,), TOPIC, (*EVENTS, "P.snapshots")),
        Need((READ,), TOPIC, ("P.snapshots",), note=UNSEEN),
        Need((WRITE, CONFIGS), TOPIC, ("P.all",), note=ALL_TOPIC),
        Need((READ, WRITE, CONFIGS), TOPIC, ("P.state",)),
        Need((READ,), TOPIC, ("P.control",)),
        Need((READ,), GROUP, ("WORKERS",)),
        Need((WRITE,), TRANSACTIONS, ("P.state-",), beginning=True),
        _CREATE,
        Need((CONFIGS,), TOPIC, (*EVENTS, "P.snapshots", "P.control"), note=UNCOMPARED),
    ),
    "follow": (
        Need((READ,), TOPIC, EVENTS),
        Need((READ,), TOPIC, ("P.all",), note=ALL_TOPIC),
        Need((READ,), GROUP, ("GROUP",), note=WITH_GROUP),
    ),
    "relay": (
        Need((READ,), TOPIC, (*EVENTS, "P.snapshots")),
        Need((READ,), TOPIC, ("P.all",), note=ALL_TOPIC),
        Need((WRITE,), TOPIC, LINES),
        Need((READ,), TOPIC, LINES, note=NO_OFFSETS),
        Need((WRITE,), TOPIC, ("P.dead-letter",)),
        Need((READ,), GROUP, ("RELAY-FORMAT", "P.relay-snapshots")),
        Need((WRITE,), TRANSACTIONS, ("RELAY-FORMAT-", "P.relay-snapshots-"), beginning=True),
        _CREATE,
        Need((CONFIGS,), TOPIC, (*LINES, "P.dead-letter"), note=UNCOMPARED),
    ),
    "verify": (Need((READ,), TOPIC, (*EVENTS, "P.snapshots", "P.state")),),
    "sources list": (
        Need((READ,), TOPIC, ("P.state",)),
        Need((READ,), TOPIC, ("P.snapshots",), note=UNTOLD),
        Need((DESCRIBE,), GROUP, ("WORKERS",), note=UNTOLD),
    ),
    "deletes list": (Need((READ,), TOPIC, ("P.state",)),),
    "deletes release": (
        Need((READ,), TOPIC, ("P.state",)),
        Need((WRITE,), TOPIC, ("P.control",)),
        Need((WRITE,), TRANSACTIONS, ("P.control-",), beginning=True),
    ),
}
ALIKE: Final = {"deletes release": "deletes release`, `deletes discard`, `sources forget"}  # in README


def needed(command: str, settings: KafkaSettings, *, group: str | None = None, form: str = "") -> tuple[Right, ...]:
    """The rights of a command under a configuration.

    Args:
        command: a key of `TABLE`.
        settings: prefix and group, and which topics there are.
        group: the option `--group` of the command, if it was given.
        form: of a relay.
    """
    prefix = settings.topic_prefix
    named = {
        "WORKERS": settings.group,
        "GROUP": group or "",
        "RELAY-FORMAT": f"{group or f'{prefix}.relay'}-{form}",
        "P.FORMAT": f"{prefix}.{form}",
        "P.": f"{prefix}.",
    }
    absent = {ALL_TOPIC: not settings.all_topic, CREATE_TOPICS: not settings.create_topics, WITH_GROUP: not group}
    return tuple(
        Right(operation, need.kind, _filled(name, named), need.beginning, vital=not need.note.startswith("without"))
        for need in TABLE[command]
        if not absent.get(need.note, False)
        for name in need.names
        for operation in need.operations
    )


def missing(rights: Collection[Right], denied: Denied) -> tuple[Right, ...]:
    """Which of a command's rights must be missing if that was denied; by the denial itself where none covers it.

    Where Kafka named no resource, it may be any of its kind.
    """
    wanted = SHOWING if denied.operation == DESCRIBE else {denied.operation}
    apt = [right for right in rights if right.kind == denied.kind and right.operation in wanted]
    if not denied.names:
        return tuple(apt) or (Right(denied.operation, denied.kind, UNNAMED),)
    found: list[Right] = []
    for name in denied.names:
        here = [right for right in apt if right.covers(denied.kind, name)]
        found += here or [Right(denied.operation, denied.kind, name)]
    return tuple(dict.fromkeys(found))


def told(rights: Collection[Right]) -> str:
    """Rights as a person reads them: `Read on topic a; Write on topics beginning with b`."""
    return "; ".join(
        f"{right.operation} on {right.kind}{'s beginning with' if right.beginning else ''} {right.name}"
        for right in rights
    )


def table() -> str:
    """README's table."""
    rows = ["| command | operations | on | if |\n|---|---|---|---|\n"]
    for command, needs in TABLE.items():
        for need in needs:
            star = "*" if need.beginning else ""
            names = ", ".join(f"`{_shown(name)}{star}`" for name in need.names)
            called = f"`{ALIKE.get(command, command)}`"
            rows.append(f"| {called} | {', '.join(need.operations)} | {need.kind} {names} | {need.note} |\n")
    return "".join(rows)


def _filled(name: str, named: Mapping[str, str]) -> str:
    """A name of the table, with the first placeholder that it begins with filled in."""
    begins = next(placeholder for placeholder in named if name.startswith(placeholder))
    return named[begins] + name.removeprefix(begins)


def _shown(name: str) -> str:
    return name.replace("WORKERS", "kafka.group").replace("RELAY", "P.relay")
