"""What the service says: one line an event, `name key=value ...`, on stderr.

Words come from outside: a token's name is chosen by whoever may be attacking. So this room must never let a value end
a line, start a new one, or hide what follows; and never print a secret (a `SecretStr` prints itself masked, and the
debug lines of HTTP libraries, which show addresses and headers, are never let through).

Question: which shape? Choice: `say("cycle.committed", source="prod", events=3)` over the standard library's logging.
An event has a constant, dotted name and fields, so that a search finds every occurrence. Rejected: sentences with
values in them (nobody can search for them); structlog (a dependency for the two formatters below).
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from streamer.output.printable import printable

DEBUG: Final = logging.DEBUG
INFO: Final = logging.INFO
WARNING: Final = logging.WARNING
ERROR: Final = logging.ERROR

QUIET_S: Final = 10.0  # aiokafka repeats a connection error several times a second for as long as a broker is away
REPEATS: Final = frozenset({"aiokafka", "uvicorn"})  # uvicorn for every request that is none
LEFT: Final = "Unclosed AIOKafkaConnection"  # by who was cancelled while it connected; closed as this is said
LASTS_S: Final = 2 * QUIET_S  # without a word of it, and it is over
PASSING: Final = frozenset({"NotLeaderForPartitionError"})  # of a topic just made, or a leader just lost: asked again
REMEMBERED: Final = 1_000  # kinds of lines a `Calm` keeps in mind before it forgets those that are over

_Kind = tuple[str | int, ...]

_BARE = re.compile(r'[^\s"=\\]+')

log = logging.getLogger("streamer")


class Writes(Protocol):
    """Where lines go: a text stream, or whatever can be written to like one."""

    def write(self, text: str, /) -> object:
        """Take it as it is."""

    def flush(self) -> None:
        """Keep nothing back."""


def say(event: str, /, *, level: int = INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Log one event.

    Args:
        event: a constant dotted name, such as `cycle.committed`; never made of data.
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR` of this module.
        error: a fault of ours to show with its traceback; for an error that says it all, give its text as a field.
        fields: numbers, strings, booleans, None, and lists or mappings of them; anything else by its `str`.
    """
    log.log(level, event, exc_info=error, extra={"fields": fields})


def setup(level: str, format: str, stream: Writes | None = None) -> None:  # noqa: A002 - the key of the configuration
    """Send everything the process logs to `stream`; may be called again.

    Foreign libraries are heard from warning on, whatever our own level; Python's warnings become lines as well.

    Args:
        level: `debug`, `info`, `warning` or `error`, for the events of ours.
        format: `console` (for a person) or `json` (one object a line).
        stream: where to; stderr by default.
    """
    handler: logging.StreamHandler[Writes] = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json() if format == "json" else Console())
    ours = logging.getLevelNamesMapping()[level.upper()]
    handler.addFilter(Calm(least=max(WARNING, ours)))
    log.setLevel(ours)
    logging.basicConfig(handlers=[handler], level=max(WARNING, ours), force=True)
    logging.captureWarnings(capture=True)


class Calm(logging.Filter):
    """Lets a line of a library that repeats itself through once in 10 s; the next one like it tells how many did not.

    Lines are alike that say the same of any broker, topic or partition, for the same kind of cause: a cluster of many
    brokers is no noisier than one, and a new cause is heard at once; but for what heals by itself (`PASSING`), which is
    heard if it lasts. What became part of an error of ours (`streamer.kafka.connection`) is said there. That aiokafka
    closed what somebody left, who was cancelled while it connected, is no news for anybody.

    Args:
        clock: monotonic seconds.
        least: the level from which on those libraries are heard.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, least: int = logging.NOTSET) -> None:
        super().__init__()
        self._clock = clock
        self._least = least
        self._said: dict[_Kind, tuple[float, int]] = {}  # when it last passed, kept back since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may be printed."""
        if record.name == "asyncio" and str(record.msg).startswith(LEFT):
            return False
        if record.name.partition(".")[0] not in REPEATS:
            return True
        if record.levelno < self._least or getattr(record, "gathered", False):
            return False
        kind, now = _kind(record), self._clock()
        passed_at, kept_back = self._said.get(kind, (-math.inf, 0))
        if not PASSING.isdisjoint(kind) and now - passed_at > LASTS_S:
            passed_at, kept_back = now, 0
        if now - passed_at < QUIET_S:
            self._said[kind] = (passed_at, kept_back + 1)
            return False
        if kept_back:
            record.fields = {"repeated": kept_back}
        self._remember(kind, now)
        return True

    def _remember(self, kind: _Kind, now: float) -> None:
        if len(self._said) >= REMEMBERED:
            self._said = {kind: said for kind, said in self._said.items() if now - said[0] < QUIET_S}
        if len(self._said) < REMEMBERED:
            self._said[kind] = (now, 0)


def _kind(record: logging.LogRecord) -> _Kind:
    """What lines that are alike have in common."""
    given = record.args if isinstance(record.args, tuple) else ()
    causes = [type(argument).__name__ for argument in given if isinstance(argument, Exception)]
    return record.name, record.levelno, str(record.msg), *causes


# Two ways to write a record ...


class Console(logging.Formatter):
    """`2026-11-25T12:00:00.123Z info  event.name key=value ...`; a traceback follows on lines that begin with `|`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, and its traceback's."""
        event, fields = _told(record)
        pairs = [f"{name}={_shown(value)}" for name, value in fields.items()]
        line = " ".join([_stamp(record), f"{record.levelname.lower():<5}", printable(event), *pairs])
        return "\n".join([line, *(f"    | {printable(part)}" for part in self._traceback(record))])

    def _traceback(self, record: logging.LogRecord) -> list[str]:
        """One item a line; an error's text may bring line ends of its own, which stay behind the mark."""
        return self.formatException(record.exc_info).splitlines() if record.exc_info else []


class Json(logging.Formatter):
    """One object a line, in ASCII: `time`, `level`, `event`, then the fields, and `traceback` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line."""
        event, fields = _told(record)
        head = {"time": _stamp(record), "level": record.levelname.lower(), "event": event}
        said = head | fields | head  # a field cannot take the place of the head, and stands behind it
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, separators=(",", ":"))


def _told(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """Event and plain fields: ours as said; a foreign line is an event named like its logger, its text a field."""
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    plain = {name: _plain(value) for name, value in fields.items()}
    if record.name == log.name:
        return record.getMessage(), plain
    return record.name, {"message": record.getMessage(), **plain}


def _stamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    """What JSON can carry."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return str(value)


def _shown(value: Any) -> str:
    """A plain value as it stands behind `key=`: bare where that can be read back, else quoted."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if _BARE.fullmatch(text) and text.isprintable():
        return text
    quoted = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{printable(quoted)}"'
