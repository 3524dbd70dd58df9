"""The promise under SIGKILL and SIGSTOP: three real `streamer relay` under load pass every record on exactly once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streamer import avro
from streamer.avro import Values
from streamer.config import RegistrySettings
from streamer.events import Event
from streamer.kafka.share import SESSION_S
from streamer.registry import Registry
from streamer.report import Report
from streamer.wire.avsc import schema_text
from tests.kafka.relay.stage import Bench, as_json, report, report_as_json
from tests.process import FAULT, Process
from tests.services.feed import TYPES, event
from tests.services.reader import Message

SEED = 20_261_125
KILLS = int(os.environ.get("RELAY_KILLS", "4"))
FREEZES = int(os.environ.get("RELAY_FREEZES", "1"))
MOST_KILLS = 3 * KILLS  # on a busy machine a few more, until one has hit a transaction
ROLLS = max(1, FREEZES // 2)  # each restarts all three
RELAYS, PARTITIONS = 3, 6
FROZEN_S = SESSION_S + 2
EVENTS_A_TURN = 120  # a transaction of the source
TURN_S = 0.05  # so some 700 events a second, as far as the machine keeps up; after each kill more than that wait
BUSY_S = (0.1, 1.0)  # after a relay was given its share, with all that waits since the last act
EARLY_S = (0.2, 1.5)  # after the start of the process: it joins, waits, opens
FINISH_S = 90
SMALL = {"STREAMER_KAFKA__TRANSACTION__RECORDS": "10"}  # most of a second is spent within transactions
SHARE = "relay.share relay=json"


@dataclass
class Load:
    """Events and reports that are written while the relays run, and those whose transactions were committed."""

    bench: Bench
    events: list[Event] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    over: bool = False
    turns: int = 0

    async def run(self) -> None:
        """Write until it is over; every fifth transaction is aborted."""
        self.over = False
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bench.bootstrap, transactional_id=f"{self.bench.prefix}-load", linger_ms=0
        )
        await producer.start()
        try:
            while not self.over:
                self.turns += 1
                await self._turn(producer, self.turns, abort=self.turns % 5 == 0)
                await asyncio.sleep(TURN_S)
        finally:
            await producer.stop()

    async def _turn(self, producer: AIOKafkaProducer, number: int, *, abort: bool) -> None:
        first = number * EVENTS_A_TURN
        made = [event(sequence) for sequence in range(first, first + EVENTS_A_TURN)]
        told = report(number)
        await producer.begin_transaction()
        sent = [
            await producer.send(
                one.topic,
                one.value,
                key=one.key,
                partition=one.partition,
                timestamp_ms=one.timestamp,
                headers=list(one.headers),
            )
            for one in (*map(self.bench.record, made), self.bench.record(told))
        ]
        await asyncio.gather(*sent)
        if abort:
            await producer.abort_transaction()
            return
        await producer.commit_transaction()
        self.events += made
        self.reports.append(told)


class Fleet:
    """Three relays, and what is done to them."""

    def __init__(self, relays: Sequence[Process], chance: random.Random) -> None:
        self.done = Counter[str]()
        self._relays = list(relays)
        self._seen = dict.fromkeys(relays, 0)  # how many shares each was given before the last act was over
        self._chance = chance

    async def suffers(self, kills: int, freezes: int, rolls: int) -> None:
        """So much of each, in a random order."""
        self._seen = dict.fromkeys(self._relays, 0)
        acts = [self.killed] * kills + [self.frozen] * freezes + [self.rolled] * rolls
        self._chance.shuffle(acts)
        kills += self.done["kill"]
        for act in acts:
            if act != self.killed or self.done["kill"] < kills:
                await act()
                self._seen = {relay: self._shares(relay) for relay in self._relays}

    async def killed(self) -> None:
        """One dies at a random moment: at work, or on its way there; then it is started again."""
        victim = self._chance.choice(self._relays)
        if self._chance.random() < 0.75:
            await self._at_work(victim)
            await asyncio.sleep(self._chance.uniform(*BUSY_S))
        else:
            await victim.kill()
            await victim.start()
            await asyncio.sleep(self._chance.uniform(*EARLY_S))
            self.done["kill"] += 1
        await victim.kill()
        await victim.start()
        self.done["kill"] += 1

    async def frozen(self) -> None:
        """One sleeps until its session is over and its share is another's, then wakes and believes that it is not."""
        victim = self._chance.choice(self._relays)
        await self._at_work(victim)
        await asyncio.sleep(self._chance.uniform(*BUSY_S))
        victim.running.send_signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        victim.running.send_signal(signal.SIGCONT)
        self.done["freeze"] += 1

    async def rolled(self) -> None:
        """All are stopped and started, one after the other, as an upgrade does it."""
        for relay in self._relays:
            await self._at_work(relay)
            assert await relay.stop() == 0, relay.said()[-3000:]
            await relay.start()
            self._seen[relay] = 0
        self.done["roll"] += 1

    async def _at_work(self, relay: Process) -> None:
        """It was given partitions since the last act, which left work behind."""
        while self._shares(relay) <= self._seen[relay]:
            assert relay.running.returncode is None, relay.said()[-3000:]
            await asyncio.sleep(0.02)

    def _shares(self, relay: Process) -> int:
        """How often its present life was given some."""
        return sum(SHARE in line and "partitions=[]" not in line for line in relay.said().splitlines())


