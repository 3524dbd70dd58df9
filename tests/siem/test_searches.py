"""The searches that are no Sigma rules: silence and loss, in SPL, ES|QL, KQL and Lucene, over what the cycle wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sigma.backends.elasticsearch import ESQLBackend

from streamer import avro
from streamer.siem.detections import LUCENE
from streamer.siem.forms import FORMS
from streamer.siem.pipelines.otel import REPORTS, SOURCETYPES
from tests.services.kusto import Engine
from tests.siem import esql, hunting, lucene, searching, workspace
from tests.siem.scenes import MINUTE, later, login
from tests.siem.test_readme_siem import SECTION
from tests.truth.model import INTERVAL_MS, Play, playing

SHIPPED: Final = hunting.shipped()
TOLD: Final = [
    found.replace("\\|", "|")
    for found in re.findall(r"`((?:FROM |sourcetype=|CiscoIntersight\w+ ).*?)`(?: \||$)", SECTION, re.MULTILINE)
]
LOST_ESQL, LOST_SPL, LOST_KQL, TWICE_KQL, SILENT_ESQL = TOLD
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What a scene left, as the relay writes it, and when it ended."""

    reports: list[Line]
    events: list[Line]
    now_ms: int


async def told(act: Callable[[Play], Any]) -> Told:
    """Play a scene in an account that was looked at once."""
    async with playing(seed=11, tokens=8) as play:
        await act(play)
        reports = [json.loads(avro.json_line(report, avro.REPORT)) for report in play.reports]
        return Told(reports, [json.loads(FORMS["json"](event)) for event in play.events], play.clock.now)


Silence = Callable[[str, Sequence[Line], int], list[str]]


@pytest.fixture(name="silence")
def _silence(request: pytest.FixtureRequest) -> Silence:
    """The sources that a search of ours calls silent."""

    def silence(name: str, reports: Sequence[Line], now_ms: int) -> list[str]:
        if name.endswith(".kql"):
            query = workspace.at(SHIPPED[name], now_ms)
            return [row["source"] for row in workspace.found(request.getfixturevalue("kql"), query, [], reports)]
        if name.endswith(LUCENE):
            engine = request.getfixturevalue("engine")
            lucene.stored(engine, [], reports)
            return lucene.told(engine, "silence", now_ms)
        if name.endswith(".spl"):
            return [row["intersight_source"] for row in searching.by_spl(SHIPPED[name], reports, now_ms, REPORTS)]
        query = SILENT_ESQL if name == "README" else SHIPPED[name]
        return [row["source"] for row in searching.by_esql(query, reports, now_ms)]

    return silence


SEARCHES: Final = ("silence.spl", "silence.esql", "silence.kql", f"silence{LUCENE}", "README")


# Silence ...


@pytest.mark.parametrize("name", SEARCHES)
async def test_a_source_is_silent_after_three_intervals_and_not_before(silence: Silence, name: str) -> None:
    """Nobody looks any more: it is told when the last accepted poll is three intervals old, and not much earlier."""
    scene = await told(lambda play: later(play, polls=3))
    last = searching.ms(scene.reports[-1]["finished_at"])

    assert silence(name, scene.reports, last + 3 * MINUTE - 1_000) == []
    assert silence(name, scene.reports, last + 3 * MINUTE + 2_000) == ["prod"]


@pytest.mark.parametrize("name", SEARCHES)
async def test_polls_that_are_not_believed_are_silence_too(silence: Silence, name: str) -> None:
    """Reports come, but none is accepted: the feed is as good as silent, and the last reason is at hand."""

    async def act(play: Play) -> None:
        await play.poll()
        play.arm("short")
        await later(play, polls=4 * MINUTE // INTERVAL_MS)

    scene = await told(act)

    assert scene.reports[-1]["verdict"] == "rejected"
    assert silence(name, scene.reports, scene.now_ms) == ["prod"]
    if name.endswith(".spl"):
        (row,) = searching.by_spl(SHIPPED[name], scene.reports, scene.now_ms, REPORTS)
        assert (row["last_verdict"], row["last_reason"]) == ("rejected", "short_page")


@pytest.mark.parametrize("name", SEARCHES[:-1])
async def test_a_source_that_was_never_read_is_silent(silence: Silence, name: str) -> None:
    """From the first report on: there is no accepted poll to count from."""

    async def act(play: Play) -> None:
        play.arm("short")
        await later(play)

    scene = await told(act)

    assert silence(name, scene.reports, scene.now_ms) == ["prod"]


@pytest.mark.parametrize("name", SEARCHES)
async def test_each_source_is_silent_by_itself(silence: Silence, name: str) -> None:
    """One that is read does not speak for one that is not."""
    scene = await told(lambda play: later(play, polls=60))
    half = len(scene.reports) // 2
    other = [{**report, "source": "eu"} for report in scene.reports[:half]]

    assert silence(name, [*other, *scene.reports], scene.now_ms) == ["eu"]


def test_the_search_reads_the_deployments_index() -> None:
    """What was asked for is where it looks."""
    assert esql.stages(SHIPPED["silence.esql"])[0].parts == ["cisco.intersight.oauth-token.snapshots"]


# Loss ...


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_a_lost_event_is_told(kql: Engine, lost: int) -> None:
    """One that is missing in the middle shows as a gap in its source and epoch; one that comes twice hides none."""

    async def act(play: Play) -> None:
        for _ in range(5):
            login(play)
            await later(play)

    scene = await told(act)
    left = [event for number, event in enumerate(scene.events) if not 2 <= number < 2 + lost]
    epochs = [{**event, "epoch": "6ff1a2a4-9b6a-4d2c-8f6e-3d1b6f0a7c11"} for event in scene.events[:2]]

    found = searching.by_esql(LOST_ESQL, [*left, *epochs], scene.now_ms)
    again = searching.by_spl(LOST_SPL, [*left, *left[:1], *epochs], scene.now_ms, SOURCETYPES["json"])
    there = workspace.found(kql, LOST_KQL, [*left, *left[:1], *epochs], [])

    gaps = [(scene.events[0]["epoch"], len(scene.events) - lost)] if lost else []
    assert [(row["epoch"], row["n"]) for row in found] == gaps
    assert [(row["epoch"], row["n"]) for row in again] == gaps
    assert [(row["epoch"], row["n"]) for row in there] == gaps


async def test_what_came_twice_is_one_in_sentinel(kql: Engine) -> None:
    """The search that README gives leaves each event once, whatever the table holds."""
    scene = await told(lambda play: later(play, polls=1))

    found = workspace.found(kql, TWICE_KQL, scene.events * 2, [])

    assert sorted(row["event_id"] for row in found) == sorted(event["event_id"] for event in scene.events)


# The vendor's grammar ...


@pytest.mark.parametrize("name", hunting.sources())
def test_every_rule_in_esql_is_taken_by_elastics_grammar(name: str) -> None:
    """What the backend makes of a rule is a query that Elasticsearch would parse."""
    for query in ESQLBackend().convert(hunting.parsed(hunting.sources()[name])):
        assert esql.stages(query)[0].name == "from"


def test_the_grammar_refuses() -> None:
    """What is no query is told, with its place."""
    with pytest.raises(esql.Refused, match="line 1, column 9"):
        esql.stages("FROM a | WHER x == 1")
