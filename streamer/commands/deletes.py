"""`streamer deletes`: what is held, and a person's word on it.

`list` reads the state from Kafka, so it works on any machine that reaches Kafka, and without a schema registry. The two
others send a command to whichever worker owns the source, and wait for what it says. Nothing here changes the state.

Question: what keeps a person from releasing what nobody saw? Choice: the command names the hold, the number that was
expected and a hash of the Moids read right before it, and the worker compares all three with what is held when it acts.
On a terminal these Moids are shown and asked about first. Rejected: to release a hold by its id alone; it may grow.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import click
from rich.console import Console
from rich.text import Text

from streamer import avro, control
from streamer.commands.orders import ORDERING, WAIT, YES, ask, command_of, connection_for, give
from streamer.config import Settings
from streamer.control import Held
from streamer.errors import CheckFailed, Misconfigured
from streamer.invocation import OUTPUT, Invocation, hands_config_on, takes_config
from streamer.kafka.connection import Connection
from streamer.kafka.control import Homes, homes
from streamer.kafka.restore import known
from streamer.kafka.topics import Names
from streamer.output import lines, table
from streamer.output.printable import printable
from streamer.output.table import Column
from streamer.state import SourceState
from streamer.wire.jsonform import rfc3339

COLUMNS: Final = ("source", "hold_id", "count", "reason", "since")
TABLE: Final = (
    Column("source"),
    Column("hold_id", whole=True),
    Column("count"),
    Column("reason"),
    Column("since", whole=True, spare=1),
)
TOKEN: Final = (Column("moid", whole=True), Column("client"), Column("user"), Column("expires"))
LOOKING: Final = "deletes list"  # in the table of rights

HOLD = click.option("--hold", type=click.UUID, required=True, help="The hold, as `streamer deletes list` shows it.")
SOURCE = click.option("--source", help="Look at this source alone.  [default: at all]")


@click.group(
    "deletes",
    short_help="Deletions that wait for a person: list, release, discard.",
    epilog="""\b
Examples:
  streamer deletes list
  streamer deletes release --hold 5f0c3d1e-8a51-4c43-9b1e-2f6f0a7c1d90 --expect 5000
""",
)
@hands_config_on
def command() -> None:
    """Show the deletions that are held because they are too many at once, and say what shall become of them."""


@command.command(
    "list",
    short_help="What is held.",
    epilog="""\b
Examples:
  streamer deletes list
  streamer deletes list --source prod-us --output json
""",
)
@SOURCE
@OUTPUT
@takes_config
def list_held(invocation: Invocation, *, source: str | None, output: str) -> None:
    """List the holds of all sources that Kafka knows, with the Moids in each; needs neither worker nor registry."""
    settings = invocation.begin(reader=True)
    states = asyncio.run(_states(settings, connection_for(settings, LOOKING), source))[1]
    found = _held(states)
    if output == "json":
        click.echo(json.dumps([held.told() for held in found]))
    else:
        _show(found, Console())
    for name, state in sorted(states.items()):
        if count := control.discarded(state):
            click.echo(
                f"streamer: {name}: {count} discarded deletions are let alone, for seven days or until their tokens "
                "expire or are seen again",
                err=True,
            )


@command.command(
    "release",
    short_help="Let a hold go.",
    epilog="""\b
Examples:
  streamer deletes release --hold 5f0c3d1e-8a51-4c43-9b1e-2f6f0a7c1d90 --expect 5000
  streamer deletes release --hold 5f0c3d1e-8a51-4c43-9b1e-2f6f0a7c1d90 --expect 12 --source prod-us --yes
""",
)
@HOLD
@click.option("--expect", type=click.IntRange(min=0), required=True, help="How many deletions are meant.")
@SOURCE
@YES
@WAIT
@takes_config
def release(invocation: Invocation, *, hold: UUID, expect: int, source: str | None, yes: bool, wait_s: float) -> None:
    """Let the deletions of a hold be published, once each is verified again; tokens that are back just leave the hold.

    Refused with exit status 3 unless hold, number and Moids are what is held when the worker acts.
    """
    _send(invocation, control.RELEASE, hold=str(hold), expect=expect, source=source, yes=yes, wait_s=wait_s)


@command.command(
    "discard",
    short_help="Drop a hold.",
    epilog="""\b
Examples:
  streamer deletes discard --hold 5f0c3d1e-8a51-4c43-9b1e-2f6f0a7c1d90
  streamer deletes discard --hold 5f0c3d1e-8a51-4c43-9b1e-2f6f0a7c1d90 --yes --wait 2m
