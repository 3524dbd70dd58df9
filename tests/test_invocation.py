"""What every command is called with: where nothing of it is given, or where it is not read, that is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


def test_ctrl_c_while_it_is_still_imported_is_no_traceback() -> None:
    """Whoever sees the mistake as soon as it is typed gets the status of shells, and nothing to read."""
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, check=False)

    assert (ended.returncode, ended.stderr) == (130, b"")
