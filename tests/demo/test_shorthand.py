"""Faults in their short form: what it means, what is refused and why, and that the command line takes it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from streamer.commands.simulate import command
from streamer.config import load
from streamer.demo.shorthand import read_fault, read_set


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("html", {"fault": "html"}),
        ("html:0.05", {"fault": "html", "probability": 0.05}),
        ("html:.5", {"fault": "html", "probability": 0.5}),
        ("html:0", {"fault": "html", "probability": 0.0}),
        ("html=502,times=3:1", {"fault": "html", "status": 502, "times": 3, "probability": 1.0}),
        ("lag=5s:0.2", {"fault": "lag", "by": 5.0, "probability": 0.2}),
        ("lag=250ms", {"fault": "lag", "by": 0.25}),
        ("lag=1.5m,replicas=3,each=connection", {"fault": "lag", "by": 90.0, "replicas": 3, "each": "connection"}),
        ("skew=-1h", {"fault": "skew", "by": -3600.0}),
        ("count=+3", {"fault": "count", "by": 3}),
        ("count=missing", {"fault": "count", "by": "missing"}),
        ("hidden=0.3,by_moid=403", {"fault": "hidden", "share": 0.3, "by_moid": 403}),
        ("hidden,by_moid=visible", {"fault": "hidden", "by_moid": "visible"}),
        ("audit,forbidden=true", {"fault": "audit", "forbidden": True}),
        ("claims=A+B,role_ids=", {"fault": "claims", "roles": ("A", "B"), "role_ids": ()}),
        ("redirect=https://127.0.0.1:8080/x", {"fault": "redirect", "to": "https://127.0.0.1:8080/x"}),
        ("redirect=https://x.example:0.5", {"fault": "redirect", "to": "https://x.example", "probability": 0.5}),
        ("null", {"fault": "null"}),
        ("nan=-Infinity", {"fault": "nan", "value": "-Infinity"}),
        ("short=2,on=list,path=/api,after=1,burst=2,delay=2s", {
            "fault": "short", "rows": 2, "on": "list", "path": "/api", "after": 1, "burst": 2, "delay": 2.0,
        }),
    ],
)  # fmt: skip
def test_what_is_meant(text: str, meant: dict[str, Any]) -> None:
    """The first value is the main parameter's; durations are seconds; what follows the last colon is the chance."""
    assert msgspec.to_builtins(read_fault(text)) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' is no fault: it is one of status, "),
        ("rain", "'rain' is no fault"),
        ("html:2", "'html:2' is no fault"),
        ("empty=1", "empty takes no value of its own"),
        ("html,x", "'x' in 'html,x' is not of the form"),
        ("html,x=1", "unknown field `x`"),
        ("short=two", "Expected `int`, got `str`"),
        ("short=0", "Expected `int` >= 1"),
        ("lag=3d", "Expected `float`, got `str`"),
        ("hidden=2", "Expected `float` <= 1"),
        ("drip=10m", "Expected `float` <= 120"),
        ("hidden,by_moid=500", "by_moid"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    """Whatever cannot be meant is refused with the reason."""
    with pytest.raises(ValueError, match=re.escape(why)):
        read_fault(text)


@pytest.mark.parametrize("text", ["", "rain:0.1", "all:2", "html:0.1"])
def test_what_is_no_set(text: str) -> None:
    """A set that does not exist is refused, and the sets are named."""
    with pytest.raises(ValueError, match="it is one of all, wire, pages, rows, sights"):
        read_set(text)


@pytest.mark.parametrize(
    ("option", "value", "why"), [("--fault", "rain", "is no fault"), ("--faults", "rain:1", "is no set")]
)
def test_the_command_line_refuses(tmp_path: Path, option: str, value: str, why: str) -> None:
    """A fault that is none ends the command with status 2 before it makes keys or serves, and names the option."""
    result = CliRunner().invoke(command, [option, value, "--key-dir", str(tmp_path / "keys")])

    assert result.exit_code == 2
    assert (why in result.output, f"'{option}'" in result.output) == (True, True)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_arms(tmp_path: Path) -> None:
    """Its faults are armed when it serves, sets after single ones; the configuration allows for the largest lag."""
    faults = ["--fault", "lag=2500ms:0.5", "--faults", "pages:0.02", "--fault", "html,path=/nowhere"]
    arguments = [sys.executable, "-m", "streamer", "simulate", "--port", "0", "--output", "json"]
    with subprocess.Popen(
        [*arguments, "--key-dir", str(tmp_path), *faults], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            facts = json.loads(process.stdout.readline())
            armed = httpx.get(f"{facts['control']}faults").json()
            struck = httpx.get(f"{facts['url']}/nowhere")
        finally:
            process.kill()

    assert armed[:3] == [
        {"fault": "lag", "by": 2.5, "probability": 0.5},
        {"fault": "html", "path": "/nowhere"},
        {"fault": "short", "probability": 0.02},
    ]
    assert len(armed) == 2 + len(read_set("pages"))
    assert struck.text.startswith("<!DOCTYPE html>")
    (source,) = load(Path(facts["config"]), {}).sources
    assert source.replica_lag == 4
