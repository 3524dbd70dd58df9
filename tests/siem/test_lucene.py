"""What Lucene cannot say by itself, as searches: held to the Sigma rules; `test_opensearch` runs them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import pytest
from sigma.correlations import SigmaCorrelationType

from tests.siem import hunting
from tests.siem.lucene import LATE_S, SEARCHES, beneath, converted, every_s, seconds

CORRELATIONS: Final = hunting.correlations()
ORDERED: Final = {SigmaCorrelationType.TEMPORAL}
IDENTITIES: Final = {"@timestamp": "event.id", "finished_at": "snapshot_id"}  # of what is counted, by its time
LONGEST_S: Final = 15 * 60  # between two runs
EXACT: Final = 100  # so many are counted one by one; every window of every group pays for more, 16 kB at 3,000
MOST_BUCKETS: Final = 65_535  # in one answer: `search.max_buckets`, as it is unless it is set


def parts(name: str) -> tuple[list[Any], Any, Any]:
    """Of a search: what it reads, its groups, and its windows in each."""
    body = SEARCHES[name]["body"]
    alerts = body["aggs"]["alerts"]
    return body["query"]["bool"]["filter"], alerts, alerts["aggs"]["windows"]


def test_every_correlation_is_one() -> None:
    """Under the name of its Sigma rule; and the silent feed."""
    assert SEARCHES.keys() == CORRELATIONS.keys() | {"silence"}


@pytest.mark.parametrize("name", CORRELATIONS)
def test_it_names_its_rule(name: str) -> None:
    """Whoever is alerted is told title, identity and level."""
    rule, (_, alerts, _) = CORRELATIONS[name], parts(name)
    said = {"title": rule.title, "sigma": str(rule.id), "level": rule.level.name.lower()}

    assert alerts["meta"] == said | {"every": alerts["meta"]["every"]}


@pytest.mark.parametrize("name", CORRELATIONS)
def test_it_reads_what_the_backend_makes_of_the_rules_beneath(name: str) -> None:
    """Letter for letter: a rule that is changed is changed here too."""
    rule, ((_, which), _, windows) = CORRELATIONS[name], parts(name)
    queries = {each: {"query_string": {"query": converted(of)}} for each, of in beneath(rule).items()}
    *one, last = queries.values()

    assert which == ({"bool": {"should": [*one, last], "minimum_should_match": 1}} if one else last)
    if rule.type in ORDERED:
        assert queries == {each: windows["aggs"][each]["filter"] for each in queries}


@pytest.mark.parametrize("name", CORRELATIONS)
def test_its_windows_are_those_of_the_sigma_rule(name: str) -> None:
    """Each is as long, one begins with every tenth of that; they reach back to what came late for the run before."""
    rule, ((since, _), _, windows) = CORRELATIONS[name], parts(name)
    ranges = [(seconds(each["from"]), seconds(each["to"])) for each in windows["date_range"]["ranges"]]
    begins = [begin for begin, _ in ranges]

    assert {end - begin for begin, end in ranges} == {rule.timespan.seconds}
    assert {later - begin for begin, later in pairwise(begins)} == {rule.timespan.seconds // 10}
    assert ranges[-1][1] == 0
    assert since == {"range": {windows["date_range"]["field"]: {"gte": windows["date_range"]["ranges"][0]["from"]}}}
    assert begins[0] <= -(rule.timespan.seconds + every_s(name) + LATE_S)
    assert every_s(name) <= LONGEST_S


@pytest.mark.parametrize("name", CORRELATIONS)
def test_it_groups_and_counts_as_the_sigma_rule_does(name: str) -> None:
    """By the same field, as many of the same; what a collector repeats is one. A `temporal` rule's are in order."""
    rule, (_, alerts, windows) = CORRELATIONS[name], parts(name)
    time = windows["date_range"]["field"]
    found = dict(windows["aggs"])

    assert alerts["terms"] | {"size": 0} == {
        "field": rule.group_by[0],
        "size": 0,
        "min_doc_count": rule.condition.count,
    }
    if rule.type in ORDERED:
        first, last = beneath(rule)
        assert [found[first]["aggs"], found[last]["aggs"]] == [
            {"first": {"min": {"field": time}}},
            {"last": {"max": {"field": time}}},
        ]
        assert found["in_order"]["bucket_selector"] == {
            "buckets_path": {"first": f"{first}>first", "last": f"{last}>last"},
            "script": "params.first <= params.last",
        }
    else:
        counted = rule.condition.fieldref or IDENTITIES[time]
        assert found == {
            "counted": {"cardinality": {"field": counted, "precision_threshold": EXACT}},
            "enough": {
                "bucket_selector": {
                    "buckets_path": {"counted": "counted"},
                    "script": f"params.counted >= {rule.condition.count}",
                }
            },
        }


@pytest.mark.parametrize("name", CORRELATIONS)
def test_an_answer_is_never_larger_than_an_engine_gives(name: str) -> None:
    """Every group has all windows until they are judged, and all that are counted have their place."""
    _, alerts, windows = parts(name)

    assert alerts["terms"]["size"] * (1 + len(windows["date_range"]["ranges"])) <= MOST_BUCKETS
