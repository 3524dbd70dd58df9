"""Every key there is, with its default and its meaning; read once, checked across fields, printed masked.

Rooms get values, never a file or the environment. `streamer.settings` knows how keys are read and refused; this room
knows which there are and which contradict each other. It must never print a secret, nor open a file that a key names:
a secret is read by whoever needs it, when it is needed, so that a renewed file is seen without a restart.

Question: do `follow` and other readers need a source? Choice: a configuration without one is a value, and `load`
demands one unless it is told `reader=True`. Rejected: a dummy source with a dummy key on every SIEM's machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ValidationError, model_validator

from streamer.errors import Misconfigured
from streamer.settings.complaints import complaint
from streamer.settings.kafka import KafkaSettings, Transaction
from streamer.settings.layers import overlay, read_file
from streamer.settings.reference import table
from streamer.settings.registry import RegistrySettings
from streamer.settings.section import Section, key, listed, refuse, section
from streamer.settings.source import ApiKey, OAuth, SourceSettings
from streamer.settings.values import FLOW, LISTEN, WRITTEN, Listen, Names, Number

__all__ = [
    "ApiKey",
    "HttpSettings",
    "KafkaSettings",
    "LogSettings",
    "OAuth",
    "RegistrySettings",
    "Settings",
    "SourceSettings",
    "Transaction",
    "load",
    "reference",
]


class HttpSettings(Section):
    """Where health is told."""

    listen: Listen = key(LISTEN, "address and port of the status page, health and metrics; it only reads")
    hosts: Names = key((), "names with a dot by which it may be asked; addresses and names without one always may")


class LogSettings(Section):
    """What is said on stderr."""

    level: Literal["debug", "info", "warning", "error"] = key(
        "info", "the least that is said; `check` and `verify`, whose output says it all, log errors, or at `debug` all"
    )
    format: Literal["console", "json"] = key("console", "lines for a person, or one JSON object a line")

    @property
    def beside_output(self) -> str:
        """The level where the command's own output tells all: errors, unless somebody looks for what is wrong there."""
        return self.level if self.level == "debug" else "error"


class Settings(Section):
    """The whole configuration."""

    sources: Annotated[tuple[SourceSettings, ...], FLOW] = key((), "the accounts to watch")
    max_concurrent_polls: Number = key(16, "polls under way at a time", ge=1)
    kafka: KafkaSettings = section(KafkaSettings, "the cluster")
    registry: RegistrySettings = section(
        RegistrySettings, "the schema registry; never asked unless `kafka.value_format` is confluent"
    )
    http: HttpSettings = section(HttpSettings, "health")
    log: LogSettings = section(LogSettings, "the log")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        refuse((twice, f"sources: {listed(twice)} stands twice, wanted a name of its own for each"))
        return self


def load(path: Path | None, environ: Mapping[str, str], *, required: bool = True, reader: bool = False) -> Settings:
    """The configuration of a file with the environment laid over it.

    Args:
        path: the YAML file, or None for the environment alone.
        environ: variables `STREAMER_...`, the rest is passed over.
        required: False if the file need not exist.
        reader: True if no source need be there, as for commands that only read topics.

    Raises:
        Misconfigured: names each key, what was given (never a secret) and what is wanted.
    """
    tree = overlay(read_file(path) if path and (required or path.exists()) else {}, environ)
    try:
        settings = Settings.model_validate(tree, context=WRITTEN)
    except ValidationError as error:
        told = complaint(error, Settings, tree)
        told.hint = f"{path} was read; README, Configuration, lists every key" if path and path.exists() else ""
        raise told from error
    if not settings.sources and not reader:
        asked = f"{path} {'names none' if path.exists() else 'does not exist here'}" if path else "no file was asked"
        hint = f"{asked}: write it (README, Use it), or name another with -c; `streamer simulate` makes one to try"
        raise Misconfigured("sources: none given, wanted at least one", hint=hint)
    return settings


def reference() -> str:
    """Every key, its default and its meaning, as a Markdown table."""
    return table(Settings)
