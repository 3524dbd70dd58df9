"""`streamer follow` as a process: events on stdout and nothing else, and how it ends."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from array import array
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from streamer import avro
from streamer.avro import Values
from streamer.commands.follow import instant
from streamer.config import RegistrySettings
from streamer.registry import Registry
from streamer.siem.forms import FORMS
from streamer.wire.avsc import schema_text
from tests.services import kafka
from tests.services.feed import NOON, event, events, feed, token

COMMAND = (sys.executable, "-m", "streamer", "follow")
LIMIT_S = 100  # a group waits for the session of a member that was killed, and a busy machine for much else


def _environ(bootstrap: str, prefix: str, **more: str) -> dict[str, str]:
    kafka_keys = {"BOOTSTRAP_SERVERS": bootstrap, "TOPIC_PREFIX": prefix, "VALUE_FORMAT": "avro"}
    return {**os.environ, **{f"STREAMER_KAFKA__{key}": value for key, value in kafka_keys.items()}, **more}


@asynccontextmanager
async def _started(
    environ: dict[str, str], folder: Path, *options: str, out: Any = PIPE, err: Any = PIPE
) -> AsyncIterator[Process]:
    """The running command; gone when the block ends."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *options, cwd=folder, env=environ, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=err
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _run(environ: dict[str, str], folder: Path, *options: str) -> tuple[int | None, str, str]:
    """Exit status, stdout and stderr of a run that ends by itself."""
    async with _started(environ, folder, *options) as process:
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


async def _to_end(environ: dict[str, str], folder: Path, *options: str) -> tuple[int | None, str, str]:
    return await _run(environ, folder, "--from-beginning", "--until-end", *options)


async def test_ndjson_is_the_one_json_form_in_order(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """Each event is one line of the JSON form, in the order of sequence, and stdout holds nothing else."""
    async with feed(kafka.bootstrap, prefix) as writer:
        made = events(range(1, 31))
        await writer.write(*made)
        status, out, err = await _to_end(_environ(kafka.bootstrap, prefix), tmp_path, "--output", "ndjson")

    forms = [avro.json_line(avro.decode_event(avro.encode_event(one)), avro.EVENT).decode() for one in made]
    assert (status, out.splitlines()) == (0, forms)
    assert err == f"streamer: {prefix}.{{created,modified,deleted}}: ordered by source and sequence, within 2 s\n"


async def test_the_topic_of_all_is_read_where_it_is_configured(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """Each event once, and what is read is said; where it is not there, the others are, with the reason."""
    environ = _environ(kafka.bootstrap, prefix, STREAMER_KAFKA__ALL_TOPIC="true")
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 13)))
        _, without, err = await _to_end(environ, tmp_path, "--output", "ndjson")
    assert f"created,modified,deleted}} ({prefix}.all does not exist (yet)): ordered" in err
    environ["STREAMER_KAFKA__TOPIC_PREFIX"] = f"{prefix}.2"
    async with feed(kafka.bootstrap, f"{prefix}.2", all_topic=True) as writer:
        await writer.write(*events(range(1, 13)))
        writer.all_topic = False
        await writer.write(event(13))
        status, out, err = await _to_end(environ, tmp_path, "--output", "ndjson")

    assert (status, out) == (0, without)  # and not number 13, which stands elsewhere only
    assert err == f"streamer: {prefix}.2.all: ordered by source and sequence, within 2 s\n"


async def test_a_topic_that_is_younger_than_its_history_is_told(
    kafka: kafka.Given, prefix: str, tmp_path: Path
) -> None:
    """`P.all` begins when it is switched on: who reads from the beginning learns that what is before is elsewhere."""
    environ = _environ(kafka.bootstrap, prefix, STREAMER_KAFKA__ALL_TOPIC="true")
    async with feed(kafka.bootstrap, prefix, all_topic=True) as writer:
        await writer.write(*events(range(96, 99)))
        _, out, err = await _to_end(environ, tmp_path, "--output", "ndjson")
        _, _, later = await _run(environ, tmp_path, "--since", "2026-01-01T00:00:00Z", "--until-end")

    assert [json.loads(line)["sequence"] for line in out.splitlines()] == [96, 97, 98]
    assert f"prod begins with sequence 96 here: those before are older than the topic {prefix}.all or its" in err
    assert (err.count("begins with"), later.count("begins with")) == (1, 0)


@pytest.mark.parametrize("schema", ["ocsf", "ecs"])
async def test_a_security_schema_is_a_line_each(kafka: kafka.Given, prefix: str, tmp_path: Path, schema: str) -> None:
    """`--output ocsf` and `ecs` write what `siem` makes of each event, in the order of sequence, and nothing else."""
    async with feed(kafka.bootstrap, prefix) as writer:
        made = events(range(1, 101))
        await writer.write(*made)
        status, out, _ = await _to_end(_environ(kafka.bootstrap, prefix), tmp_path, "--output", schema)

    decoded = [avro.decode_event(avro.encode_event(one)) for one in made]
    assert (status, out.splitlines()) == (0, [FORMS[schema](event).decode() for event in decoded])


