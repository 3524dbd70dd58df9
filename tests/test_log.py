"""Every event is one line that can be searched and cannot be forged; nobody else's chatter drowns it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from streamer import log
from streamer.log import Console, Json, say

AT = 1_795_608_000.1239  # 2026-11-25T12:00:00.123Z
HOSTILE = 'a"\n2026-11-25T12:00:00.123Z info  forged ok=1\r\x1b[2K\u2028\u202e\x85\ud800'

Start = Callable[..., io.StringIO]


@pytest.fixture(name="start")
def _start() -> Iterator[Start]:
    """`start(level, format)` sets logging up and gives what is written; afterwards logging is as it was."""
    root, ours = logging.getLogger(), logging.getLogger("streamer")
    handlers, levels, shown = root.handlers[:], (root.level, ours.level), warnings.showwarning
    root.handlers[:] = []  # else `force` closes pytest's

    def start(level: str = "info", form: str = "console") -> io.StringIO:
        stream = io.StringIO()
        log.setup(level, form, stream)
        return stream

    try:
        yield start
    finally:
        logging.captureWarnings(capture=False)
        assert warnings.showwarning is shown
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


def record(
    event: str, /, *, name: str = "streamer", level: int = logging.INFO, args: Any = (), **fields: Any
) -> logging.LogRecord:
    """A record made at `AT`."""
    known = {"name": name, "levelno": level, "levelname": logging.getLevelName(level)}
    made = known | {"msg": event, "args": args, "created": AT}
    return logging.makeLogRecord(made | {"fields": fields} if fields else made)


# The shape of a line ...


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("prod-us", "prod-us"),
        (3, "3"),
        (0.25, "0.25"),
        (None, "null"),
        (True, "true"),
        ("", '""'),
        ("two words", '"two words"'),
        ("k=v", '"k=v"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("a\nb\r\tc", r'"a\nb\r\tc"'),
        ("\x1b[2K", r'"\u001b[2K"'),
        ("\u202egpj", r'"\u202egpj"'),
        ("line\u2028end", r'"line\u2028end"'),
        ("\ud800", r'"\ud800"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("Zoë", "Zoë"),
        (["a", "b"], r'"[\"a\",\"b\"]"'),
        ({"a": 1}, r'"{\"a\":1}"'),
        (Path("/etc/streamer.yaml"), "/etc/streamer.yaml"),
        (SecretStr("hunter2"), "**********"),
        (OSError("no such thing"), '"no such thing"'),
    ],
)
def test_a_console_line(value: object, shown: str) -> None:
    """Time in UTC with milliseconds, level, event, then pairs whose values are quoted where they have to be."""
    line = Console().format(record("event.name", key=value))

    assert line == f"2026-11-25T12:00:00.123Z info  event.name key={shown}"


def test_a_json_line() -> None:
    """One object in ASCII: time, level, event, then the fields with their types."""
    fields: dict[str, Any] = {
        "s": HOSTILE,
        "n": 3,
        "none": None,
        "list": ["a", 1],
        "secret": SecretStr("hunter2"),
        "map": {"a": (1,)},
    }

    line = Json().format(record("event.name", level=logging.WARNING, **fields))

    assert line.isascii()
    assert line.isprintable()
    assert list(json.loads(line).items()) == [
        ("time", "2026-11-25T12:00:00.123Z"),
        ("level", "warning"),
        ("event", "event.name"),
        ("s", HOSTILE),
        ("n", 3),
        ("none", None),
        ("list", ["a", 1]),
        ("secret", "**********"),
        ("map", {"a": [1]}),
    ]


def test_a_field_cannot_take_the_place_of_the_head() -> None:
    """A field called like the time, the level or the event does not overwrite it."""
    said = json.loads(Json().format(record("real.name", event="forged", time="never", level_="x")))

    assert (said["event"], said["time"], said["level_"]) == ("real.name", "2026-11-25T12:00:00.123Z", "x")


@given(st.text(st.characters()), st.text(st.characters()))
def test_no_value_makes_a_line_or_a_pair(one: str, other: str) -> None:
    """Whatever the values are: a line is one line of printable characters, and both values can be read back from it."""
    for formatter in (Console(), Json()):
        line = formatter.format(record("event.name", one=one, other=other))
        assert line.isprintable()
        assert len(line.splitlines()) == 1

    pairs = re.fullmatch(
        r'\S+ info  event\.name one=("(?:[^"\\]|\\.)*"|[^\s"=]+) other=("(?:[^"\\]|\\.)*"|[^\s"=]+)', _line(one, other)
    )
    assert pairs is not None
    assert [_read(pair) for pair in pairs.groups()] == [one, other]


def _line(one: str, other: str) -> str:
    return Console().format(record("event.name", one=one, other=other))


def _read(shown: str) -> str:
    """What a reader makes of a value: JSON's escapes, and Python's of eight digits."""
    if not shown.startswith('"'):
        return shown
    return re.sub(r"\\(u[0-9a-f]{4}|U[0-9a-f]{8}|.)", lambda found: _letter(found[1]), shown[1:-1])


def _letter(escape: str) -> str:
    named = {"n": "\n", "r": "\r", "t": "\t"}
    return chr(int(escape[1:], 16)) if escape[0] in "uU" else named.get(escape, escape)


@pytest.mark.parametrize("formatter", [Console(), Json()])
def test_a_foreign_line_is_one_line_too(formatter: logging.Formatter) -> None:
    """What a library says is an event named like its logger; its text is a field like any other."""
    line = formatter.format(record(f"cannot connect to {HOSTILE}", name="aiokafka.conn"))

    assert len(line.splitlines()) == 1
    assert "aiokafka.conn" in line
    assert "cannot connect to" in line
    assert "\x1b" not in line


def test_a_fault_shows_its_traceback_behind_a_mark() -> None:
    """A traceback has lines of its own; an error's text cannot begin one that looks like an event."""
    made = record("service.fault")
    try:
        int(HOSTILE)
    except ValueError as fault:
        made.exc_info = (ValueError, ValueError(HOSTILE), fault.__traceback__)

    first, *others = Console().format(made).split("\n")
    traceback = json.loads(Json().format(made))["traceback"]

    assert first == "2026-11-25T12:00:00.123Z info  service.fault"
    assert others[0] == "    | Traceback (most recent call last):"
    assert all(line.startswith("    | ") and line.isprintable() for line in others)
    assert f"ValueError: {HOSTILE}" in traceback


