"""What CI runs is what README tells people to run."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUP = "python3 -m venv .venv && .venv/bin/pip install -e '.[demo,test]'"


def _commands(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


@pytest.fixture(name="ci")
def _ci() -> list[str]:
    path = ROOT / ".ci" / "run"
    if not path.exists():
        pytest.skip("this is no checkout: an archive of the source has no .ci/run")
    assert path.stat().st_mode & 0o111, "not executable"
    return _commands(path.read_text())


def test_ci_runs_the_tests_by_the_command_of_the_readme(ci: list[str]) -> None:
    """The last thing CI does is a line of README, letter for letter, and no other line of CI runs tests."""
    assert ci[-1] == f"{SETUP} && .venv/bin/pytest"
    assert [line for line in ci if "pytest" in line] == [ci[-1]]
    readme = (ROOT / "README.md").read_text()
    if not readme:
        pytest.skip("README.md is empty")
    blocks = re.findall(r"^```(?:\w+)?\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    assert ci[-1] in [line.removeprefix("$ ") for block in blocks for line in _commands(block)]


def test_ci_checks_before_it_tests_and_stops_at_the_first_fault(ci: list[str]) -> None:
    """Any failing command ends the run; lint, format and types come before minutes of tests."""
    assert ci[0] == "set -euo pipefail"
    checks = [".venv/bin/ruff check", ".venv/bin/ruff format --check", ".venv/bin/mypy"]
    assert ci[ci.index(checks[0]) : -1] == checks
    assert ci.index(SETUP) < ci.index(checks[0])
    assert any(line.startswith("export CI=true ") for line in ci)


def test_ci_pins_what_the_writer_relies_on() -> None:
    """The rules of the log's border were shown on one version of its library; CI installs exactly that one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (allowed,) = [line for line in project["dependencies"] if line.startswith("aiokafka")]
    assert "aiokafka==0.14.0" in _commands((ROOT / "tests" / "constraints.txt").read_text())
    assert allowed.endswith("~=0.14.0")
