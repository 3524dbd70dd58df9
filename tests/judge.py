"""The judge: reads what a consumer reads, with another client and the vendor's decoder, and holds it to the promises.

It knows nothing of the streamer's own code: records come through librdkafka (read_committed), values through the
vendor's Avro deserializer and the registered schemas, the truth from the simulator's ledger.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.services.reader import Message, read_all

EVENT_TOPICS = ("created", "modified", "deleted")
ALL = "all"
REGISTRY_S = 15  # for one answer; by default that client waits for ever, in a thread that no test's time-out ends
Event = dict[str, Any]


def plain(value: Any) -> Any:
    """The vendor's values with instants as integers of ms."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Log:
    """What stands in the topics of one prefix: events in the order of their sequence, reports in the order written.

    `copies` are the events of the topic of all, None where there is none.
    """

    events: list[Event] = field(default_factory=list)
    reports: list[Event] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    copies: list[Event] | None = None

    def of(self, moid: str) -> list[Event]:
        """The events of one token."""
        return [event for event in self.events if event["moid"] == moid]

    def histories(self) -> dict[str, list[Event]]:
        """The events of each token."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            found[event["moid"]].append(event)
        return found

    def last(self) -> dict[str, Event | None]:
        """What readers believe of every token: the `after` of its last event, None if it was deleted."""
        return {event["moid"]: event["after"] for event in self.events}


async def read_log(bootstrap: str, registry: str, prefix: str, *, all_topic: bool = False) -> Log:
    """Everything that a read_committed consumer sees, decoded by the registered schemas."""
    suffixes = (*EVENT_TOPICS, "snapshots", *([ALL] if all_topic else []))
    names = {f"{prefix}.{suffix}": suffix for suffix in suffixes}
    messages = await read_all(bootstrap, names)

    def decoded(decode: AvroDeserializer, suffix: str) -> list[Event]:
        return [
            plain(decode(m.value, SerializationContext(m.topic, MessageField.VALUE)))
            for m in messages
            if names[m.topic] == suffix
        ]

    def read() -> Log:
        with SchemaRegistryClient({"url": registry, "timeout": REGISTRY_S}) as client:
            decode = AvroDeserializer(client)
            events = [event for suffix in EVENT_TOPICS for event in decoded(decode, suffix)]
            reports = decoded(decode, "snapshots")
            copies = _in_order(decoded(decode, ALL)) if all_topic else None
        return Log(_in_order(events), reports, messages, copies)

    return await asyncio.to_thread(read)


def _in_order(events: Iterable[Event]) -> list[Event]:
    """Source by source, epoch by epoch as they began, by sequence."""
    events = list(events)
    began: dict[tuple[str, str], int] = {}
    for event in events:
        of = event["source"], event["epoch"]
        began[of] = min(event["detected_at"], began.get(of, event["detected_at"]))
    return sorted(events, key=lambda e: (e["source"], began[e["source"], e["epoch"]], e["epoch"], e["sequence"]))


def faults(log: Log, *, steady: bool = True) -> list[str]:
    """Every broken promise that the log alone shows; empty if it keeps them all.

    Args:
        log: what stands there.
        steady: the workers' clocks went on and on, so what was detected later says so.
    """
    return [
        *(_back_in_time(log.events) if steady else ()),
        *(f"event_id {i} stands {n} times" for i, n in Counter(e["event_id"] for e in log.events).items() if n > 1),
        *_gaps(log.events),
        *_untiled(log),
        *(fault for moid, events in log.histories().items() for fault in _broken_history(moid, events)),
        *(fault for event in log.events for fault in _dishonest(event)),
        *_misplaced(log.messages),
        *_misremembered(log.events),
        *_miscopied(log),
    ]


def _gaps(events: Iterable[Event]) -> Iterable[str]:
    numbers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        numbers[event["source"], event["epoch"]].append(event["sequence"])
    for of, found in numbers.items():
        if found != list(range(1, len(found) + 1)):
            yield f"{of}: sequences are not 1..{len(found)}: {found[:50]}"


def _back_in_time(events: Iterable[Event]) -> Iterable[str]:
    for earlier, later in pairwise(events):
        if earlier["source"] == later["source"] and earlier["detected_at"] > later["detected_at"]:
            yield f"{later['source']}: {later['sequence']} was detected before {earlier['sequence']}"


def _untiled(log: Log) -> Iterable[str]:
    """Per source and epoch the reports' ranges tile 1..last, and tell the counts of the events in them."""
    ranges: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    for report in log.reports:
        if report["first_sequence"] is not None:
            ranges[report["source"], report["epoch"]].append(report)
    last = Counter((e["source"], e["epoch"]) for e in log.events)
    for of in last.keys() | ranges.keys():
        told = [(r["first_sequence"], r["last_sequence"]) for r in ranges[of]]
        ends = [0, *(end for _, end in told)]
        if [first for first, _ in told] != [end + 1 for end in ends[:-1]] or ends[-1] != last[of]:
            yield f"{of}: reports do not tile 1..{last[of]}: {told}"
    kinds = Counter((e["snapshot_id"], e["event_type"]) for e in log.events)
    for report in log.reports:
        snapshot = report["snapshot_id"]
        for kind in EVENT_TOPICS:
            if report[kind] != kinds[snapshot, kind]:
                yield f"report {snapshot} tells {report[kind]} {kind}, there are {kinds[snapshot, kind]}"


