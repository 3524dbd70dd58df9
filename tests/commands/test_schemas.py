"""`streamer schemas`, as called by a person, by a program, and as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streamer.commands.schemas import command
from streamer.config import RegistrySettings
from streamer.demo.compatibility import parse
from streamer.demo.registry import EmbeddedRegistry, Entry, application
from streamer.errors import CheckFailed, Misconfigured, StreamerError
from streamer.invocation import Invocation
from streamer.registry import SCHEMAS, Registry
from streamer.serving import serve
from streamer.wire import avsc
from tests.services.registry import Given

SUBJECTS = {f"p.{suffix}-value": name for suffix, name in SCHEMAS.items()}
OTHERS = '{"type": "record", "name": "Other", "fields": [{"name": "a", "type": "int"}]}'


@pytest.fixture(name="url")
async def _url() -> AsyncIterator[str]:
    """A registry without anything in it."""
    async with serve(application(EmbeddedRegistry())) as url:
        yield url


async def call(*arguments: str, url: str | None = None, prefix: str = "p", **environ: str) -> Result:
    """Call the command beside the test's own loop."""
    given = {"STREAMER_KAFKA__TOPIC_PREFIX": prefix} | environ
    if url is not None:
        given["STREAMER_REGISTRY__URL"] = url
    return await asyncio.to_thread(CliRunner().invoke, command, list(arguments), obj=Invocation(given))


def told(result: Result) -> Any:
    """What a program reads."""
    return json.loads(result.stdout)


def failure(result: Result) -> StreamerError:
    """The error that ends the process."""
    assert isinstance(result.exception, StreamerError), result
    return result.exception


# Without a network ...


async def test_list_names_every_schema() -> None:
    """Each file is listed by its stem, with its record and the topics it describes, for persons and programs alike."""
    text, rows = await call("list"), told(await call("list", "--output", "json"))

    assert [row["name"] for row in rows] == list(avsc.schema_names())
    assert {
        "name": "snapshot_report",
        "record": "intersight_streamer.v1.SnapshotReport",
        "topics": ["snapshots"],
    } in rows
    assert text.stdout.splitlines()[0] == "name\trecord\ttopics"
    assert text.stdout.splitlines()[2] == (
        "oauth_token_event\tintersight_streamer.v1.OAuthTokenEvent\tcreated, modified, deleted, all"
    )
    assert "state_token\tintersight_streamer.v1.TokenRow\t-" in text.stdout


@pytest.mark.parametrize("name", avsc.schema_names())
async def test_show_prints_the_file(name: str) -> None:
    """What is shown is the file, character for character; for a program it is one line of the same JSON."""
    text = avsc.schema_text(name)

    assert (await call("show", name)).stdout == text
    line = (await call("show", name, "--output", "json")).stdout
    assert line.count("\n") == 1
    assert json.loads(line) == json.loads(text)


@pytest.mark.parametrize("arguments", [("list",), ("show", "snapshot_report")])
async def test_a_configuration_is_not_read_for_what_the_package_has(arguments: tuple[str, ...]) -> None:
    """Nor need it be there; who names one is told."""
    told = await call(*arguments, "-c", "nope.yaml")

    assert told.exit_code == 0
    assert told.stderr.startswith("streamer: -c nope.yaml is not read: ")
    assert told.stdout == (await call(*arguments)).stdout


async def test_show_tells_which_there_are() -> None:
    """A name that does not exist is answered with those that do."""
    with pytest.raises(Misconfigured, match=r"no schema 'oauth_token', wanted one of .*oauth_token_event"):
        raise failure(await call("show", "oauth_token"))


# With a registry ...


