"""What must work at the schema registry: it is there, it lets us in, and our schemas may stand beside what it has."""

from __future__ import annotations

from functools import partial
from typing import Final

from streamer.checks.checklist import FAILED, UNPROVEN, UNREADABLE, WARNING, Answer, Checklist
from streamer.checks.subjects import FAILING, Finding, compared
from streamer.config import Settings
from streamer.registry import Registry, subjects_of

EDGE = "registry"
HINT: Final = "check registry.url, and what answers there"


class RegistryChecks:
    """The questions about the registry, where one is used at all.

    Args:
        checks: where they are noted.
        settings: the whole configuration.
    """

    def __init__(self, checks: Checklist, settings: Settings) -> None:
        self._checks = checks
        self._settings = settings
        self._registry: Registry | None = None
        self._findings: list[Finding] = []

    async def offline(self) -> None:
        """What needs no network: certificates and credentials."""
        await self._checks.ask(EDGE, "credential", self._credential, hint=UNREADABLE)

    async def online(self) -> None:
        """All else, after `offline`."""
        if not self._wanted:
            return
        ask = partial(self._checks.ask, hint=HINT)
        try:
            await ask(EDGE, "connection", self._connection, needs=["credential"])
            await ask(EDGE, "schemas", self._schemas, needs=["connection"])
            await ask(EDGE, "right to register", self._right, needs=["schemas"])
        finally:
            if self._registry is not None:
                await self._registry.aclose()

    @property
    def _wanted(self) -> bool:
        return self._settings.kafka.value_format == "confluent"

    @property
    def _asked(self) -> Registry:
        if self._registry is None:
            raise ValueError("no question is asked of a registry without usable credentials")
        return self._registry

    async def _credential(self) -> Answer:
        if not self._wanted:
            return Answer(f"not wanted: kafka.value_format is {self._settings.kafka.value_format}")
        self._registry = Registry(self._settings.registry)
        return Answer("certificates and credentials read")

    async def _connection(self) -> Answer:
        return Answer(f"{len(await self._asked.subjects())} subjects are there")

    async def _schemas(self) -> Answer:
        kafka = self._settings.kafka
        schemas = subjects_of(kafka.topic_prefix, all_topic=kafka.all_topic)
        self._findings = await compared(self._asked, self._settings.registry, schemas)
        told = "; ".join(
            f"{found.subject} is {found.verdict}{': ' if found.messages else ''}{', '.join(found.messages)}"
            for found in self._findings
        )
        if any(found.verdict in FAILING for found in self._findings):
            hint = "register what is missing (`streamer schemas register`); beside another program's schema, "
            return Answer(told, FAILED, f"{hint}give this service another kafka.topic_prefix")
        if any(found.messages for found in self._findings):
            return Answer(told, WARNING, "set the level of these subjects, or registry.compatibility to what it is")
        return Answer(told)

    async def _right(self) -> Answer:
        lacking = [found.subject for found in self._findings if found.verdict != "registered"]
        if not lacking:
            return Answer("not needed: all schemas are registered")
        return Answer(
            f"{len(lacking)} schemas will be registered, and whether we may cannot be tried without doing it",
            UNPROVEN,
            "`streamer schemas register` does it now, as the service will at its start",
        )
