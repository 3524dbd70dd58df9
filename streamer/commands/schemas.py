"""`streamer schemas`: what readers of the topics need to know, and whether the registry agrees with it.

`list` and `show` answer from the package alone: no configuration, no network. `check` asks and never writes; `register`
does exactly what the service does at its start, so that whoever may write to a registry can do it once for those who
may not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from typing import Any, Final

import click
from rich.console import Console

from streamer.checks.subjects import FAILING, compared
from streamer.config import RegistrySettings, Settings
from streamer.errors import CheckFailed, Misconfigured
from streamer.invocation import OUTPUT, Invocation, hands_config_on, takes_config
from streamer.output import table
from streamer.output.printable import printable
from streamer.output.table import Column
from streamer.registry import Registry, schemas_of, subjects_of
from streamer.wire import avsc

Rows = list[dict[str, Any]]
Columns = Mapping[str, Column]  # by the key of the JSON form

NAMED: Final = {"name": Column("name"), "record": Column("record"), "topics": Column("topics", whole=True)}
REGISTERED: Final = {
    "subject": Column("subject", whole=True),
    "schema": Column("schema"),
    "id": Column("registry id"),
}
CHECKED: Final = {
    "verdict": Column("verdict"),
    "subject": Column("subject", whole=True),
    "id": Column("registry id"),
    "level": Column("level", spare=1),
    "messages": Column("messages", whole=True),
}
Question = Callable[[RegistrySettings, dict[str, str]], Coroutine[Any, Any, Rows]]  # schema names by subject -> rows


@click.group(
    "schemas",
    short_help="The Avro schemas of the topics: list, show, check, register.",
    epilog="""\b
Examples:
  streamer schemas show oauth_token_event > oauth_token_event.avsc
  streamer schemas check -c /etc/streamer.yaml
""",
)
@hands_config_on
def command() -> None:
    """Show the Avro schemas that are published, and compare or register them with the schema registry."""


@command.command(
    "list",
    short_help="The schemas there are.",
    epilog="""\b
Examples:
  streamer schemas list
  streamer schemas list --output json
""",
)
@takes_config
@OUTPUT
def list_schemas(invocation: Invocation, *, output: str) -> None:
    """List the schemas by name, with their record and the topics whose values they describe (others are private)."""
    invocation.brings_its_own("the list of schemas")
    _tell([_described(name) for name in avsc.schema_names()], NAMED, output)


@command.command(
    "show",
    short_help="Print one.",
    epilog="""\b
Examples:
  streamer schemas show oauth_token_event
  streamer schemas show snapshot_report > snapshot_report.avsc
""",
)
@click.argument("name")
@takes_config
@OUTPUT
def show(invocation: Invocation, *, name: str, output: str) -> None:
    """Print the schema NAME as it is registered; it is JSON, and `--output json` puts it on one line."""
    invocation.brings_its_own("a schema")
    if output == "json":
        click.echo(json.dumps(avsc.schema_json(name)))
    else:
        click.echo(avsc.schema_text(name), nl=False)


@command.command(
    "check",
    short_help="Would the registry take them?",
    epilog="""\b
Examples:
  streamer schemas check
  streamer schemas check -c /etc/streamer.yaml --output json
""",
)
@takes_config
@OUTPUT
def check(invocation: Invocation, *, output: str) -> None:
    """Ask the registry whether it would take each schema; writes nothing, exit status 3 if it would not."""
    rows = _asked(invocation.settings(reader=True), _checked)
    _tell(rows, CHECKED, output)
    if failing := [row["subject"] for row in rows if row["verdict"] in FAILING]:
        raise CheckFailed(
            f"{len(failing)} of {len(rows)} subjects cannot be used: {', '.join(failing)}",
            hint="`streamer schemas register` adds what is missing; beside another program's schema, "
            "give this service another kafka.topic_prefix",
        )


@command.command(
    "register",
    short_help="Register them, as the service does.",
    epilog="""\b
Examples:
  streamer schemas register
  STREAMER_REGISTRY__USERNAME=admin streamer schemas register -c /etc/streamer.yaml
""",
)
@takes_config
@OUTPUT
def register(invocation: Invocation, *, output: str) -> None:
    """Register the schemas as the service does at its start: new subjects get their compatibility level first."""
    _tell(_asked(invocation.settings(reader=True), _registered), REGISTERED, output)


# Asking the registry ...


def _asked(settings: Settings, ask: Question) -> Rows:
    """What the configured registry makes of our schemas."""
    if settings.kafka.value_format != "confluent":
        raise Misconfigured(
            f"kafka.value_format {settings.kafka.value_format} uses no schema registry, so there is nothing to ask",
            hint="set kafka.value_format: confluent and registry.url; `streamer schemas show` needs neither",
        )
    return asyncio.run(
        ask(settings.registry, subjects_of(settings.kafka.topic_prefix, all_topic=settings.kafka.all_topic))
    )


async def _registered(settings: RegistrySettings, schemas: dict[str, str]) -> Rows:
    async with Registry(settings) as registry:
        prepared = await registry.prepare({subject: avsc.schema_text(name) for subject, name in schemas.items()})
    for warning in prepared.warnings:
        click.echo(f"warning: {warning}", err=True)
    return [{"subject": subject, "schema": name, "id": prepared.ids[subject]} for subject, name in schemas.items()]


async def _checked(settings: RegistrySettings, schemas: dict[str, str]) -> Rows:
    async with Registry(settings) as registry:
        return [asdict(finding) for finding in await compared(registry, settings, schemas)]


# Telling ...


def _described(name: str) -> dict[str, Any]:
    schema = avsc.schema_json(name)
    topics = [suffix for suffix, used in schemas_of(all_topic=True).items() if used == name]
    return {"name": name, "record": f"{schema['namespace']}.{schema['name']}", "topics": topics}


def _tell(rows: Rows, columns: Columns, output: str) -> None:
    """Whole rows for a program; the columns for a person."""
    if output == "json":
        click.echo(json.dumps(rows))
        return
    table.show(Console(), [*columns.values()], [[_cell(row[key]) for key in columns] for row in rows])


def _cell(value: Any) -> str:
    """One line of plain text: what a registry says is not ours to trust a terminal with."""
    if value is None or value in ((), []):
        return "-"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return printable(text)
