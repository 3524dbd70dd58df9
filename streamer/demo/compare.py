"""Holds what a reader of the topics saw against what really happened, field by field.

It is the demo's judge, so it must share nothing with the accused: no diff, no token, no decoder of the streamer's. It
translates the API's objects to the events' fields by tables of its own, small enough to be checked by eye.

The law: per token, the ledger's entries and the events are the same in number and order, and each event says exactly
what its entry says. Entries of one token at one moment are one change: nobody could have seen what was between them;
what came and went within one moment is none. This holds for a play in which every state was seen by an accepted poll
(see `day`); between two accepted polls a streamer publishes the net change, and a state that no poll saw is no event.

Fields that only the streamer can know (`snapshot_id`, `trace_id`, `detected_at`, the exact bounds) are held to what
must be true of them: the true moment lies within the bounds, numbers have no gap, names do not repeat.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from streamer.demo.truth import Entry, What

Row = Mapping[str, Any]
Event = Mapping[str, Any]

_TEXTS: Final = {
    "token_id": "TokenId",
    "client_id": "ClientId",
    "client_name": "ClientName",
    "client_ip_address": "ClientIpAddress",
    "last_login_client": "LastLoginClient",
    "account_moid": "AccountMoid",
    "domain_group_moid": "DomainGroupMoid",
    "shared_scope": "SharedScope",
}
_TIMES: Final = {
    "last_login_time": "LastLoginTime",
    "access_expiration_time": "AccessExpirationTime",
    "expiration_time": "ExpirationTime",
    "create_time": "CreateTime",
    "mod_time": "ModTime",
}
_REFERENCES: Final = {
    "user_moid": "User",
    "app_registration_moid": "AppRegistration",
    "permission_moid": "Permission",
    "parent_moid": "Parent",
}
_CLIENT: Final = {"user_agent": "UserAgent", "device_model": "DeviceModel"}
_ORDER: Final = (
    *("token_id", "client_id", "client_name", "client_ip_address", "last_login_client", "last_login_time"),
    *("access_expiration_time", "expiration_time", "create_time", "mod_time", "account_moid", "domain_group_moid"),
    *("shared_scope", "user_moid", "app_registration_moid", "permission_moid", "user_agent", "device_model"),
    *("parent_moid", "owners", "permission_resources", "tags"),
)
_KINDS: Final = {
    "refresh": "access_expiration_time",
    "lifetime": "expiration_time",
    "login": "last_login_time last_login_client",
    "client": "client_id client_name client_ip_address user_agent device_model",
    "identity": "user_moid",
    "privilege": "permission_moid permission_resources app_registration_moid shared_scope",
    "ownership": "account_moid domain_group_moid owners parent_moid",
    "metadata": "tags token_id create_time",
}
_NETWORKS: Final = {4: 24, 6: 64}
_ITS_OWN: Final = (
    *("event_id", "source", "epoch", "sequence", "detected_at"),
    *("not_before", "not_after", "snapshot_id", "trace_id"),
)
_NOT_JUDGED: Final = {"user"}  # resolved at detection from another list, and in no entry of the ledger
_CAUSES: Final = {"expire": "expired", "logout": "logout", "remove": "revoked"}  # what nothing tells of is `removed`


def compare(events: Sequence[Event], ledger: Iterable[Entry], *, source: str) -> list[str]:
    """Every difference, as a sentence; an empty list means that the reader saw what happened.

    Args:
        events: as the JSON form has them, in the order they were read; all of one source, from its beginning.
        ledger: all that happened, `seed` entries first; no state of it unseen.
        source: its name.
    """
    read: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        read[event["moid"]].append(event)
    happened = _histories(ledger)
    found = [*_whole(events, source)]
    moids = dict.fromkeys([*happened, *read])
    pairs = [pair for moid in moids for pair in zip(happened.get(moid, []), read[moid], strict=False)]
    news = _news(pairs)
    for moid in moids:
        found += _history(moid, happened.get(moid, []), read[moid], news)
    return found


def _news(pairs: Iterable[tuple[Entry, Event]]) -> dict[int, bool | None]:
    """By the number of an event, whether its client was new for its user: not met in what was told before it."""
    met: defaultdict[str, set[str]] = defaultdict(set)
    news: dict[int, bool | None] = {}
    for entry, event in sorted(pairs, key=lambda pair: pair[1]["sequence"]):
        after = _token(entry.after) or {}
        user, client = after.get("user_moid"), after.get("client_id")
        if user is None or client is None:
            news[event["sequence"]] = None
            continue
        known = met[user] and entry.cause != "seed"
        news[event["sequence"]] = client not in met[user] if known else None
        met[user].add(client)
    return news


def _histories(ledger: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Per token what happened, entries of one moment taken together."""
    happened: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in ledger:
        entries = happened[entry.moid]
        if entries and entries[-1].at == entry.at:
            before = entries.pop().before
            if before is None and entry.after is None:
                continue
            entries.append(_net(before, entry))
        else:
            entries.append(entry)
    return dict(happened)


