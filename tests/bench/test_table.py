"""The benchmark runs, small, and says what it measured; how fast anything is is asserted nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.log import SIZES
from tests.bench.memory import STAGES
from tests.bench.polls import POLLS
from tests.services import kafka


def test_every_row_is_printed_and_kept(
    kafka: kafka.Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each task with all its ways, on the table and in the file."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap)
    kept = tmp_path / "figures.json"
    bench.main(["--tokens", "40", "--rounds", "1", "--json", str(kept)])
    figures = json.loads(kept.read_text())
    printed = capsys.readouterr().out
    of_a_poll = {(task, way) for task in POLLS for way in ("floor", "streamer", "plain way")}
    of_the_log = {
        (task, way)
        for task in ("restore", "restore, all changed", "restore, a day later", "follow")
        for way in ("librdkafka, dropped", "streamer")
    }
    ours = {(task, "streamer") for task in ("baseline, committed", "100 % changed, committed")}
    ours |= {("100 % changed, committed", f"{size} records") for size in SIZES}
    ours |= {(f"memory, {start}", stage) for start in ("first start", "restart") for stage in STAGES}

    assert {(figure["task"], figure["way"]) for figure in figures} == of_a_poll | of_the_log | ours
    assert all(figure["task"] in printed and figure["way"] in printed for figure in figures)
    assert all(figure["ratio"] for figure in figures if figure["task"] in POLLS and figure["way"] != "floor")
