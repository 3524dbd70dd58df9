"""The benchmark runs, small, and says what it measured; how fast anything is is asserted nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import compare
from tests.bench.follow import OUTPUTS
from tests.bench.log import SIZES
from tests.bench.measure import Figure
from tests.bench.memory import PLAIN, PLAIN_STAGES, STAGES, STARTS
from tests.bench.polls import GROWTH, POLLS, UNCHANGED
from tests.bench.sdk import NAME
from tests.services import kafka

LIBRDKAFKA = "librdkafka, dropped"
OF_A_POLL = ("floor", "streamer", "plain way")
COMMITTED, CHANGED = "baseline, committed", "100 % changed, committed"
ROWS = {  # of the table, by its part: what is done, and by whom
    "polls": {(task, way) for task in POLLS for way in OF_A_POLL},
    "sdk": {(UNCHANGED, way) for way in (*OF_A_POLL, NAME)},
    "log": {(task, way) for task in (COMMITTED, CHANGED) for way in ("plain way", "streamer")}
    | {(f"restore, {after}", way) for after in ("all changed", "a day later") for way in (LIBRDKAFKA, "streamer")},
    "follow": {("follow", way) for way in (LIBRDKAFKA, *(f"streamer, {output}" for output in ("dropped", *OUTPUTS)))},
    "transactions": {(CHANGED, f"{size} records") for size in SIZES},
    "memory": {(start, stage) for start in STARTS for stage in STAGES}
    | {(PLAIN, stage) for stage in PLAIN_STAGES}
    | {("restore", LIBRDKAFKA), ("restore", "streamer")},
}

SLOPE = ((1_000, 9.0), (10_000, 4.0), (20_000, 8.0))  # tokens, and what the control costs each


def test_every_part_of_the_table_has_its_rows_here() -> None:
    """A new part is tried here too."""
    assert ROWS.keys() == set(bench.PARTS)


@pytest.mark.timeout(300)  # Cisco's SDK takes seconds to be imported, and so does each command that follows
@pytest.mark.usefixtures("official_sdk")
@pytest.mark.parametrize("part", ROWS)
def test_every_row_is_printed_and_kept(
    kafka: kafka.Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    """Each task with all its ways, on the table and in the file, beside the control that its ratio is to."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    kept = tmp_path / "figures.json"
    bench.main(["--only", part, "--tokens", "40", "--rounds", "1", "--json", str(kept)])
    figures = json.loads(kept.read_text())
    printed = capsys.readouterr().out

    assert {(figure["task"], figure["way"]) for figure in figures} == ROWS[part]
    assert all(figure["task"] in printed and figure["way"] in printed for figure in figures)
    controls = {one["task"]: one["way"] for one in reversed(figures)}
    timed = [one for one in figures if one["cpu_us"]]
    assert all(one["ratio"] or controls[one["task"]] == one["way"] for one in timed)
    assert all(figure["cpu_us"] or figure["bytes"] for figure in figures)


def test_the_growth_run_tells_the_slope(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The cheapest and the dearest polls at several sizes, and what the last of these costs more."""
    monkeypatch.setattr(bench, "SLOPE", (5, 10))
    monkeypatch.setattr(bench, "FROM", 5)
    found = bench.main(["--growth", "--only", "polls", "--rounds", "1"])
    told = [line.partition(" 10 : 5 ")[0].split() for line in capsys.readouterr().out.splitlines() if " : 5 " in line]

    assert {figure.tokens for figure in found} == {5, 10}
    assert told == [[*task.split(), *way.split()] for task in GROWTH for way in OF_A_POLL]


def test_the_slope_is_that_from_ten_thousand_to_the_most() -> None:
    """CPU of the most tokens divided by that of ten thousand, and the ratio to the control likewise."""
    few, many, most = ([Figure("poll", "floor", n, of), Figure("poll", "us", n, 3 * of, None, 3.0)] for n, of in SLOPE)
    memory = [Figure("memory", "in the end", 20_000, bytes=900)]
    told = [" ".join(line.split()) for line in bench.slopes([*few, *many, *most, *memory])]

    assert told == ["poll floor 20000 : 10000 CPU 2.00", "poll us 20000 : 10000 CPU 2.00, ratio 1.00"]


def test_two_runs_are_set_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what both measured, each figure of the second divided by that of the first."""
    before = [Figure("poll", "streamer", 10, 8.0, 9.0, 0.8), Figure("memory", "in the end", 10, bytes=900)]
    after = [Figure("poll", "streamer", 10, 4.0, 9.0, 0.4), Figure("poll", "streamer", 20, 4.0, 9.0, 0.4)]
    for name, figures in (("before", before), ("after", after)):
        (tmp_path / name).write_text(json.dumps([figure.as_json() for figure in figures]))
    compare.main([str(tmp_path / "before"), str(tmp_path / "after")])
    _, *told = capsys.readouterr().out.splitlines()

    (line,) = told
    assert " ".join(line.split()) == "poll streamer 10 8 > 4 0.50 9 > 9 1.00 0.8 > 0.4 0.50"
