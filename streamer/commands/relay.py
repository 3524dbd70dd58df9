"""`streamer relay`: the topics once more, as JSON, for collectors that cannot decode Avro.

Question: how is the consumer group named? Choice: after the topics, `P.relay-<format>`, like every other identity that
guards them: rights on the prefix cover it, and two prefixes in one cluster never meet in one group. A `--group` of
one's own gets the format behind it too, because a group shared by two formats would give each of them half. Rejected:
`kafka.group`, which has one default for all prefixes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import click

from streamer import avro
from streamer.config import Settings
from streamer.health import Board
from streamer.invocation import Invocation, read_by, takes_config
from streamer.kafka.connection import Connection
from streamer.kafka.relay.engine import Job, relay
from streamer.kafka.relay.told import Told
from streamer.kafka.rights import needed
from streamer.kafka.topics import Names
from streamer.log import say
from streamer.registry import Registry, subject_of
from streamer.settings.values import host_and_port
from streamer.siem.forms import FORMS
from streamer.siem.relay import Patient, converter
from streamer.status.application import show
from streamer.stop import Stop
from streamer.wire.decoding import Decoder

SUCH_AS: Final = "127.0.0.1:9465"
EXAMPLES = """\b
Examples:
  streamer relay --format json
  streamer relay --format ecs --listen 0.0.0.0:9465 -c /etc/streamer.yaml
"""


def _address(text: str) -> str:
    host_and_port(text, SUCH_AS)
    return text


@click.command("relay", short_help="Topics as JSON, for collectors without Avro.", epilog=EXAMPLES)
@click.option(
    "--format", "form", type=click.Choice(list(FORMS)), default="json", show_default=True, help="What events become."
)
@click.option("--group", help="Beginning of the consumer group's name, -FORMAT is added.  [default: P.relay]")
@click.option(
    "--from-beginning",
    is_flag=True,
    help="A group without offsets begins with the oldest record even if P.FORMAT holds records.",
)
@click.option(
    "--listen",
    callback=read_by(_address),
    help="Serve /healthz, /readyz and /metrics of the process there, such as 127.0.0.1:9465.",
)
@takes_config
def command(invocation: Invocation, *, form: str, group: str | None, from_beginning: bool, listen: str | None) -> None:
    """Turn the event topics into P.json, P.ocsf or P.ecs, and P.snapshots into P.snapshots.json, until SIGTERM.

    Each record once (read the topics with read_committed), on the partition and with the key, timestamp and headers of
    its origin. What is no event, or too large, goes to P.dead-letter; why and from where stands in its headers. Run as
    many as you like: they share the partitions, and reports are relayed once, whatever the formats. The order across
    topics is not kept: epoch and sequence restore it. While Kafka or the registry is away it waits, and says so.
    """
    settings = invocation.begin(reader=True)
    asyncio.run(_relay(settings, form, group, listen, from_beginning=from_beginning))


async def _relay(settings: Settings, form: str, group: str | None, listen: str | None, *, from_beginning: bool) -> None:
    connection = Connection.of(settings.kafka, needed("relay", settings.kafka, group=group, form=form))
    board, stop = Board(missing={form: "the relay is starting"}), Stop()
    with stop.on_signals():
        async with AsyncExitStack() as opened:
            if listen is not None:
                await show(opened, board, listen, "--listen", hosts=settings.http.hosts)
            registry = await opened.enter_async_context(Registry(settings.registry))
            jobs = _jobs(Names(settings.kafka.topic_prefix), registry, form, group, from_beginning=from_beginning)
            await relay(connection, settings.kafka, jobs, stop=stop, told=Told(board.missing))
    say("relay.stopped")


def _jobs(names: Names, registry: Registry, form: str, group: str | None, *, from_beginning: bool) -> tuple[Job, Job]:
    """The events in this form, and the reports."""
    events = Decoder(Patient(registry, subject_of(names.created), time.monotonic))
    reports = Decoder(Patient(registry, subject_of(names.snapshots), time.monotonic))
    return (
        Job(
            form,
            f"{group or names.of('relay')}-{form}",
            form,
            converter(events.event, FORMS[form]),
            from_beginning=from_beginning,
        ),
        Job(
            "snapshots",
            names.of("relay-snapshots"),
            "snapshots.json",
            converter(reports.report, _report),
            reports=True,
            from_beginning=from_beginning,
        ),
    )


def _report(report: Mapping[str, Any]) -> bytes:
    return avro.json_line(report, avro.REPORT)
