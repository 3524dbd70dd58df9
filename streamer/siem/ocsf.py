"""An event as OCSF 1.8.0 Entity Management (class 3004): the managed entity is the token.

Pure, total for every event that our schema allows, and valid against the published JSON Schema of the class without
any profile. What is null with us is not there; what the class has no attribute for stands in `unmapped`.

Question: which class? Choice: Entity Management, the life of a managed object: Create 300401, Update 300403, Delete
300404. Rejected: Account Change (a token is no account), Authentication (we see no login, only that one happened),
API Activity (we never see the call).

Question: where does the account stand? Choice: `metadata.tenant_uid`. Rejected: the profile `cloud`, which would say it
again in `cloud.account.uid`: an event with a profile is refused by whoever validates against the class alone.

Question: whose is `src_endpoint`? Choice: see `subject.origin`; it is the address the token was launched from, and on
a deletion the one that the audit record names. Rejected: the launch address on a deletion: nobody deleted from there.

| ours | OCSF |
|---|---|
| `event_type` | `activity_id`, `activity_name`, `type_uid`, `type_name`; any other than our three is 99 Other |
| `event_id`, `sequence`, `snapshot_id` | `metadata.uid`, `.sequence`, `.correlation_uid` |
| `event_time`; `not_before`, `not_after` | `time`; on modified and deleted `start_time`, `end_time` |
| `detected_at` | `metadata.logged_time`, `.processed_time` |
| `create_time`, `mod_time` | `metadata.original_time` (the one behind `time`), `.modified_time`; `entity.data` |
| `source`, `account_moid` | `metadata.source`, `.tenant_uid` |
| `moid`, `client_name` | `entity.uid`, `entity.name`; `entity.type` `OAuth Token`, `type_id` 99 |
| `before`, `after` | modified: `entity`, `entity_result`; created, deleted: `entity`; all token fields in `.data` |
| `user` | `entity.user.uid`, `.name`, `.full_name`, `.email_addr` (if it is one) |
| who acts (`subject.actor`) | `actor.user`; on created also `actor.app_name`, `.app_uid` (`client_name`, `client_id`) |
| addresses | `src_endpoint.ip`; `observables` (type 2) of all that parse |
| `derived` | `severity_id` 2 if a flag is up, else 1; `unmapped.derived` |
| `delete_cause` | `message`, `unmapped.delete_cause` |
| `epoch`, `baseline`, `changed_fields`, `change_kinds`, `delete_evidence` | `unmapped.` the same |
| `retracts`, `trace_id` | `unmapped.` the same; the first also in `message` |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from streamer.siem import subject
from streamer.siem.subject import Event, present

VERSION: Final = "1.8.0"
OURS: Final = "v1"  # of the schema's namespace, intersight_streamer.v1
CATEGORY_UID: Final = 3
CLASS_UID: Final = 3004
CLASS: Final = "Entity Management"
OTHER: Final = 99
ACTIVITIES: Final = {"created": (1, "Create"), "modified": (3, "Update"), "deleted": (4, "Delete")}
SEVERITIES: Final = {subject.INFORMATIONAL: "Informational", subject.LOW: "Low"}
ENTITY: Final = "OAuth Token"
IP, EMAIL, RESOURCE, AGENT, USER = 2, 5, 10, 16, 31  # types of observables
OBSERVABLES: Final = {
    IP: "IP Address",
    EMAIL: "Email Address",
    RESOURCE: "Resource UID",
    AGENT: "HTTP User-Agent",
    USER: "User Object: uid",
    OTHER: "OAuth Token ID",
}
UNMAPPED: Final = (
    *("source", "epoch", "baseline", "changed_fields", "change_kinds"),
    *("delete_cause", "retracts", "trace_id"),
)
NESTED: Final = ("delete_evidence", "derived")  # of what has no attribute either

_MAIL: Final = re.compile(r"[a-zA-Z0-9!#$%&'*+\-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9.-]+")  # OCSF's email_t
_REPORTED: Final = {"created": "create_time", "modified": "mod_time"}  # what `event_time` is made of


def ocsf(event: Event) -> dict[str, Any]:
    """The event, as `avro.decode_event` gives it, as an OCSF event: a value that JSON can write as it is."""
    shown = subject.shown(event)
    activity, name = ACTIVITIES.get(event["event_type"], (OTHER, event["event_type"]))
    severity = subject.severity(event)
    is_whole = event["event_type"] == "modified" and event["before"] is not None and event["after"] is not None
    source = subject.address(subject.origin(event))
    found = {
        "activity_id": activity,
        "activity_name": name,
        "category_uid": CATEGORY_UID,
        "category_name": "Identity & Access Management",
        "class_uid": CLASS_UID,
        "class_name": CLASS,
        "type_uid": CLASS_UID * 100 + activity,
        "type_name": f"{CLASS}: {name}",
        "severity_id": severity,
        "severity": SEVERITIES[severity],
        "status_id": 1,
        "status": "Success",
        "time": event["event_time"],
        "start_time": None if event["event_type"] == "created" else event["not_before"],
        "end_time": None if event["event_type"] == "created" else event["not_after"],
        "message": _message(event),
        "metadata": _metadata(event, shown),
        "entity": _entity(event, shown["before"] if is_whole else subject.token(shown)),
        "entity_result": _entity(event, shown["after"]) if is_whole else None,
        "actor": _actor(event),
        "src_endpoint": present({"ip": source}),
        "observables": list(_observables(event, source, "entity_result" if is_whole else "entity")),
        "unmapped": _unmapped(shown),
    }
    return present(found)


def _message(event: Event) -> str:
    """One sentence of our own words and the Moid: nothing in it was chosen by a client."""
    told = f"OAuth token {event['moid']} {event['event_type']}"
    if event["retracts"] is not None:
        return f"{told}: takes back deletion {event['retracts']}"
    return f"{told}: {event['delete_cause']}" if event["delete_cause"] else told


def _metadata(event: Event, shown: Event) -> dict[str, Any]:
    token = subject.token(event)
    reported = "expiration_time" if event["delete_cause"] == "expired" else _REPORTED.get(event["event_type"], "")
    return present(
        {
            "version": VERSION,
            "product": {"vendor_name": subject.VENDOR, "name": subject.PRODUCT, "feature": {"name": "IAM"}},
            "uid": event["event_id"],
            "event_code": f"oauth-token-{event['event_type']}",
            "correlation_uid": event["snapshot_id"],
            "sequence": event["sequence"],
            "source": event["source"],
            "tenant_uid": event["account_moid"],
            "log_provider": subject.SERVICE,
            "log_name": "oauth-token",
            "log_version": OURS,
            "logged_time": event["detected_at"],
            "processed_time": event["detected_at"],
            "modified_time": token.get("mod_time"),
            "original_time": subject.token(shown).get(reported),
        }
    )


def _entity(event: Event, token: Mapping[str, Any]) -> dict[str, Any]:
    """The token as a managed entity; it has a name of its own only through its client."""
    return present(
        {
            "uid": event["moid"],
            "name": token.get("client_name"),
            "type_id": OTHER,
            "type": ENTITY,
            "user": _user(subject.user(event, token)),
            "data": present(token),
        }
    )


def _user(user: Mapping[str, str]) -> dict[str, str]:
    email = user.get("email")
    found = {"uid": user.get("id"), "name": user.get("name"), "full_name": user.get("full_name")}
    return present(found | {"email_addr": email if email and _MAIL.fullmatch(email) else None})


def _actor(event: Event) -> dict[str, Any]:
    token = subject.token(event)
    is_theirs = event["event_type"] == "created" and event["retracts"] is None
    app = {"app_name": token.get("client_name"), "app_uid": token.get("client_id")} if is_theirs else {}
    return present({"user": _user(subject.actor(event))} | app)


def _unmapped(shown: Event) -> dict[str, Any]:
    flat = {name: shown[name] for name in UNMAPPED}
    return present(flat | {name: present(shown[name] or {}) for name in NESTED})


def _observables(event: Event, source: str | None, at: str) -> Iterator[dict[str, Any]]:
    """What may be searched for, each with the place where it stands; `at` is the entity as it is now."""
    token = subject.token(event)
    user = _user(subject.user(event, token))
    found = (
        ("src_endpoint.ip", IP, source),
        (f"{at}.data.client_ip_address", IP, subject.address(token.get("client_ip_address"))),
        (f"{at}.data.last_login_client", IP, subject.address(token.get("last_login_client"))),
        (f"{at}.uid", RESOURCE, event["moid"]),
        (f"{at}.user.uid", USER, user.get("uid")),
        (f"{at}.user.email_addr", EMAIL, user.get("email_addr")),
        (f"{at}.data.user_agent", AGENT, token.get("user_agent")),
        (f"{at}.data.token_id", OTHER, token.get("token_id")),
    )
    for name, kind, value in found:
        if value is not None:
            yield {"name": name, "type_id": kind, "type": OBSERVABLES[kind], "value": value}
