"""`streamer sources`: what the state knows of each source, and the end of one that was removed.

It reads from Kafka and works on any machine that reaches Kafka: the state says how far a source is, the group says who
has it, the last reports say how its last poll went. What is asked of a worker itself stands on its page `/sources`;
this is the same, also of workers that are away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import click
from rich.console import Console

from streamer import control
from streamer.clock import utc_ms
from streamer.commands.orders import ORDERING, WAIT, YES, ask, command_of, connection_for, give
from streamer.config import Settings
from streamer.errors import CheckFailed, StreamerError
from streamer.health import SourceHealth
from streamer.invocation import OUTPUT, Invocation, takes_config
from streamer.kafka.control import Homes, homes
from streamer.kafka.owners import owners
from streamer.kafka.restore import known
from streamer.kafka.scan import records
from streamer.kafka.topics import Names
from streamer.known import Known
from streamer.output import table
from streamer.output.printable import printable
from streamer.output.table import Column
from streamer.registry import Registry
from streamer.state import SourceState
from streamer.wire.decoding import Decoder, Undecodable

LOOKING: Final = "sources list"  # in the table of rights
NOTHING: Final = "-"
COLUMNS: Final = (
    "source",
    "owner",
    "age_s",
    "last_verdict",
    "last_reason",
    "last_sequence",
    "tokens",
    "held",
    "healthy",
)
TOLD: Final[Mapping[str, Callable[[Mapping[str, str]], str]]] = {  # on a terminal
    "source": lambda row: row["source"],
    "owner": lambda row: row["owner"],
    "age": lambda row: row["age_s"] if row["age_s"] == NOTHING else f"{row['age_s']} s",
    "last poll": lambda row: ": ".join(row[key] for key in ("last_verdict", "last_reason") if row[key] != NOTHING),
    "sequence": lambda row: row["last_sequence"],
    "tokens": lambda row: row["tokens"],
    "held": lambda row: row["held"],
    "healthy": lambda row: row["healthy"],
}
REPORTS_MS: Final = 3_600_000  # reports older than this are not read: there may be one a second


@click.group(
    "sources",
    short_help="The sources there are: list, forget.",
    invoke_without_command=True,
    epilog="""\b
Examples:
  streamer sources
  streamer sources forget lab-eu
""",
)
@OUTPUT
@takes_config
def command(invocation: Invocation, *, output: str) -> None:
    """List the sources with owner, last snapshot, sequence, tokens and held deletions; or end the state of one."""
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        _list(invocation, output)
    elif context.get_parameter_source("output") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--output stands behind `list`: streamer sources list --output json")


@command.command(
    "list",
    short_help="What is known of each.",
    epilog="""\b
Examples:
  streamer sources list
  streamer sources list --output json
""",
)
@OUTPUT
@takes_config
def list_sources(invocation: Invocation, *, output: str) -> None:
    """List the sources that the state knows and those that are configured here; the same as the page /sources."""
    _list(invocation, output)


@command.command(
    "forget",
    short_help="End the state of a removed one.",
    epilog="""\b
Examples:
  streamer sources forget lab-eu
  streamer sources forget lab-eu --yes --wait 2m
