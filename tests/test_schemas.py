"""The schemas against the contract with their readers, against our own values, and against their own past."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from streamer import control, events, report, state, tokens
from streamer.wire import avsc
from tests.golden import make

PUBLIC = ("oauth_token_event", "snapshot_report")
PRIVATE = ("state_token", "state_source", "state_user", "control_command")
TS = {"type": "long", "logicalType": "timestamp-millis"}

# The contract, written down a second time: `x?` is nullable, `x[]` an array.
EVENT = """event_id string, event_type string, source string, epoch string, sequence long, account_moid string?,
    moid string, detected_at ts, event_time ts, not_before ts?, not_after ts, snapshot_id string, baseline boolean,
    before OAuthToken?, after OAuthToken?, changed_fields string[], change_kinds string[], delete_cause string?,
    delete_evidence DeleteEvidence?, retracts string?, user UserInfo?, trace_id string?, derived Derived?"""
TOKEN = """moid string, token_id string?, client_id string?, client_name string?, client_ip_address string?,
    last_login_client string?, last_login_time ts?, access_expiration_time ts?, expiration_time ts?, create_time ts?,
    mod_time ts?, account_moid string?, domain_group_moid string?, shared_scope string?, user_moid string?,
    app_registration_moid string?, permission_moid string?, user_agent string?, device_model string?,
    parent_moid string?, owners string[], permission_resources string[], tags Tag[], extras Extra[]"""
NESTED = {
    "OAuthToken": TOKEN,
    "Tag": "key string, value string?",
    "Extra": "name string, json string",
    "DeleteEvidence": """method string, checked_at ts, audit_record_moid string?, audit_event string?, actor string?,
        actor_ip string?""",
    "UserInfo": "moid string, name string?, email string?, id string?",
    "Derived": """lifetime_s long?, idle_s long?, new_client_for_user boolean?, login_network_changed boolean?,
        outlived_expiry boolean?""",
}
REPORT = """snapshot_id string, source string, epoch string?, account_moid string?, started_at ts, finished_at ts,
    server_date ts?, clock_offset_ms long?, verdict string, reason string?, detail string?, paging string, pages long,
    requests long, rows long, server_count long?, moids_sha256 string?, baseline boolean, created long, modified long,
    deleted long, unchanged long, suppressed long, held long, waiting long, stale long, outlived long,
    first_sequence long?, last_sequence long?, hold_id string?, trace_ids string[]"""
COMMAND = """command_id string, source string, epoch string, action string, hold_id string?, expect long?,
    moids_sha256 string?, issued_at ts, issued_by string, expires_at ts"""


def _short(schema: Any) -> str:
    """A type as the contract abbreviates it."""
    match schema:
        case str(name):
            return name
        case ["null", inner]:
            return f"{_short(inner)}?"
        case {"type": "array", "items": items, **rest} if not rest:
            return f"{_short(items)}[]"
        case {"type": "record", "name": str(name)}:
            return name
    return "ts" if schema == TS else f"something else: {schema}"


def _told(record: Mapping[str, Any]) -> list[str]:
    return [f"{field['name']} {_short(field['type'])}" for field in record["fields"]]


def _listed(contract: str) -> list[str]:
    return [" ".join(entry.split()) for entry in contract.split(",")]


def _records(schema: Any) -> Iterator[dict[str, Any]]:
    """Every record that is defined in a schema, outermost first."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _records(branch)
    elif isinstance(schema, dict) and schema["type"] == "array":
        yield from _records(schema["items"])
    elif isinstance(schema, dict) and schema["type"] == "record":
        yield schema
        for field in schema["fields"]:
            yield from _records(field["type"])


def _record(schema: str, name: str) -> dict[str, Any]:
    return next(record for record in _records(avsc.schema_json(schema)) if record["name"] == name)


def test_the_schemas_are_those_of_the_contract() -> None:
    """Two public ones and four private ones, all in one namespace that carries the major version."""
    assert sorted(avsc.schema_names()) == sorted(PUBLIC + PRIVATE)
    assert {avsc.schema_json(name)["namespace"] for name in avsc.schema_names()} == {"intersight_streamer.v1"}


