"""The schema registry: what our schemas are called there, under which subjects, with which ids.

It speaks Confluent's REST interface, which others speak too, each in its own way: levels that are unset are told as
`NONE`, as the registry's, or as an error; error codes are alike, messages are not; a schema comes back with its keys in
another order, or without its docs. So this room must never compare schema texts bytewise, read a message, or count on
ids without gaps. And it must never change a level that somebody else has set.

Question: set the level of a new subject before its first schema or after? Choice: before. A registry that enforces
nothing until told so (Apicurio) then holds the very next schema to it, and a crash between the two leaves a level
without schemas, which the next start completes; the other way round it leaves a subject that nobody will ever guard.
Both Confluent's and Apicurio 3 take a level for a subject that does not exist yet; where it is refused as unknown
(404), the schema goes first.

Question: how is a schema recognised? Choice: the registry looks it up (`normalize=true`), and what its id resolves to
is compared once, by layout: names, types, logical types and their order, which are what a reader needs. Rejected: to
believe the id. Apicurio finds a schema whose defaults differ, proxies mix registries up, and a wrong id is decoded by
every reader into wrong data without an error.

Source of the calls and codes: Confluent's schema-registry API specification, version 7.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

from streamer import avro
from streamer.config import RegistrySettings
from streamer.errors import Misconfigured, Unready
from streamer.registry_http import Incompatible, RegistryHttp, Sleep

SCHEMAS: Final = {  # topic suffix -> the schema of its values
    "created": avro.EVENT,
    "modified": avro.EVENT,
    "deleted": avro.EVENT,
    "snapshots": avro.REPORT,
}
_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Prepared:
    """The start-up step, done: the id of each subject's schema, and sentences an operator should read."""

    ids: Mapping[str, int]
    warnings: tuple[str, ...] = ()


class UnknownSchema(Misconfigured):
    """The registry answers, and has no schema with this id."""


def schemas_of(*, all_topic: bool) -> Mapping[str, str]:
    """By topic suffix, the schema of its values; that of all events only where it is written to."""
    return {**SCHEMAS, "all": SCHEMAS["created"]} if all_topic else SCHEMAS


def subject_of(topic: str) -> str:
    """The subject of a topic's values."""
    return f"{topic}-value"


def subjects_of(prefix: str, *, all_topic: bool) -> dict[str, str]:
    """By subject, the schema of its values, for the topics of a prefix."""
    return {subject_of(f"{prefix}.{suffix}"): name for suffix, name in schemas_of(all_topic=all_topic).items()}


