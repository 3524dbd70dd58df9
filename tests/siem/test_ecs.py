"""Our events in ECS 9.4.0: only fields that ECS has, of its types, and the rest under our own name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from streamer import avro
from streamer.siem import ecs as room
from streamer.siem.ecs import ecs
from streamer.wire import jsonform
from streamer.wire.avsc import schema_json
from tests.golden.siem.cases import CASES
from tests.siem.published import ECS, OURS, flat, wrong_in_ecs
from tests.siem.strategies import EVENTS

FOUND: Mapping[str, dict[str, Any]] = {name: ecs(event) for name, event in CASES.items()}
FLAT: Mapping[str, dict[str, Any]] = {name: dict(flat(found)) for name, found in FOUND.items()}
SCHEMA = {field["name"]: field["type"] for field in schema_json(avro.EVENT)["fields"]}
TOKEN = [field["name"] for field in SCHEMA["before"][1]["fields"]]


@pytest.mark.parametrize("name", CASES)
def test_every_field_is_one_of_ecs_or_ours(name: str) -> None:
    """Each is in the published list, of its type, one or many as it says, with a value that it allows."""
    assert list(wrong_in_ecs(FOUND[name])) == []


@given(EVENTS)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], max_examples=200, deadline=None)
def test_whatever_our_schema_allows_is_valid(event: dict[str, Any]) -> None:
    """Any text, any number, any type and cause, with or without tokens: never an exception, always valid as written."""
    assert list(wrong_in_ecs(json.loads(jsonform.line(ecs(event))))) == []


@pytest.mark.parametrize("name", CASES)
def test_the_types_are_those_of_the_categories(name: str) -> None:
    """ECS says which event.type belongs to which event.category: ours belong to `iam` or `session`."""
    found = FOUND[name]["event"]
    expected = ECS["fields"]["event.category"]["types"]
    assert found["category"] == ["iam", "session"]
    assert set(found["type"]) <= {*expected["iam"], *expected["session"]}


@pytest.mark.parametrize(
    ("of", "types"),
    [("created", ["creation", "start"]), ("modified", ["change", "info"]), ("deleted", ["deletion", "end"])],
)
def test_each_type_has_its_verbs(of: str, types: list[str]) -> None:
    """event.type and event.action."""
    for name, found in FOUND.items():
        if name.startswith(of):
            assert (found["event"]["type"], found["event"]["action"]) == (types, f"oauth-token-{of}")


def test_a_baseline_is_a_state_and_all_else_an_event() -> None:
    """A rule that asks for event.kind `event` is silent on the first day."""
    kinds = {name: found["event"]["kind"] for name, found in FOUND.items()}
    assert {name for name, kind in kinds.items() if kind == "state"} == {"created-baseline"}
    assert set(kinds.values()) == {"event", "state"}


@pytest.mark.parametrize("name", CASES)
def test_our_own_fields_are_the_token_we_are_left_with(name: str) -> None:
    """Under our name every field of `after`, or of `before` on deleted; both sides too where something changed."""
    event = CASES[name]
    shown = json.loads(avro.json_line(event, avro.EVENT))
    side = "before" if event["event_type"] == "deleted" else "after"
    found = FOUND[name]["cisco"]["intersight"]["oauth_token"]

    assert {field: found.get(field) for field in TOKEN} == shown[side]
    assert ("before" in found, "after" in found) == (event["event_type"] == "modified",) * 2
    for each in ("before", "after"):
        if each in found:
            assert {field: found[each].get(field) for field in TOKEN} == shown[each]


@pytest.mark.parametrize("name", CASES)
def test_what_rules_ask_for_is_there(name: str) -> None:
    """Source, epoch, what changed, why deleted, what proves it, figures: as in the event, without what is null."""
    shown = json.loads(avro.json_line(CASES[name], avro.EVENT))
    found = FOUND[name]["cisco"]["intersight"]["oauth_token"]
    flat_ones = ("source", "epoch", "baseline", "changed_fields", "change_kinds", "delete_cause", "retracts")
    for field in (*flat_ones, "not_before", "not_after"):
        assert found.get(field) == shown[field]
    for field in ("delete_evidence", "derived"):
        known = {part: value for part, value in (shown[field] or {}).items() if value is not None}
        assert found.get(field, {}) == known


def test_what_a_rule_cannot_compare_is_compared() -> None:
    """Whether the login's network is the launch's, and how far the end of a token moved; absent where it is unknown."""
    own = {name: found["cisco"]["intersight"]["oauth_token"] for name, found in FOUND.items()}
    moved = CASES["modified-login"]["after"] | {
        "expiration_time": CASES["modified-login"]["before"]["expiration_time"] + 7999
    }

    assert (own["created"]["login_elsewhere"], own["modified-login"]["login_elsewhere"]) == (False, True)
    assert "login_elsewhere" not in own["created-sparse"]
    assert "login_elsewhere" not in own["created-hostile"]
    assert own["modified-login"]["expiration_moved_s"] == 0
    assert (
        ecs(CASES["modified-login"] | {"after": moved})["cisco"]["intersight"]["oauth_token"]["expiration_moved_s"] == 7
    )
    assert "expiration_moved_s" not in own["created"]
    assert "expiration_moved_s" not in own["deleted-revoked"]


def test_the_tokens_fields_and_the_events_share_no_name() -> None:
    """Or one would hide the other under our name."""
    assert (
        set(TOKEN)
        & {
            "before",
            "after",
            "source",
            "epoch",
            "baseline",
            "retracts",
            "derived",
            "login_elsewhere",
            "expiration_moved_s",
        }
        == set()
    )
    assert set(TOKEN) & set(SCHEMA) == {"moid", "account_moid"}  # of these two the token's own is shown


def test_null_is_not_there() -> None:
    """An index has no null, so a document has none: but for those inside lists of records, as they are."""
    for found in FLAT.values():
        assert None not in found.values()


def test_nobody_is_accused() -> None:
    """`user` on a deletion is whom the audit record names, or nobody; the token's user is the target."""
    ada = {"id": "5a3404ac3768393836093cab", "name": "ada@example.com"}
    more = {"full_name": "Ada Lovelace", "email": "ada@example.com"}

    assert FOUND["created"]["user"] == {**ada, **more, "target": {**ada, **more}}
    assert FOUND["deleted-revoked"]["user"] == {"name": "root@example.com", "target": {**ada, **more}}
    for name in ("deleted-removed", "deleted-expired", "deleted-unproven"):
        assert set(FOUND[name]["user"]) == {"target"}, name
    assert FOUND["deleted-unproven"]["user"]["target"] == {"id": ada["id"]}


