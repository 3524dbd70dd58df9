"""What a registry would make of our schemas: looked up and compared, never written.

Both `streamer schemas check` and `streamer check` ask it, the one for those who keep a registry, the other before the
service starts. It must never register a schema, nor set a level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from streamer.config import RegistrySettings
from streamer.registry import Registry, same_layout
from streamer.wire import avsc

FAILING: Final = frozenset({"incompatible", "missing", "mistaken"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found of one subject.

    `verdict` is `registered` (the schema stands there), `compatible` or `new` (it will be registered), or one of
    `FAILING`: `incompatible`, `missing` (and we may not register it), `mistaken` (its id resolves to another schema).
    `level` is the subject's compatibility level, None for a new one; `messages` say what a person should know.
    """

    subject: str
    schema: str
    verdict: str
    id: int | None
    level: str | None
    messages: tuple[str, ...]


async def compared(registry: Registry, settings: RegistrySettings, schemas: Mapping[str, str]) -> list[Finding]:
    """What is found of each subject; `schemas` has the name of its schema by subject. Raises as `Registry` does."""
    known = await registry.subjects()
    return [
        await _finding(registry, settings, subject, name) if subject in known else _new(settings, subject, name)
        for subject, name in schemas.items()
    ]


def _new(settings: RegistrySettings, subject: str, name: str) -> Finding:
    return Finding(subject, name, "new" if settings.auto_register else "missing", None, None, ())


async def _finding(registry: Registry, settings: RegistrySettings, subject: str, name: str) -> Finding:
    schema, level = avsc.schema_text(name), await registry.level(subject)
    notes = () if level == settings.compatibility else (f"level {level}, wanted {settings.compatibility}",)
    found = await registry.look_up(subject, schema)
    if found is not None:
        right = same_layout(await registry.schema(found), schema)
        return Finding(subject, name, "registered" if right else "mistaken", found, level, notes)
    reasons = await registry.incompatibilities(subject, schema)
    verdict = "incompatible" if reasons else "compatible" if settings.auto_register else "missing"
    return Finding(subject, name, verdict, None, level, notes + reasons)
