"""Who is in a group, as Kafka lists it; those that died on this machine are shown out.

A member that was killed stays in its group until its session ends: until then nobody does its work, and whoever comes
meanwhile, such as the process that was started in its place, waits with all the others. Whether a process lives can be
seen from the machine it runs on: so its client id names the process, and a member whose process is gone is taken out by
the others, whether they wait for it or not. This room must never take out a member of another machine or container, nor
one that only stands still: that is the session's business. If it ever errs, the member joins again; safety is the
fence's business, not the group's.

Question: what names a process for good? Choice: the kernel's boot, the namespace of process ids, the id, and when it
was started: an id alone is given again, and in a container it is always the same. Where the kernel does not tell (no
`/proc`), all wait for the session.

Rejected: static members, which come back under their own name at once. Two live ones of one name throw each other out
for ever, so names would have to be given by hand; and they leave no group when they are stopped.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)
from aiokafka.protocol.group import LeaveGroupRequest

from streamer.kafka import administration, rights
from streamer.kafka.connection import CLIENT_ID, Connection
from streamer.kafka.rights import Denied

OK: Final = 0
NO_GROUP: Final = 69  # Kafka says so of one that is not there yet, or not any more
NOT_YET: Final = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
LIMIT_S: Final = 10.0
LOOK_AGAIN_S: Final = 0.05
DEAD: Final = ("Z", "X")  # as proc(5) names the states of a process of which only the entry is left

PROC: Final = Path("/proc")
BOOT: Final = PROC / "sys/kernel/random/boot_id"
NAMESPACE: Final = PROC / "self/ns/pid"


def client_id() -> str:
    """What this process calls itself in a group; no other process ever had or has that name."""
    where, pid = _here(), os.getpid()
    started = _started(pid)
    return f"{CLIENT_ID}:{where}.{pid}.{started}" if where and started else CLIENT_ID


def is_gone(client: str) -> bool:
    """Whether that was a process of this machine and container, and does not live any more; in doubt it lives."""
    place, _, process = client.removeprefix(f"{CLIENT_ID}:").partition(".")
    pid, _, started = process.partition(".")
    if place != _here() or not (pid.isdecimal() and started.isdecimal()):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return _started(int(pid)) not in (None, started)


@dataclass(frozen=True, slots=True)
class Roster:
    """A group: its state in Kafka's words, its members' client ids by member id, and the broker that knows it."""

    state: str
    members: Mapping[str, str]
    coordinator: int


async def roster(connection: Connection, group: str) -> Roster:
    """Who is in the group now, dead ones included; nobody, if there is no such group.

    Raises:
        Misconfigured, Unready: as of `Connection.reaching`.
    """
    async with asking(connection, group) as admin:
        return await _roster(admin, group)


async def show_out(connection: Connection, group: str) -> frozenset[str]:
    """Take those out that are gone, if we are in the group; the client ids of those that stay, none if we are not.

    Whoever did so before it has joined would leave the group empty, and brokers let an empty one wait for more members.

    Raises:
        Misconfigured, Unready: as of `Connection.reaching`.
    """
    async with asking(connection, group) as admin:
        found = await _roster(admin, group)
        if client_id() not in found.members.values():
            return frozenset()
        gone = {member for member, client in found.members.items() if is_gone(client)}
        for member in gone:
            await admin._send_request(LeaveGroupRequest(group, member), found.coordinator)  # noqa: SLF001
        return frozenset(client for member, client in found.members.items() if member not in gone)


def asking(connection: Connection, group: str) -> AbstractAsyncContextManager[AIOKafkaAdminClient]:
    """Somebody to ask about a group; raises as of `Connection.reaching`."""
    return administration.asking(connection, f"look at the members of group {group}", LIMIT_S)


async def _roster(admin: AIOKafkaAdminClient, group: str) -> Roster:
    coordinator, told = await described(admin, group)
    return Roster(told["state"], {member["member_id"]: member["client_id"] for member in told["members"]}, coordinator)


async def described(admin: AIOKafkaAdminClient, group: str) -> tuple[int, dict[str, Any]]:
    """The broker that coordinates the group, and what it answers to DescribeGroups.

    On a new cluster this waits while the topic that groups are kept in is being made.
    """
    while True:
        try:
            coordinator: int = await admin.find_coordinator(group)
            (reply,) = await admin.describe_consumer_groups([group], coordinator)
            (told,) = reply.to_object()["groups"]
            if told["error_code"] not in (OK, NO_GROUP):
                raise for_code(told["error_code"])(group)
        except NOT_YET:
            await asyncio.sleep(LOOK_AGAIN_S)
        except GroupAuthorizationFailedError as error:
            raise Denied(rights.DESCRIBE, rights.GROUP, [group]) from error
        else:
            return coordinator, told


def _here() -> str | None:
    """This boot of this machine, and the namespace of our process ids in it."""
    try:
        return f"{BOOT.read_text().strip().replace('-', '')}-{NAMESPACE.stat().st_ino}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    """When the process was started, in the kernel's ticks; `gone` if only its entry is left; None if not to be seen."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # its name before that may hold anything
    return "gone" if state in DEAD else fields[18]
