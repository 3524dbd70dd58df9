"""The scripted day: what it holds, that it can be compared exactly, and that the real streamer reads it right."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

import pytest

from streamer.demo.compare import compare
from streamer.demo.day import ACTS
from tests.demo.played import SOURCE, Played, played


@pytest.fixture(scope="module", name="day")
def _day() -> Played:
    """The day, played once."""
    return asyncio.run(played())


@pytest.mark.parametrize("seed", [7, 8, 2026])
async def test_the_streamer_reads_the_day_as_it_was(seed: int) -> None:
    """Source, diff and events of the real thing say exactly what the ledger says, on any cast."""
    day = await played(seed)
    assert compare(day.events, day.ledger, source=SOURCE) == []
    assert len(day.events) == len(day.ledger)


def test_everything_a_token_can_meet_happens(day: Played) -> None:
    """Births, refreshes, a login elsewhere, a grown privilege, a rename, a tag, an expiry, a logout, a removal."""
    causes = Counter(entry.cause for entry in day.ledger)
    assert causes.keys() == {
        *("seed", "login", "refresh", "relogin", "widen", "rename", "tag", "expire", "logout", "remove"),
    }
    assert causes["login"] == 4
    assert causes["rename"] >= 5
    assert 2 <= causes["logout"] <= 6
    kinds = Counter(kind for event in day.events for kind in event["change_kinds"])
    assert kinds.keys() == {"refresh", "login", "privilege", "client", "metadata"}
    assert Counter(event["delete_cause"] for event in day.events).keys() == {None, "expired", "logout", "revoked"}


def test_a_script_is_new_for_who_starts_it(day: Played) -> None:
    """One token of the day comes with a client that its user never had, and others with what they use every day."""
    told: defaultdict[str, set[bool | None]] = defaultdict(set)
    for event in day.events:
        told[event["event_type"]].add(event["derived"]["new_client_for_user"])
    script = next(event for event in day.events if event["moid"] == day.made[6][0].moid)
    assert script["derived"]["new_client_for_user"] is True
    assert told["created"] == {None, True, False}
    assert told["modified"] <= {False, None}
    assert told["deleted"] == {None}


def test_no_act_changes_a_token_twice(day: Played) -> None:
    """Each act stands alone between two polls, so what a poll finds is one entry a token."""
    assert len(day.made) == len(ACTS) + 1
    for entries in day.made:
        assert len({entry.moid for entry in entries}) == len(entries)


def test_the_quiet_act_is_quiet_and_the_hiccup_is_one(day: Played) -> None:
    """Two acts change nothing; the API's failure rejects a poll, and nothing is lost by it."""
    assert [not entries for entries in day.made].count(True) == 2
    assert Counter(day.verdicts).keys() == {"accepted", "rejected"}


def test_each_act_is_one_sentence(day: Played) -> None:
    """What a security engineer reads beside the events."""
    assert len(day.told) == len(ACTS)
    assert all(told.endswith(".") and 20 < len(told) < 140 and told.isprintable() for told in day.told)


def test_so_few_deletions_are_no_mass_deletion(day: Played) -> None:
    """The day must pass a guard that holds deletions of 10 tokens or a tenth of them."""
    assert sum(event["event_type"] == "deleted" for event in day.events) < 10
