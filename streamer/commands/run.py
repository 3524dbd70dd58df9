"""`streamer run`: the service."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import click

from streamer import app, log
from streamer.config import Settings
from streamer.invocation import Invocation, takes_config
from streamer.output.progress import beside_a_log
from streamer.stop import Stop
from streamer.underway import shown_by

EXAMPLES = """\b
Examples:
  streamer run
  streamer run -c /etc/streamer.yaml
"""


@click.command("run", short_help="The service: poll, diff, publish.", epilog=EXAMPLES)
@takes_config
def command(invocation: Invocation) -> None:
    """Watch the tokens of all configured accounts and publish every change, until SIGTERM or SIGINT.

    It needs Kafka and, unless kafka.value_format says otherwise, a schema registry; while one of them is away it waits
    and says so. Health is served on http.listen. A stop finishes the transaction in hand; a second signal does not.
    """
    settings = invocation.settings()
    bars = beside_a_log() if settings.log.format == "console" else None
    log.setup(settings.log.level, settings.log.format, bars)
    with nullcontext() if bars is None else shown_by(bars):
        asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stop = Stop()
    with stop.on_signals():
        await app.run(settings, stop)
