"""What every command is called with: a file counts wherever it is named; that none is given, or read, is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamer import cli
from streamer.invocation import Invocation

INTERRUPTED = """
import builtins, sys
real = builtins.__import__
def interrupted(name, *more):
    if name == "streamer.cli":
        raise KeyboardInterrupt
    return real(name, *more)
builtins.__import__ = interrupted
from streamer.__main__ import main
main()
"""


def test_defaults_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file and a variable a reader's command goes to this machine: one line on standard error says so."""
    monkeypatch.chdir(tmp_path)
    Invocation({}).settings(reader=True)
    told = capsys.readouterr()
    Invocation({"STREAMER_KAFKA__GROUP": "g"}).settings(reader=True)
    (tmp_path / "streamer.yaml").write_text("kafka: {group: g}\n")
    Invocation({}).settings(reader=True)

    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "no configuration is given (-c, $STREAMER_CONFIG, streamer.yaml here" in told.err
    assert "Kafka at localhost:9092, the registry at http://localhost:8081, topics cisco." in told.err
    assert capsys.readouterr() == ("", "")


def test_a_file_that_is_not_read_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that needs none says that it passes `-c` over."""
    Invocation({}, Path("nope.yaml")).brings_its_own("the demo")
    Invocation({}).brings_its_own("the demo")

    assert capsys.readouterr() == ("", "streamer: -c nope.yaml is not read: the demo needs no configuration\n")


@pytest.mark.parametrize(
    "call",
    [
        "run -c nope.yaml",
        "-c nope.yaml run",
        "-c other.yaml run -c nope.yaml",
        "sources -c nope.yaml",
        "sources -c nope.yaml forget a",
        "-c nope.yaml sources list",
        "deletes -c nope.yaml list",
        "schemas -c nope.yaml check",
        "siem -c nope.yaml vector",
    ],
)
def test_a_file_counts_wherever_it_is_named(call: str) -> None:
    """Before a command or behind it, the last one: to pass one over would act on another deployment."""
    told = CliRunner().invoke(cli.streamer, call.split(), obj=Invocation({}))

    assert str(told.exception) == "cannot read the configuration file nope.yaml: No such file or directory"


def test_an_option_of_the_list_is_not_passed_over() -> None:
    """`sources` lists and is a group, too: what stands before a command of it and would mean nothing is refused."""
    told = CliRunner().invoke(cli.streamer, ["sources", "--output", "json", "list"], obj=Invocation({}))

    assert told.exit_code == 2
    assert "--output stands behind `list`" in told.stderr


def test_ctrl_c_while_it_is_still_imported_is_no_traceback() -> None:
    """Whoever sees the mistake as soon as it is typed gets the status of shells, and nothing to read."""
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, check=False)

    assert (ended.returncode, ended.stderr) == (130, b"")
