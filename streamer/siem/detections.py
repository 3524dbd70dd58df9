"""The detections that come with the package: Sigma rules as they are, and what Sigma cannot say, for this deployment.

`NN_*.yml` are the Sigma rules, numbered as README lists them; they speak of the ECS form (`streamer.siem.ecs`), those
of service `intersight.oauth_token_snapshots` of the reports' JSON form. `splunk-pipeline.yaml` is a pySigma pipeline
that names source types and multi-values as Splunk does. `silence.*` tell that a feed is silent: they are filled in
with the deployment's index and with three of its longest intervals.

Question: what of Sentinel and Google SecOps? Choice: every alert as KQL, over the tables of `sentinel-table`, and what
SecOps's backend refuses or spoils as YARA-L, over the fields that SecOps extracts from our lines by itself.
Rejected for Sentinel: pySigma's conversion; its backend puts dotted names in quotes, which KQL takes for texts. Windows
slide, by a join with itself in KQL, and what a collector repeats is counted once.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Final

FILLED_IN: Final = "silence."
FILES: Final = (".yml", ".yaml", ".spl", ".esql", ".kql", ".yaral")
INTERVALS: Final = 3  # without an accepted poll are silence


def rules(*, index: str, interval_s: float) -> Mapping[str, str]:
    """Every file: its name -> its text, in order of the names.

    Args:
        index: where Elasticsearch keeps the reports.
        interval_s: the longest of the sources'.
    """
    folder = resources.files("streamer.siem") / "sigma"
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if _is_ours(file.name)}
    filled = {"index": index, "silent_s": f"{INTERVALS * interval_s:g}"}
    return {
        name: Template(texts[name]).substitute(filled) if name.startswith(FILLED_IN) else texts[name]
        for name in sorted(texts)
    }


def _is_ours(name: str) -> bool:
    return name.endswith(FILES)
