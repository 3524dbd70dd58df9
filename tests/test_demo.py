"""`streamer demo`, as a new user calls it: a real process, no Kafka, no Java, and red when the streamer is wrong."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from streamer.demo.credentials import Credentials
from tests.process import Process
from tests.services.jvm import die_with_parent
from tests.test_secrets import leaks, needles, of_account

README = Path(__file__).parents[1] / "README.md"
CALL = "import sys; from streamer.cli import main; sys.argv[1:] = ['demo']; main()"

# What a broken core would look like; each is put into the demo's process before it starts.
BREAKAGES = {
    "a change is not seen": "from streamer import diff; diff._differing = lambda before, after: ('mod_time',)",
    "a deletion is invented": "from streamer import absence, tokens; real = absence.judge\n"
    "absence.judge = lambda row, finding, clock: real(row, tokens.Gone(row.datum.hex(), 0), clock)",
    "a number is left out": "from streamer import batch; real = batch._Tally.count\n"
    "batch._Tally.count = lambda tally, step: (real(tally, step), setattr(tally, 'last', tally.last + 1))",
    "refreshes are left out": "from streamer import cycle; import dataclasses; real = cycle.Cycle.__init__\n"
    "cycle.Cycle.__init__ = lambda s, p, *a: real(s, dataclasses.replace(p, suppress=True), *a)",
}


NOTHING = "nothing"
KEPT = "from pathlib import Path; from streamer.demo.credentials import Credentials; real = Credentials.new\n"
KEPT += "Credentials.new = lambda *of: (made := real(*of), made._keep(Path({!r})))[0]"


@pytest.fixture(scope="module", name="keys")
def _keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the credentials of the demo with nothing broken are kept; else nobody would know them but itself."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module", name="days")
def _days(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Mapping[str, subprocess.Popen[str]]]:
    """A demo with each core, by what is broken in it: all at once, since each mostly waits for the next poll."""
    started = {
        name: subprocess.Popen(
            [sys.executable, "-c", f"{code}\n{CALL}"],
            cwd=tmp_path_factory.mktemp("day"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - as in `tests.services.jvm`
        )
        for name, code in {NOTHING: KEPT.format(str(keys)), **BREAKAGES}.items()
    }
    yield started
    for process in started.values():
        with process:
            process.kill()


def _sample() -> list[str]:
    """What README shows of it, as patterns: times, Moids and what polls count are of one day, and `…` is the rest."""
    shown = README.read_text("utf-8").partition("From its output:\n\n```\n")[2].partition("```")[0]
    lines = [re.sub(r"^\d\d:\d\d:\d\d", "", line) for line in shown.splitlines()]
    patterns = [re.sub(r"[0-9a-f]{24}", "[0-9a-f]{24}", re.escape(line)).replace("…", ".*") for line in lines if line]
    return [re.sub(r"\d+", r"\\d+", line) if "ledger" in line or "polls" in line else line for line in patterns]


def test_the_day_ends_well(days: Mapping[str, subprocess.Popen[str]], keys: Path) -> None:
    """It ends by itself with status 0; several transactions carried the first diff; README shows it; no secret told."""
    output, _ = days[NOTHING].communicate()

    assert days[NOTHING].returncode == 0, output
    assert "equal the simulator's ledger" in output
    assert "does not prove" in output
    said = [re.sub(r"^\d\d:\d\d:\d\d", "", line) for line in output.splitlines()]
    for line in _sample():
        assert any(re.fullmatch(line, one) for one in said), line
    assert leaks({"demo": output.encode()}, needles(*of_account(Credentials.kept_in(keys)))) == []


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_streamer_turns_it_red(breakage: str, days: Mapping[str, subprocess.Popen[str]]) -> None:
    """With the core broken in one place the demo ends with status 3 and says what differs."""
    output, _ = days[breakage].communicate()

    assert days[breakage].returncode == 3, output


async def test_keep_running_goes_on_until_interrupted(tmp_path: Path) -> None:
    """After the day life goes on; Ctrl-C ends it with status 0. A file that is named is not read, which is said."""
    demo = Process("demo", "--keep-running", "-c", "nope.yaml", folder=tmp_path, environ={})
    try:
        await demo.start()
        await demo.says("until Ctrl-C")
        assert "streamer: -c nope.yaml is not read: the demo needs no configuration" in demo.said()
        assert await demo.stop(signal.SIGINT) == 0
    finally:
        await demo.end()