def test_addresses_are_addresses() -> None:
    """Fields of type ip hold what parses, address fields what was written; a deletion has no launch address."""
    hostile, odd, revoked = FOUND["created-hostile"], FOUND["modified-odd"], FOUND["deleted-revoked"]
    assert hostile["client"] == {"address": "999.0.0.1"}
    assert hostile["related"]["ip"] == ["fe80::1"]
    assert odd["client"] == {"address": "::ffff:198.51.100.9", "ip": "198.51.100.9"}
    assert (revoked["client"]["ip"], revoked["source"]["ip"]) == ("203.0.113.7", "2001:db8::9")
    assert revoked["related"]["ip"] == ["203.0.113.7", "198.51.100.23", "2001:db8::9"]
    assert "source" not in FOUND["deleted-removed"]


def test_the_time_is_the_events() -> None:
    """@timestamp is event_time, event.created is detected_at, and the bounds stand on what has bounds."""
    found = FLAT["deleted-revoked"]
    assert found["@timestamp"] == "2026-11-20T12:00:00.000Z"
    assert found["event.created"] == "2026-11-20T12:00:31.000Z"
    assert (found["event.start"], found["event.end"]) == ("2026-11-20T11:59:31.000Z", "2026-11-20T12:00:30.900Z")
    assert "event.start" not in FLAT["created"]
    assert f"{OURS}not_after" in FLAT["created"]


def test_the_table_names_every_field() -> None:
    """Whoever writes a rule finds each field of ECS that we fill in the table of the module."""
    told = " ".join(str(room.__doc__).split())
    for name in {name for found in FLAT.values() for name in found if not name.startswith(OURS)}:
        group, _, leaf = name.rpartition(".")
        assert f"`{name}`" in told or f"`.{leaf}`" in told or f"`{group}.`" in told, name
