"""README, held to what is true: its tables are made, its commands parse, its configuration loads."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from streamer import cli, config
from streamer.config import load
from streamer.intersight import replies
from streamer.invocation import Invocation

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
CALLS = [
    line.removeprefix("$ ")
    for language, block in BLOCKS
    for line in block.splitlines()
    if line.startswith({"sh": "streamer ", "console": "$ streamer "}.get(language, "\n"))
]
EVERY = dict(cli.every())
EXAMPLES = [
    (called, line.strip())
    for called, command in EVERY.items()
    for line in (command.epilog or "").splitlines()
    if "streamer " in line
]


def _parse(line: str) -> str:
    """Parse a line of a shell as far as it calls `streamer`; the command it calls."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    call = list(itertools.takewhile(lambda word: word not in {"&", "&&", ">", ">>", "|"}, words))
    arguments = call[call.index("streamer") + 1 :]
    called = f"streamer {arguments.pop(0)}"
    while arguments and f"{called} {arguments[0]}" in EVERY:
        called = f"{called} {arguments.pop(0)}"
    EVERY[called].make_context(called, arguments, obj=Invocation({}))
    return called


@pytest.mark.parametrize(("made_by", "table"), [("cli", cli.reference()), ("config", config.reference())])
def test_table_is_the_one_that_is_made(made_by: str, table: str) -> None:
    """Every command, every key with its meaning; to renew one, paste what its `reference()` returns."""
    made = f"<!-- made by `streamer.{made_by}.reference()`; tests/test_readme.py says so if it is not -->\n"

    assert README.partition(made)[2].partition("\n<!-- end -->")[0] == table.strip()


def test_sample_configuration_loads(tmp_path: Path) -> None:
    """The sample is a whole configuration."""
    sample = next(block for language, block in BLOCKS if language == "yaml")
    (tmp_path / "streamer.yaml").write_text(sample)

    settings = load(tmp_path / "streamer.yaml", {})

    assert [source.name for source in settings.sources] == [yaml.safe_load(sample)["sources"][0]["name"]]


@pytest.mark.parametrize("call", CALLS)
def test_commands_parse(call: str) -> None:
    """Every command shown has the options it is shown with."""
    assert _parse(call) in EVERY


@pytest.mark.parametrize("called", EVERY)
def test_every_command_helps(called: str) -> None:
    """Each command says in its help what it is for and what every option means, and takes `-c` or has commands."""
    command, told = EVERY[called], CliRunner().invoke(cli.streamer, [*called.split()[1:], "--help"], obj=Invocation({}))

    assert told.exit_code == 0
    assert command.help
    assert command.short_help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []
    assert "--config" in told.output or isinstance(command, click.Group)


@pytest.mark.parametrize("called", EVERY)
def test_every_command_has_examples(called: str) -> None:
    """Each command's help ends in two examples of itself that parse."""
    shown = [_parse(line) for of, line in EXAMPLES if of == called]

    assert len(shown) >= 2
    assert all(name.startswith(called) for name in shown)


@pytest.mark.parametrize("path", re.findall(r"\]\((schemas/\S+)\)|`(tests/[\w/.]+)`", README))
def test_what_is_named_is_there(path: tuple[str, str]) -> None:
    """Every file that README names exists."""
    assert (ROOT / "".join(path)).exists()


def test_every_link_within_leads_to_a_heading() -> None:
    """A heading that is renamed is renamed in the contents, too."""
    headings = [re.sub(r"[^\w -]", "", line).lower() for line in re.findall(r"^#+ (.+)$", README, re.MULTILINE)]
    linked = re.findall(r"\]\(#([^)]+)\)", README)

    assert linked
    assert set(linked) <= {heading.replace(" ", "-") for heading in headings}


def test_prose_is_no_wider_than_code() -> None:
    """Lines of 120 letters at most, but for tables and blocks; a difference shows what changed and not a paragraph."""
    prose = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)

    assert [line for line in prose.splitlines() if len(line) > 120 and not line.startswith("|")] == []


def test_every_reason_of_a_report_is_explained() -> None:
    """Each code that the service can give has a row in README, and each row is of one that it can give."""
    given = re.compile(r'Rejected\(\s*"([a-z_]+)"|"([a-z_]+)" if got < due else "([a-z_]+)"|reason="(cut_off)"')
    sources = [path.read_text("utf-8") for path in (ROOT / "streamer").rglob("*.py") if "demo" not in path.parts]
    found = {code for source in sources for codes in given.findall(source) for code in codes if code}
    table = README.partition("### Why a poll was not believed\n")[2].partition("\n## ")[0]
    rows = {code for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)}

    assert rows == found | set(replies._REASONS.values())
