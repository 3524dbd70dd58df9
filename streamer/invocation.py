"""What every command is called with: the configuration file, the environment, and a person or a program to print for.

Only `cli` reads the environment; it puts it here once, and commands get values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from streamer import log
from streamer.config import Settings, load

T = TypeVar("T")

DEFAULT_FILE = Path("streamer.yaml")
OUTPUT = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For a person or a program.",
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of `streamer`. `environ` is the process's environment, `config` the file named by `--config`."""

    environ: Mapping[str, str]
    config: Path | None = None

    @property
    def configured(self) -> bool:
        """Whether anything is given: a file that is named or here, or a key in the environment."""
        named = any(name.startswith("STREAMER_") for name in self.environ)
        return self.config is not None or named or DEFAULT_FILE.exists()

    def settings(self, *, reader: bool = False) -> Settings:
        """The configuration: `--config`, else `$STREAMER_CONFIG`, else `streamer.yaml` here; then the environment.

        Where nothing of it is given, it is said on standard error what that comes to.

        Args:
            reader: the command only reads topics, and needs no source.

        Raises:
            Misconfigured: the file or a value cannot be used; names the key, what was given and what is wanted.
        """
        chosen = self.environ.get("STREAMER_CONFIG")
        named = self.config or (Path(chosen) if chosen else None)
        settings = load(named or DEFAULT_FILE, self.environ, required=named is not None, reader=reader)
        if not self.configured:
            brokers, registry = ", ".join(settings.kafka.bootstrap_servers), settings.registry.url
            click.echo(
                f"streamer: no configuration is given (-c, $STREAMER_CONFIG, {DEFAULT_FILE} here, STREAMER_... keys); "
                f"the defaults are Kafka at {brokers}, the registry at {registry}, "
                f"topics {settings.kafka.topic_prefix}.*",
                err=True,
            )
        return settings

    def begin(self, *, reader: bool = False) -> Settings:
        """The configuration, as of `settings`; the log speaks as it says from now on."""
        settings = self.settings(reader=reader)
        log.setup(settings.log.level, settings.log.format)
        return settings

    def brings_its_own(self, what: str) -> None:
        """Say that a file which is named is not read, by `what` has all that it needs."""
        if self.config is not None:
            click.echo(f"streamer: -c {self.config} is not read: {what} needs no configuration", err=True)


def read_by(read: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """A click callback: what `read` makes of an option that is given; its `ValueError` says what is wanted."""

    def callback(_: click.Context, __: click.Parameter, value: str | None) -> T | None:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise click.BadParameter(f"{value!r} is given, {error}") from error

    return callback


def takes_config(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command the option `-c/--config`, and its function the `Invocation` as its first argument."""

    @_config(hidden=False)
    @click.pass_context
    @functools.wraps(function)
    def command(context: click.Context, /, *, config: Path | None, **options: Any) -> Any:
        return function(_named(context, config), **options)

    return command


def hands_config_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let `-c/--config` stand before a command of a click group, too: one that is passed over acts elsewhere."""

    @_config(hidden=True)
    @click.pass_context
    @functools.wraps(function)
    def group(context: click.Context, /, *, config: Path | None, **options: Any) -> Any:
        _named(context, config)
        return function(**options)

    return group


def _config(*, hidden: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Configuration file.  [default: $STREAMER_CONFIG, else streamer.yaml here]",
        hidden=hidden,
    )


def _named(context: click.Context, config: Path | None) -> Invocation:
    """The invocation with the file that is named here, if one is; for the commands below as well."""
    known: Invocation = context.obj
    context.obj = invocation = replace(known, config=config or known.config)
    return invocation
