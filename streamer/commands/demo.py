"""`streamer demo`: the whole path with no set-up, played on a stage of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import click

from streamer import app, avro, log
from streamer.clock import utc_ms
from streamer.commands.follow import COLOURS
from streamer.config import Settings, load
from streamer.demo import day, registry
from streamer.demo.audience import Audience, Event
from streamer.demo.broker import embedded_broker
from streamer.demo.compare import compare
from streamer.demo.faults import Status
from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.errors import CheckFailed
from streamer.invocation import Invocation, takes_config
from streamer.kafka.connection import Connection
from streamer.kafka.topics import EVENTS, Names
from streamer.output import lines
from streamer.registry import Registry
from streamer.serving import serve
from streamer.stop import Stop

SOURCE: Final = "demo"
RECORDS: Final = 40  # in one transaction: the first diff takes several
SHOWN: Final = 4  # events of one kind, after one act; the rest are counted
RATE: Final = 0.5  # acts by chance in a second, with --keep-running
HICCUP: Final = Status(status=503, times=1)

EXAMPLES = """\b
Examples:
  streamer demo
  streamer demo --keep-running
"""

NOT_PROVEN = """
What this does not prove: the embedded broker speaks Kafka's protocol and knows no fencing, no aborts, no compaction and
no restart. Exactly once, and no false delete under kill -9, are proven by the tests, on a real Apache Kafka.
Next, on a real Kafka: README, "Try it on a Kafka".
"""


@click.command("demo", short_help="The whole path, with no set-up.", epilog=EXAMPLES)
@click.option("--keep-running", is_flag=True, help="Go on with random life after the day, until Ctrl-C.")
@takes_config
def command(invocation: Invocation, *, keep_running: bool) -> None:
    """Play a scripted day: simulated Intersight, poller, embedded Kafka-protocol broker, follower, all in one process.

    It prints what a SIEM would see, ends by itself, and exits with 0 only if what the follower read equals what really
    happened by the simulator's own ledger; with 3 if not. It needs no account, no Kafka, no Java and no configuration.
    """
    invocation.brings_its_own("the demo")
    log.setup("error", "console")
    asyncio.run(_demo(keep_running=keep_running))


@dataclass(frozen=True, slots=True)
class _Theatre:
    """All that is served for the play; `connection` leads to its Kafka."""

    life: Life
    simulator: Simulator
    connection: Connection
    settings: Settings


async def _demo(*, keep_running: bool) -> None:
    stop, screen = Stop(), _Screen()
    with stop.on_signals():
        async with _open() as theatre, Registry(theatre.settings.registry) as schemas:
            names = Names(theatre.settings.kafka.topic_prefix)
            audience = Audience(theatre.connection, names, schemas, screen.notice)
            async with asyncio.TaskGroup() as group:
                group.create_task(app.run(theatre.settings, stop, connection=theatre.connection))
                group.create_task(audience.follow_events(stop))
                group.create_task(audience.follow_reports(stop))
                async with stop.allows(0):
                    await _play(theatre, audience, screen)
                if keep_running:
                    theatre.life.go_on(Rates(per_second=RATE))
                    screen.say("The day is over; life goes on by chance until Ctrl-C.")
                    screen.live = True
                    await stop.wait()
                stop.request()


async def _play(theatre: _Theatre, audience: Audience, screen: _Screen) -> None:
    """The day, and the verdict on it."""
    life = theatre.life
    stage = day.Stage(life, hiccup=lambda: theatre.simulator.faults.arm(HICCUP))

    async def seen(at: int) -> None:
        await audience.seen(at)
        screen.show()

    screen.say(f"{len(life.tokens)} tokens are there when the streamer starts: its first look is a baseline.")
    await seen(0)
    await day.play(stage, tell=screen.say, seen=seen, sleep=asyncio.sleep)
    read = [json.loads(avro.json_line(event, avro.EVENT)) for event in audience.events]
    wrong = compare(read, life.truth, source=SOURCE)
    if wrong:
        raise CheckFailed("what the follower read is not what happened:\n  " + "\n  ".join(wrong))
    counts = Counter(event["event_type"] for event in read)
    told = ", ".join(f"{counts[kind]} {kind}" for kind in EVENTS)
    click.echo(f"\n{len(read)} events ({told}) were read in order and equal the simulator's ledger, field by field.")
    click.echo(f"{len(audience.reports)} polls left a report, {_rejected(audience)} of them rejected.")
    click.echo(NOT_PROVEN)


def _rejected(audience: Audience) -> int:
    return sum(report["verdict"] == "rejected" for report in audience.reports)


@asynccontextmanager
async def _open() -> AsyncIterator[_Theatre]:
    """Intersight, registry and broker on free ports of this machine, and the configuration that leads to them."""
    async with AsyncExitStack() as opened:
        life = day.a_world(utc_ms)
        simulator = Simulator(life)
        url = await opened.enter_async_context(serve(simulator.app))
        schemas = await opened.enter_async_context(serve(registry.application(registry.EmbeddedRegistry())))
        bootstrap = await opened.enter_async_context(embedded_broker())
        key = simulator.credentials.ec
        environ = {
            "STREAMER_SOURCES__0__NAME": SOURCE,
            "STREAMER_SOURCES__0__URL": url,
            "STREAMER_SOURCES__0__API_KEY__ID": key.id,
            "STREAMER_SOURCES__0__API_KEY__PEM": key.pem,
            "STREAMER_SOURCES__0__INTERVAL": "1s",
            "STREAMER_SOURCES__0__REPLICA_LAG": "0s",
            "STREAMER_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "STREAMER_KAFKA__TRANSACTION__RECORDS": str(RECORDS),
            "STREAMER_REGISTRY__URL": schemas,
            "STREAMER_HTTP__LISTEN": "127.0.0.1:0",
        }
        click.echo(
            f"Intersight (simulated) {url}   embedded, for this play alone: Kafka {bootstrap}   registry {schemas}"
        )
        yield _Theatre(life, simulator, Connection.to_embedded(bootstrap), load(None, environ))


class _Screen:
    """What a person reads: after each act the events that came of it, at once or, when `live`, one by one."""

    def __init__(self) -> None:
        self.live = False
        self._new: list[lines.Line] = []

    def say(self, sentence: str) -> None:
        click.echo(f"\n{time.strftime('%H:%M:%S')}  {sentence}")

    def notice(self, event: Event) -> None:
        self._new.append(lines.of(event))
        if self.live:
            self.show()

    def show(self) -> None:
        """A few of each kind in a row; the others are counted."""
        for kind, group in groupby(self._new, key=lambda line: line.type):
            found = list(group)
            for line in found[:SHOWN]:
                click.echo(
                    f"  {click.style(f'{kind:<8}', fg=COLOURS[kind])}  {line.client:<24}  {line.who}  {line.what}"
                )
            if len(found) > SHOWN:
                click.echo(f"  {kind:<8}  ... and {len(found) - SHOWN} more")
        self._new.clear()
