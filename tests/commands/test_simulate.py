"""`streamer simulate` as a process: it says when it serves, what opens it, and stops when told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from streamer.config import load
from streamer.demo.credentials import Credentials
from tests.demo.stage import TOKENS, signed_headers


@contextmanager
def _simulate(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A running simulator on a free port with its keys in `folder`; ended by force if the test did not."""
    command = [sys.executable, "-m", "streamer", "simulate", "--port", "0", "--key-dir", str(folder), *options]
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline() or (process.stderr.read() if process.stderr else "")


def _stopped(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    more, errors = process.communicate(timeout=20)
    return process.returncode, more + errors


def _signed_get(facts: dict[str, Any], folder: Path) -> httpx.Response:
    key = Credentials.kept_in(folder).rsa
    url = facts["url"]
    headers = signed_headers(key, "GET", TOKENS, urlsplit(url).netloc, now=time.time_ns() // 1_000_000)
    return httpx.get(f"{url}{TOKENS}", headers=headers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_can_use_it(tmp_path: Path, number: signal.Signals) -> None:
    """`--output json` prints one line when it serves; its keys open it; a signal ends it with status 0, in silence."""
    with _simulate(tmp_path, "--output", "json", "--tokens", "12", "--rate", "0") as process:
        facts = json.loads(_first_line(process))
        listed = _signed_get(facts, tmp_path)
        summary = httpx.get(facts["control"]).json()
        ended = _stopped(process, number)

    assert (listed.status_code, len(listed.json()["Results"])) == (200, 12)
    assert (summary["account"], summary["tokens"]) == (facts["account"], 12)
    assert [key["id"].split("/")[0] for key in facts["api_keys"]] == [facts["account"]] * 2
    assert ended == (0, "")


def test_a_person_is_told_how_to_go_on(tmp_path: Path) -> None:
    """Without options for programs, the first line is the URL, then come credentials and the next command."""
    with _simulate(tmp_path, "--rate", "0") as process:
        first = _first_line(process)
        assert process.stdout is not None
        rest = [process.stdout.readline() for _ in range(6)]
        url = first.split()[-1]
        summary = httpx.get(f"{url}/-/").json()

    assert first.startswith("Intersight, simulated: http://127.0.0.1:")
    assert summary["tokens"] == 100
    assert rest[-1] == f"Run against it: streamer run -c {tmp_path / 'streamer.yaml'}\n"


def test_the_written_configuration_is_one(tmp_path: Path) -> None:
    """The `streamer.yaml` it writes loads as it is, names the served URL, and holds the key that opens it."""
    with _simulate(tmp_path, "--output", "json", "--url", "http://simulator.example.com:8180") as process:
        facts = json.loads(_first_line(process))
        settings = load(Path(facts["config"]), {})

    (source,) = settings.sources
    assert source.url == facts["url"] == "http://simulator.example.com:8180"
    assert source.api_key is not None
    assert source.api_key.id == facts["api_keys"][1]["id"]
    assert source.api_key.read().strip() == Credentials.kept_in(tmp_path).ec.pem.strip()
    assert Path(facts["oauth"]["client_secret_file"]).read_text() == Credentials.kept_in(tmp_path).client_secret


def test_a_restart_keeps_credentials(tmp_path: Path) -> None:
    """A simulator that starts again on a folder has the same account and keys; that its tokens are others is said.

    So its callers go on, and whoever watches it knows why deletions are held.
    """
    told, said = [], list[str]()
    for _ in range(2):
        with _simulate(tmp_path, "--output", "json", "--tokens", "1") as process:
            facts = json.loads(_first_line(process))
            assert _signed_get(facts, tmp_path).status_code == 200
            told.append({name: facts[name] for name in ("account", "api_keys", "oauth")})
            said.append(_stopped(process, signal.SIGTERM)[1])

    assert told[0] == told[1]
    assert said[0] == ""
    assert f"streamer: {tmp_path / 'streamer.yaml'} of an earlier start is written anew" in said[1]
    assert "has other tokens" in said[1]


def test_what_cannot_be_served_is_said(tmp_path: Path) -> None:
    """A taken port, an address that is no URL or a broken key folder ends with status 2 and a line that names it."""
    with _simulate(tmp_path, "--output", "json") as process:
        port = urlsplit(json.loads(_first_line(process))["url"]).port
        with _simulate(tmp_path, "--port", str(port)) as second:
            _, errors = second.communicate(timeout=60)
    assert (second.returncode, f"cannot serve on 127.0.0.1:{port}" in errors) == (2, True)

    with _simulate(tmp_path, "--url", "simulator:8180") as unreachable:
        _, errors = unreachable.communicate(timeout=60)
    assert (unreachable.returncode, "'simulator:8180' is given, wanted the URL of a host alone" in errors) == (2, True)

    (tmp_path / "identity.json").write_text("{}")
    with _simulate(tmp_path) as third:
        _, errors = third.communicate(timeout=60)
    assert (third.returncode, "identity.json" in errors, "--key-dir" in errors) == (2, True, True)


def test_the_help_has_two_examples() -> None:
    """`--help` says in a sentence what it does, each option with its default, and two examples."""
    command = [sys.executable, "-m", "streamer", "simulate", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert told.count("  streamer simulate ") == 2
    assert "[default: 8180" in told
