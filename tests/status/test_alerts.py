"""Alarms and dashboard: they speak of metrics there are, fire when they should, and stand in the runbook."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.services.promtool import judged
from tests.status.test_metrics import OURS, PROMISED

ROOT = Path(__file__).parents[2]
HERE = ROOT / "streamer" / "status" / "observability"
RULES = yaml.safe_load((HERE / "rules.yml").read_text())["groups"][0]["rules"]
ALERTS = {rule["alert"]: rule for rule in RULES}
DASHBOARD = json.loads((HERE / "grafana" / "dashboards" / "streamer.json").read_text())
PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


@dataclass(frozen=True)
class Case:
    """Series by name and labels, a value a minute; who is alarmed of after so many minutes; and what nearly is it."""

    firing: dict[str, str]
    quiet: dict[str, str]
    at: str = "20m"
    source: str | None = "a"


def _polls(verdict: str, reason: str = "") -> str:
    return f'streamer_polls_total{{source="a",verdict="{verdict}",reason="{reason}"}}'


def _ended(outcome: str) -> str:
    return f'streamer_transactions_total{{source="a",outcome="{outcome}"}}'


def _restores(le: str) -> str:
    return f'streamer_restore_seconds_bucket{{source="a",le="{le}"}}'


AGE, INTERVAL = 'streamer_snapshot_age_seconds{source="a"}', 'streamer_interval_seconds{source="a"}'
CASES = {
    "StreamerDown": Case({'streamer_ready{job="relay"}': "1x30"}, {"streamer_ready": "0x30"}, source=None),
    "StreamerNotReady": Case({"streamer_ready": "0x30"}, {"streamer_ready": "1x30"}, source=None),
    "StreamerSourceStale": Case({AGE: "181x30", INTERVAL: "60x30"}, {AGE: "180x30", INTERVAL: "60x30"}),
    "StreamerPollsRejected": Case(
        {_polls("accepted"): "0+2x40", _polls("rejected", "torn"): "0+1x40"},
        {_polls("accepted"): "0+9x40", _polls("rejected", "torn"): "0+1x40"},
        at="30m",
    ),
    "StreamerDeletesHeld": Case(
        {'streamer_deletes_held{source="a"}': "1x30"}, {'streamer_deletes_held{source="a"}': "0x30"}
    ),
    "StreamerTokensOutlived": Case(
        {'streamer_tokens_outlived{source="a"}': "1x30"}, {'streamer_tokens_outlived{source="a"}': "0x18 1x12"}
    ),
    "StreamerFenced": Case({_ended("fenced"): "0x15 2x15"}, {_ended("fenced"): "0x15 1x15"}),
    "StreamerTransactionsFail": Case({_ended("doubt"): "0x10 1 2 3 4x20"}, {_ended("doubt"): "0x10 1 2x20"}),
    "StreamerRestoreSlow": Case(
        {_restores("60.0"): "0x30", 'streamer_restore_seconds_count{source="a"}': "0x10 1x20"},
        {_restores("60.0"): "0x10 1x20", 'streamer_restore_seconds_count{source="a"}': "0x10 1x20"},
    ),
    "StreamerApiChanged": Case(
        {
            'streamer_unknown_properties_total{source="a"}': "0x3 5x40",
            'streamer_damaged_values_total{source="a"}': "0x40",
        },
        {'streamer_unknown_properties_total{source="a"}': "5x40", 'streamer_damaged_values_total{source="a"}': "1x40"},
        at="30m",
    ),
}


def test_prometheus_takes_configuration_and_rules(promtool: Path, tmp_path: Path) -> None:
    """Its own tool finds no fault, and is one that finds some."""
    status, said = judged(promtool, "check", "config", "prometheus.yml", folder=HERE)
    assert (status, f"{len(ALERTS)} rules found" in said) == (0, True), said

    (tmp_path / "rules.yml").write_text((HERE / "rules.yml").read_text().replace("> 3 *", "> 3 * *"))
    assert judged(promtool, "check", "rules", "rules.yml", folder=tmp_path)[0] != 0


def test_every_alarm_is_tried() -> None:
    """An alarm that nobody saw fire is a hope."""
    assert CASES.keys() == ALERTS.keys()


@pytest.mark.parametrize("name", CASES)
def test_an_alarm_fires_and_only_when_it_should(promtool: Path, tmp_path: Path, name: str) -> None:
    """Run by Prometheus's own engine: on the case it is for, and not on one that comes near."""
    case, rule = CASES[name], ALERTS[name]
    labels = {"alertname": name, "alertstate": "firing", **rule["labels"]} | ({"source": "a"} if case.source else {})
    told = ",".join(f'{label}="{value}"' for label, value in labels.items())
    tests = [
        _try(case.firing, case.at, name, [{"labels": f"ALERTS{{{told}}}", "value": 1}]),
        _try(case.quiet, case.at, name, []),
    ]
    whole = {"rule_files": [str(HERE / "rules.yml")], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(whole))

    assert judged(promtool, "test", "rules", "tests.yml", folder=tmp_path)[0] == 0, whole


def _try(series: dict[str, str], at: str, name: str, wanted: list[dict[str, Any]]) -> dict[str, Any]:
    expression = {"expr": f'ALERTS{{alertname="{name}",alertstate="firing"}}', "eval_time": at, "exp_samples": wanted}
    given = [{"series": one, "values": values} for one, values in series.items()]
    return {"interval": "1m", "input_series": given, "promql_expr_test": [expression]}


def test_they_speak_of_metrics_there_are() -> None:
    """A rule or a panel about a name that nobody exposes would be silent for ever."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    spoken = {
        name
        for text in (*panels, *(r["expr"] for r in RULES))
        for name in re.findall(r"\b(?:streamer|process)_\w+", text)
    }

    assert spoken - PROMISED.keys() - OURS.keys() - PROCESS == set()
    assert "streamer_snapshot_age_seconds" in spoken


def test_every_alarm_has_its_line_in_the_runbook() -> None:
    """README says of each what it means and what to do, and of no other; the alarm says where."""
    runbook = (ROOT / "README.md").read_text().partition("## Runbook\n")[2].partition("\n## ")[0]
    lines = [
        [cell.strip() for cell in line.strip("| \n").split(" | ")] for line in runbook.splitlines() if "| `S" in line
    ]

    assert [line[0].strip("`") for line in lines] == list(ALERTS)
    assert all(len(line) == 3 and all(line) for line in lines)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"README.md, Runbook: {name}"
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_panels_stand_side_by_side() -> None:
    """None lies on another, and all ask the one data source that is provisioned."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
    (source,) = yaml.safe_load((HERE / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
