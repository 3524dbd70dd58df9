"""`streamer check`: does every edge work, before the service starts.

It creates, registers and writes nothing, and may run beside the live service: see `streamer.checks`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from streamer import log
from streamer.checks.account import AccountChecks
from streamer.checks.checklist import FAILED, NOT_TRIED, OK, UNPROVEN, WARNING, Answer, Checklist, Edge, Line
from streamer.checks.log import KafkaChecks
from streamer.checks.schemas import RegistryChecks
from streamer.clock import utc_ms
from streamer.config import Settings
from streamer.errors import CheckFailed
from streamer.invocation import OUTPUT, Invocation, takes_config
from streamer.output.printable import printable

EXAMPLES = """\b
Examples:
  streamer check
  streamer check --offline -c /etc/streamer.yaml
"""
COLOURS: Final = {OK: "green", WARNING: "yellow", UNPROVEN: "cyan", FAILED: "bold red", NOT_TRIED: "dim"}
KEYS: Final = "change what is named, in the file or where the variable is set; README lists every key"
WIDEST: Final = max(map(len, COLOURS))


@click.command("check", short_help="Does every edge work? Before the service starts, or beside it.", epilog=EXAMPLES)
@click.option("--offline", is_flag=True, help="Only the configuration, with the keys and files that it names.")
@OUTPUT
@takes_config
def command(invocation: Invocation, *, offline: bool, output: str) -> None:
    """Prove that everything works that the service needs; each line with the time it took and what to change.

    Configuration and keys; for each source the connection, the clocks, the right to list tokens, how they can be paged
    and filtered, audit records and users; the registry and our schemas there; Kafka, its topics and our rights. Nothing
    is written anywhere, and a service that runs is not disturbed. Exit status 3 if anything fails; warnings, and what
    cannot be proven without harm, are told and do not fail.
    """
    tell = _printer() if output == "text" else lambda _: None
    checks = Checklist(tell, time.monotonic)
    asyncio.run(_check(invocation, checks, offline=offline))
    if output == "json":
        click.echo(json.dumps([line.told() for line in checks.lines]))
    if checks.failed:
        told = ", ".join(f"{line.edge}: {line.name}" for line in checks.failed)
        raise CheckFailed(f"{len(checks.failed)} of {len(checks.lines)} checks failed: {told}")


async def _check(invocation: Invocation, checks: Checklist, *, offline: bool) -> None:
    """Ask all that can be asked."""
    read: list[Settings] = []

    async def configuration() -> Answer:
        read.append(invocation.settings())
        log.setup(read[0].log.beside_output, read[0].log.format)  # what a client only logs stands in its line
        count = len(read[0].sources)
        return Answer(f"{count} source{'s' if count > 1 else ''}, topics {read[0].kafka.topic_prefix}.*")

    if not await checks.ask("configuration", "keys and values", configuration, hint=KEYS):
        return
    (settings,) = read
    edges: list[Edge] = [AccountChecks(checks, source, utc_ms) for source in settings.sources]
    for edge in (*edges, RegistryChecks(checks, settings), KafkaChecks(checks, settings.kafka)):
        await edge.offline()
        if not offline:
            await edge.online()


def _printer() -> Callable[[Line], None]:
    """One line each, as it comes; its hint below."""
    console = Console(highlight=False)

    def tell(line: Line) -> None:
        took = "" if line.took_ms is None else f"{line.took_ms} ms"
        detail = printable("; ".join(line.detail.splitlines()))  # several mistakes in one configuration
        told = Text.assemble(
            (f"{line.outcome:{WIDEST}}", COLOURS[line.outcome] if console.is_terminal else ""),
            f"  {took:>8}  {printable(line.edge)}: {printable(line.name)}: {detail}",
        )
        console.print(told, soft_wrap=True)
        if line.hint:
            console.print(Text(f"{'':{WIDEST}}            hint: {printable(line.hint)}"), soft_wrap=True)

    return tell
