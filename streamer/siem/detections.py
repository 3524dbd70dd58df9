"""The detections that come with the package, handed out as they are: Sigma rules, and what Sigma cannot say.

`NN_*.yml` are the Sigma rules, numbered as README lists them; they speak of the ECS form (`streamer.siem.ecs`), those
of service `intersight.oauth_token_snapshots` of the reports' JSON form. `splunk-pipeline.yaml` is a pySigma pipeline
that names source types and multi-values as Splunk does. `silence.spl` and `silence.esql` tell that a feed is silent.

Question: why `temporal` where a token is created first and used or gone afterwards? Choice: nothing happens to a token
before it is created, so the order is given; `temporal_ordered` is refused by the backends of Splunk and Elasticsearch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Final

KINDS: Final = (".yml", ".yaml", ".spl", ".esql")


def rules() -> Mapping[str, str]:
    """Every file: its name -> its text, in order of the names."""
    folder = resources.files("streamer.siem") / "sigma"
    found = {file.name: file for file in folder.iterdir() if file.name.endswith(KINDS)}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}
