"""Which topics a reader of all events reads: the three of their types, or `P.all`, where each of them stands once more.

The two are never mixed, or every event would come twice. A reader must never be led to a topic that lacks events.

Question: when is `P.all` believed? Choice: when the reader's own configuration says `kafka.all_topic: true` and the
topic is there. Rejected: because it is there; it stays when `all_topic` is switched off, and whoever reads it then
waits for ever without an error. The three topics hold every event in any case, so they are what is fallen back to.

Question: what of a group that has read the other topics before? Choice: it goes on where it has offsets, and that is
said: in the others it would begin anew, and either repeat everything or leave out what came in between. Where it cannot
go on, because `P.all` is not written to any more, a person must say where to begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamer.errors import Misconfigured
from streamer.kafka import administration
from streamer.kafka.connection import Connection
from streamer.kafka.topics import EVENTS, Names

LIMIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What is read, as full names; `told` says it to a person, with the reason where it is not what was configured."""

    topics: tuple[str, ...]
    told: str


async def choose(connection: Connection, names: Names, *, all_topic: bool, group: str | None = None) -> Choice:
    """The topics to read every event from, each once.

    Args:
        connection: where Kafka is.
        names: the topics' names.
        all_topic: as configured.
        group: the consumer group, if there is one.

    Raises:
        Misconfigured: a right is missing; or the group has read `P.all`, which is not written to any more.
        Unready: Kafka does not answer.
    """
    there = all_topic and (connection.embedded or await _exists(connection, names.all))
    read = await _read_by(connection, group) if group else frozenset()
    has_read_three = not read.isdisjoint(names.events)
    if there and (names.all in read or not has_read_three):
        return Choice((names.all,), names.all)
    if there:
        return _three(names, f"group {group} has its offsets there; another group reads {names.all}")
    if all_topic:
        return _three(names, f"{names.all} does not exist (yet)")
    if names.all in read and not has_read_three:
        raise Misconfigured(
            f"group {group} has read {names.all}, and kafka.all_topic is false: later events stand elsewhere",
            hint="set kafka.all_topic: true as the service has it; or give another --group, and --since",
        )
    return _three(names)


async def _exists(connection: Connection, topic: str) -> bool:
    async with administration.asking(connection, "ask which event topics to read", LIMIT_S) as admin:
        return not await administration.missing(admin, [topic])


async def _read_by(connection: Connection, group: str) -> frozenset[str]:
    """The topics that a group has offsets in."""
    if connection.embedded:  # it keeps nothing, so nothing is left of other configurations
        return frozenset()
    async with administration.asking(connection, "ask which event topics to read", LIMIT_S) as admin:
        return await administration.read_by(admin, group)


def _three(names: Names, why: str = "") -> Choice:
    told = f"{names.prefix}.{{{','.join(EVENTS)}}}"
    return Choice(names.events, f"{told} ({why})" if why else told)
