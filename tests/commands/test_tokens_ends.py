"""How `streamer tokens` ends: what goes wrong is told with what to change; a reader, a person or a watch may end it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess

import pytest
from click.testing import CliRunner

from streamer.commands.tokens import API_NAMES, command
from streamer.demo.lies.wire import Html, Slow
from streamer.errors import Misconfigured, StreamerError, Transient
from streamer.invocation import Invocation
from tests.commands.accounts import PROGRAM, Environ, accounts, call, ended, process, source, world

# What goes wrong...


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--create-time", "2026-13-01"), "'2026-13-01' is given, wanted a time such as 2026-11-25T08:00:00Z"),
        (("--mod-time", "-7d"), "'-7d' is given, wanted a time such as"),
        (("--client-name", "a", "--client-name", "b"), "is given twice, wanted once"),
        (("--client-name", "\udcff"), "wanted UTF-8"),
        (("--client-name", "x" * 9000), "wanted at most 8192: no URL may be longer"),
        (("--filter", "a eq 'b') or (c eq 'd'"), "wanted every quote and every parenthesis closed"),
        (("--filter", ""), "wanted a filter such as ClientName eq 'portal'"),
        (("--limit", "0"), "0 is not in the range x>=1"),
        (("--watch", "100ms"), "'100ms' is given, wanted at least 1s"),
        (("--watch", "often"), "'often' is given, wanted a duration such as 60s"),
        (("--watch", "--output", "csv"), "--watch goes with --output table or ndjson"),
        (("--watch", "--limit", "1"), "and without --limit"),
    ],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...], said: str) -> None:
    """Before anything is asked; the message names the option, what was given and what is wanted."""
    environ = {
        f"STREAMER_SOURCES__0__{key}": value for key, value in {"NAME": "prod", "URL": "http://127.0.0.1:1"}.items()
    }
    key = {"STREAMER_SOURCES__0__API_KEY__ID": "a/b/c", "STREAMER_SOURCES__0__API_KEY__FILE": "nowhere.pem"}
    told = CliRunner().invoke(command, list(arguments), obj=Invocation({**environ, **key}))

    assert (told.exit_code, said in told.stderr) == (2, True), told.stderr


async def error_of(environ: Environ, *arguments: str) -> StreamerError:
    """What it ends with."""
    told = await call(environ, *arguments)
    assert isinstance(told.exception, StreamerError), told
    return told.exception


async def test_a_filter_that_the_api_refuses_is_wrong_usage() -> None:
    """With what was sent and what was said to it."""
    environ: Environ = {}
    async with accounts(environ, prod=world(3, seed=22, hostile=False)):
        error = await error_of(environ, "--filter", "Nobody eq 'x' or Moid eq 'b'", "--moid", "a")

    assert isinstance(error, Misconfigured)
    assert "prod: the filter (Nobody eq 'x' or Moid eq 'b') and Moid eq 'a' is refused" in str(error)
    assert "unknown property Nobody" in str(error)


async def test_the_names_that_help_gives_for_a_filter_are_the_apis() -> None:
    """Each may be asked for, and `--help` has them all."""
    environ: Environ = {}
    asked = [f"{name} gt 2020-01-01T00:00:00Z" if name.endswith("Time") else f"{name} eq 'x'" for name in API_NAMES]
    async with accounts(environ, prod=world(3, seed=22, hostile=False)):
        helped = "".join((await call(environ, "--help")).stdout.split())
        told = await call(environ, "--filter", " or ".join(asked))

    assert told.exit_code == 0, told.exception
    assert f"initsownnames:{','.join(API_NAMES)}." in helped


async def test_a_wrong_credential_is_a_wrong_configuration() -> None:
    """Status 2 with the hint that the service gives, too; no secret is shown."""
    environ: Environ = {}
    there = world(3, seed=23, hostile=False)
    async with accounts(environ, prod=there), accounts({}, prod=there) as others:
        environ["STREAMER_SOURCES__0__API_KEY__PEM"] = pem = others["prod"].credentials.ec.pem
        error = await error_of(environ)

    assert isinstance(error, Misconfigured)
    assert "answered 401" in str(error)
    assert error.hint.startswith("the credential is unknown, expired or revoked, its key file is not that of its id")
    assert "(request-target): " not in str(error)
    assert pem.splitlines()[1] not in str(error)


async def test_a_wrong_client_secret_is_one_too() -> None:
    """Though the token endpoint says so with 400 or 401."""
    environ: Environ = {}
    async with accounts(environ, prod=world(3, seed=31, hostile=False)) as served:
        client = {"CLIENT_ID": served["prod"].credentials.client_id, "CLIENT_SECRET": "not this one"}
        environ = {name: value for name, value in environ.items() if "API_KEY" not in name}
        error = await error_of(
            {**environ, **{f"STREAMER_SOURCES__0__OAUTH__{key}": value for key, value in client.items()}}
        )

    assert isinstance(error, Misconfigured)
    assert "/iam/token answered 40" in str(error)
    assert "not this one" not in str(error)


async def test_an_account_that_cannot_be_reached_hinders_no_other() -> None:
    """The others are listed, the exit status is 1, and it is said who is missing; a JSON array is not closed."""
    environ: Environ = {}
    there = world(3, seed=24, hostile=False)
    async with accounts(environ, prod=there) as served:
        environ |= source(1, "lab", "http://127.0.0.1:1", served["prod"])
        told = await call(environ, "--output", "json")

    assert [row["moid"] for row in json.loads(f"{told.stdout}]")] == list(there.moids)
    assert isinstance(told.exception, Transient)
    assert str(told.exception).startswith("1 of 2 sources did not answer in full:\nlab: GET http://127.0.0.1:1/")
    assert told.exception.hint == "can its `url` be reached from here, or is a `proxy` needed?"


async def test_an_error_is_a_line_and_a_hint() -> None:
    """As a process: nothing on stdout, no traceback."""
    environ: Environ = {}
    async with accounts(environ, prod=world(1, seed=25, hostile=False)):
        status, out, err = await ended(environ, "--filter", "x")

    assert (status, out, len(err.splitlines())) == (2, "", 2)
    assert err.startswith("streamer: prod: the filter x is refused: ")


# How it ends...


@pytest.mark.parametrize("output", ["table", "json", "ndjson", "csv"])
async def test_a_reader_that_has_enough_ends_it_quietly(output: str) -> None:
    """As `head` does: status 0 and not a word."""
    environ: Environ = {}
    async with accounts(environ, prod=world(3000, seed=26, hostile=False)):
        status, err = await asyncio.to_thread(one_line_of, environ, "--output", output)

    assert (status, err) == (0, b"")


def one_line_of(environ: Environ, *arguments: str) -> tuple[int, bytes]:
    """Status and stderr of a process of which one line is read."""
    started = subprocess.Popen(
        [*PROGRAM, *arguments], env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert started.stdout is not None
    assert started.stderr is not None
    with started, started.stderr:
        with started.stdout:
            started.stdout.readline()
        return started.wait(60), started.stderr.read()


async def test_a_full_disk_is_told() -> None:
    """In one line."""
    environ: Environ = {}
    full = os.open("/dev/full", os.O_WRONLY)
    async with accounts(environ, prod=world(100, seed=27, hostile=False)), process(environ, stdout=full) as started:
        os.close(full)
        _, err = await started.communicate()

    assert (started.returncode, err) == (1, b"streamer: what it writes to is full: No space left on device\n")


async def test_ctrl_c_ends_it_with_130() -> None:
    """At once, in the middle of a reply that does not come; not a word is said."""
    environ: Environ = {}
    async with accounts(environ, prod=world(10, seed=30, hostile=False)) as served:
        asked, over = asyncio.Event(), asyncio.Event()

        async def never(_: float) -> None:
            asked.set()
            await over.wait()

        served["prod"].faults._sleep = never
        served["prod"].faults.arm(Slow(delay=1))
        async with process(environ, "--output", "json") as started:
            await asked.wait()
            started.send_signal(signal.SIGINT)
            out, err = await started.communicate()
        over.set()

    assert (started.returncode, out, err.strip()) == (130, b"", b"")


async def test_watch_prints_what_is_different() -> None:
    """First all that matches, then what comes, changes and goes, each as a line of JSON; Ctrl-C ends it with 0."""
    environ: Environ = {}
    there = world(4, seed=28, hostile=False)
    moids_at_first = list(there.moids)
    renamed, removed, *_ = moids_at_first
    watching = ("--watch", "1s", "--output", "ndjson", "--shared-scope", "")
    async with accounts(environ, prod=there), process(environ, *watching) as started:
        assert started.stdout is not None
        first = [json.loads(await started.stdout.readline()) for _ in range(4)]
        there.edit(renamed, "test", ClientName="renamed")
        there.remove(removed)
        then = [json.loads(await started.stdout.readline()) for _ in range(2)]
        there.edit(renamed, "test", SharedScope="shared")
        last = json.loads(await started.stdout.readline())
        started.send_signal(signal.SIGINT)
        out, err = await started.communicate()

    assert [(one["difference"], one["moid"], one["before"]) for one in first] == [
        ("listed", moid, None) for moid in moids_at_first
    ]
    assert sorted((one["difference"], one["moid"]) for one in then) == [("changed", renamed), ("unlisted", removed)]
    changed = next(one for one in then if one["difference"] == "changed")
    assert changed["changed_fields"] == ["client_name", "mod_time"]
    assert changed["after"]["client_name"] == "renamed"
    assert (last["difference"], last["moid"], last["after"]) == ("unlisted", renamed, None)
    assert (started.returncode, out, err) == (0, b"", b"")


async def test_watch_goes_on_when_the_api_fails() -> None:
    """It is told, nothing is called unlisted, and it is asked again; a first answer that fails ends it."""
    environ: Environ = {}
    there = world(2, seed=29, hostile=False)
    async with accounts(environ, prod=there) as served, process(environ, "--watch", "1s") as started:
        assert started.stdout is not None
        assert started.stderr is not None
        first = [await started.stdout.readline() for _ in range(2)]
        served["prod"].faults.arm(Html(times=1))
        told = (await started.stderr.readline()).decode()
        there.remove(there.moids[0])
        then = (await started.stdout.readline()).decode()
        started.send_signal(signal.SIGTERM)
        out, _ = await started.communicate()
        served["prod"].faults.arm(Html())
        status, _, said = await ended(environ, "--watch", "1s")

    assert all(b"  listed    prod  " in line for line in first)
    assert told.startswith("streamer: prod: ")
    assert told.endswith("it is asked again\n")
    assert "  unlisted  prod  " in then
    assert (started.returncode, out) == (0, b"")
    assert (status, said[:15]) == (1, "streamer: prod:")