async def test_filters_hide_and_never_claim_a_gap(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """`--type` and `--moid` leave out what is not wanted; what they leave out is not missing."""
    environ = _environ(kafka.bootstrap, prefix)
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 13)))
        options = ("--output", "ndjson", "--type", "deleted", "--type", "created")
        _, by_type, err = await _to_end(environ, tmp_path, *options)
        _, by_moid, _ = await _to_end(environ, tmp_path, "--output", "ndjson", "--moid", event(5).moid)

    assert [json.loads(line)["sequence"] for line in by_type.splitlines()] == [1, 3, 4, 6, 7, 9, 10, 12]
    assert [json.loads(line)["sequence"] for line in by_moid.splitlines()] == [5]
    assert "gap" not in err


async def test_a_line_for_a_person_cannot_be_forged(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """An application's name with line ends, escapes and marks of direction stays on its line, visible."""
    hostile = "ok\r\n2026 deleted \x1b[2J\u202e[red]x"
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(event(1, "created", after=token(client_name=hostile)))
        _, out, _ = await _to_end(_environ(kafka.bootstrap, prefix), tmp_path)

    (line,) = out.splitlines()
    assert "ok\\r\\n2026 deleted \\u001b[2J\\u202e[red]x" in line
    assert line.startswith("2026-09-21T14:13:21.000Z  created  prod  ")


@pytest.mark.parametrize("width", [80, 120, 160])
async def test_a_terminal_gets_a_line_an_event(kafka: kafka.Given, prefix: str, tmp_path: Path, width: int) -> None:
    """Cut, never wrapped; a wide one has the Moid. The type is coloured; a name is neither markup nor an escape."""
    ours, theirs = pty.openpty()
    environ = _environ(kafka.bootstrap, prefix, TERM="xterm-256color", COLUMNS=str(width))
    made = [event(1, "created", after=token(client_name="\x1b[31m[bold]x")), *events(range(2, 9))]
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*made)
        async with _started(environ, tmp_path, "--from-beginning", "--until-end", out=theirs) as process:
            await process.communicate()
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    lines = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert "\x1b[32mcreated" in shown
    assert "\\u001b[31m[bold]x"[: 7 if width == 80 else 12] in lines[0]
    assert "\x1b[31m[" not in shown
    assert (len(lines), max(map(len, lines)) <= width) == (len(made), True)
    assert (made[0].moid in lines[0]) is (width > 80)


async def test_who_writes_a_file_sees_how_far_it_is(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """To the end of all: a bar on the terminal that ends full, and what there is to say; the file has lines alone."""
    ours, theirs = pty.openpty()
    environ = _environ(kafka.bootstrap, prefix, TERM="xterm", COLUMNS="120")
    options = ("--from-beginning", "--until-end", "--output", "ndjson")
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(5, 305)))
        with (tmp_path / "out").open("wb") as file:
            async with _started(environ, tmp_path, *options, out=file, err=theirs):
                os.close(theirs)
                shown = b""
                with suppress(OSError):  # a terminal's way to say that it is closed
                    while read := await asyncio.to_thread(os.read, ours, 65536):
                        shown += read
    os.close(ours)

    found = {(int(done), int(most)) for done, most in re.findall(rb"(\d+)/(\d+)", shown)}
    assert max(done for done, _ in found) == max(most for _, most in found) >= 300
    assert b"reading records" in shown
    assert b"prod begins with sequence 5 here" in shown
    lines = (tmp_path / "out").read_bytes().splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == list(range(5, 305))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_after_its_line(
    kafka: kafka.Given, prefix: str, tmp_path: Path, number: signal.Signals
) -> None:
    """Status 0, offsets committed: the group's next run shows only what came later."""
    environ = _environ(kafka.bootstrap, prefix)
    options = ("--group", f"{prefix}-g", "--from-beginning", "--output", "ndjson")
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 11)))
        async with _started(environ, tmp_path, *options) as process:
            assert process.stdout is not None
            for _ in range(10):
                await process.stdout.readline()
            process.send_signal(number)
            _, err = await process.communicate()
        await writer.write(event(11))
        _, out, _ = await _to_end(environ, tmp_path, *options)

    assert (process.returncode, "Traceback" in err.decode()) == (0, False)
    assert [json.loads(line)["sequence"] for line in out.splitlines()] == [11]


async def test_killed_it_loses_nothing(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """SIGKILL in the middle of its output: the lines of both runs together are all events."""
    environ = _environ(kafka.bootstrap, prefix)
    options = ("--group", f"{prefix}-g", "--from-beginning", "--output", "ndjson")
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 401)))
        async with _started(environ, tmp_path, *options) as process:
            assert process.stdout is not None
            lines = [await process.stdout.readline() for _ in range(100)]
            if lines[-1]:
                process.kill()
            rest, said = await process.communicate()
            assert lines[-1], said.decode()
            whole = rest.rpartition(b"\n")[0].splitlines()
        status, out, err = await _to_end(environ, tmp_path, *options)

    shown = [json.loads(line)["sequence"] for line in [*lines, *whole, *out.encode().splitlines()]]
    assert (status, set(range(1, 401)) - set(shown)) == (0, set()), err


