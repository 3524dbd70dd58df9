"""Rules as Lucene queries, by the published backend, and our searches over them, run in a search engine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sigma.backends.elasticsearch import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from streamer.siem.detections import LUCENE
from streamer.siem.pipelines.filebeat import DATA_STREAM
from tests.services.opensearch import OpenSearch
from tests.siem import hunting
from tests.siem.published import ECS

LATE_S: Final = 300  # what comes so late is found all the same
TYPES: Final = {"object": None, "flattened": "flat_object"}  # what ECS calls otherwise; None: left to its documents
ECS_INDEX: Final = "cisco.intersight.oauth-token.ecs"  # of what writes to no data stream
REPORTS: Final = "cisco.intersight.oauth-token.snapshots"
SHARDS: Final = 3  # of the events: what is counted lies in all of them
SEARCHES: Final[dict[str, Any]] = {  # by the stem of the file's name
    name.removesuffix(LUCENE): json.loads(text) for name, text in hunting.shipped().items() if name.endswith(LUCENE)
}


def ecs_template() -> dict[str, Any]:
    """The published field list as mappings; other texts are keywords, as Elastic's own `ecs@mappings` has it."""
    fields = {name: {"type": TYPES.get(of["type"], of["type"])} for name, of in ECS["fields"].items()}
    mappings = {
        "date_detection": False,
        "dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}],
        "properties": {name: mapped for name, mapped in fields.items() if mapped["type"]},
    }
    template = {"settings": {"number_of_shards": SHARDS}, "mappings": mappings}
    return {"index_patterns": [DATA_STREAM], "priority": 500, "template": template}


def stored(
    engine: OpenSearch,
    events: Iterable[Mapping[str, Any]],
    reports: Iterable[Mapping[str, Any]] = (),
    index: str = DATA_STREAM,
) -> None:
    """These lines are all that there is, each a document of its own, also one that came twice."""
    engine.ask("DELETE", f"/{DATA_STREAM},{ECS_INDEX},{REPORTS}?ignore_unavailable=true")
    for name, lines in ((index, events), (REPORTS, reports)):
        if documents := [(str(number), line) for number, line in enumerate(lines)]:
            engine.write(name, documents)
        else:
            engine.ask("PUT", f"/{name}")


def told(engine: OpenSearch, name: str, now_ms: int) -> list[str]:
    """The groups that a search alerts about when it is run at that moment: the clock is an argument."""
    search = SEARCHES[name]
    now = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")[:23]
    body = json.dumps(search["body"]).replace('"now', f'"{now}Z||').replace('||"', '"')
    answer = engine.ask("POST", f"/{','.join(search['indices'])}/_search", json.loads(body))
    assert answer["_shards"]["failed"] == 0, answer["_shards"]
    return [bucket["key"] for bucket in answer["aggregations"]["alerts"]["buckets"]]


def converted(rule: SigmaRule) -> str:
    """The query of a rule, whether it alerts by itself or feeds a correlation."""
    (query,) = LuceneBackend().convert(SigmaCollection([SigmaRule.from_dict(rule.to_dict())]))
    return str(query)


def beneath(correlation: SigmaCorrelationRule) -> dict[str, SigmaRule]:
    """The rules that it correlates, by name."""
    rules = [each.rule for each in correlation.rules]
    return {str(rule.name): rule for rule in rules if isinstance(rule, SigmaRule)}


def seconds(instant: str) -> int:
    """How far from now an instant is that a search names."""
    unit = {"s": 1, "m": 60, "h": 3600}
    return 0 if instant == "now" else -int(instant[4:-1]) * unit[instant[-1]]


def every_s(name: str) -> int:
    """How often a search is to be run."""
    return -seconds(f"now-{SEARCHES[name]['body']['aggs']['alerts']['meta']['every']}")
