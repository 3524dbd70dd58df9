"""What the commands that give an order have in common: who gives it, whether it is meant, and what became of it.

Question: what if no worker answers in time? Choice: "queued" and status 0, for that is what it is: the command stands
in the log for an hour, and acts when the source is polled next.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import click

from streamer import control
from streamer.clock import utc_ms
from streamer.config import Settings
from streamer.control import Command
from streamer.errors import CheckFailed
from streamer.invocation import Invocation, read_by
from streamer.kafka.connection import Connection
from streamer.kafka.control import Homes, order
from streamer.kafka.rights import needed
from streamer.kafka.topics import Names
from streamer.output.printable import printable
from streamer.settings import quantities

ORDERING: Final = "deletes release"  # in the table of rights; all orders need the same
LONGEST_NAME: Final = 100  # letters of who says to have issued a command


YES = click.option("--yes", is_flag=True, help="Do not ask, even on a terminal.")
WAIT = click.option(
    "--wait",
    "wait_s",
    default="30s",
    show_default=True,
    callback=read_by(quantities.seconds),
    help="How long to wait for the answer.",
)


def connection_for(settings: Settings, doing: str) -> Connection:
    """To Kafka, for a row of the table of rights."""
    return Connection.of(settings.kafka, needed(doing, settings.kafka))


def ask(question: str, *, yes: bool, show: Callable[[], None] = lambda: None) -> None:
    """On a terminal, `show` what it is about and ask whether it is meant; raises `Abort` if not."""
    if yes or not sys.stdin.isatty():
        return
    show()
    if not click.confirm(question, err=True):
        click.echo("streamer: nothing was sent", err=True)
        raise click.Abort


def command_of(invocation: Invocation, action: str, source: str, epoch: str, **about: Any) -> Command:
    """A new order, for an hour from now; `about` is the hold that it names: `hold_id`, `expect`, `moids_sha256`."""
    now = utc_ms()
    nothing = dict.fromkeys(("hold_id", "expect", "moids_sha256"))
    return Command(
        command_id=str(uuid4()),
        source=source,
        epoch=epoch,
        action=action,
        issued_at=now,
        issued_by=_issuer(invocation),
        expires_at=now + control.LIFE_MS,
        **nothing | about,
    )


def give(settings: Settings, there: Homes, made: Command, wait_s: float, *, queued: str, refused: CheckFailed) -> None:
    """Send it, wait, and say what became of it: one line, or exit status 3.

    Args:
        settings: where to.
        there: the topics' partitions.
        made: the order.
        wait_s: how long to wait for the answer.
        queued: when it will act if nobody answers, from "acts, once" on.
        refused: the error of a refusal, to which its reason is added.
    """
    click.echo(f"streamer: command {made.command_id} goes to the worker of {made.source}", err=True)
    answer = asyncio.run(
        order(
            connection_for(settings, ORDERING),
            Names(settings.kafka.topic_prefix),
            made,
            there=there,
            compression=settings.kafka.compression,
            timeout_s=settings.kafka.transaction.timeout,
            wait_s=wait_s,
        )
    )
    if answer is None:
        click.echo(
            f"queued: no worker has answered within {wait_s:g} s; command {made.command_id} acts, once, when {queued}"
        )
    elif answer.outcome == control.DONE:
        click.echo(f"done: {printable(answer.detail)}")
    else:
        raise CheckFailed(f"{refused}: {printable(answer.detail)}", hint=refused.hint)


def _issuer(invocation: Invocation) -> str:
    """Who says to give an order."""
    user = invocation.environ.get("USER") or invocation.environ.get("USERNAME") or "somebody"
    return f"{user}@{platform.node()}"[:LONGEST_NAME]