def _net(before: Row | None, last: Entry) -> Entry:
    """What several entries of one moment come to; the last one's cause speaks for all."""
    what: What = "created" if before is None else "deleted" if last.after is None else "modified"
    return replace(last, what=what, before=dict(before) if before else None)


def _whole(events: Sequence[Event], source: str) -> Iterable[str]:
    """What is true of the feed as a whole."""
    numbers = [event["sequence"] for event in events]
    if numbers != list(range(1, len(events) + 1)):
        yield f"the sequence of the events is {numbers}, wanted 1 to {len(events)} without a gap"
    for name, count in Counter(event["event_id"] for event in events).items():
        if count > 1:
            yield f"event_id {name} stands {count} times"
        if not _is_uuid(name, version=5):
            yield f"event_id {name} is no name-based UUID"
    for field, wanted in (("epoch", 1), ("source", 1)):
        values = {event[field] for event in events}
        if len(values) > wanted:
            yield f"{field} is one of {sorted(values)}, wanted the same in all"
    for event in events:
        if event["source"] != source:
            yield f"event {event['sequence']}: source is {event['source']}, wanted {source}"


def _history(
    moid: str, happened: Sequence[Entry], read: Sequence[Event], news: Mapping[int, bool | None]
) -> Iterable[str]:
    """One token: the same number of changes, each the same."""
    if len(happened) != len(read):
        wanted = ", ".join(f"{entry.what} ({entry.cause})" for entry in happened) or "nothing"
        told = ", ".join(event["event_type"] for event in read) or "nothing"
        yield f"token {moid}: read {told}; what happened: {wanted}"
    for entry, event in zip(happened, read, strict=False):
        yield from _change(entry, event, is_new=news.get(event["sequence"]))


def _change(entry: Entry, event: Event, *, is_new: bool | None) -> Iterable[str]:
    where = f"token {entry.moid}, event {event['sequence']} ({entry.cause})"
    wanted = _wanted(entry, event, is_new=is_new)
    missing = wanted.keys() - event.keys()
    if missing or event.keys() - wanted.keys() - _NOT_JUDGED:
        yield f"{where}: fields {sorted(missing)} are missing, {sorted(event.keys() - wanted.keys())} are unknown"
    for field in wanted.keys() & event.keys():
        if event[field] != wanted[field]:
            yield f"{where}: {field} is {event[field]!r}, wanted {wanted[field]!r}"
    yield from (f"{where}: {wrong}" for wrong in _bounds(entry, event))


def _wanted(entry: Entry, event: Event, *, is_new: bool | None) -> dict[str, Any]:
    """Every field as it must be; where only the streamer can know it, as the event has it."""
    before, after = _token(entry.before), _token(entry.after)
    changed = [name for name in _ORDER if before and after and before[name] != after[name]]
    deleted, baseline = entry.what == "deleted", entry.cause == "seed"
    return {name: event.get(name) for name in _ITS_OWN} | {
        "event_type": entry.what,
        "moid": entry.moid,
        "account_moid": (after or before or {})["account_moid"],
        "event_time": _event_time(entry, event, before, after),
        "baseline": baseline,
        "before": before,
        "after": after,
        "changed_fields": changed,
        "change_kinds": _kinds(changed),
        "delete_cause": _CAUSES.get(entry.cause, "removed") if deleted else None,
        "delete_evidence": _evidence(entry, event) if deleted else None,
        "retracts": None,
        "derived": _derived(before, after) | {"new_client_for_user": is_new},
    }


def _token(row: Row | None) -> dict[str, Any] | None:
    """The API's object as events show it."""
    if row is None:
        return None
    meta = row["UserMeta"] or {}
    shown: dict[str, Any] = {
        "moid": row["Moid"],
        **{name: row[key] or None for name, key in _TEXTS.items()},
        **{name: _time(row[key]) for name, key in _TIMES.items()},
        **{name: (row[key] or {}).get("Moid") for name, key in _REFERENCES.items()},
        **{name: meta.get(key) or None for name, key in _CLIENT.items()},
        "owners": sorted(row["Owners"]),
        "permission_resources": sorted(resource["Moid"] for resource in row["PermissionResources"]),
        "tags": sorted(({"key": t["Key"], "value": t["Value"]} for t in row["Tags"]), key=lambda tag: tag["key"]),
    }
    return {"moid": shown["moid"], **{name: shown[name] for name in _ORDER}, "extras": []}


