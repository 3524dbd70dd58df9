"""Each detection over what a SIEM would have: it tells its own scene, and not one that is nearly the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.siem import hunting
from tests.siem.scenes import EXTRA, RULES, Act, record


async def lines(act: Act) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The scene's lines, by log source."""
    recording = await record(act)
    return {"intersight.oauth_token": recording.events, "intersight.oauth_token_snapshots": recording.reports}


@pytest.mark.parametrize("title", RULES)
async def test_the_scene_of_a_rule_fires_it(title: str) -> None:
    """What the rule was written for is told."""
    assert hunting.fires(title, await lines(RULES[title].fires))


@pytest.mark.parametrize("title", RULES)
async def test_nearly_the_same_is_no_alert(title: str) -> None:
    """A scene that misses the rule's condition by little is not told, and neither is what was there before us."""
    assert not hunting.fires(title, await lines(RULES[title].silent))


@pytest.mark.parametrize("title", EXTRA)
async def test_another_way_to_do_it_fires_it_too(title: str) -> None:
    """The rule is about what happened, not about one way to write it."""
    assert hunting.fires(title, await lines(EXTRA[title]))


def test_every_alert_has_its_scenes() -> None:
    """No rule is shipped that was never seen to fire; what only feeds a correlation fires with it."""
    assert set(hunting.alerts()) == set(RULES)


async def test_an_edited_list_of_applications_is_what_counts() -> None:
    """The placeholder of rule 8 is meant to be replaced: an application on the list is no alert."""
    title = "Intersight OAuth2 Token For An Unknown Application"
    recorded = await lines(RULES[title].fires)
    (told,) = hunting.fires(title, recorded)
    known = told["cisco.intersight.oauth_token.client_id"]

    edited = hunting.sources()["08_unknown_application.yml"].replace("replace-with-another", known)

    assert not hunting.run(edited, title, recorded)
