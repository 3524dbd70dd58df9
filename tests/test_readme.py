"""README, held to what is true: its tables are made, its commands parse, its configuration loads."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from streamer.cli import COMMANDS, streamer
from streamer.config import load, reference
from streamer.invocation import Invocation

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
CALLS = [
    line.partition("#")[0].partition(">>")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.splitlines()
    if line.startswith("streamer ")
]


def test_configuration_table_is_the_one_that_is_made() -> None:
    """Every key with its default and meaning; to renew it, paste what `streamer.config.reference()` returns."""
    table = README.partition("tests/test_readme.py says so if it is not -->\n")[2].partition("\n<!-- end -->")[0]

    assert table == reference().strip()


def test_sample_configuration_loads(tmp_path: Path) -> None:
    """The sample is a whole configuration."""
    (sample,) = [block for language, block in BLOCKS if language == "yaml"]
    (tmp_path / "streamer.yaml").write_text(sample)

    settings = load(tmp_path / "streamer.yaml", {})

    assert [source.name for source in settings.sources] == [yaml.safe_load(sample)["sources"][0]["name"]]


@pytest.mark.parametrize("call", CALLS)
def test_commands_parse(call: str) -> None:
    """Every command shown has the options it is shown with."""
    _, name, *arguments = shlex.split(call)
    command = streamer.get_command(None, name)  # type: ignore[arg-type]

    assert command is not None
    command.make_context(name, arguments, obj=Invocation({}))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_and_is_told(name: str) -> None:
    """Each command has help with two examples, takes `-c`, and stands in README."""
    told = CliRunner().invoke(streamer, [name, "--help"], obj=Invocation({}))

    assert told.exit_code == 0
    assert told.output.count(f"  streamer {name}") >= 2
    assert "--config" in told.output or "Commands:" in told.output
    assert f"streamer {name}" in README


@pytest.mark.parametrize("path", re.findall(r"\]\((schemas/\S+)\)|`(tests/[\w/.]+)`", README))
def test_what_is_named_is_there(path: tuple[str, str]) -> None:
    """Every file that README names exists."""
    assert (ROOT / "".join(path)).exists()
