"""The command line: puts the commands together, turns our errors into one line and an exit status.

It is the only reader of the environment. Each command is one file of `commands`, imported when it is called or listed,
so that `streamer --help` needs neither Kafka nor the simulator.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

from streamer import __version__
from streamer.errors import StreamerError
from streamer.invocation import Invocation, hands_config_on
from streamer.stop import Stopped

INTERRUPTED = 130  # by Ctrl-C, as shells count
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
COMMANDS = (
    *("demo", "run", "check", "verify", "tokens", "follow", "relay", "deletes", "sources"),
    *("simulate", "schemas", "siem"),
)


class _Commands(click.Group):
    """The group; each command is `commands.<name>.command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"streamer.commands.{cmd_name}").command
        return command


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""\b
Exit status: 0 done; 1 a fault of ours, or a service that cannot be reached; 2 wrong usage or configuration;
3 a check found something; 4 fenced by another writer; 130 interrupted.
""",
)
@click.version_option(__version__, prog_name="streamer")
@hands_config_on
def streamer() -> None:
    """Cisco Intersight OAuth2 tokens as exactly-once Kafka events: created, modified and proven deleted."""


def every(group: click.Group = streamer, called: str = "streamer") -> Iterator[tuple[str, click.Command]]:
    """Each command with what is typed to call it; a group stands before its commands."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101 - it is listed; only the type allows for None
        yield f"{called} {name}", command
        if isinstance(command, click.Group):
            yield from every(command, f"{called} {name}")


def reference() -> str:
    """A table of all commands, what `--help` says of them in a line and their options, for the documentation."""
    rows = (f"| `{called}` | {command.get_short_help_str()} | {_options(command)} |\n" for called, command in every())
    return "| command | | options, beside `--config` and `--help` |\n|---|---|---|\n" + "".join(rows)


def _options(command: click.Command) -> str:
    told = [max(one.opts, key=len) for one in command.params if isinstance(one, click.Option) and not one.hidden]
    return " ".join(f"`{option}`" for option in told if option != "--config")


def main() -> NoReturn:
    """Run the command of `sys.argv` and end the process with its exit status."""
    try:
        status = streamer.main(obj=Invocation(dict(os.environ)), standalone_mode=False)
    except (click.exceptions.Abort, Stopped):
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except StreamerError as error:
        _end(error)
    except OSError as error:
        if error.errno not in FULL:
            raise
        click.echo(f"streamer: what it writes to is full: {error.strerror}", err=True)
        sys.exit(1)
    except BaseExceptionGroup as group:
        first = _first(group)
        if isinstance(first, StreamerError):
            _end(first)
        if isinstance(first, Stopped):
            sys.exit(INTERRUPTED)
        raise
    sys.exit(status if isinstance(status, int) else 0)


def _end(error: StreamerError) -> NoReturn:
    click.echo(f"streamer: {error}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)
    sys.exit(error.exit_code)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """One line is what a person reads: what ended the first of several tasks; the others were cancelled for it."""
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
