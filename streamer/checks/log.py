"""What must work in Kafka: it is there, it lets us in, the topics can carry the promises, and we may use them.

No record is written, no topic made, no group joined and nobody fenced; what cannot be found out that way is told as
unproven, with how to look it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from streamer.checks.checklist import FAILED, UNPROVEN, UNREADABLE, WARNING, Answer, Checklist
from streamer.config import KafkaSettings
from streamer.errors import Misconfigured
from streamer.kafka import probe, rights
from streamer.kafka.administration import Topic
from streamer.kafka.connection import Connection
from streamer.kafka.members import roster
from streamer.kafka.rights import needed
from streamer.kafka.topics import Names, survey

EDGE = "kafka"
HINT: Final = "check kafka.bootstrap_servers, and what the brokers log"


class KafkaChecks:
    """The questions about the cluster.

    Args:
        checks: where they are noted.
        settings: how it is reached and used.
    """

    def __init__(self, checks: Checklist, settings: KafkaSettings) -> None:
        self._checks = checks
        self._settings = settings
        self._made: Connection | None = None
        self._found: Mapping[str, Topic] = {}
        self._transactional_id = ""

    async def offline(self) -> None:
        """What needs no network: certificates and passwords."""
        await self._checks.ask(EDGE, "credential", self._credential, hint=UNREADABLE)

    async def online(self) -> None:
        """All else, after `offline`."""
        ask = partial(self._checks.ask, hint=HINT)
        await ask(EDGE, "connection", self._reach, needs=["credential"])
        await ask(EDGE, "topics", self._topics, needs=["connection"])
        await ask(EDGE, "transactions", self._begin, needs=["connection"])
        await ask(EDGE, "right to write", self._write, needs=["topics", "transactions"])
        await ask(EDGE, "right to read", self._read, needs=["topics"])
        await ask(EDGE, "transactional ids", self._ids, needs=["transactions"])
        await ask(EDGE, "group", self._group, needs=["connection"])

    @property
    def _connection(self) -> Connection:
        if self._made is None:
            raise ValueError("no question is asked of Kafka without usable credentials")
        return self._made

    @property
    def _names(self) -> Names:
        return Names(self._settings.topic_prefix)

    async def _credential(self) -> Answer:
        prefix, security = self._names.prefix, self._settings.security_protocol
        self._made = Connection.of(self._settings, needed("run", self._settings))
        told = "nothing to read" if security == "PLAINTEXT" else "certificates and passwords read"
        return Answer(f"{security}: {told}; topics {prefix}.*")

    async def _reach(self) -> Answer:
        count = await probe.reach(self._connection)
        return Answer(f"{count} broker{'s' if count > 1 else ''}")

    async def _topics(self) -> Answer:
        self._found, warnings = await survey(self._connection, self._settings, dry=True)
        missing = [topic for topic in (*self._written, self._names.control) if topic not in self._found]
        told = [f"{len(self._found)} are there"] if self._found else []
        told += [f"{len(missing)} would be made: {', '.join(missing)}"] if missing else []
        if warnings:
            hints = ["topics that are there are used as found, and never altered"] if self._found else []
            hints += ["set kafka.replication_factor before the first start, or add brokers"] if missing else []
            return Answer("; ".join((*told, *warnings)), WARNING, "; ".join(hints))
        return Answer("; ".join(told))

    async def _begin(self) -> Answer:
        self._transactional_id = await probe.begin(
            self._connection, self._names.prefix, timeout_s=self._settings.transaction.timeout
        )
        return Answer(f"{self._transactional_id} was opened and closed, without a record")

    async def _write(self) -> Answer:
        there = {topic: self._found[topic].partitions for topic in self._written if topic in self._found}
        if not there:
            return Answer("no topic is there yet", UNPROVEN, "check again once `streamer run` has made them")
        denied = await probe.unwritable(self._connection, self._transactional_id, there)
        if denied:
            return Answer(f"this user may not write to {', '.join(denied)}", FAILED, "grant Write on these topics")
        return Answer(f"to {len(there)} topics, proven without a record")

    async def _read(self) -> Answer:
        names = self._names
        there = [topic for topic in (names.state, names.control, names.snapshots) if topic in self._found]
        if not there:
            return Answer("no topic is there yet", UNPROVEN, "check again once `streamer run` has made them")
        for topic in there:
            try:
                await probe.readable(self._connection, topic)
            except Misconfigured as error:
                if topic != names.snapshots:
                    raise
                return Answer(f"{error}; a state that was lost would look like one that begins", WARNING, error.hint)
        return Answer(f"{', '.join(there)} may be read")

    async def _ids(self) -> Answer:
        return Answer(
            f"{self._names.state}-0 to -{self._settings.state_partitions - 1} cannot be tried without fencing a worker",
            UNPROVEN,
            self._grant(rights.TRANSACTIONS),
        )

    async def _group(self) -> Answer:
        group = self._settings.group
        await roster(self._connection, group)
        return Answer(
            f"{group} may be seen; whether it may be joined cannot be tried without disturbing its workers",
            UNPROVEN,
            self._grant(rights.GROUP),
        )

    def _grant(self, kind: str) -> str:
        """What the service needs of a kind, as README's table has it."""
        return f"grant {rights.told([right for right in needed('run', self._settings) if right.kind == kind])}"

    @property
    def _written(self) -> tuple[str, ...]:
        """The topics that the service writes to; `P.control` it only reads."""
        names = self._names
        return (*names.written(all_topic=self._settings.all_topic), names.snapshots, names.state)
