"""Our events as OCSF 1.8.0: the published schema has nothing against them, and nobody is accused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from streamer.siem.ocsf import ocsf
from streamer.wire import jsonform
from tests.golden.siem.cases import CASES
from tests.siem.published import wrong_in_ocsf
from tests.siem.strategies import EVENTS

FOUND: Mapping[str, dict[str, Any]] = {name: ocsf(event) for name, event in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_published_schema_has_nothing_against_it(name: str) -> None:
    """Strict: every name is in the class, every type is right, what is required is there, the uids add up."""
    assert wrong_in_ocsf(FOUND[name]) == []


@given(EVENTS)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=200, deadline=None)
def test_whatever_our_schema_allows_is_valid(event: dict[str, Any]) -> None:
    """Any text, any number, any type and cause, with or without tokens: never an exception, always valid as written."""
    assert wrong_in_ocsf(json.loads(jsonform.line(ocsf(event)))) == []


@pytest.mark.parametrize(
    ("of", "name", "uid"),
    [("created", "Create", 300401), ("modified", "Update", 300403), ("deleted", "Delete", 300404)],
)
def test_each_type_has_its_uid(of: str, name: str, uid: int) -> None:
    """class_uid * 100 + activity_id, and the names that OCSF gives them."""
    for case, found in FOUND.items():
        if case.startswith(of):
            assert (found["type_uid"], found["type_name"]) == (uid, f"Entity Management: {name}")
            assert (found["category_uid"], found["class_uid"], found["activity_name"]) == (3, 3004, name)


def test_a_type_of_a_later_version_is_other() -> None:
    """An event_type that we do not know is 99 with its own name, and the token that it carries."""
    found = ocsf(CASES["created"] | {"event_type": "rotated"})
    assert (found["activity_id"], found["activity_name"], found["type_uid"]) == (99, "rotated", 300499)
    assert found["entity"]["uid"] == CASES["created"]["moid"]
    assert wrong_in_ocsf(found) == []


def test_nobody_is_accused() -> None:
    """An actor stands only where one is known: who consented, or whom an audit record names; else there is none."""
    actors = {name: found.get("actor", {}) for name, found in FOUND.items()}
    ada = {"uid": "5a3404ac3768393836093cab", "name": "ada@example.com", "full_name": "Ada Lovelace"}

    assert actors["created"]["user"] == ada | {"email_addr": "ada@example.com"}
    assert actors["created"]["app_name"] == "terraform-ci"
    assert actors["created"]["app_uid"] == CASES["created"]["after"]["client_id"]
    assert actors["deleted-revoked"] == {"user": {"name": "root@example.com"}}
    assert actors["deleted-logout"] == {"user": {"name": "ada@example.com"}}
    for name in ("deleted-expired", "deleted-removed", "deleted-unproven", "modified-login", "created-retraction"):
        assert actors[name] == {}, name


def test_no_deletion_comes_from_where_the_token_was_launched() -> None:
    """src_endpoint is the launch address, on a deletion the audit record's, and nothing where there is none."""
    sources = {name: found.get("src_endpoint") for name, found in FOUND.items()}
    assert sources["created"] == sources["modified-login"] == {"ip": "203.0.113.7"}
    assert sources["deleted-revoked"] == {"ip": "2001:db8::9"}
    assert sources["deleted-expired"] is sources["deleted-removed"] is None
    assert sources["created-hostile"] is None


def test_a_change_shows_both_sides() -> None:
    """The entity is the token before, entity_result the token after; else the one there is."""
    found = FOUND["modified-login"]
    assert found["entity"]["data"]["last_login_client"] == "203.0.113.7"
    assert found["entity_result"]["data"]["last_login_client"] == "198.51.100.23"
    assert "entity_result" not in FOUND["created"]
    assert "entity_result" not in FOUND["deleted-revoked"]
    assert FOUND["deleted-revoked"]["entity"]["data"]["last_login_client"] == "198.51.100.23"


def test_a_new_owner_is_not_the_old_one() -> None:
    """Where the token went from one user to another, each side has its own; only the new one's name is known."""
    found = FOUND["modified-odd"]
    assert found["entity"]["user"] == {"uid": "5a3404ac3768393836093cab"}
    assert found["entity_result"]["user"] == {"uid": "5a3404ac3768393836093cac", "full_name": "Eve\n"}


@pytest.mark.parametrize("name", CASES)
def test_an_observable_points_to_where_it_stands(name: str) -> None:
    """Each has the path of an attribute that is there, and its value; addresses are spelled in one way."""
    found = FOUND[name]
    for observable in found["observables"]:
        there = reduce(lambda at, part: at[part], observable["name"].split("."), found)
        assert observable["value"] in {there, str(there).removeprefix("::ffff:"), str(there).partition("%")[0]}
        assert observable["value"]


def test_a_deletion_says_why() -> None:
    """The cause stands in the sentence and as a value; what proves it stands beside."""
    for cause in ("revoked", "expired", "logout", "removed"):
        found = FOUND[f"deleted-{cause}"]
        assert found["message"] == f"OAuth token 6742a0c87564613220f1e0aa deleted: {cause}"
        assert found["unmapped"]["delete_cause"] == cause
        assert found["unmapped"]["delete_evidence"]["checked_at"] == "2026-11-20T12:00:30.900Z"


def test_a_retraction_names_what_it_takes_back() -> None:
    """In the sentence, and as a value."""
    found, deletion = FOUND["created-retraction"], CASES["created-retraction"]["retracts"]
    assert found["message"].endswith(f"takes back deletion {deletion}")
    assert found["unmapped"]["retracts"] == deletion


def test_severity_is_raised_by_a_flag_and_by_nothing_else() -> None:
    """new_client_for_user, login_network_changed or outlived_expiry, if true; not null, not false, no figure."""
    plain = CASES["created"] | {"derived": None}
    nothing = dict.fromkeys(("new_client_for_user", "login_network_changed", "outlived_expiry"))
    derived = {"lifetime_s": 1, "idle_s": 1, **nothing}
    assert ocsf(plain)["severity_id"] == ocsf(plain | {"derived": derived})["severity_id"] == 1
    for flag in nothing:
        assert ocsf(plain | {"derived": derived | {flag: False}})["severity_id"] == 1
        assert ocsf(plain | {"derived": derived | {flag: True}})["severity_id"] == 2


def test_instants_are_milliseconds() -> None:
    """The time is event_time; the bounds stand on what has bounds; what was reported stands as text."""
    event, found = CASES["deleted-expired"], FOUND["deleted-expired"]
    assert (found["time"], found["start_time"], found["end_time"]) == tuple(
        event[name] for name in ("event_time", "not_before", "not_after")
    )
    assert found["metadata"]["original_time"] == "2026-12-20T08:00:00.117Z"
    assert "start_time" not in FOUND["created"]
    assert FOUND["created"]["metadata"]["original_time"] == "2026-11-20T08:00:00.117Z"
    assert FOUND["modified-login"]["metadata"]["original_time"] == "2026-11-20T09:00:00.250Z"


def test_what_rules_ask_for_is_there() -> None:
    """epoch, source, baseline, changes and figures stand in `unmapped`, as in the event."""
    found = FOUND["modified-login"]["unmapped"]
    event = CASES["modified-login"]
    for name in ("source", "epoch", "baseline", "changed_fields", "change_kinds", "trace_id"):
        assert found[name] == event[name]
    assert found["derived"] == {name: value for name, value in event["derived"].items() if value is not None}
    assert FOUND["created-baseline"]["unmapped"]["baseline"] is True
