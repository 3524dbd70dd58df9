"""An installation's whole output, for collectors to read: random life, odd texts, and transactions that were aborted.

`streamer run` and two `streamer relay` run as real processes; what they wrote is decoded by the vendor's decoder, and
agreed with the simulated API before any collector sees it. A ghost stands in every partition of every topic: a record
of an aborted transaction, with an id of its own, and committed records after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.installation import UNHELD, Around, Installation, installed
from tests.judge import REGISTRY_S
from tests.process import Process
from tests.services.reader import Message, ends, read_all
from tests.siem.shapes import as_json

EVENTS = ("created", "modified", "deleted")
REPORTS = "snapshots"
RELAYED = ("json", "ecs", "snapshots.json")
SOURCES = {"json": EVENTS, "ecs": EVENTS, "snapshots.json": (REPORTS,)}  # of what the relay makes

GHOST = "00000000-dead-4ead-8ead-000000000000"
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

ODD = "a \"name\"; with 'quotes', \\ and \\n, <38>1 - `tick` ${HOME} %41 %s\n\tline 2 \u2028 é € \U0001f600"
LONG = "x" * 40_000
TOKENS, ACTS_PER_SECOND = 60, 25.0
LIMIT_S = 90

Record = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """What stands in the topics of one prefix, read_committed.

    Attributes:
        folder: of the configuration, for commands.
        decoded_events, decoded_reports: by `event_id` and `snapshot_id`, as the vendor's decoder gives them.
        messages: of all topics.
    """

    around: Around
    folder: Path
    decoded_events: Mapping[str, Record]
    decoded_reports: Mapping[str, Record]
    messages: Sequence[Message]

    @property
    def events(self) -> dict[str, Record]:
        """The events in JSON's types, instants as our JSON form writes them."""
        return {identity: as_json(event) for identity, event in self.decoded_events.items()}

    @property
    def reports(self) -> dict[str, Record]:
        """The reports likewise."""
        return {identity: as_json(report) for identity, report in self.decoded_reports.items()}

    def topic(self, suffix: str) -> str:
        """A topic's name."""
        return f"{self.around.prefix}.{suffix}"

    def of(self, *suffixes: str) -> list[Message]:
        """The records of topics."""
        topics = {self.topic(suffix) for suffix in suffixes}
        return [message for message in self.messages if message.topic in topics]

    def rendered(self, *arguments: str) -> str:
        """What `streamer siem ...` prints for this installation."""
        command = [sys.executable, "-m", "streamer", "siem", *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True, timeout=60).stdout


@asynccontextmanager
async def _relays(folder: Path) -> AsyncIterator[list[Process]]:
    """One for each form, with the configuration of the service."""
    async with AsyncExitStack() as stack:
        started = []
        for form in ("json", "ecs"):
            (home := folder / form).mkdir()
            (home / "streamer.yaml").symlink_to(folder / "streamer.yaml")
            started.append(Process("relay", "--format", form, folder=home, environ={}))
            stack.push_async_callback(started[-1].end)
            await started[-1].start()
        yield started


async def record(around: Around, folder: Path) -> Recorded:
    """Let an installation live for a while, and read what it wrote.

    Raises:
        AssertionError: it broke a promise, or has not the variety that the tests are about.
    """
    topics = [f"{around.prefix}.{suffix}" for suffix in (*EVENTS, REPORTS, *RELAYED)]
    async with installed(around, folder, tokens=TOKENS, acts_per_second=ACTS_PER_SECOND, environ=UNHELD) as here:
        await here.process.start()
        await here.process.says("poll.accepted")
        async with _relays(folder) as relays:
            await filled(around.bootstrap, [t for t in topics if not t.endswith(("modified", "deleted"))], 1)
            await asyncio.to_thread(_haunt, around, await read_all(around.bootstrap, topics))
            await filled(around.bootstrap, topics, 4)
            here.life.settle()  # or chance could rename or end what is made odd now, before a poll sees it
            await _varied(here)
            await here.quiet()
            assert await here.process.stop() == 0
            await _relayed(around)
            assert [await relay.stop() for relay in relays] == [0, 0]
        assert await here.verdict() == []
    messages = await read_all(around.bootstrap, topics)
    assert _ghosts(messages) == set()
    assert _ghosts(await read_all(around.bootstrap, topics, "read_uncommitted")) == set(topics)
    return await asyncio.to_thread(_decoded, around, folder, messages)