""",
)
@HOLD
@SOURCE
@YES
@WAIT
@takes_config
def discard(invocation: Invocation, *, hold: UUID, source: str | None, yes: bool, wait_s: float) -> None:
    """Drop a hold and keep its tokens known, as a person who knows that they are there: nothing is published.

    They are let alone until they are seen again, until they expire, or for seven days; what is missing then is judged
    anew. A change of what we may see is not accepted by this, as it is by a release: what else vanishes is held again.

    Refused with exit status 3 unless hold and Moids are what is held when the worker acts.
    """
    _send(invocation, control.DISCARD, hold=str(hold), expect=None, source=source, yes=yes, wait_s=wait_s)


# Reading...


async def _states(
    settings: Settings, connection: Connection, source: str | None, *, ordering: bool = False
) -> tuple[Homes, dict[str, SourceState]]:
    """What is known of one source or of all, by source, and where commands about them go.

    Raises:
        Misconfigured: there is no such source; names those that there are.
    """
    names = Names(settings.kafka.topic_prefix)
    there = await homes(connection, names, ordering=ordering)
    found = await known(connection, names.state, range(there.state) if source is None else (there.of(source),))
    if source is not None and source not in found:
        found = await known(connection, names.state, range(there.state))
        raise Misconfigured(
            f"--source {source!r} is given; {names.state} knows {', '.join(sorted(found)) or 'no source yet'}",
            hint="a source is known once it was polled; check its name, and kafka.topic_prefix",
        )
    return there, {name: state for name, state in found.items() if source in (None, name)}


def _held(states: Mapping[str, SourceState]) -> list[Held]:
    """The holds, by source."""
    holds = [Held.of(name, state) for name, state in states.items()]
    return sorted((held for held in holds if held), key=lambda held: held.source)


# Ordering...


def _send(
    invocation: Invocation,
    action: str,
    *,
    hold: str,
    expect: int | None,
    source: str | None,
    yes: bool,
    wait_s: float,
) -> None:
    """Read, ask, send, wait, and say what became of it."""
    settings = invocation.begin(reader=True)
    there, states = asyncio.run(_states(settings, connection_for(settings, ORDERING), source, ordering=True))
    held = _chosen(_held(states), hold, expect)
    question = f"{action} these {len(held.moids)} deletions of {held.source}?"
    ask(question, yes=yes, show=lambda: _show([held], Console(stderr=True)))
    about = {"hold_id": held.hold_id, "expect": len(held.moids), "moids_sha256": held.moids_sha256}
    give(
        settings,
        there,
        command_of(invocation, action, held.source, held.epoch, **about),
        wait_s,
        queued=f"{held.source} is polled within an hour. See that its worker runs; when `streamer deletes list` shows "
        f"hold {held.hold_id} no longer as it is now, it has acted, else give the order again",
        refused=CheckFailed(
            f"{held.source} refused to {action} hold {held.hold_id}", hint="look at `streamer deletes list` again"
        ),
    )


def _chosen(found: Sequence[Held], hold: str, expect: int | None) -> Held:
    """The hold that is meant, if it is as expected."""
    for held in found:
        if held.hold_id == hold:
            if expect is not None and held.released_at is not None:
                raise CheckFailed(
                    f"hold {hold} of {held.source} was released at {rfc3339(held.released_at)}, and {len(held.moids)} "
                    "deletions are still being verified: nothing was sent",
                    hint="wait for the next polls; `streamer deletes discard` calls off what is not yet published",
                )
            if expect not in (None, len(held.moids)):
                raise CheckFailed(
                    f"hold {hold} of {held.source} has {len(held.moids)} deletions, {expect} are expected: "
                    "nothing was sent",
                    hint="look at `streamer deletes list` again; tokens join a hold, and leave it when they return",
                )
            return held
    there = ", ".join(f"{held.hold_id} ({held.source}, {len(held.moids)})" for held in found) or "nothing"
    raise CheckFailed(
        f"no source has a hold {hold}: nothing was sent; held is {there}",
        hint="see `streamer deletes list`; a hold ends when it is released or discarded, or its tokens return",
    )


# Telling...


def _show(found: Sequence[Held], console: Console) -> None:
    """On a terminal a table, and one of its tokens for each hold; else a line for each, with tabs, the Moids last."""
    if not found:
        click.echo("streamer: nothing is held", err=True)
        return
    rows = [{column: printable(str(told[column])) for column in COLUMNS} for told in map(Held.told, found)]
    if not console.is_terminal:
        moids = [printable(", ".join(held.moids)) for held in found]
        whole = [[*row.values(), last] for row, last in zip(rows, moids, strict=True)]
        table.show(console, [*map(Column, (*COLUMNS, "moids"))], whole)
        return
    table.show(console, TABLE, [[*row.values()] for row in rows])
    for held, row in zip(found, rows, strict=True):
        released = f", released at {rfc3339(held.released_at)}" if held.released_at else ""
        told = f"\nHeld in {row['source']} since {row['since']}{released}, {row['count']} tokens:"
        table.put(console, Text(told))
        table.show(console, TOKEN, [*map(_token, held.moids, map(held.datums.__getitem__, held.moids))])


def _token(moid: str, datum: bytes) -> list[str]:
    """What was known of a token when it was last seen; nobody decides about Moids alone."""
    token = avro.decode_token(datum)
    ends = "never" if token.expiration_time is None else lines.moment(token.expiration_time)
    cells = (moid, lines.short(token.client_name or token.client_id or ""), token.user_moid or "", ends)
    return [*map(printable, cells)]
