"""Topics of a prefix with records in them, and relays of them: within the test's own loop, on a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from confluent_kafka import KafkaException
from confluent_kafka.admin import ConfigResource

from streamer import avro
from streamer.avro import Values
from streamer.batch import Form
from streamer.config import KafkaSettings
from streamer.events import Event
from streamer.kafka.connection import Connection
from streamer.kafka.relay.engine import Job, relay
from streamer.kafka.relay.told import Told
from streamer.kafka.topics import Names, partition_of
from streamer.kafka.writer import Outgoing
from streamer.report import Report
from streamer.siem.forms import FORMS
from streamer.siem.relay import converter
from streamer.stop import Stop
from streamer.wire.decoding import Decoder
from tests.kafka.stage import make
from tests.services.feed import EPOCH, NOON, event
from tests.services.kafka import admin
from tests.services.reader import Message, read_all

LIMIT_S = 60
EVENT_BYTES = 2 * 2**20

Decode = Any


def report(number: int) -> Report:
    """The report with this number."""
    return Report(f"{number:08d}-9b6a-4d2c-8f6e-3d1b6f0a7c11", "prod", EPOCH, "a1", NOON, NOON, None, None, "accepted")


def as_json(made: Event) -> bytes:
    """An event in the one JSON form."""
    return avro.json_line(avro.decode_event(avro.encode_event(made)), avro.EVENT)


def report_form(record: Mapping[str, Any]) -> bytes:
    """A decoded report in the one JSON form."""
    return avro.json_line(record, avro.REPORT)


def report_as_json(made: Report) -> bytes:
    """A report in the one JSON form."""
    return report_form(avro.decode_report(avro.encode_report(made)))


@dataclass
class Bench:
    """One prefix on a broker.

    Attributes:
        bootstrap, prefix: where.
        values: how records are written.
        keys: of the configuration under `kafka`.
        partitions: of the event topics.
    """

    bootstrap: str
    prefix: str
    values: Values = field(default_factory=lambda: Values("avro"))
    keys: dict[str, Any] = field(default_factory=dict)
    partitions: int = 3

    @property
    def names(self) -> Names:
        """Of the topics."""
        return Names(self.prefix)

    @property
    def settings(self) -> KafkaSettings:
        """What the relays are told."""
        known = {"topic_prefix": self.prefix, "value_format": "avro", "transaction": {"timeout": "5s"}}
        return KafkaSettings.model_validate({"bootstrap_servers": [self.bootstrap], **known, **self.keys})

    async def make_inputs(self, *more: str) -> None:
        """The topics that `streamer run` makes, and more of the same kind, by suffix."""
        events = (*self.names.events, *map(self.names.of, more))
        kept = {"max_message_bytes": EVENT_BYTES, "message_timestamp_after_max_ms": 2**63 - 1}
        await make(self.bootstrap, *events, partitions=self.partitions, **kept)
        await make(self.bootstrap, self.names.snapshots)

    def record(self, made: Event | Report, suffix: str | None = None) -> Outgoing:
        """The record of an event or a report, as the service writes it."""
        form = Form(self.values)
        one = form.event(made)[0] if isinstance(made, Event) else form.report(made)
        home = partition_of(one.key, self.partitions) if isinstance(made, Event) else 0
        at = made.detected_at if isinstance(made, Event) else made.finished_at
        return Outgoing(self.names.of(suffix or one.topic), home, one.key, one.value, at, one.headers)

    async def write(self, *records: Outgoing | Event | Report, abort: bool = False) -> None:
        """One transaction of another client's making."""
        plain = [one if isinstance(one, Outgoing) else self.record(one) for one in records]
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, transactional_id=f"{self.prefix}-source", max_request_size=EVENT_BYTES
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            for one in plain:
                fields = {name: value for name, value in asdict(one).items() if name not in {"timestamp", "headers"}}
                await producer.send_and_wait(**fields, timestamp_ms=one.timestamp, headers=list(one.headers))
            await (producer.abort_transaction() if abort else producer.commit_transaction())
        finally:
            await producer.stop()

    async def read(self, suffix: str, isolation: str = "read_committed") -> list[Message]:
        """All that is in a topic now."""
        return await read_all(self.bootstrap, [self.names.of(suffix)], isolation)

    async def comes(self, suffix: str, count: int) -> list[Message]:
        """What is in a topic once it holds so many records."""
        deadline = time.monotonic() + LIMIT_S
        while len(found := await self._found(suffix)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} records in {suffix}"
            await asyncio.sleep(0.05)
        return found

    async def _found(self, suffix: str) -> list[Message]:
        with contextlib.suppress(KafkaException, KeyError):  # the topic is not there yet, or has no leader
            return await self.read(suffix)
        return []

    def job(self, form: str = "json", *, decode: Decode = None, **options: Any) -> Job:
        """To relay the events in this form."""
        known: dict[str, Any] = {"name": form, "group": self.names.of(f"relay-{form}"), "output": form}
        return Job(**known | {"convert": converter(decode or Decoder().event, FORMS[form])} | options)

    def reports(self) -> Job:
        """To relay the reports."""
        convert = converter(Decoder().report, report_form)
        return Job("snapshots", self.names.of("relay-snapshots"), "snapshots.json", convert, reports=True)

    @asynccontextmanager
    async def relaying(self, *jobs: Job, connection: Connection | None = None) -> AsyncIterator[dict[str, str]]:
        """A relay that runs while the block lasts; yields what it says is missing."""
        stop, told = Stop(), dict[str, str]()
        connection = connection or Connection((self.bootstrap,))
        async with asyncio.TaskGroup() as group:
            group.create_task(relay(connection, self.settings, jobs or (self.job(),), stop=stop, told=Told(told)))
            await asyncio.sleep(0)  # by now it says that it is starting
            try:
                yield told
            finally:
                stop.request()


def shown(found: Sequence[Message]) -> list[bytes | None]:
    """The values, in an order of their own."""
    return sorted((one.value for one in found), key=lambda value: value or b"")


def many(count: int) -> list[Event]:
    """Events with the numbers 1 to `count`."""
    return [event(number) for number in range(1, count + 1)]


async def told(missing: Mapping[str, str], text: str = "") -> None:
    """Wait until a relay says that something is missing, with this text in it; without one: that nothing is."""
    deadline = time.monotonic() + LIMIT_S
    while not any(text in why for why in missing.values()) if text else bool(missing):
        assert time.monotonic() < deadline, f"not told {text!r}: {missing}"
        await asyncio.sleep(0.02)


def partitions(bench: Bench, *suffixes: str) -> dict[str, int]:
    """How many partitions these topics have."""
    there = admin(bench.bootstrap).list_topics(timeout=10).topics
    return {suffix: len(there[bench.names.of(suffix)].partitions) for suffix in suffixes}


def effective(bench: Bench, suffix: str) -> dict[str, str]:
    """A topic's settings."""
    asked = ConfigResource(ConfigResource.Type.TOPIC, bench.names.of(suffix))
    client = admin(bench.bootstrap)  # its replies come only while it is held
    found = client.describe_configs([asked])[asked].result(30)
    return {name: entry.value for name, entry in found.items()}