async def filled(bootstrap: str, topics: Sequence[str], least: int) -> None:
    """Wait until each of the topics has so many records."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with contextlib.suppress(KafkaException, KeyError):
                found = await asyncio.to_thread(ends, bootstrap, topics)
                if all(sum(n for (t, _), n in found.items() if t == topic) >= least for topic in topics):
                    return
            await asyncio.sleep(0.1)


def _haunt(around: Around, messages: Iterable[Message]) -> None:
    """One aborted transaction with a record in every partition: a copy of a real one, with other ids."""
    samples = {message.topic.removeprefix(f"{around.prefix}."): message for message in messages}
    producer = Producer({"bootstrap.servers": around.bootstrap, "transactional.id": f"{around.prefix}-ghosts"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for suffix in (*EVENTS, REPORTS, *RELAYED):
        sample = samples[EVENTS[0] if suffix in EVENTS else suffix]
        value = UUID.sub(GHOST.encode(), sample.value or b"")
        topic = f"{around.prefix}.{suffix}"
        for partition in producer.list_topics(topic, timeout=30).topics[topic].partitions:
            producer.produce(topic, value, key=sample.key, partition=partition, timestamp=sample.timestamp)
    assert producer.flush(30) == 0
    producer.abort_transaction(30)


def _ghosts(messages: Iterable[Message]) -> set[str]:
    return {message.topic for message in messages if GHOST.encode() in (message.value or b"")}


async def _varied(here: Installation) -> None:
    """Odd and long texts, the zero time, an address that is none, and a deletion."""
    lasting = sorted(here.life.tokens, key=lambda moid: str(here.life.tokens[moid]["ExpirationTime"]))
    first, second, third, fourth = lasting[-4:]
    here.life.edit(first, "odd", ClientName=ODD, LastLoginTime="0001-01-01T00:00:00Z", ClientIpAddress="unknown")
    here.life.edit(second, "long", Tags=[{"Key": str(number), "Value": LONG} for number in range(3)])
    seen = here.process.said().count("poll.accepted")
    await here.process.says("poll.accepted", seen + 2)
    for moid in {second, third, fourth} & here.life.tokens.keys():
        here.life.vanish(moid)


async def _relayed(around: Around) -> None:
    """Wait until the relays are through with all there is."""
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    for suffix, inputs in SOURCES.items():
        wanted = len(await read_all(around.bootstrap, [f"{around.prefix}.{name}" for name in inputs]))
        while True:
            if (found := len(await read_all(around.bootstrap, [f"{around.prefix}.{suffix}"]))) >= wanted:
                break
            assert asyncio.get_running_loop().time() < deadline, f"{found} of {wanted} in {suffix}"
            await asyncio.sleep(0.2)


def _decoded(around: Around, folder: Path, messages: Sequence[Message]) -> Recorded:
    found = Recorded(around, folder, {}, {}, messages)
    with SchemaRegistryClient({"url": around.registry, "timeout": REGISTRY_S}) as client:
        decode = AvroDeserializer(client)

        def told(suffix: str) -> Iterable[Record]:
            context = SerializationContext(found.topic(suffix), MessageField.VALUE)
            return (decode(message.value, context) for message in found.of(suffix))

        events = {event["event_id"]: event for suffix in EVENTS for event in told(suffix)}
        reports = {report["snapshot_id"]: report for report in told(REPORTS)}
    assert any((event["after"] or {}).get("client_name") == ODD for event in events.values())
    assert max(len(message.value or b"") for message in messages) > 90_000
    return Recorded(around, folder, events, reports, messages)