def _time(text: str) -> str | None:
    """The API's time with three decimals; its zero time is none."""
    if text.startswith("0001-01-01T00:00:00"):
        return None
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction:0<3}Z"


def _kinds(changed: Sequence[str]) -> list[str]:
    kinds = [kind for kind, names in _KINDS.items() if set(names.split()) & set(changed)]
    return kinds or (["metadata"] if changed else [])


def _event_time(entry: Entry, event: Event, before: Row | None, after: Row | None) -> Any:
    """The token's own word for when it happened, kept within the bounds; texts of one form compare like times."""
    if entry.cause == "seed" and after:
        return after["create_time"]
    own = {
        "created": after and after["create_time"],
        "modified": after and after["mod_time"],
        "deleted": _death(entry, before),
    }[entry.what]
    return min(max(own or event["detected_at"], event["not_before"] or ""), event["not_after"])


def _death(entry: Entry, before: Row | None) -> str | None:
    """When it ended, where something tells: its own expiry, or the audit record, which has the moment of the deed."""
    if entry.cause == "expire":
        return before["expiration_time"] if before else None
    if entry.cause not in {"logout", "remove"}:
        return None
    return datetime.fromtimestamp(entry.at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _evidence(entry: Entry, event: Event) -> dict[str, Any]:
    """A look-up proved it; who did it stands there exactly where an audit record tells it."""
    told = event["delete_evidence"] or {}
    who = dict.fromkeys(("audit_record_moid", "audit_event", "actor", "actor_ip"))
    if entry.cause in {"logout", "remove"}:
        who = {name: told.get(name) or f"no {name}" for name in who}
    return {"method": "lookup", "checked_at": told.get("checked_at"), **who}


def _bounds(entry: Entry, event: Event) -> Iterable[str]:
    """The true moment lies within the bounds, and was detected after it; a token there before has no lower bound."""
    low, high = event["not_before"], event["not_after"]
    if (low is None) != (entry.cause == "seed"):
        yield f"not_before is {low}, and the token was {'not ' * (low is None)}there from the start"
    if not (low is None or _ms(low) <= entry.at) or entry.at > _ms(high):
        yield f"it happened at {entry.at}, outside of {low} to {high}"
    if _ms(event["detected_at"]) < entry.at:
        yield f"detected_at is {event['detected_at']}, before it happened at {entry.at}"
    checked_at = (event["delete_evidence"] or {}).get("checked_at")
    if entry.what == "deleted" and not (low or "") <= (checked_at or "") <= high:
        yield f"the look-up that proves it was at {checked_at}, outside of {low} to {high}"
    if not _is_uuid(event["snapshot_id"], version=4) or not event["trace_id"]:
        yield "it has no snapshot_id or no trace_id"


def _derived(before: Row | None, after: Row | None) -> dict[str, Any]:
    last = after or before or {}
    created, ends = last["create_time"], last["expiration_time"]
    figures = dict.fromkeys(("lifetime_s", "idle_s", "new_client_for_user", "login_network_changed", "outlived_expiry"))
    figures["lifetime_s"] = _seconds(created, ends)
    if after is None:
        return figures
    if before is not None:
        figures["idle_s"] = _seconds(before["last_login_time"], after["last_login_time"])
        figures["login_network_changed"] = _moved(before["last_login_client"], after["last_login_client"])
    until, moments = (before or after)["expiration_time"], (after["mod_time"], after["last_login_time"])
    if until is not None:
        figures["outlived_expiry"] = any(moment is not None and moment > until for moment in moments)
    return figures


def _seconds(start: str | None, end: str | None) -> int | None:
    return None if start is None or end is None else (_ms(end) - _ms(start)) // 1000


def _moved(before: str | None, after: str | None) -> bool | None:
    if before is None or after is None:
        return None
    return _network(before) != _network(after)


def _network(address: str) -> str:
    bits = _NETWORKS[ipaddress.ip_address(address).version]
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))


def _is_uuid(text: str, *, version: int) -> bool:
    try:
        return UUID(text).version == version
    except ValueError:
        return False


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
