"""Golden events and reports: one value for each thing that a reader may meet. A case is never changed, only added.

Instants lie on one day, 2026-11-20, so that a JSON file reads like a story: a token is born at 08:00, its user logs in
at 09:00 from elsewhere, and at 12:00 it is revoked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from streamer import avro
from streamer.events import Derived, Event, Evidence, UserInfo, event_id
from streamer.report import Report
from streamer.tokens import Extra, Tag, Token

DAY = 1_795_132_800_000  # 2026-11-20T00:00:00Z
HOUR = 3_600_000
BORN, LOGIN, REVOKED = DAY + 8 * HOUR + 117, DAY + 9 * HOUR + 250, DAY + 12 * HOUR
EARLIEST, LATEST = -(2**63), 2**63 - 1
EPOCH = "5f0e6a43-50f4-4b0e-9f0b-3f6ad0a1c9de"
POLL = "c1a4b8f2-8d6e-4c57-9a3b-0e5d7f214863"
HOLD = "7d3e9b10-2f4c-4a86-b5d1-68c0f9e2a734"
DELETION = "0b9f4d21-6c3e-5a78-8e1d-f2a7c5304b96"
ACCOUNT = "59c84e4a16267c0001c23428"
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

SPARSE = Token("6742a0c87564613220f1e001")
TOKEN = Token(
    moid="6742a0c87564613220f1e0aa",
    token_id="tok-20261120-0001",
    client_id="4c1f08e2d7b94a5c8e3f6a7b1d2c9e0f4c1f08e2d7b94a5c8e3f6a7b1d2c9e0f-59c84e4a16267c0001c2342a",
    client_name="terraform-ci",
    client_ip_address="203.0.113.7",
    last_login_client="203.0.113.7",
    last_login_time=BORN,
    access_expiration_time=BORN + 600_000,
    expiration_time=BORN + 720 * HOUR,
    create_time=BORN,
    mod_time=BORN,
    account_moid=ACCOUNT,
    domain_group_moid="59c84e4a16267c0001c2342a",
    user_moid="5a3404ac3768393836093cab",
    app_registration_moid="6650b1f27564613301d2c300",
    permission_moid="5b1fa7116d6d3d3138aa5f01",
    user_agent="Mozilla/5.0 (X11; Linux x86_64)",
    device_model="Linux",
    parent_moid="5a3404ac3768393836093cab",
    owners=(ACCOUNT, "5a3404ac3768393836093cab"),
    permission_resources=("5b1fa7116d6d3d3138aa5f01",),
    tags=(Tag("cost-centre"), Tag("team", "platform")),
    extras=(Extra("Posture", '{"Score":7}'),),
)
REFRESHED = replace(TOKEN, access_expiration_time=LOGIN + 600_000, mod_time=LOGIN)
MOVED = replace(
    REFRESHED,
    last_login_client="198.51.100.23",
    last_login_time=LOGIN,
    permission_moid="5b1fa7116d6d3d3138aa5f02",
    tags=(),
)
HOSTILE = Token(
    moid="-_Az09",
    token_id="' or 1 eq 1 --",
    client_id='"}\n{"event_type":"deleted"}',
    client_name="\x00\x1b[2J\x7f\x85\u2028 \u202eexe.\U0001f916 <script>",
    client_ip_address="999.0.0.1",
    last_login_client="fe80::1%eth0",
    last_login_time=EARLIEST,
    access_expiration_time=LATEST,
    expiration_time=253_402_300_800_000,  # 10000-01-01T00:00:00Z
    create_time=-62_167_219_200_000,  # 0000-01-01T00:00:00Z
    mod_time=-1,
    shared_scope="lone \ud800 surrogate",
    user_agent="x" * 1000,
    owners=("\U0001d50a", "\uffff"),
    tags=(Tag("", None), Tag("", "")),
    extras=(Extra("\u0130d", '"\\ud800"'),),
)


def datum(token: Token) -> bytes:
    """A token's bare Avro bytes."""
    return b"".join(avro.encode_token(token))


