"""Which worker has which partition of `P.state`, as the group itself says; nobody joins it to find out."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from streamer.kafka.connection import Connection
from streamer.kafka.members import asking, described

STABLE: Final = "Stable"


async def owners(connection: Connection, group: str, topic: str) -> dict[int, str]:
    """By partition of the topic, what its owner calls itself; empty while the group shares them out, or is not there.

    Raises:
        Unready: Kafka does not answer.
        Misconfigured: this user may not look at the group.
    """
    async with asking(connection, group) as admin:
        _, told = await described(admin, group)
    if told["state"] != STABLE:
        return {}
    return {number: name for member in told["members"] for number, name in _share(member, topic)}


def _share(member: dict[str, Any], topic: str) -> list[tuple[int, str]]:
    """The partitions of one member, each with its name; a member of an earlier version is called by its client."""
    said = ConsumerProtocolMemberMetadata.decode(member["member_metadata"]).user_data
    name = said.decode(errors="replace") if said else f"{member['client_id']}@{member['client_host'].lstrip('/')}"
    given = ConsumerProtocolMemberAssignment.decode(member["member_assignment"])
    return [(number, name) for assigned, numbers in given.assignment if assigned == topic for number in numbers]
