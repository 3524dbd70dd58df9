"""The detections that come with the package: Sigma rules as they are, and what Sigma cannot say, for this deployment.

`NN_*.yml` are the Sigma rules, numbered as README lists them; they speak of the ECS form (`streamer.siem.ecs`), those
of service `intersight.oauth_token_snapshots` of the reports' JSON form. `splunk-pipeline.yaml` is a pySigma pipeline
that names source types and multi-values as Splunk does. `silence.*` tell that a feed is silent. Where a file asks for
them, the deployment's indices are filled in, and three of its longest intervals.

Question: what of Sentinel and Google SecOps? Choice: every alert as KQL, over the tables of `sentinel-table`, and what
SecOps's backend refuses or spoils as YARA-L, over the fields that SecOps extracts from our lines by itself.
Rejected for Sentinel: pySigma's conversion; its backend puts dotted names in quotes, which KQL takes for texts. Windows
slide, by a join with itself in KQL, and what a collector repeats is counted once.

Question: Lucene cannot count; what of the correlations in Elasticsearch and OpenSearch? Choice: `*.lucene.json`, the
indices and the body of a search: the rules beneath as their backend converts them, and aggregations that leave a bucket
for each alert, whatever runs the search. Windows overlap by nine tenths. Rejected: one window that ends now, which an
event misses that comes late; one for each event, which takes a scripted metric, that not every cluster has.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from math import ceil
from string import Template
from typing import Final

LUCENE: Final = ".lucene.json"
FILES: Final = (".yml", ".yaml", ".spl", ".esql", ".kql", ".yaral", LUCENE)
INTERVALS: Final = 3  # without an accepted poll are silence


def rules(*, events: str, reports: str, interval_s: float) -> Mapping[str, str]:
    """Every file: its name -> its text, in order of the names.

    Args:
        events: where collectors without data streams keep the events' ECS form.
        reports: where Elasticsearch or OpenSearch keeps the reports.
        interval_s: the longest of the sources'.
    """
    folder = resources.files("streamer.siem") / "sigma"
    texts = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(FILES)}
    filled = {"events": events, "reports": reports, "silent_s": ceil(INTERVALS * interval_s)}
    return {
        name: Template(texts[name]).substitute(filled) if _is_filled_in(name) else texts[name] for name in sorted(texts)
    }


def _is_filled_in(name: str) -> bool:
    return name.startswith("silence.") or name.endswith(LUCENE)
