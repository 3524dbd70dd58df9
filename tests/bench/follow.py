"""What it costs to follow: to read events that the service published, and to print each in the forms of `follow`.

The command is a process of its own, held to one core; its start is counted, and so is all that it prints, to a file.
Beside it stand librdkafka, which reads the same topics and drops what it reads, and our own reader, which decodes and
orders the events and drops them too. Values are bare Avro: the registry's five bytes in front of one cost nothing.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from functools import partial
from tempfile import TemporaryDirectory, TemporaryFile

from streamer.kafka.follow import batches
from streamer.wire.decoding import Decoder
from tests.bench.log import dropped
from tests.bench.measure import Figure, Spent, Way, interleaved
from tests.bench.polls import SOURCE, Service, Shown
from tests.kafka.bench import OnBroker

OUTPUTS = ("ndjson", "ecs", "ocsf")
SHOWN = ("plain", "all", "plain", "all")  # each token is created, and modified three times
CORE = min(1, (os.cpu_count() or 1) - 1)


async def follow(on: OnBroker, shown: Shown, rounds: int) -> list[Figure]:
    """Publish, on the topics of an empty log, and read it in every way; figures are per event."""
    service = Service(shown.url, on.ledger(SOURCE))
    async with service.source:
        for variant in SHOWN:
            shown.show(variant)
            await service.turn()
    events = shown.tokens * len(SHOWN)
    topics = [(topic, on.layout.events) for topic in on.names.events]
    ways: dict[str, Way] = {
        "librdkafka, dropped": lambda: dropped(on.bootstrap, *topics),
        "streamer, dropped": lambda: _read(on),
    }
    ways |= {f"streamer, {output}": partial(asyncio.to_thread, _printed, on, output, events) for output in OUTPUTS}
    return await interleaved("follow", ways, events, rounds)


async def _read(on: OnBroker) -> None:
    reading = batches(on.connection, on.names, decode=Decoder().event, from_beginning=True, until_end=True)
    async for _ in reading:
        pass


def _printed(on: OnBroker, output: str, events: int) -> Spent:
    """One run of the command to the end; it must print every event."""
    command = [sys.executable, "-m", "streamer", "follow", "--from-beginning", "--until-end", "--output", output]
    keys = {"BOOTSTRAP_SERVERS": on.bootstrap, "TOPIC_PREFIX": on.prefix, "VALUE_FORMAT": "avro"}
    environ = {**os.environ, **{f"STREAMER_KAFKA__{name}": value for name, value in keys.items()}}
    with TemporaryDirectory() as folder, TemporaryFile() as out:
        cpu, wall = _cpu_s(), time.perf_counter()
        subprocess.run(
            command,
            cwd=folder,
            env=environ,
            stdout=out,
            stderr=subprocess.DEVNULL,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {CORE}),
        )
        spent = Spent(_cpu_s() - cpu, time.perf_counter() - wall, events)
        out.seek(0)
        lines = sum(1 for _ in out)
    assert lines == events, f"{lines} of {events} events were printed"
    return spent


def _cpu_s() -> float:
    """Of the children that ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
