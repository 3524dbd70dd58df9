"""The alerts in KQL, for Sentinel's tables, silence and loss.

Each is read by Microsoft's own reader, which knows the tables' columns and types, and run over recorded events.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest
from sigma.correlations import SigmaCorrelationType

from tests.golden.cases import CASES
from tests.services import kusto, wanted
from tests.siem import hunting, shapes, workspace
from tests.siem.lucene import LATE_S
from tests.siem.scenes import EXTRA, HOUR, RULES, Act, lifetime, record
from tests.siem.searching import ms
from tests.siem.test_searches import LOST_KQL, TWICE_KQL

SHIPPED: Final = {name: text for name, text in hunting.shipped().items() if name.endswith(".kql")}
ALERTS: Final = {
    text.partition("\n")[0].removeprefix("// "): text for name, text in SHIPPED.items() if name[0].isdigit()
}
CORRELATIONS: Final = hunting.correlations()
ORDERED: Final = {SigmaCorrelationType.TEMPORAL}
README: Final = {"README: loss": LOST_KQL, "README: what came twice": TWICE_KQL}


WRONG: Final = {
    "whre moid == 'x'": "Query operator expected.",
    "where event_typ == 'x'": "'event_typ' does not refer to any known column",
    "where moid > 5": "is not defined for the operand types string and long",
    "extend x = set_has_elemnt(owners, 1)": "'set_has_elemnt' does not refer to any known function",
}


@pytest.fixture(name="complaints", scope="module")
def _complaints() -> dict[str, list[str]]:
    """Of Microsoft's reader, on each query by its name."""
    wrong = {query: f"{workspace.EVENTS} | {query}" for query in WRONG}
    jobs = {name: (workspace.tables(), query) for name, query in (SHIPPED | README | wrong).items()}
    jobs |= {stream: ({"source": columns}, query) for stream, columns, query in workspace.flows()}
    return kusto.judged(wanted.installed(kusto.judge_installed), jobs)


def test_every_alert_has_one() -> None:
    """Under the number and with the title of its Sigma rule; what only feeds a correlation has none."""
    numbers = {rule.title: name[:2] for name, text in hunting.sources().items() for rule in hunting.parsed(text).rules}
    ours = {
        text.partition("\n")[0].removeprefix("// "): name[:2] for name, text in SHIPPED.items() if name[0].isdigit()
    }

    assert ours == {title: numbers[title] for title in hunting.alerts()}


@pytest.mark.parametrize("title", ALERTS)
async def test_the_scene_of_a_rule_fires_it_and_nearly_the_same_does_not(kql: kusto.Engine, title: str) -> None:
    """It tells what the Sigma rule of its title tells, and is as silent."""
    told, quiet = [await record(act) for act in (RULES[title].fires, RULES[title].silent)]

    assert workspace.found(kql, ALERTS[title], told.plain, told.reports)
    assert not workspace.found(kql, ALERTS[title], quiet.plain, quiet.reports)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_its_window_and_number_are_those_of_the_sigma_rule(name: str) -> None:
    """Where a rule counts, it counts as many within as long; else all that it correlates happens within."""
    rule, text = CORRELATIONS[name], SHIPPED[f"{name}.kql"]

    assert f"+ {rule.timespan.spec}))" in text
    assert rule.type in ORDERED or f" >= {rule.condition.count}\n" in text


@pytest.mark.parametrize("name", CORRELATIONS)
def test_it_is_run_over_its_window_and_what_came_late(name: str) -> None:
    """What the run before could not know yet is in one of its windows whole."""
    found = re.search(r"^// .*Run it every (\d+) minutes over the last (\d+)\.$", SHIPPED[f"{name}.kql"], re.MULTILINE)

    assert found
    every, over = (int(minutes) * 60 for minutes in found.groups())
    assert over >= CORRELATIONS[name].timespan.seconds + every + LATE_S


@pytest.mark.parametrize("title", EXTRA)
async def test_another_way_to_do_it_fires_it_too(kql: kusto.Engine, title: str) -> None:
    """A field that is not there, an address that is none: what is the same is told."""
    scene = await record(EXTRA[title])

    assert workspace.found(kql, ALERTS[title], scene.plain, scene.reports)


@pytest.mark.parametrize("act", [lifetime(HOUR), lifetime(None)], ids=["later", "never"])
async def test_instants_within_a_token_may_be_numbers(kql: kusto.Engine, act: Act) -> None:
    """Logstash decodes Avro's instants as integers, which stay such inside a record: rule 9 reads both."""
    title = "Lifetime Of An Intersight OAuth2 Token Extended In Place"
    told, quiet = [await record(each) for each in (act, RULES[title].silent)]

    assert workspace.found(kql, ALERTS[title], [with_numbers(line) for line in told.plain], [])
    assert not workspace.found(kql, ALERTS[title], [with_numbers(line) for line in quiet.plain], [])


def with_numbers(line: Mapping[str, Any]) -> dict[str, Any]:
    """An event as it comes from Avro: the instants of its tokens in ms."""
    tokens = {side: line[side] for side in ("before", "after") if line[side]}
    counted = {
        side: {name: ms(value) if value and name.endswith("_time") else value for name, value in token.items()}
        for side, token in tokens.items()
    }
    return {**line, **counted}


@pytest.mark.parametrize("title", ALERTS)
async def test_what_a_collector_repeats_is_counted_once(kql: kusto.Engine, title: str) -> None:
    """Sentinel keeps what comes twice: two deliveries of a quiet scene do not make an alert."""
    quiet = await record(RULES[title].silent)

    assert not workspace.found(kql, ALERTS[title], quiet.plain * 2, quiet.reports * 2)


@pytest.mark.parametrize("name", [*SHIPPED, *README, *(flow[0] for flow in workspace.flows())])
def test_microsofts_reader_takes_it(complaints: dict[str, list[str]], name: str) -> None:
    """Grammar, functions, columns and their types, of transformations too: there is nothing that it would not have."""
    assert complaints[name] == []


def test_the_transformation_makes_a_row_of_every_event(kql: kusto.Engine) -> None:
    """Run over what Logstash makes of Avro: each field is in its column, instants are instants, nothing is lost."""
    names = {case.name for case in CASES if case.schema == "oauth_token_event"}
    events = [shapes.golden(name) for name in names - {"created-hostile"}]  # a year that no decoder can count to
    plain = {event["event_id"]: shapes.as_json(event) for event in events}
    numbers = {event["event_id"]: shapes.as_numbers(event) for event in events}

    rows = {row["event_id"]: row for row in workspace.rows_of(kql, events)}

    for identity, row in rows.items():
        nested = {name: value for name, value in numbers[identity].items() if isinstance(value, dict)}
        assert row == {"TimeGenerated": plain[identity]["event_time"]} | plain[identity] | nested
    assert rows.keys() == plain.keys()


@pytest.mark.parametrize("query", WRONG)
def test_the_reader_bites(complaints: dict[str, list[str]], query: str) -> None:
    """A query that Sentinel would refuse is told."""
    assert any(WRONG[query] in one for one in complaints[query])
