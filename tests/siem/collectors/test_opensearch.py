"""What a search engine makes of our lines: the template's types, rules as Lucene queries, and searches that count."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest
from sigma.rule import SigmaRule

from streamer.siem.forms import FORMS
from streamer.siem.pipelines.filebeat import DATA_STREAM
from tests.golden.siem.cases import CASES
from tests.services.opensearch import OpenSearch
from tests.siem import hunting
from tests.siem.lucene import ECS_INDEX, LATE_S, REPORTS, beneath, converted, every_s, stored, told
from tests.siem.scenes import EXTRA, RULES, Recording, record
from tests.siem.searching import ms

EVENTS: Final = "cisco.intersight.oauth-token.events"
CORRELATIONS: Final = hunting.correlations()
TEMPORAL: Final = ("11_used_elsewhere", "13_short_lived")
RULE: Final = {  # those that are no correlation and alert by themselves, by title
    rule.title: rule
    for text in hunting.sources().values()
    for rule in hunting.parsed(text).rules
    if isinstance(rule, SigmaRule) and rule.title in RULES
}

Line = Mapping[str, Any]


# The template ...


def test_the_template_is_taken_and_types_what_it_says(engine: OpenSearch) -> None:
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
def test_a_value_that_does_not_fit_costs_no_document(engine: OpenSearch, field: str, value: str) -> None:
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


def hits(engine: OpenSearch, rule: SigmaRule, scene: Recording, index: str = ECS_INDEX) -> list[dict[str, Any]]:
    """What the rule, as the published backend converts it, finds among a scene's lines."""
    stored(engine, scene.events, scene.reports, index)
    of_reports = rule.logsource.service == "intersight.oauth_token_snapshots"
    return engine.found(REPORTS if of_reports else index, {"query_string": {"query": converted(rule)}})


@pytest.mark.parametrize("title", RULE)
async def test_a_rule_fires_as_a_lucene_query_and_only_on_its_scene(engine: OpenSearch, title: str) -> None:
    """Converted, it finds what it was written for, not what misses that by little: in our types and Elastic's."""
    for index in (ECS_INDEX, DATA_STREAM):
        assert hits(engine, RULE[title], await record(RULES[title].fires), index)
        assert not hits(engine, RULE[title], await record(RULES[title].silent), index)


@pytest.mark.parametrize("title", EXTRA)
async def test_another_way_to_do_it_fires_too(engine: OpenSearch, title: str) -> None:
    """So does what is the same, done otherwise: a field that is not there, an address that is none."""
    assert hits(engine, RULE[title], await record(EXTRA[title]))


# The searches that count ...


def time_of(line: Line) -> int:
    """When it was, by the time that a search goes by, in ms."""
    return ms(line.get("@timestamp") or line["finished_at"])


def alerted(engine: OpenSearch, name: str, events: Sequence[Line], reports: Sequence[Line]) -> set[str]:
    """All groups that a search alerts about, run as often as it says, for as long as there are lines in its windows."""
    stored(engine, events, reports)
    times = [time_of(line) for line in (*events, *reports)]
    until = max(times) + CORRELATIONS[name].timespan.seconds * 1000
    return {group for now in range(min(times), until, every_s(name) * 1000) for group in told(engine, name, now)}


async def matched(engine: OpenSearch, name: str) -> list[dict[str, Any]]:
    """The lines of the rule's scene that it counts, in order: as many as it takes."""
    rule, scene = CORRELATIONS[name], await record(RULES[CORRELATIONS[name].title].fires)
    lines = [hit["_source"] for each in beneath(rule).values() for hit in hits(engine, each, scene)]
    assert len(lines) == rule.condition.count
    return sorted(lines, key=time_of)


def over(seconds: float, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The same lines, spread evenly over so long a time from the first on; backwards if it is negative."""
    stamps = [time_of(lines[0]) + round(seconds * 1000) * number // (len(lines) - 1) for number in range(len(lines))]
    field = "@timestamp" if "@timestamp" in lines[0] else "finished_at"
    return [{**line, field: stamp} for line, stamp in zip(lines, stamps, strict=True)]


@pytest.mark.parametrize("name", CORRELATIONS)
async def test_the_scene_of_a_correlation_is_told_and_nearly_the_same_is_not(engine: OpenSearch, name: str) -> None:
    """Over its windows, as often as it is to be run; what a collector repeats does not make an alert."""
    scenes = RULES[CORRELATIONS[name].title]
    scene, quiet = await record(scenes.fires), await record(scenes.silent)

    assert len(alerted(engine, name, scene.events, scene.reports)) == 1
    assert not alerted(engine, name, quiet.events * 2, quiet.reports * 2)


@pytest.mark.parametrize("name", CORRELATIONS)
async def test_a_plain_index_of_ecs_will_do(engine: OpenSearch, name: str) -> None:
    """With our template: where there is no data stream, as in OpenSearch."""
    lines = await matched(engine, name)

    assert len(told(engine, name, time_of(lines[-1]) + 1)) == 1


@pytest.mark.parametrize("name", CORRELATIONS)
async def test_nine_tenths_of_its_time_are_told_and_more_than_its_time_is_not(engine: OpenSearch, name: str) -> None:
    """Whenever the search is run next, and so much later as lines may come."""
    lines, span = await matched(engine, name), CORRELATIONS[name].timespan.seconds
    latest = (every_s(name) + LATE_S) * 1000

    for seconds, alerts in ((span * 0.9, 1), (span + 1, 0)):
        spread = over(seconds, lines)
        stored(engine, *([], spread) if "finished_at" in spread[0] else (spread, []))
        last = time_of(lines[0]) + round(seconds * 1000)
        for now in (last + 1, last + latest // 7, last + latest // 3, last + latest - 1):
            assert len(told(engine, name, now)) == alerts, (seconds, now - last)


@pytest.mark.parametrize("name", TEMPORAL)
async def test_what_happened_the_other_way_round_is_not_told(engine: OpenSearch, name: str) -> None:
    """A token is used, or gone, after it was created: Sigma's `temporal` leaves that open, these searches do not."""
    lines, span = await matched(engine, name), CORRELATIONS[name].timespan.seconds
    stored(engine, over(-span / 2, lines))

    assert not told(engine, name, time_of(lines[0]) + 1)
    stored(engine, over(span / 2, lines))
    assert told(engine, name, time_of(lines[0]) + span * 500 + 1)


@pytest.mark.parametrize("name", TEMPORAL)
async def test_one_of_two_is_not_told(engine: OpenSearch, name: str) -> None:
    """However often it comes."""
    for line in await matched(engine, name):
        stored(engine, [line] * 3)

        assert not told(engine, name, time_of(line) + 1)


async def test_one_user_of_many_is_found(engine: OpenSearch) -> None:
    """More groups than have a place in the answer: those with the most events have it, whatever shard they are in."""
    name = "04_burst_for_one_user"
    lines = await matched(engine, name)
    own = lines[0]["cisco"]["intersight"]["oauth_token"]
    others = [
        {**lines[0], "cisco": {"intersight": {"oauth_token": own | {"user_moid": f"{number:024x}"}}}}
        for number in range(3_000)
    ]
    stored(engine, [*others, *lines])

    assert told(engine, name, time_of(lines[-1]) + 1) == [own["user_moid"]]