""",
)
@click.argument("name")
@YES
@WAIT
@takes_config
def forget(invocation: Invocation, *, name: str, yes: bool, wait_s: float) -> None:
    """End the state of the source NAME, which no worker may have in its configuration any more.

    Its rows are removed in one transaction; no deletion is published, and its events stay where they are. If it is
    configured again it begins a new history (epoch), with a baseline. Refused with exit status 3 while a worker polls
    it; take it out of the configuration and restart the workers first.
    """
    settings = invocation.begin(reader=True)
    there, states = asyncio.run(_states(settings, ORDERING))
    state = states.get(name)
    if state is None or state.row is None:
        raise CheckFailed(
            f"the state knows no source {name!r}: nothing was sent",
            hint=f"it knows {', '.join(sorted(states)) or 'none'}; see `streamer sources`",
        )
    count = Known.of(state.tokens).existing()
    ask(f"forget {name}, epoch {state.row.epoch}, with {count} tokens?", yes=yes)
    give(
        settings,
        there,
        command_of(invocation, control.FORGET, name, state.row.epoch),
        wait_s,
        queued=f"a worker has the partition of {name} within an hour",
        refused=CheckFailed(
            f"{name} is not forgotten",
            hint="remove it from the configuration of all workers and restart them, then send it again",
        ),
    )


# Reading...


async def _states(settings: Settings, doing: str) -> tuple[Homes, dict[str, SourceState]]:
    """By source, all that the state knows, and where commands go."""
    connection, names = connection_for(settings, doing), Names(settings.kafka.topic_prefix)
    there = await homes(connection, names, ordering=doing == ORDERING)
    return there, await known(connection, names.state, range(there.state))


async def _rows(settings: Settings) -> list[dict[str, Any]]:
    """Every source as the page /sources tells it."""
    there, states = await _states(settings, LOOKING)
    named = {source.name: source.interval for source in settings.sources}
    owned, told = await _owners(settings), await _last_reports(settings, states)
    now = utc_ms()
    rows = []
    for name in sorted(states.keys() | named.keys()):
        health = _health(name, states.get(name, SourceState()), owned.get(there.of(name)), named.get(name, 0.0))
        health.last_verdict, health.last_reason = told.get(name, (None, None))
        rows.append({**health.row(now), "owner": health.owner or None, "interval_s": named.get(name)})
    return rows


def _health(name: str, state: SourceState, owner: str | None, interval_s: float) -> SourceHealth:
    """What the state says of one; a source that is not configured here has no interval, and is not healthy."""
    health = SourceHealth(name, owner or "", interval_s, 0)
    health.show(state)
    return health


async def _owners(settings: Settings) -> Mapping[int, str]:
    """By partition its owner; nobody, where the group cannot be looked at."""
    try:
        topic = Names(settings.kafka.topic_prefix).state
        return await owners(connection_for(settings, LOOKING), settings.kafka.group, topic)
    except StreamerError as error:
        click.echo(f"streamer: owners are not known: {error}; {error.hint}", err=True)
        return {}


async def _last_reports(
    settings: Settings, states: Mapping[str, SourceState]
) -> dict[str, tuple[str | None, str | None]]:
    """Verdict and reason of the last poll of each source, as far as it is an hour old at most."""
    accepted = [state.row.complete.accepted_at for state in states.values() if state.row and state.row.complete]
    since = max(min(accepted, default=0), utc_ms() - REPORTS_MS)
    found: dict[str, tuple[str | None, str | None]] = {}
    topic = Names(settings.kafka.topic_prefix).snapshots
    try:
        async with Registry(settings.registry) as registry:
            decoder = Decoder(registry)
            async with aclosing(records(connection_for(settings, LOOKING), (topic,), since=since)) as read:
                async for record in read:
                    try:
                        report = await decoder.report(record.value)
                    except Undecodable:
                        continue
                    found[report["source"]] = (report["verdict"], report["reason"])
    except StreamerError as error:
        click.echo(f"streamer: last polls are not known: {error}; {error.hint}", err=True)
    return found


# Telling...


def _list(invocation: Invocation, output: str) -> None:
    rows = asyncio.run(_rows(invocation.begin(reader=True)))
    if output == "json":
        click.echo(json.dumps(rows))
    else:
        _show(rows, Console())


def _show(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """A table for a person; where it goes elsewhere, by the names of the JSON form."""
    if not rows:
        click.echo("streamer: no source is configured, and the state knows none", err=True)
        return
    lines = [{column: _cell(row[column]) for column in COLUMNS} for row in rows]
    if not console.is_terminal:
        table.show(console, [*map(Column, COLUMNS)], [[*line.values()] for line in lines])
        return
    told = [{name: tell(line) for name, tell in TOLD.items()} for line in lines]
    table.show(console, [*map(Column, TOLD)], [[*line.values()] for line in told])


def _cell(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(f"{value:.0f}" if isinstance(value, float) else str(value))