async def test_a_closed_pipe_is_a_clean_end(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """Like `| head -1`: the reader has enough, so status 0 and no complaint."""
    reading, writing = os.pipe()
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 2001)))
        environ = _environ(kafka.bootstrap, prefix)
        async with _started(environ, tmp_path, "--from-beginning", out=writing) as process:
            os.close(writing)
            await asyncio.to_thread(os.read, reading, 10)
            os.close(reading)
            _, err = await process.communicate()

    assert process.returncode == 0
    assert err.decode().count("\n") == 1, err.decode()


async def test_a_reader_that_does_not_read_cannot_hold_it(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """With a full pipe the first SIGINT waits for the line in hand, the second ends the process at once."""
    reading, writing = os.pipe()
    async with feed(kafka.bootstrap, prefix) as writer:
        await writer.write(*events(range(1, 2001)))
        environ = _environ(kafka.bootstrap, prefix)
        async with _started(environ, tmp_path, "--from-beginning", out=writing) as process:
            await _is_full(reading, writing)
            process.send_signal(signal.SIGINT)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.wait(), 1)
            process.send_signal(signal.SIGINT)
            await process.wait()
    os.close(reading)
    os.close(writing)

    assert process.returncode == -signal.SIGINT


async def _is_full(reading: int, writing: int) -> None:
    """Until a pipe that nobody reads takes nothing more, and its writer has stopped at that."""
    before, held = -1, 0
    while select.select([], [writing], [], 0)[1] or held != before:
        await asyncio.sleep(0.5)
        before, held = held, array("i", fcntl.ioctl(reading, termios.FIONREAD, b"    "))[0]


async def test_what_is_no_event_and_what_is_missing_is_told(kafka: kafka.Given, prefix: str, tmp_path: Path) -> None:
    """Places on stderr, the events around them on stdout, and a run that ends by itself ends with status 1."""
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(event(1, "created"))
        await writer.write_raw(b"\xff\xfe")
        await writer.write(event(5, "created"))
        environ = _environ(kafka.bootstrap, prefix)
        status, out, err = await _to_end(environ, tmp_path, "--output", "ndjson")

    assert (status, len(out.splitlines())) == (1, 2)
    assert f"skipped {prefix}.created-0 at offset 2: its value begins with ff fe" in err
    assert "gap in prod: sequences 2 to 4 are in no partition, before 5" in err
    assert "1 records are no events" in err


async def test_confluents_format_is_read_with_the_registry(
    kafka: kafka.Given, registry: Any, prefix: str, tmp_path: Path
) -> None:
    """The writer's schema comes from the registry by its id; a record of an id it does not know ends the run."""
    settings = RegistrySettings(url=registry.url)
    async with Registry(settings) as client:
        made = await client.register(f"{prefix}.created-value", schema_text(avro.EVENT))
    environ = _environ(kafka.bootstrap, prefix, STREAMER_REGISTRY__URL=registry.url)
    environ["STREAMER_KAFKA__VALUE_FORMAT"] = "confluent"
    async with feed(kafka.bootstrap, prefix, partitions=1) as writer:
        await writer.write(event(1, "created"), values=Values("confluent", {"created": made}))
        good = await _to_end(environ, tmp_path, "--output", "ndjson")
        await writer.write_raw(avro.frame(avro.encode_event(event(2)), 999_999))
        bad = await _to_end(environ, tmp_path)

    assert (good[0], json.loads(good[1])["sequence"]) == (0, 1)
    assert (bad[0], "has no schema with id 999999" in bad[2], "registry.url" in bad[2]) == (2, True, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--output", "leef"], "'leef' is not one of 'table', 'ndjson', 'ocsf', 'ecs'"),
        (["--since", "yesterday"], "'yesterday' is given, wanted an age such as 15m"),
        (["--since", "2026-11-25T08:00:00"], "a time with its zone"),
        (["--since", "15m", "--from-beginning"], "exclude each other"),
        (["--moid", "5b653f93 7564"], "'5b653f93 7564' is given, wanted a Moid, such as "),
    ],
)
def test_wrong_usage_is_status_2(tmp_path: Path, options: list[str], said: str) -> None:
    """The message names what was given and what is wanted."""
    done = subprocess.run([*COMMAND, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_since_is_an_age_or_a_time() -> None:
    """`15m` is 15 minutes ago; a time with a zone is itself."""
    before = time.time_ns() // 1_000_000
    age = instant("15m")
    assert before - 900_000 - 1 <= age <= time.time_ns() // 1_000_000 - 900_000 + 1
    assert instant("2026-09-21T16:13:20+02:00") == NOON


def test_the_help_has_two_examples() -> None:
    """`--help` says what it does, each option, and two examples."""
    told = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    assert told.count("  streamer follow ") == 2
