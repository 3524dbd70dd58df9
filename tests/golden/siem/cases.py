"""One event for each thing that a mapping may meet: every type, every cause of a deletion, what is absent or hostile.

A case is never changed, only added. The events are those of the golden wire, and what they lack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from streamer import avro
from streamer.events import Event, Evidence, UserInfo
from streamer.siem import ecs, ocsf
from streamer.tokens import Token
from tests.golden.published import EVENTS, REVOKED, TOKEN, datum

VERSIONS = {"ocsf": ocsf.VERSION, "ecs": ecs.VERSION}
ODD: Token = replace(
    TOKEN,
    client_ip_address="::ffff:198.51.100.9",
    last_login_client="198.51.100.9:443",
    client_name="a\n<b>\u202e\x00\ufffd",
    user_moid="5a3404ac3768393836093cac",
)
_LOGOUT = Evidence(
    "filter",
    REVOKED + 30_900,
    audit_record_moid="6742d9107564613220f1fffe",
    audit_event="Logout",
    actor="ada@example.com",
    actor_ip="fe80::1%eth0",
)
_DELETED = EVENTS["deleted-revoked"]
_NAMES = (
    *("created", "created-baseline", "created-hostile", "created-retraction", "created-sparse"),
    *("modified-login", "modified-refresh", "deleted-revoked", "deleted-expired"),
)
_EVENTS: Mapping[str, Event] = {name: EVENTS[name] for name in _NAMES} | {
    "deleted-logout": replace(_DELETED, delete_cause="logout", delete_evidence=_LOGOUT),
    "deleted-removed": replace(
        _DELETED, delete_cause="removed", delete_evidence=Evidence("lookup", REVOKED + 30_900), account_moid=None
    ),
    "deleted-unproven": replace(_DELETED, delete_cause="removed", delete_evidence=None, user=None, not_before=None),
    "modified-odd": replace(
        EVENTS["modified-login"],
        after=datum(ODD),
        change_kinds=("client", "login"),
        user=UserInfo("5a3404ac3768393836093cac", name="Eve\n", email="eve@localhost", id=None),
    ),
}
CASES: Mapping[str, dict[str, Any]] = {
    name: avro.decode_event(avro.encode_event(event)) for name, event in _EVENTS.items()
}