async def test_check_before_and_after_register(url: str) -> None:
    """New subjects may be registered; registering gives every subject its id; then they are found, under our level."""
    before = told(await call("check", "--output", "json", url=url))
    made = told(await call("register", "--output", "json", url=url))
    after = told(await call("check", "--output", "json", url=url))

    assert [(row["subject"], row["schema"], row["verdict"], row["id"]) for row in before] == [
        (subject, name, "new", None) for subject, name in SUBJECTS.items()
    ]
    assert [(row["subject"], row["schema"]) for row in made] == list(SUBJECTS.items())
    assert [(row["verdict"], row["id"], row["level"], row["messages"]) for row in after] == [
        ("registered", row["id"], "FULL_TRANSITIVE", []) for row in made
    ]


async def test_check_writes_nothing(url: str) -> None:
    """After a check the registry is as it was."""
    await call("check", url=url)

    async with Registry(RegistrySettings(url=url)) as registry:
        assert await registry.subjects() == ()
        assert await registry.level("p.created-value") == "BACKWARD"


async def test_check_of_an_incompatible_subject(url: str) -> None:
    """A subject with another program's schema: its line says why, the others have theirs, and the check fails."""
    async with Registry(RegistrySettings(url=url)) as registry:
        await registry.register("p.deleted-value", OTHERS)

    result = await call("check", url=url)

    assert [line.split("\t")[:3] for line in result.stdout.splitlines()] == [
        ["verdict", "subject", "registry id"],
        ["new", "p.created-value", "-"],
        ["new", "p.modified-value", "-"],
        ["incompatible", "p.deleted-value", "-"],
        ["new", "p.snapshots-value", "-"],
    ]
    assert "BACKWARD\tlevel BACKWARD, wanted FULL_TRANSITIVE, version 1: the new schema cannot read" in result.stdout
    with pytest.raises(CheckFailed, match=r"1 of 4 subjects cannot be used: p\.deleted-value"):
        raise failure(result)


async def test_check_where_nothing_may_be_registered(url: str) -> None:
    """With auto_register: false whatever is not registered is missing, in a new subject and in an old one."""
    async with Registry(RegistrySettings(url=url)) as registry:
        await registry.set_level("p.created-value", "NONE")
        await registry.register("p.created-value", OTHERS)

    result = await call("check", "--output", "json", url=url, STREAMER_REGISTRY__AUTO_REGISTER="false")

    assert [row["verdict"] for row in told(result)] == ["missing"] * 4
    with pytest.raises(CheckFailed, match="4 of 4"):
        raise failure(result)


async def test_check_where_it_will_be_registered(url: str) -> None:
    """A subject whose level allows ours beside what is there is compatible, and says which level that is."""
    async with Registry(RegistrySettings(url=url)) as registry:
        await registry.set_level("p.created-value", "NONE")
        await registry.register("p.created-value", OTHERS)

    result = await call("check", "--output", "json", url=url)

    assert result.exit_code == 0
    assert told(result)[0] == {
        "subject": "p.created-value",
        "schema": "oauth_token_event",
        "verdict": "compatible",
        "id": None,
        "level": "NONE",
        "messages": ["level NONE, wanted FULL_TRANSITIVE"],
    }


class Mixed(EmbeddedRegistry):
    """A registry whose ids are another's, and whose words are no words."""

    def by_id(self, wanted: int) -> Entry:
        """Another program's schema."""
        return Entry(wanted, OTHERS, parse(OTHERS))

    def conflicts(self, subject: str, text: str, wanted: str | None = None) -> list[str]:  # noqa: ARG002 - its face
        """Something that clears a screen, if there is anything to disagree with."""
        return ["\x1b[2J\nforged\t"] if subject in self.subjects else []


async def test_check_of_an_id_that_is_another_schema() -> None:
    """A schema that is found, but whose id readers would resolve to another one, is a finding."""
    async with serve(application(Mixed())) as url:
        async with Registry(RegistrySettings(url=url)) as registry:
            await registry.register("p.created-value", avsc.schema_text("oauth_token_event"))
        result = await call("check", "--output", "json", url=url)

    assert [row["verdict"] for row in told(result)] == ["mistaken", "new", "new", "new"]
    with pytest.raises(CheckFailed, match=r"1 of 4 .*p\.created-value"):
        raise failure(result)