@pytest.mark.parametrize(
    ("schema", "record", "contract"),
    [
        ("oauth_token_event", "OAuthTokenEvent", EVENT),
        *(("oauth_token_event", name, contract) for name, contract in NESTED.items()),
        ("snapshot_report", "SnapshotReport", REPORT),
        ("control_command", "ControlCommand", COMMAND),
    ],
)
def test_fields_have_the_order_names_and_types_of_the_contract(schema: str, record: str, contract: str) -> None:
    """A reader with a static schema reads by position: nothing may move, be renamed or be retyped."""
    assert _told(_record(schema, record)) == _listed(contract)


@pytest.mark.parametrize(
    ("schema", "record", "value"),
    [
        ("oauth_token_event", "OAuthTokenEvent", events.Event),
        ("oauth_token_event", "OAuthToken", tokens.Token),
        ("oauth_token_event", "Tag", tokens.Tag),
        ("oauth_token_event", "Extra", tokens.Extra),
        ("oauth_token_event", "DeleteEvidence", events.Evidence),
        ("oauth_token_event", "UserInfo", events.UserInfo),
        ("oauth_token_event", "Derived", events.Derived),
        ("snapshot_report", "SnapshotReport", report.Report),
        ("state_source", "SourceRow", state.SourceRow),
        ("state_source", "Complete", state.Complete),
        ("state_source", "OpenSnapshot", report.Report),
        ("state_source", "Hold", state.Hold),
        ("state_source", "Answer", state.Answer),
        ("control_command", "ControlCommand", control.Command),
    ],
)
def test_our_values_have_the_fields_of_their_records(schema: str, record: str, value: Any) -> None:
    """Values are encoded field by field: a name or an order of its own would be a field lost."""
    assert [field.name for field in fields(value)] == [field["name"] for field in _record(schema, record)["fields"]]


def test_the_state_holds_the_very_token_of_the_events() -> None:
    """Token bytes go from the state into events unread, so both records are one, to the last word."""
    assert _record("state_token", "OAuthToken") == _record("oauth_token_event", "OAuthToken")


def test_the_open_snapshot_is_a_report() -> None:
    """An interrupted poll is told from the source row alone, so the row holds every field of a report."""
    assert _record("state_source", "OpenSnapshot")["fields"] == avsc.schema_json("snapshot_report")["fields"]


@pytest.mark.parametrize("schema", PUBLIC)
def test_public_types_are_those_that_every_static_reader_knows(schema: str) -> None:
    """String, long, boolean, timestamp-millis, records, arrays of one, `["null", one]`: no enum, map or wider union."""
    records = list(_records(avsc.schema_json(schema)))
    known = {"string", "long", "boolean", "ts"} | {record["name"] for record in records}
    used = {_short(field["type"]) for record in records for field in record["fields"]}
    assert {kind.removesuffix("?").removesuffix("[]") for kind in used} <= known
    assert not [kind for kind in used if "[]?" in kind]


@pytest.mark.parametrize("schema", PUBLIC + PRIVATE)
def test_every_field_is_explained_and_every_nullable_one_is_null_by_default(schema: str) -> None:
    """A `doc` on every record and field, in sentences; `default: null` on nullable fields and on no other."""
    for record in _records(avsc.schema_json(schema)):
        assert record["doc"].endswith(".")
        for field in record["fields"]:
            assert field["doc"].endswith("."), field
            nullable = isinstance(field["type"], list)
            assert ("default" in field) == nullable, field
            assert field.get("default") is None


@pytest.mark.parametrize("schema", PUBLIC)
def test_a_nullable_public_field_says_when_it_is_null(schema: str) -> None:
    """A reader that meets null must be able to read why."""
    silent = [
        field["name"]
        for record in _records(avsc.schema_json(schema))
        for field in record["fields"]
        if isinstance(field["type"], list) and "null" not in field["doc"].lower()
    ]
    assert silent == []


# Their past: `tests/golden/<schema>/<version>/schema.avsc` is what was registered once...


@pytest.mark.parametrize("schema", PUBLIC + PRIVATE)
def test_a_schema_is_never_edited_without_a_new_golden_version(schema: str) -> None:
    """The file is its newest golden version, to the last character; run `python -m tests.golden.make` to add one."""
    newest = make.versions(schema)[-1]
    assert avsc.schema_text(schema) == (newest / make.SCHEMA).read_text(encoding="utf-8")