def _broken_history(moid: str, events: list[Event]) -> Iterable[str]:
    """A token is created once, then changes, then is deleted; each `before` is the `after` before it."""
    if events[0]["event_type"] != "created":
        yield f"{moid} begins with {events[0]['event_type']}"
    for earlier, later in pairwise(events):
        expected = "created" if earlier["event_type"] == "deleted" else None
        if (later["event_type"] == "created") != (expected == "created"):
            yield f"{moid}: {later['event_type']} follows {earlier['event_type']}"
        if later["before"] != earlier["after"]:
            yield f"{moid}: before of {later['sequence']} is not after of {earlier['sequence']}"
    for event in events:
        if event["event_type"] == "modified" and not event["changed_fields"]:
            yield f"{moid}: {event['sequence']} says modified and names no field"


def _dishonest(event: Event) -> Iterable[str]:
    low, high, moment = event["not_before"], event["not_after"], event["event_time"]
    if low is not None and low > high:
        yield f"{event['sequence']}: not_before {low} is after not_after {high}"
    if not event["baseline"] and not (low if low is not None else moment) <= moment <= high:
        yield f"{event['sequence']}: event_time {moment} is not within {low}..{high}"


def _miscopied(log: Log) -> Iterable[str]:
    """The topic of all events, where there is one, holds each of them once, and nothing else."""
    if log.copies is not None and log.copies != log.events:
        told = [[event["sequence"] for event in events] for events in (log.copies, log.events)]
        yield f"the topic of all events holds {told[0][:50]}, the others {told[1][:50]}"


def _misremembered(events: Iterable[Event]) -> Iterable[str]:
    """A client is new for its user if no event before it showed the two together; nothing is known of a new user."""
    met: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for event in events:
        after = event["after"] or {}
        user, client = after.get("user_moid"), after.get("client_id")
        clients = met[event["source"], user or ""]
        expected = client not in clients if clients else None
        if user is None or client is None or event["baseline"]:
            expected = None
        if (found := (event["derived"] or {}).get("new_client_for_user")) is not expected:
            yield f"{event['sequence']}: new_client_for_user is {found}, {client} of {user} makes it {expected}"
        if user is not None and client is not None:
            clients.add(client)


def _misplaced(messages: Iterable[Message]) -> Iterable[str]:
    """A Moid's records stand in one partition of each topic, the same one of all."""
    homes: defaultdict[bytes, set[int]] = defaultdict(set)
    for message in messages:
        if message.topic.endswith((*EVENT_TOPICS, ALL)):
            homes[message.key or b""].add(message.partition)
    yield from (f"{key!r} stands in partitions {where}" for key, where in homes.items() if len(where) > 1)


def differences(log: Log, tokens: Mapping[str, Event]) -> list[str]:
    """Where what readers believe is not what the API shows; `tokens` by Moid, as the events would tell them."""
    believed = {moid: after for moid, after in log.last().items() if after is not None}
    return [
        *(f"{moid} is there and nobody knows" for moid in tokens.keys() - believed.keys()),
        *(f"{moid} is believed and gone" for moid in believed.keys() - tokens.keys()),
        *(
            f"{moid}.{name}: believed {believed[moid][name]!r}, shown {value!r}"
            for moid, shown in tokens.items()
            if moid in believed
            for name, value in shown.items()
            if believed[moid][name] != value
        ),
    ]


def untimely(log: Log, entries: Iterable[Mapping[str, Any]], *, lag_ms: int = 0) -> list[str]:
    """Events in whose bounds nothing of their kind happened; `entries` is the simulator's ledger.

    What was read may have been true up to `lag_ms` earlier.
    """
    moments: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in entries:
        moments[entry["moid"], entry["what"]].append(entry["at"])
    return [
        f"{event['sequence']}: nothing was {event['event_type']} within {event['not_before']}..{event['not_after']}"
        for event in log.events
        if not event["baseline"]
        and not any(
            (event["not_before"] or 0) - lag_ms <= at <= event["not_after"]
            for at in moments[event["moid"], event["event_type"]]
        )
    ]


# The API's objects as events tell them, written from the documentation and not from the streamer...

TEXTS = {
    "token_id": "TokenId",
    "client_id": "ClientId",
    "client_name": "ClientName",
    "client_ip_address": "ClientIpAddress",
    "last_login_client": "LastLoginClient",
    "account_moid": "AccountMoid",
    "domain_group_moid": "DomainGroupMoid",
    "shared_scope": "SharedScope",
}
TIMES = {
    "last_login_time": "LastLoginTime",
    "access_expiration_time": "AccessExpirationTime",
    "expiration_time": "ExpirationTime",
    "create_time": "CreateTime",
    "mod_time": "ModTime",
}
REFERENCES = {
    "user_moid": "User",
    "app_registration_moid": "AppRegistration",
    "permission_moid": "Permission",
    "parent_moid": "Parent",
}


def as_published(row: Mapping[str, Any]) -> Event:
    """A token as the API shows it, in the names and types of the events."""
    meta = row.get("UserMeta") or {}
    return {
        "moid": row["Moid"],
        **{ours: row.get(theirs) or None for ours, theirs in TEXTS.items()},
        **{ours: _ms(row.get(theirs)) for ours, theirs in TIMES.items()},
        **{ours: (row.get(theirs) or {}).get("Moid") for ours, theirs in REFERENCES.items()},
        "user_agent": meta.get("UserAgent") or None,
        "device_model": meta.get("DeviceModel") or None,
        "owners": sorted(row.get("Owners") or ()),
        "permission_resources": sorted(resource["Moid"] for resource in row.get("PermissionResources") or ()),
        "tags": sorted(
            ({"key": tag["Key"], "value": tag.get("Value") or None} for tag in row.get("Tags") or ()),
            key=lambda tag: (tag["key"], tag["value"] or ""),
        ),
    }


def _ms(text: str | None) -> int | None:
    if not text or text.startswith("0001-"):
        return None
    return round(datetime.fromisoformat(text).timestamp() * 1000)
