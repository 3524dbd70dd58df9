"""A user with exactly these rights, on a broker that asks, and the real commands run by that user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from streamer.config import KafkaSettings
from streamer.kafka import rights
from streamer.kafka.rights import Right
from tests.installation import Around, installed
from tests.kafka.bench import ONE, OnBroker
from tests.kafka.conftest import USERS
from tests.kafka.owner import HOLD, Owner, holding
from tests.kafka.relay.stage import Bench, many, report
from tests.kafka.stage import ANSWER_LIMIT_S, make, record
from tests.process import Process
from tests.services.kafka import Broker, admin

USER = "carol"
GROUP, FORM = "siem", "json"
KINDS = {
    rights.TOPIC: ResourceType.TOPIC,
    rights.GROUP: ResourceType.GROUP,
    rights.TRANSACTIONS: ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS = {
    rights.READ: AclOperation.READ,
    rights.WRITE: AclOperation.WRITE,
    rights.CREATE: AclOperation.CREATE,
    rights.DESCRIBE: AclOperation.DESCRIBE,
    rights.CONFIGS: AclOperation.DESCRIBE_CONFIGS,
}
CALLS: Mapping[str, tuple[str, ...]] = {
    "check": ("check",),
    "follow": ("follow", "--output", "ndjson", "--from-beginning", "--until-end", "--group", GROUP),
    "relay": ("relay", "--format", FORM),
    "verify": ("verify",),
    "sources list": ("sources", "list"),
    "deletes list": ("deletes", "list"),
    "deletes release": ("deletes", "release", "--hold", HOLD, "--expect", "1", "--yes", "--wait", "0.1s"),
}


@contextmanager
def granted(broker: Broker, user: str, given: Collection[Right]) -> Iterator[None]:
    """While the block lasts, the user has these rights and no others."""
    client = admin(broker.bootstrap)
    rules = [
        AclBinding(
            KINDS[right.kind],
            right.name,
            ResourcePatternType.PREFIXED if right.beginning else ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            OPERATIONS[right.operation],
            AclPermissionType.ALLOW,
        )
        for right in given
    ]
    whatever = (ResourceType.ANY, None, ResourcePatternType.ANY)
    his = AclBindingFilter(*whatever, f"User:{user}", None, AclOperation.ANY, AclPermissionType.ANY)
    for done in client.create_acls(rules).values() if rules else ():
        done.result(ANSWER_LIMIT_S)
    try:
        while set(client.describe_acls(his).result(ANSWER_LIMIT_S)) != set(rules):
            """The broker's authorizer hears of it a moment later."""
        yield
    finally:
        for done in client.delete_acls([his]).values():
            done.result(ANSWER_LIMIT_S)
        while client.describe_acls(his).result(ANSWER_LIMIT_S):
            """And of this."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One command's topics and what is in them.

    Attributes:
        broker, prefix: where.
        all_topic: whether every event is in `P.all`, too.
        create: whether the command may make the topics that it writes to.
        relayed: of the topics that a relay writes to, the one (by suffix) that holds a record of nobody knows whom.
        new: whether nothing is known of any source, although there are reports.
    """

    broker: Broker
    prefix: str
    all_topic: bool = False
    create: bool = False
    relayed: str = ""
    new: bool = False

    @property
    def settings(self) -> KafkaSettings:
        """Of the command."""
        return KafkaSettings(topic_prefix=self.prefix, all_topic=self.all_topic, create_topics=self.create)

    def needs(self, command: str) -> tuple[Right, ...]:
        """The rights of the command here."""
        group = GROUP if command == "follow" else None
        return rights.needed(command, self.settings, group=group, form=FORM)

    def environ(self, user: str = USER) -> dict[str, str]:
        """The configuration of the command."""
        kafka = {
            "BOOTSTRAP_SERVERS": self.broker.at("SASL_PLAINTEXT"),
            "TOPIC_PREFIX": self.prefix,
            "SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "SASL_MECHANISM": "SCRAM-SHA-512",
            "SASL_USERNAME": user,
            "SASL_PASSWORD": USERS[user],
            "ALL_TOPIC": str(self.all_topic).lower(),
            "CREATE_TOPICS": str(self.create).lower(),
            "VALUE_FORMAT": "avro",
            "EVENT_PARTITIONS": "1",
            "STATE_PARTITIONS": "1",
            "GROUP": self.settings.group,
        }
        return {f"STREAMER_KAFKA__{key}": value for key, value in kafka.items()}

    async def prepare(self, command: str) -> None:
        """Topics and records, as far as they are not the command's to make."""
        ours = OnBroker(self.broker.bootstrap, self.prefix)
        if command == "run" and self.create:
            return
        await ours.make_topics(all_topic=True)
        if command == "relay" and not self.create:
            await make(self.broker.bootstrap, *map(ours.names.of, (FORM, "snapshots.json", "dead-letter")))
        if command in ("follow", "relay") or self.new:
            await self.write()
        if self.relayed:
            bench = Bench(self.broker.bootstrap, self.prefix, partitions=1)
            await bench.write(record(ours.names.of(self.relayed)))
        if (command == "run" and not self.new) or command.startswith(("deletes", "sources")):
            held = [] if command == "run" else ["a"]
            await Owner(ours.ledger(ONE), ONE).write(holding(held, live=["b"]))
            await ours.close()

    async def write(self) -> None:
        """An event and a report."""
        bench = Bench(self.broker.bootstrap, self.prefix, partitions=1)
        (event,) = many(1)
        await bench.write(event, bench.record(event, "all"), report(1))

    @asynccontextmanager
    async def process(self, command: str, folder: Path) -> AsyncIterator[Process]:
        """The command, started."""
        around = Around(self.broker.at("SASL_PLAINTEXT"), "http://127.0.0.1:1", self.prefix, self.all_topic)
        environ = self.environ() | {"STREAMER_SOURCES__0__REPLICA_LAG": "1s"}  # as long as a difference has to stand
        async with installed(around, folder, tokens=3, acts_per_second=0, environ=environ) as here:
            process = here.process
            if command != "run":
                process = Process(*CALLS[command], folder=folder, environ=process.environ)
            await process.start()
            try:
                yield process
            finally:
                await process.end()


async def status(process: Process, limit_s: float = 60.0) -> int:
    """What a process ends with."""
    async with asyncio.timeout(limit_s):
        return await process.running.wait()