@pytest.mark.parametrize("schema", PUBLIC + PRIVATE)
def test_golden_versions_are_numbered_without_a_gap(schema: str) -> None:
    """Nothing of the past is thrown away."""
    assert [int(folder.name) for folder in make.versions(schema)] == list(range(1, len(make.versions(schema)) + 1))


def test_the_newest_golden_versions_hold_every_case_and_nothing_else() -> None:
    """A case that was taken away, or a file that nobody makes, is listed here."""
    wanted = {path for path, _ in make.wanted()}
    newest = {make.versions(schema)[-1] for schema in avsc.schema_names()}
    found = {file for folder in newest for file in folder.iterdir()}
    known = {make.HOME / schema for schema in avsc.schema_names()}
    strangers = {path.parents[1] for path in make.HOME.glob(f"*/*/{make.SCHEMA}")} - known
    assert sorted(found - wanted) == []
    assert sorted(wanted - found) == []
    assert sorted(strangers) == []


def test_golden_files_are_never_overwritten(tmp_path: Path) -> None:
    """A file with other bytes is refused and kept; a schema with another text gets the next version."""
    written, refused = make.write(tmp_path)
    assert refused == []
    assert make.write(tmp_path) == ([], [])
    case = next(path for path in written if path.suffix == ".avro")
    case.write_bytes(b"other")
    assert make.write(tmp_path) == ([], [case])
    assert case.read_bytes() == b"other"
    (case.parent / make.SCHEMA).write_text("{}")
    later, refused = make.write(tmp_path)
    assert {path.parent for path in later} == {case.parent.with_name("2")}
    assert refused == []


def _broken(first: Any, later: Any) -> list[str]:
    """Where a later version of a public schema would be misread by a static reader with the first one."""
    old, new = first["fields"], later["fields"]
    moved = [a["name"] for a, b in zip(old, new, strict=False) if _bare(a) != _bare(b)]
    lost = [field["name"] for field in old[len(new) :]]
    required = [
        f["name"] for f in new[len(old) :] if not isinstance(f["type"], list) or f.get("default", 0) is not None
    ]
    return moved + lost + required


def _bare(value: Any) -> Any:
    """Names, types and defaults: all that decides about bytes, and nothing that only explains."""
    if isinstance(value, list):
        return [_bare(part) for part in value]
    return {key: _bare(part) for key, part in value.items() if key != "doc"} if isinstance(value, dict) else value


@pytest.mark.parametrize("schema", PUBLIC)
def test_later_versions_only_append_nullable_fields(schema: str) -> None:
    """For every version ever made: the first one's fields first, unmoved, nested records frozen."""
    first, *later = [json.loads((folder / make.SCHEMA).read_text("utf-8")) for folder in make.versions(schema)]
    assert [_broken(first, version) for version in (*later, avsc.schema_json(schema))] == [[]] * (len(later) + 1)


ADDED = {"name": "learnt", "type": ["null", "string"], "default": None, "doc": "Learnt later."}


def _nested(schema: Any) -> Any:
    return schema["fields"][13]["type"][1]["fields"]


EDITS: dict[str, Callable[[Any], None]] = {
    "a field in the middle": lambda schema: schema["fields"].insert(3, ADDED),
    "a field inside a nested record": lambda schema: _nested(schema).append(ADDED),
    "a field taken away": lambda schema: schema["fields"].pop(),
    "another type": lambda schema: schema["fields"][4].update(type="string"),
    "no logical type any more": lambda schema: schema["fields"][7].update(type="long"),
    "two fields swapped": lambda schema: schema["fields"].insert(0, schema["fields"].pop(1)),
    "a required field at the end": lambda schema: schema["fields"].append(ADDED | {"type": "string"}),
    "a nullable field without default": lambda schema: schema["fields"].append({"name": "x", "type": ["null", "long"]}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_law_of_appending_sees_every_way_to_break_it(edit: str) -> None:
    """The check itself is checked: each of these edits would move bytes under a static reader."""
    first = avsc.schema_json("oauth_token_event")
    later = copy.deepcopy(first)
    EDITS[edit](later)
    assert _broken(first, later)


def test_the_law_of_appending_allows_what_it_should() -> None:
    """A nullable field at the end, and better words, are no breakage."""
    first = avsc.schema_json("oauth_token_event")
    later = copy.deepcopy(first)
    later["fields"].append(ADDED)
    later["fields"][0]["doc"] = "Better words."
    assert _broken(first, later) == []