class Registry:
    """A client of one registry; an asynchronous context manager.

    Every call is tried again, a bounded number of times, while the registry cannot be reached or is busy.

    Args:
        settings: its address, our credentials, and what we may do there.
        sleep: waits between tries, seconds.

    Raises:
        Misconfigured: by every call: credentials, certificates, the address or a right are wrong, or a schema is
            invalid or incompatible. By the constructor: a certificate or key file cannot be used.
        Unready: by every call: no usable answer, even after the last try.
    """

    def __init__(self, settings: RegistrySettings, *, sleep: Sleep = asyncio.sleep) -> None:
        self._settings = settings
        self._http = RegistryHttp(settings, sleep)
        self._ids: dict[tuple[str, str], int] = {}  # a registry never gives an id away again
        self._texts: dict[int, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    # The start-up step ...

    async def prepare(self, subjects: Mapping[str, str]) -> Prepared:
        """Make sure that each subject (a name) has its schema (a text), and that its id resolves to it.

        A subject that does not exist is created with the configured level. With `auto_register: false` nothing is
        written, and a missing schema is `Unready`: somebody else has to register it.
        """
        ids: dict[str, int] = {}
        warnings: list[str] = []
        for subject, schema in subjects.items():
            exists = await self._versions(subject)
            ids[subject] = await (self._present if exists else self._created)(subject, schema)
            await self._prove(subject, schema, ids[subject])
            warnings += await self._level_warning(subject)
        return Prepared(ids, tuple(warnings))

    async def _present(self, subject: str, schema: str) -> int:
        """The id under a subject that exists."""
        found = await self.look_up(subject, schema)
        if found is not None:
            return found
        self._may_register(subject)
        return await self.register(subject, schema)

    async def _created(self, subject: str, schema: str) -> int:
        """The id under a new subject: level first, unless it has one or the registry wants the schema first."""
        self._may_register(subject)
        level = self._settings.compatibility
        if await self._own_level(subject) or await self._accepts_level(subject, level):
            return await self.register(subject, schema)
        made = await self.register(subject, schema)
        await self.set_level(subject, level)
        return made

    def _may_register(self, subject: str) -> None:
        if not self._settings.auto_register:
            raise Unready(
                f"the schema registry {self._http.name} has no schema of ours under subject {subject}, "
                "and registry.auto_register is false",
                hint="run `streamer schemas register` once with auto_register: true, or register the schema by hand",
            )

    async def _level_warning(self, subject: str) -> list[str]:
        found, wanted = await self.level(subject), self._settings.compatibility
        if found == wanted:
            return []
        return [f"subject {subject} has the compatibility level {found}, wanted {wanted}; it is left as it is"]

    async def _prove(self, subject: str, schema: str, schema_id: int) -> None:
        text = await self._text(schema_id)
        if text is None:  # a registry of several nodes may answer from one that has not heard of it yet
            raise Unready(f"the schema registry {self._http.name} gave id {schema_id}, but does not know it yet")
        if not same_layout(text, schema):
            raise Misconfigured(
                f"the schema registry {self._http.name} gave id {schema_id} for subject {subject}, "
                f"but id {schema_id} is another schema there",
                hint="readers would decode wrong data: does a proxy mix several registries under registry.url?",
            )

    # Schemas ...

    async def register(self, subject: str, schema: str) -> int:
        """The id of the schema, as a version of the subject; made if need be."""
        if (subject, schema) not in self._ids:
            try:
                made = await self._http.ask("POST", f"{_path(subject)}/versions", _body(schema), normalize="true")
            except Incompatible as error:
                raise await self._refusal(subject, error) from error
            self._ids[subject, schema] = self._part(made, "id", int)
        return self._ids[subject, schema]

    async def look_up(self, subject: str, schema: str) -> int | None:
        """The id of the schema if it stands under the subject."""
        if (subject, schema) not in self._ids:
            found = await self._http.ask("POST", _path(subject), _body(schema), normalize="true")
            if found is None:
                return None
            self._ids[subject, schema] = self._part(found, "id", int)
        return self._ids[subject, schema]

    async def schema(self, schema_id: int) -> str:
        """The text of a schema, as the registry keeps it.

        Raises:
            UnknownSchema: there is none with this id.
        """
        text = await self._text(schema_id)
        if text is None:
            raise UnknownSchema(
                f"the schema registry {self._http.name} has no schema with id {schema_id}",
                hint="is registry.url the registry that the writer of these records uses?",
            )
        return text

    async def _text(self, schema_id: int) -> str | None:
        if schema_id not in self._texts:
            found = await self._http.ask("GET", f"/schemas/ids/{schema_id}")
            if found is None:
                return None
            self._texts[schema_id] = self._part(found, "schema", str)
        return self._texts[schema_id]

    async def incompatibilities(self, subject: str, schema: str) -> tuple[str, ...]:
        """Why the schema may not stand beside the subject's versions; empty if it may, or if there are none.

        Every version is asked for, whatever the level: readers replay old data.
        """
        found: list[str] = []
        for version in await self._versions(subject):
            path = f"/compatibility{_path(subject)}/versions/{version}"
            told = await self._http.ask("POST", path, _body(schema), verbose="true")
            if not self._part(told, "is_compatible", bool):
                why = "; ".join(map(str, told.get("messages") or ["the registry does not say why"]))
                found.append(f"version {version}: {why}")
        return tuple(found)

    async def _refusal(self, subject: str, error: Incompatible) -> Misconfigured:
        return Misconfigured(
            f"the schema registry {self._http.name} refuses our schema under subject {subject}, "
            f"whose level is {await self.level(subject)}: {error}",
            hint="if another program's schema stands there, give this service another kafka.topic_prefix",
        )

    # Subjects and levels ...

    async def subjects(self) -> tuple[str, ...]:
        """The names of all subjects."""
        return self._all(await self._http.ask("GET", "/subjects"), str)

    async def level(self, subject: str) -> str | None:
        """The compatibility level that governs the subject; None where the registry knows of none."""
        return await self._level(subject, defaultToGlobal="true")

    async def _own_level(self, subject: str) -> str | None:
        """What somebody has set on this very subject; only asked of a new one, where no registry makes up a level."""
        return await self._level(subject, defaultToGlobal="false")  # said, for what is meant without differs

    async def _level(self, subject: str, **query: str) -> str | None:
        found = await self._http.ask("GET", f"/config/{_quoted(subject)}", **query)
        return None if found is None else self._part(found, "compatibilityLevel", str)

    async def set_level(self, subject: str, level: str) -> None:
        """Give the subject this level of its own.

        Raises:
            Misconfigured: the registry wants the subject to exist first, and it does not.
        """
        if not await self._accepts_level(subject, level):
            raise Misconfigured(f"the schema registry {self._http.name} has no subject {subject} to set {level} on")

    async def _accepts_level(self, subject: str, level: str) -> bool:
        """Whether the level is set; False where the registry wants the subject to exist first.

        409 says that another worker, which starts at the same moment, was faster: then it is set.
        """
        try:
            return await self._http.ask("PUT", f"/config/{_quoted(subject)}", {"compatibility": level}) is not None
        except Incompatible:
            return True

    async def _versions(self, subject: str) -> tuple[int, ...]:
        """The numbers of the subject's versions; none if it does not exist."""
        found = await self._http.ask("GET", f"{_path(subject)}/versions")
        return () if found is None else self._all(found, int)

    # What a registry may answer ...

    def _part(self, body: Any, key: str, kind: type[Kind]) -> Kind:
        value = body.get(key) if isinstance(body, dict) else None
        if not isinstance(value, kind):
            raise self._http.strange(body)
        return value

    def _all(self, body: Any, kind: type[Kind]) -> tuple[Kind, ...]:
        if not isinstance(body, list) or not all(isinstance(item, kind) for item in body):
            raise self._http.strange(body)
        return tuple(body)


def _quoted(subject: str) -> str:
    return quote(subject, safe="")


def _path(subject: str) -> str:
    return f"/subjects/{_quoted(subject)}"


def _body(schema: str) -> dict[str, Any]:
    return {"schema": schema, "schemaType": "AVRO", "references": []}


# Layouts ...


def same_layout(one: str, other: str) -> bool:
    """Whether data of either schema text is read alike with the other: docs, defaults and the order of keys aside.

    False where one is no Avro schema: a registry also keeps JSON schemas and Protobuf.
    """
    try:
        return bool(_layout(json.loads(one), "") == _layout(json.loads(other), ""))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def _layout(node: Any, space: str) -> Any:
    """What a reader of the bytes needs, with full names: `space` is the namespace around the node."""
    if isinstance(node, str):
        return node if node in _PRIMITIVES else _full(node, space)
    if isinstance(node, list):
        return [_layout(branch, space) for branch in node]
    if "fields" in node or "symbols" in node or "size" in node:
        name = _full(node["name"], node.get("namespace", space))
        fields = [(field["name"], _layout(field["type"], name.rpartition(".")[0])) for field in node.get("fields", ())]
        return [node["type"], name, fields, node.get("symbols"), node.get("size"), _logical(node)]
    inner = node.get("items", node.get("values"))
    if inner is not None:
        return [node["type"], _layout(inner, space)]
    logical = _logical(node)
    return [_layout(node["type"], space), logical] if any(logical) else _layout(node["type"], space)


def _logical(node: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(node.get(key) for key in ("logicalType", "precision", "scale"))


def _full(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"