async def test_a_registry_cannot_write_to_the_terminal() -> None:
    """What a registry says is printed as plain text: one line a subject below the heading, no control characters."""
    async with serve(application(Mixed())) as url:
        async with Registry(RegistrySettings(url=url)) as registry:
            await registry.register("p.created-value", OTHERS)
        result = await call("check", url=url)

    assert result.stdout.count("\n") == 1 + 4
    assert r"version 1: \u001b[2J\nforged\t" in result.stdout
    assert all(cell.isprintable() for line in result.stdout.splitlines() for cell in line.split("\t"))


async def test_register_warns_of_another_level(url: str) -> None:
    """What the service would warn of stands on stderr, away from the data."""
    async with Registry(RegistrySettings(url=url)) as registry:
        await registry.register("p.created-value", avsc.schema_text("oauth_token_event"))

    result = await call("register", url=url)

    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == ["subject\tschema\tregistry id", "p.created-value\toauth_token_event\t1"]
    assert result.stderr.startswith("warning: subject p.created-value has the compatibility level BACKWARD")


async def test_on_a_real_registry(registry: Given, prefix: str) -> None:
    """The same commands against a real registry, under a prefix of the test's own."""
    first = told(await call("register", "--output", "json", url=registry.url, prefix=prefix))
    again = await call("check", "--output", "json", url=registry.url, prefix=prefix)

    assert again.exit_code == 0
    assert [(row["verdict"], row["id"]) for row in told(again)] == [("registered", row["id"]) for row in first]


@pytest.mark.parametrize("called", ["check", "register"])
async def test_formats_without_a_registry_ask_none(called: str) -> None:
    """Where values need no registry there is nothing to ask, and the message says which key decides that."""
    with pytest.raises(Misconfigured, match=r"kafka\.value_format avro uses no schema registry"):
        raise failure(await call(called, STREAMER_KAFKA__VALUE_FORMAT="avro", STREAMER_REGISTRY__URL="http://x"))


@pytest.mark.parametrize("called", [[], ["list"], ["show"], ["check"], ["register"]])
async def test_help_has_two_examples(called: list[str]) -> None:
    """Each command says what it does and shows two calls that exist."""
    shown = (await call(*called, "--help")).stdout
    examples = [line.split() for line in shown.partition("Examples:\n")[2].splitlines() if "streamer schemas" in line]

    assert len(examples) == 2
    assert {example[example.index("schemas") + 1] for example in examples} <= set(command.commands)


# As a process ...


async def test_a_process_ends_with_3_if_a_check_fails(url: str, tmp_path: Path) -> None:
    """The real command: lines on stdout, the finding and a hint on stderr, exit status 3."""
    async with Registry(RegistrySettings(url=url)) as registry:
        await registry.register("p.created-value", OTHERS)
    (tmp_path / "streamer.yaml").write_text(
        f"kafka: {{bootstrap_servers: [none:9092], topic_prefix: p}}\nregistry: {{url: '{url}'}}\n"
    )

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamer", "schemas", "check"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()

    assert process.returncode == 3
    assert out.decode().count("\n") == 1 + 4
    assert err.decode().splitlines()[0] == "streamer: 1 of 4 subjects cannot be used: p.created-value"
    assert err.decode().splitlines()[1].startswith("  hint: ")


async def test_a_terminal_gets_a_table() -> None:
    """On a terminal the rows stand in columns under their headings, a line each, and no name is cut."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with os.fdopen(theirs, "wb") as screen:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "streamer", "schemas", "list"),
                stdout=screen,
                env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
            )
            await process.wait()
        shown = terminal.read(65_536).decode()

    assert re.sub(r"\x1b\[\d*m", "", shown).split()[:3] == ["name", "record", "topics"]
    assert "\t" not in shown
    assert all(name in shown for name in avsc.schema_names())
    assert shown.count("\n") == 1 + len(avsc.schema_names())
