"""What every security schema asks of an event, answered once: whose token, from where, how grave, who did it.

Pure, and total for every event that our schema allows. This room must never guess: an address that does not parse is
no address, and whoever deleted a token is known from an audit record or not at all.

Question: who acts in an event? Choice: on `created` the token's user, because a token begins with the user's own
consent; on `deleted` whom the audit record names, if there is one; on `modified` nobody, because a refresh, a login
and an administrator's change look alike; and nobody on a `created` that only takes a deletion back. Rejected: the
token's user everywhere: it would show the victim of a revocation as its author.

Question: in which form are the values? Choice: the one JSON form (`jsonform`), so that an instant, a tag or an array
reads the same here as in `--output ndjson`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from streamer import avro
from streamer.events import network
from streamer.wire import jsonform
from streamer.wire.avsc import schema_json

Event = Mapping[str, Any]

VENDOR: Final = "Cisco"
PRODUCT: Final = "Intersight"
SERVICE: Final = "intersight-token-streamer"
FLAGS: Final = ("new_client_for_user", "login_network_changed", "outlived_expiry")  # of `derived`
INFORMATIONAL, LOW = 1, 2  # severities

_FORM: Final = jsonform.compiled(schema_json(avro.EVENT))


def shown(event: Event) -> dict[str, Any]:
    """The event in the one JSON form, as a value: instants are RFC 3339 text, the order is the schema's."""
    found: dict[str, Any] = _FORM(event)
    return found


def token(event: Event) -> Mapping[str, Any]:
    """The token that the event leaves us with, or took away; empty if it carries none."""
    return event["after"] or event["before"] or {}


def present(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null or an empty object: in these schemas, what is not known is not there."""
    return {name: value for name, value in found.items() if value is not None and value != {}}


def user(event: Event, token: Mapping[str, Any]) -> dict[str, str]:
    """A token's user: `id` its Moid, `name` its login, `full_name`, `email`; without what is not known.

    The event tells the user that the token has now; of another one, that it had before, only the Moid is known.
    """
    known, moid = event["user"], token.get("user_moid")
    if known is None or moid not in {None, known["moid"]}:
        return present({"id": moid})
    return present({"id": known["moid"], "name": known["id"], "full_name": known["name"], "email": known["email"]})


def actor(event: Event) -> dict[str, str]:
    """Who did it, in the form of `user`; empty where that is not known."""
    match event["event_type"]:
        case "created" if event["retracts"] is None:
            return user(event, token(event))
        case "deleted" if event["delete_evidence"]:
            return present({"name": event["delete_evidence"]["actor"]})
    return {}


def origin(event: Event) -> str | None:
    """From which address: where the token was launched from, or the audit record's on `deleted`; as it is written."""
    if event["event_type"] == "deleted":
        evidence = event["delete_evidence"]
        return evidence["actor_ip"] if evidence else None
    return token(event).get("client_ip_address")


@lru_cache(maxsize=4096)  # under 1 MiB; a fleet of clients has fewer addresses
def address(text: str | None) -> str | None:
    """The IP address that a text is, in its usual spelling and without a zone; None if it is none."""
    try:
        found = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or found).partition("%")[0]
    return str(found)


def severity(event: Event) -> int:
    """LOW if one of the flags of `derived` is up, else INFORMATIONAL."""
    derived = event["derived"] or {}
    return LOW if any(derived.get(flag) for flag in FLAGS) else INFORMATIONAL


def login_elsewhere(token: Mapping[str, Any]) -> bool | None:
    """Whether the last login came from another network than the token was launched from; None if that is not known."""
    networks = [network(token.get(name) or "") for name in ("client_ip_address", "last_login_client")]
    return None if None in networks else networks[0] != networks[1]


def expiration_moved_s(event: Event) -> int | None:
    """By how many seconds a change in place moved the end of a token; None if one of the two had no end."""
    before, after = ((event[side] or {}).get("expiration_time") for side in ("before", "after"))
    return None if before is None or after is None else (after - before) // 1000