# What is said at all ...


def test_say_writes_what_the_level_allows(start: Start) -> None:
    """Events below the configured level are not written."""
    stream = start("warning")

    say("a.debug", level=log.DEBUG)
    say("an.info")
    say("a.warning", level=log.WARNING, source="prod-us")
    say("an.error", level=log.ERROR, error=RuntimeError("why"))

    lines = stream.getvalue().splitlines()
    assert [line.split()[1:3] for line in lines[:2]] == [["warning", "a.warning"], ["error", "an.error"]]
    assert lines[-1] == "    | RuntimeError: why"


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_libraries_are_heard_from_warning_on(start: Start, level: str) -> None:
    """HTTP libraries show addresses and headers at lower levels: those are never let through, whatever ours is."""
    stream = start(level, "json")

    logging.getLogger("httpx").info("HTTP Request: GET http://user:secret@host/")
    logging.getLogger("httpcore.http11").debug("Authorization: secret")
    logging.getLogger("httpx").warning("strange")

    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["message"] for line in said] == ([] if level == "error" else ["strange"])


def test_a_second_setup_replaces_the_first(start: Start) -> None:
    """Setting up again changes format, level and stream, and never doubles a line."""
    first, second = start(), start("debug", "json")

    say("only.once", level=log.DEBUG)

    assert first.getvalue() == ""
    assert [json.loads(line)["event"] for line in second.getvalue().splitlines()] == ["only.once"]


def test_warnings_are_lines(start: Start) -> None:
    """A warning of Python's is a line like any other, not loose text between them."""
    stream = start("info", "json")

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old\nthing", DeprecationWarning, stacklevel=1)

    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "py.warnings"
    assert "old\nthing" in json.loads(line)["message"]


async def test_a_process_writes_to_stderr() -> None:
    """Without a stream it is stderr; a character that stderr's encoding lacks does not lose the line."""
    program = "from streamer import log; log.setup('info', 'console'); log.say('hello.world', name='Zo\\u00eb')"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONIOENCODING": "ascii"},
    )
    out, err = await process.communicate()

    assert out == b""
    assert re.fullmatch(rb"\S+Z info  hello\.world name=Zo\\xeb\n", err)


def test_setup_keeps_aiokafka_calm(start: Start) -> None:
    """The filter stands where all of aiokafka's loggers pass."""
    stream = start()

    for _ in range(3):
        logging.getLogger("aiokafka.consumer.group_coordinator").error("Group Coordinator Request failed: %s", "x")

    assert stream.getvalue().count("Group Coordinator Request failed: x") == 1
