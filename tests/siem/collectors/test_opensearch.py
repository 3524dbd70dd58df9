"""What a search engine makes of our lines: the template's types, and rules as Lucene queries that fire there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from sigma.backends.elasticsearch import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from streamer.siem.forms import FORMS
from streamer.siem.pipelines import elasticsearch_template
from tests.golden.siem.cases import CASES
from tests.services import opensearch, wanted
from tests.siem import hunting
from tests.siem.published import ECS
from tests.siem.renderings import DEPLOYMENTS
from tests.siem.scenes import EXTRA, RULES, Act, nothing, record

TYPES: Final = {"object": None, "flattened": "flat_object"}  # what ECS calls otherwise; None: left to its documents
EVENTS: Final = "cisco.intersight.oauth-token.events"
REPORTS: Final = "cisco.intersight.oauth-token.snapshots"


ALL: Final = [rule for text in hunting.sources().values() for rule in hunting.parsed(text).rules]
PLAIN: Final[dict[str, SigmaRule]] = {rule.title: rule for rule in ALL if isinstance(rule, SigmaRule)}
CORRELATED: Final = {  # what only feeds a correlation, by the title of that
    rule.title: [SigmaRule.from_dict(each.rule.to_dict()) for each in rule.rules]
    for rule in ALL
    if isinstance(rule, SigmaCorrelationRule)
}


def rules() -> dict[str, SigmaRule]:
    """Those that are no correlation and alert by themselves, by title."""
    return {title: PLAIN[title] for title in hunting.alerts() if title in PLAIN}


@pytest.fixture(scope="module", name="engine")
def _engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[opensearch.OpenSearch]:
    """A node with the template of the deployment whose names are the usual ones."""
    wanted.installed(opensearch.installed)
    node = opensearch.OpenSearch(tmp_path_factory.mktemp("opensearch"))
    try:
        node.start()
        node.ask("PUT", "/_index_template/ours", json.loads(elasticsearch_template.render(DEPLOYMENTS["plain"])))
        node.ask("PUT", "/_index_template/ecs", ecs_template())
        yield node
    finally:
        node.stop()


def ecs_template() -> dict[str, Any]:
    """The published field list as mappings; other texts are keywords, as Elastic's own `ecs@mappings` has it."""
    fields = {name: {"type": TYPES.get(of["type"], of["type"])} for name, of in ECS["fields"].items()}
    mappings = {
        "date_detection": False,
        "dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}}],
        "properties": {name: mapped for name, mapped in fields.items() if mapped["type"]},
    }
    return {"index_patterns": ["ecs-*"], "priority": 500, "template": {"mappings": mappings}}


# The template ...


def test_the_template_is_taken_and_types_what_it_says(engine: opensearch.OpenSearch) -> None:
    """Every golden event is a document: its own time, addresses that are found by network, and one however often."""
    lines = [json.loads(FORMS["json"](event)) for event in CASES.values()]
    documents = {line["event_id"]: line for line in lines}

    for _ in range(2):
        engine.write(EVENTS, documents.items())

    found = engine.found(EVENTS, {"match_all": {}}, docvalue_fields=["@timestamp", "event_time"])
    assert {hit["_id"]: hit["_source"] for hit in found} == documents
    assert all(hit["fields"]["@timestamp"] == hit["fields"]["event_time"] for hit in found)
    network = {"term": {"after.client_ip_address": "203.0.113.0/24"}}
    assert {hit["_id"] for hit in engine.found(EVENTS, network)} == {
        key
        for key, line in documents.items()
        if ((line["after"] or {}).get("client_ip_address") or "")[:9] == "203.0.113"
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("client_ip_address", "somewhere"), ("client_name", "x" * 40_000), ("mod_time", "9999999-01-01T00:00:00.000Z")],
)
def test_a_value_that_does_not_fit_costs_no_document(engine: opensearch.OpenSearch, field: str, value: str) -> None:
    """An address that is none, a text too long for a term, a year past counting: kept, without that field."""
    line = json.loads(FORMS["json"](CASES["modified-login"]))
    line["after"][field] = value

    engine.write(EVENTS, [(f"odd-{field}", line)])

    (hit,) = engine.found(EVENTS, {"ids": {"values": [f"odd-{field}"]}})
    assert hit["_source"] == line
    assert not engine.found(
        EVENTS, {"bool": {"must": [{"ids": {"values": [hit["_id"]]}}, {"exists": {"field": f"after.{field}"}}]}}
    )


# The rules ...


def hits(engine: opensearch.OpenSearch, rule: SigmaRule, lines: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the rule, as the published backend converts it, finds among a scene's lines."""
    (query,) = LuceneBackend().convert(SigmaCollection([rule]))
    of_reports = rule.logsource.service == "intersight.oauth_token_snapshots"
    index = REPORTS if of_reports else "ecs-of-a-scene"
    engine.ask("DELETE", f"/{index}?ignore_unavailable=true")
    found = lines["reports" if of_reports else "events"]
    engine.write(index, ((str(number), line) for number, line in enumerate(found)))
    return engine.found(index, {"query_string": {"query": query}})


async def played(act: Act) -> dict[str, Any]:
    """A scene's lines."""
    recording = await record(act)
    return {"events": recording.events, "reports": recording.reports}


@pytest.mark.parametrize("title", rules())
async def test_a_rule_fires_as_a_lucene_query_and_only_on_its_scene(engine: opensearch.OpenSearch, title: str) -> None:
    """Converted, it finds in a real index what it was written for, and nothing where that is missed by little."""
    rule = rules()[title]

    assert hits(engine, rule, await played(RULES[title].fires))
    assert not hits(engine, rule, await played(RULES[title].silent))


@pytest.mark.parametrize("title", CORRELATED)
async def test_what_a_correlation_counts_fires_as_lucene_queries(engine: opensearch.OpenSearch, title: str) -> None:
    """Lucene cannot count over time: its part is each rule beneath, which finds what is to be counted."""
    scene, quiet = await played(RULES[title].fires), await played(nothing)

    for rule in CORRELATED[title]:
        assert hits(engine, rule, scene)
        assert not hits(engine, rule, quiet)


@pytest.mark.parametrize("title", EXTRA)
async def test_another_way_to_do_it_fires_too(engine: opensearch.OpenSearch, title: str) -> None:
    """So does what is the same, done otherwise: a field that is not there, an address that is none."""
    assert hits(engine, rules()[title], await played(EXTRA[title]))
