"""An event as one line for a person: who, with what, from where, and what it means; nothing that could deceive.

Names of applications and people come from outside, and whoever attacks may choose them: no text may end a line, move
the cursor, colour the screen or turn the direction of what follows. Everything here is a pure function of an event as
`avro.decode_event` gives it. It must never leave out a changed field, and never print a whole token: `--output
ndjson` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final

from streamer.output.printable import printable
from streamer.tokens import INSTANTS
from streamer.wire.jsonform import rfc3339

Event = Mapping[str, Any]

LONGEST: Final = 60  # letters of one value; a client's name may be 32 KiB


@dataclass(frozen=True, slots=True)
class Line:
    """One event in columns; all of them printable, none longer than a person reads.

    `time` is the event's own (RFC 3339 UTC); `client` the application; `who` the person and the address; `what` the
    cause or the changed fields; `moid` names the token.
    """

    time: str
    type: str
    source: str
    client: str
    who: str
    what: str
    moid: str


def of(event: Event) -> Line:
    """The line of an event."""
    token = event["after"] or event["before"] or {}
    return Line(
        time=rfc3339(event["event_time"]),
        type=printable(event["event_type"]),
        source=printable(event["source"]),
        client=short(token.get("client_name") or token.get("client_id") or f"token {event['moid']}"),
        who=_who(event, token),
        what=_what(event),
        moid=printable(event["moid"]),
    )


def plain(line: Line) -> str:
    """The line as text, columns apart by two blanks."""
    return "  ".join(column for column in astuple(line) if column)


def moment(ms: int) -> str:
    """A time as a person reads it in a column: UTC, to the second."""
    return f"{rfc3339(ms)[:19].replace('T', ' ')}Z"


def short(text: str) -> str:
    """The text, printable and cut to what a line can bear."""
    shown = printable(text[: LONGEST + 1])
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"


def _who(event: Event, token: Mapping[str, Any]) -> str:
    user = event["user"] or {}
    name = user.get("email") or user.get("name") or token.get("user_moid")
    address = token.get("client_ip_address") or token.get("last_login_client")
    return " from ".join(short(part) for part in (name, address) if part)


def _what(event: Event) -> str:
    match event["event_type"]:
        case "created":
            return _creation(event)
        case "deleted":
            return _deletion(event)
        case _:
            return _modification(event)


def _creation(event: Event) -> str:
    if event["retracts"]:
        return f"is back: takes the deletion {printable(event['retracts'])} back"
    if event["baseline"]:
        return "was there before (baseline)"
    strange = (event["derived"] or {}).get("new_client_for_user")
    return "is new, with a client this user never had" if strange else "is new"


def _deletion(event: Event) -> str:
    evidence = event["delete_evidence"] or {}
    by = evidence.get("actor") or evidence.get("actor_ip")
    return printable(event["delete_cause"] or "gone") + (f" by {short(by)}" if by else "")


def steps(fields: Sequence[str], before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Each changed field of a token from what to what; ModTime says nothing beside others."""
    names = [name for name in fields if name != "mod_time"] or fields
    return ", ".join(f"{printable(name)} {_step(name, before.get(name), after.get(name))}" for name in names)


def _modification(event: Event) -> str:
    """The kinds of change, then what changed."""
    told = steps(event["changed_fields"], event["before"] or {}, event["after"] or {})
    return f"{printable('+'.join(event['change_kinds']))}: {told}"


def _step(name: str, before: Any, after: Any) -> str:
    if isinstance(before, Sequence) and isinstance(after, Sequence) and not isinstance(before, str):
        gone, come = [v for v in before if v not in after], [v for v in after if v not in before]
        return " ".join([f"-{_shown(name, v)}" for v in gone] + [f"+{_shown(name, v)}" for v in come])
    return f"{_shown(name, before)} -> {_shown(name, after)}"


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if name in INSTANTS:
        return rfc3339(value)
    if isinstance(value, Mapping):  # a tag
        return short(f"{value['key']}={value['value'] or ''}")
    return short(str(value))