CREATED = Event(
    event_id="",
    event_type="created",
    source="prod-us",
    epoch=EPOCH,
    sequence=42,
    account_moid=ACCOUNT,
    moid=TOKEN.moid,
    detected_at=BORN + 31_000,
    event_time=BORN,
    not_before=BORN - 29_000,
    not_after=BORN + 30_500,
    snapshot_id=POLL,
    after=datum(TOKEN),
    user=UserInfo("5a3404ac3768393836093cab", name="Ada Lovelace", email="ada@example.com", id="ada@example.com"),
    trace_id="AS4f1e2d3c",
    derived=Derived(lifetime_s=720 * 3600, new_client_for_user=True),
)
REFRESH = replace(
    CREATED,
    event_type="modified",
    sequence=43,
    detected_at=LOGIN + 31_000,
    event_time=LOGIN,
    not_before=LOGIN - 29_000,
    not_after=LOGIN + 30_500,
    before=datum(TOKEN),
    after=datum(REFRESHED),
    changed_fields=("access_expiration_time", "mod_time"),
    change_kinds=("refresh",),
    derived=Derived(720 * 3600, 0, new_client_for_user=False, login_network_changed=False, outlived_expiry=False),
)
DELETED = replace(
    CREATED,
    event_type="deleted",
    sequence=99,
    detected_at=REVOKED + 31_000,
    event_time=REVOKED,
    not_before=REVOKED - 29_000,
    not_after=REVOKED + 30_900,
    before=datum(MOVED),
    after=None,
    delete_cause="revoked",
    delete_evidence=Evidence(
        "lookup",
        REVOKED + 30_900,
        audit_record_moid="6742d9107564613220f1ffff",
        audit_event="Deleted",
        actor="root@example.com",
        actor_ip="2001:db8::9",
    ),
    derived=None,
)
_EVENTS: Mapping[str, Event] = {
    "created-baseline": replace(CREATED, sequence=1, not_before=None, baseline=True, user=None, derived=Derived()),
    "created": CREATED,
    "created-retraction": replace(CREATED, sequence=100, retracts=DELETION),
    "created-sparse": replace(
        CREATED, account_moid=None, moid=SPARSE.moid, after=datum(SPARSE), user=None, trace_id=None, derived=None
    ),
    "created-hostile": replace(
        CREATED,
        account_moid=None,
        moid=HOSTILE.moid,
        event_time=EARLIEST,
        not_before=-1,
        not_after=LATEST,
        after=datum(HOSTILE),
        user=UserInfo("m", name="\ud83d\ude00 \udfff", email="\n", id="\U0010ffff"),
    ),
    "modified-refresh": REFRESH,
    "modified-login": replace(
        REFRESH,
        sequence=44,
        after=datum(MOVED),
        changed_fields=(
            "last_login_client",
            "last_login_time",
            "access_expiration_time",
            "mod_time",
            "permission_moid",
            "tags",
        ),
        change_kinds=("refresh", "login", "privilege", "metadata"),
        derived=Derived(720 * 3600, 3600, new_client_for_user=None, login_network_changed=True, outlived_expiry=False),
    ),
    "deleted-revoked": DELETED,
    "deleted-expired": replace(
        DELETED, delete_cause="expired", delete_evidence=Evidence("lookup", REVOKED + 30_900), user=None
    ),
}


def _named(event: Event) -> Event:
    """The event with the id that the contract gives it."""
    found = event_id(
        event.epoch,
        event.moid,
        event.event_type,
        not_before=event.not_before,
        before=event.before,
        after=event.after,
    )
    return replace(event, event_id=found)


EVENTS: Mapping[str, Event] = {name: _named(event) for name, event in _EVENTS.items()}

ACCEPTED = Report(
    snapshot_id=POLL,
    source="prod-us",
    epoch=EPOCH,
    account_moid=ACCOUNT,
    started_at=BORN + 29_000,
    finished_at=BORN + 31_000,
    server_date=BORN - 117 + 30_000,
    clock_offset_ms=-117,
    verdict="accepted",
    reason=None,
    detail=None,
    paging="skip",
    pages=2,
    requests=3,
    rows=1037,
    server_count=1037,
    moids_sha256=SHA,
    baseline=False,
    created=1,
    modified=2,
    deleted=3,
    unchanged=1034,
    suppressed=4,
    held=5,
    waiting=6,
    stale=7,
    outlived=8,
    first_sequence=42,
    last_sequence=47,
    hold_id=HOLD,
    trace_ids=("AS4f1e2d3c", "AS4f1e2d3d"),
)
REJECTED = Report(
    snapshot_id=POLL,
    source="prod-us",
    epoch=None,
    account_moid=None,
    started_at=BORN,
    finished_at=BORN + 30_000,
    server_date=None,
    clock_offset_ms=None,
    verdict="rejected",
    reason="unauthorized",
    detail='401 "iam_api_key_is_invalid" \u2014 clé \ud800',
    paging="skip",
    pages=0,
    requests=1,
    rows=0,
    server_count=None,
    moids_sha256=None,
    baseline=True,
)
INTERRUPTED = replace(ACCEPTED, verdict="interrupted", reason="interrupted", detail="cut off after 5,000 of its events")
REPORTS: Mapping[str, Report] = {"accepted": ACCEPTED, "rejected": REJECTED, "interrupted": INTERRUPTED}