@pytest.mark.timeout(240 + 30 * (KILLS + FREEZES))
async def test_killed_and_frozen_at_random_moments(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """The JSON topic, read_committed, holds each event exactly once, in order, and that of the reports each report.

    The kills must have hit: transactions of the relays were aborted.
    """
    chance, began = random.Random(SEED), time.monotonic()
    bench = Bench(kafka.bootstrap, prefix, await _values(registry.url, prefix), partitions=PARTITIONS)
    await bench.make_inputs()
    async with _fleet(bench, registry.url, tmp_path) as relays:
        load, fleet = Load(bench), Fleet(relays, chance)
        lines, aborted = await _survived(bench, load, fleet, KILLS, FREEZES, ROLLS)
        while not aborted and fleet.done["kill"] < MOST_KILLS:
            lines, aborted = await _survived(bench, load, fleet, 2, 0, 0)
        reports = await _all_of(bench, "snapshots.json", load.reports)
        for relay in relays:
            assert await relay.stop() == 0
        said = "".join(relay.log.read_text(errors="replace") for relay in relays)

    print(
        f"seed {SEED}: {dict(fleet.done)}, {len(lines)} events, {aborted} records aborted, "
        f"{said.count('was fenced')} times fenced, {time.monotonic() - began:.0f} s"
    )
    assert Counter(one.value for one in lines) == Counter(map(as_json, load.events))
    assert Counter(one.value for one in reports) == Counter(map(report_as_json, load.reports))
    assert _disorder(lines) == []
    assert await bench.comes("dead-letter", 0) == []
    assert aborted > 0
    assert FAULT.search(said) is None


async def _survived(bench: Bench, load: Load, fleet: Fleet, *acts: int) -> tuple[list[Message], int]:
    """What is in `P.json` after so many acts under load, once all is relayed; and how many records were aborted."""
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        await fleet.suffers(*acts)
        load.over = True
    lines = await _all_of(bench, "json", load.events)
    return lines, len(await bench.read("json", "read_uncommitted")) - len(lines)


async def _all_of(bench: Bench, suffix: str, written: Sequence[object]) -> list[Message]:
    """What the relays made of all that was written, once they are through; a repetition does not hide a loss."""
    deadline = time.monotonic() + FINISH_S
    while True:
        found = await bench.comes(suffix, 1)
        if len({one.value for one in found}) >= len(written):
            return found
        assert time.monotonic() < deadline, f"{len(found)} of {len(written)} in {suffix}"
        await asyncio.sleep(0.2)


def _disorder(lines: Sequence[Message]) -> list[Message]:
    """Records that overtook another one of their own input partition."""
    last: defaultdict[tuple[Any, int], int] = defaultdict(int)
    found = []
    for one in lines:
        headers = dict(one.headers)
        lane, at = (headers["ce_type"], one.partition), one.timestamp
        found += [one] if at < last[lane] else []
        last[lane] = at
    return found


async def _values(url: str, prefix: str) -> Values:
    """Confluent's format, with our schemas registered as the service does it."""
    async with Registry(RegistrySettings(url=url)) as client:
        ids = {
            suffix: await client.register(f"{prefix}.{suffix}-value", schema_text(name))
            for suffix, name in [*((suffix, avro.EVENT) for suffix in TYPES), ("snapshots", avro.REPORT)]
        }
    return Values("confluent", ids)


@asynccontextmanager
async def _fleet(bench: Bench, registry: str, folder: Path) -> AsyncIterator[list[Process]]:
    """Relays that run; whatever they do, they are gone when the block ends."""
    environ = {
        "STREAMER_KAFKA__BOOTSTRAP_SERVERS": bench.bootstrap,
        "STREAMER_KAFKA__TOPIC_PREFIX": bench.prefix,
        "STREAMER_KAFKA__TRANSACTION__TIMEOUT": "5s",
        "STREAMER_REGISTRY__URL": registry,
        **SMALL,
    }
    async with AsyncExitStack() as stack:
        relays = []
        for number in range(RELAYS):
            (home := folder / f"relay-{number}").mkdir(exist_ok=True)
            relays.append(Process("relay", folder=home, environ=environ))
            stack.push_async_callback(relays[-1].end)
            await relays[-1].start()
        yield relays
