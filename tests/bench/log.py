"""What Kafka costs: a flood of changes committed with their state, and a restart; on a real broker."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from streamer.kafka.restore import restore
from tests.bench.measure import Figure, Way, interleaved
from tests.bench.plain_log import PlainLog
from tests.bench.polls import MODELS, POLICY, SOURCE, Service, Shown, changing
from tests.bench.ways import client
from tests.builders import FORM
from tests.kafka.bench import OnBroker
from tests.services import kafka

SIZES = (10_000, 500, 2_000, 5_000, 20_000, 50_000)  # the default first
HOURS = 24  # of a day, in each of which every token is refreshed once


@asynccontextmanager
async def topics() -> AsyncIterator[OnBroker]:
    """The topics of one source on a broker of our own, or on the one that `KAFKA_BOOTSTRAP_SERVERS` names."""
    with TemporaryDirectory() as folder:
        broker = None if kafka.given() else kafka.Broker(Path(folder) / "broker", kafka.Options())
        try:
            if broker:
                broker.start()
            given = kafka.given()
            bootstrap = broker.bootstrap if broker else given.bootstrap if given else ""
            on = OnBroker(bootstrap, f"bench-{uuid.uuid4().hex[:8]}")
            await on.make_topics(events=3)
            yield on
            await on.close()
            kafka.remove_topics(bootstrap, on.prefix)
        finally:
            if broker:
                broker.remove()


async def log(on: OnBroker, shown: Shown, rounds: int) -> AsyncIterator[list[Figure]]:
    """A baseline, polls in which everything changed, then what it costs to read all that, as they come."""
    service = Service(shown.url, on.ledger(SOURCE))
    variants = cycle(("all", "plain"))

    def change() -> None:
        shown.show(next(variants))

    shown.show("plain")
    async with service.source, client(shown.url) as http:
        await service.cycle.prepare()
        plain = PlainLog(http, on.bootstrap, on.prefix)
        beside: dict[str, Way] = {"plain way": plain.turn} if shown.tokens <= MODELS else {}
        yield await interleaved("baseline, committed", {**beside, "streamer": service.turn}, shown.tokens, 1)
        ways: dict[str, Way] = {**beside, "streamer": changing(service)}
        yield await interleaved("100 % changed, committed", ways, shown.tokens, rounds, before=change)
        yield await restored("restore, all changed", on, shown.tokens, rounds)
        for _ in range(HOURS):
            change()
            await service.turn()
        yield await restored("restore, a day later", on, shown.tokens, rounds)


async def transactions(on: OnBroker, shown: Shown, rounds: int) -> list[Figure]:
    """Polls in which everything changed, in transactions of several sizes."""
    sizes = {
        f"{size} records": replace(POLICY, source=f"of-{size}", form=replace(FORM, records=size)) for size in SIZES
    }
    ledger = on.ledger(*(policy.source for policy in sizes.values()))
    services = {name: Service(shown.url, ledger, policy) for name, policy in sizes.items()}
    variants = cycle(("all", "plain"))
    shown.show("plain")
    async with AsyncExitStack() as stack:
        for service in services.values():
            await stack.enter_async_context(service.source)
            await service.turn()
        ways: dict[str, Way] = {name: changing(service) for name, service in services.items()}
        return await interleaved(
            "100 % changed, committed",
            ways,
            shown.tokens,
            rounds,
            before=lambda: shown.show(next(variants)),
            by_wall=True,
        )


async def restored(task: str, on: OnBroker, tokens: int, rounds: int) -> list[Figure]:
    """Reading the state, beside librdkafka that reads the same partition and drops it."""
    state = on.names.state
    ways: dict[str, Way] = {
        "librdkafka, dropped": lambda: dropped(on.bootstrap, (state, 1)),
        "streamer": lambda: restore(on.connection, state, 0),
    }
    return await interleaved(task, ways, tokens, rounds, by_wall=True)


async def dropped(bootstrap: str, *read: tuple[str, int]) -> None:
    """Read topics, each with its number of partitions, as fast as librdkafka can, and keep nothing."""
    await asyncio.to_thread(
        _drop, bootstrap, [TopicPartition(t, p, OFFSET_BEGINNING) for t, n in read for p in range(n)]
    )


def _drop(bootstrap: str, lanes: list[TopicPartition]) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "never-joined",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 1,
            "fetch.wait.max.ms": 10,
            "queued.max.messages.kbytes": 262_144,
            "log_level": 0,
        }
    )
    try:
        for topic in {lane.topic for lane in lanes}:
            consumer.list_topics(topic, timeout=30)
        consumer.assign(lanes)
        left = len(lanes)
        while left:
            left -= sum(_is_end(message) for message in consumer.consume(10_000, timeout=0.1))
    finally:
        consumer.close()


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF
