"""An event in the Elastic Common Schema 9.4.0: `iam` and `session`, and all that ECS has no field for under one name.

Pure, and total for every event that our schema allows. What is null with us is not there. Objects are nested, never
dotted names; booleans and numbers are JSON's own; an instant is RFC 3339 text.

Question: who is `user`? Choice: the token's user on created and modified; on deleted whom the audit record names, or
nobody. `user.target` is the token's user always: group by it. Rejected: the token's user as `user` on a deletion:
every SIEM would show the victim of a revocation as its author. For the same reason `source` is not there on a deletion
without an audit record, while `client` always is the address that the token was launched from.

Question: `entity.raw`, for the object as the source had it? Choice: not filled. All that we keep of it stands under our
own name, with types; a third copy of a token would be most of an event.

| ECS field | type | ours |
|---|---|---|
| `@timestamp`; `event.created` | date | `event_time`; `detected_at` |
| `event.start`, `event.end` | date | modified, deleted: `not_before`, `not_after` |
| `event.kind` | keyword | `event`; `state` on baseline |
| `event.category`, `event.outcome` | keyword | `["iam", "session"]`, `success` |
| `event.type` | keyword | created `creation`, `start`; modified `change`, `info`; deleted `deletion`, `end` |
| `event.action` | keyword | `oauth-token-created`, `-modified`, `-deleted` |
| `event.severity` | long | 2 if `new_client_for_user`, `login_network_changed` or `outlived_expiry` is true, else 1 |
| `event.id`, `event.sequence`, `event.reason` | keyword, long, keyword | `event_id`, `sequence`, `delete_cause` |
| `event.module`, `.dataset`, `.provider` | keyword | `cisco_intersight`, `cisco_intersight.oauth_token`, this service |
| `entity.id`, `.name`, `.type`, `.sub_type` | keyword | `moid`, `client_name`, `["session"]`, `oauth_token` |
| `entity.lifecycle.last_activity` | date | `last_login_time` |
| `service.name`; `user_agent.original` | keyword | `client_name`; `user_agent` |
| `user.id`, `.name`, `.email`, `.full_name` | keyword | see above: `user.moid`, `.id`, `.email`, `.name` |
| `user.target.` the same | keyword | the token's user |
| `client.address`, `client.ip` | keyword, ip | `client_ip_address`; the second only if it parses |
| `source.address`, `source.ip` | keyword, ip | the same; on deleted `delete_evidence.actor_ip` |
| `related.ip`, `related.user` | ip, keyword | every address that parses; id, name and e-mail of user and actor |
| `organization.id`, `cloud.account.id` | keyword | `account_moid` |
| `observer.vendor`, `.product`; `trace.id` | keyword | Cisco, Intersight; `trace_id` |
| `labels.snapshot_id` | keyword | `snapshot_id` |
| `ecs.version` | keyword | `9.4.0` |

Under `cisco.intersight.oauth_token.`:

| field | type | what |
|---|---|---|
| each field of `OAuthToken`: `client_id`, `user_moid`, `create_time`, ... | as ours | of `after`; deleted: `before` |
| `before.` and `after.` each field | as ours | on modified only |
| `source`, `epoch`, `delete_cause`, `retracts` | keyword | as in the event |
| `baseline` | boolean | as in the event; always there |
| `changed_fields`, `change_kinds` | keyword, many | as in the event; always there, may be empty |
| `not_before`, `not_after` | date | as in the event, on every type |
| `delete_evidence.method`, `.audit_record_moid`, `.audit_event`, `.actor`, `.actor_ip` | keyword | as in the event |
| `delete_evidence.checked_at` | date | as in the event |
| `derived.lifetime_s`, `.idle_s` | long | as in the event |
| `derived.new_client_for_user`, `.login_network_changed`, `.outlived_expiry` | boolean | as in the event |
| `login_elsewhere` | boolean | whether the last login came from another /24 or /64 than the token was launched from |
| `expiration_moved_s` | long | modified: seconds from the `expiration_time` before to the one after |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streamer.siem import subject
from streamer.siem.subject import Event, present

VERSION: Final = "9.4.0"
MODULE: Final = "cisco_intersight"
TYPES: Final = {
    "created": ("creation", "start"),
    "modified": ("change", "info"),
    "deleted": ("deletion", "end"),
}
OTHER: Final = ("info",)
AS_THEY_ARE: Final = (
    *("source", "epoch", "baseline", "changed_fields", "change_kinds"),
    *("delete_cause", "retracts", "not_before", "not_after"),
)
NESTED: Final = ("delete_evidence", "derived")


def ecs(event: Event) -> dict[str, Any]:
    """The event, as `avro.decode_event` gives it, as an ECS document: a value that JSON can write as it is."""
    shown = subject.shown(event)
    token = subject.token(shown)
    target = subject.user(event, token)
    acting = subject.actor(event) if event["event_type"] == "deleted" else target
    found = {
        "@timestamp": shown["event_time"],
        "ecs": {"version": VERSION},
        "event": _event(event, shown),
        "entity": _entity(event, token),
        "service": present({"name": token.get("client_name")}),
        "user": present(acting | {"target": target}),
        "user_agent": present({"original": token.get("user_agent")}),
        "client": _endpoint(token.get("client_ip_address")),
        "source": _endpoint(subject.origin(event)),
        "related": _related(event, token, target | {"actor": acting.get("name")}),
        "organization": present({"id": event["account_moid"]}),
        "cloud": present({"account": present({"id": event["account_moid"]})}),
        "observer": {"vendor": subject.VENDOR, "product": subject.PRODUCT},
        "trace": present({"id": event["trace_id"]}),
        "labels": {"snapshot_id": event["snapshot_id"]},
        "cisco": {"intersight": {"oauth_token": _ours(event, shown, token)}},
    }
    return present(found)


def _event(event: Event, shown: Event) -> dict[str, Any]:
    is_created = event["event_type"] == "created"
    return present(
        {
            "kind": "state" if event["baseline"] else "event",
            "category": ["iam", "session"],
            "type": list(TYPES.get(event["event_type"], OTHER)),
            "action": f"oauth-token-{event['event_type']}",
            "outcome": "success",
            "severity": subject.severity(event),
            "id": event["event_id"],
            "sequence": event["sequence"],
            "created": shown["detected_at"],
            "start": None if is_created else shown["not_before"],
            "end": None if is_created else shown["not_after"],
            "reason": event["delete_cause"],
            "module": MODULE,
            "dataset": f"{MODULE}.oauth_token",
            "provider": subject.SERVICE,
        }
    )


def _entity(event: Event, token: Mapping[str, Any]) -> dict[str, Any]:
    return present(
        {
            "id": event["moid"],
            "name": token.get("client_name"),
            "type": ["session"],
            "sub_type": "oauth_token",
            "lifecycle": present({"last_activity": token.get("last_login_time")}),
        }
    )


def _endpoint(address: str | None) -> dict[str, str]:
    return present({"address": address, "ip": subject.address(address)})


def _related(event: Event, token: Mapping[str, Any], users: Mapping[str, str | None]) -> dict[str, list[str]]:
    """All addresses and all names of people, each once, so that one search finds an event by any of them."""
    texts = (token.get("client_ip_address"), token.get("last_login_client"), subject.origin(event))
    found = {
        "ip": list(dict.fromkeys(ip for ip in map(subject.address, texts) if ip)),
        "user": list(dict.fromkeys(name for name in users.values() if name)),
    }
    return {name: values for name, values in found.items() if values}


def _ours(event: Event, shown: Event, token: Mapping[str, Any]) -> dict[str, Any]:
    """What ECS has no field for; the token's fields and the event's have no name in common."""
    both = ("before", "after") if event["event_type"] == "modified" else ()
    return present(
        {
            **token,
            **{name: shown[name] for name in AS_THEY_ARE},
            **{name: present(shown[name] or {}) for name in (*both, *NESTED)},
            "login_elsewhere": subject.login_elsewhere(token),
            "expiration_moved_s": subject.expiration_moved_s(event),
        }
    )
