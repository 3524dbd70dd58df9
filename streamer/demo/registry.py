"""The demo's schema registry: the Confluent REST face in memory, for as long as the demo lasts.

It is held to the same tests as a real registry, and must never be lenient where those are strict: an incompatible or
broken schema is refused. It knows subjects, versions, ids and levels; not deletion, references, modes or other
languages than Avro. Without a level of its own a subject follows the registry's, BACKWARD, and says so only when asked
with `defaultToGlobal`, as Confluent's does. Equal schemas (their JSON, whatever the spacing and order of keys) share
one id, under whatever subjects they stand.

Source of the face: Confluent's REST interface, version 7; error codes 404xx, 409 and 422xx are its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streamer.demo.compatibility import LEVELS, Invalid, Schema, conflicts, parse

MEDIA: Final = "application/vnd.schemaregistry.v1+json"
GLOBAL_LEVEL: Final = "BACKWARD"


class Refused(HTTPException):
    """An answer that is an error: its code tells which, the first three digits are the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(int(str(code)[:3]), message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Entry:
    """One schema: its id, its text as first registered, and what it means."""

    id: int
    text: str
    schema: Schema


@dataclass(slots=True)
class EmbeddedRegistry:
    """Everything it remembers; `application` serves it.

    Attributes:
        level: of subjects without their own.
        levels: the subjects' own.
        subjects: the versions of each, first to last.
    """

    level: str = GLOBAL_LEVEL
    levels: dict[str, str] = field(default_factory=dict)
    subjects: dict[str, list[Entry]] = field(default_factory=dict)
    _entries: dict[str, Entry] = field(default_factory=dict)  # by normal text

    def entry(self, text: str) -> Entry:
        """The schema of a text: the one known, else a new one with the next id, not yet remembered."""
        try:
            schema = parse(text)
        except Invalid as error:
            raise Refused(42201, f"Invalid schema: {error}") from error
        return self._entries.get(_normal(text)) or Entry(len(self._entries) + 1, text, schema)

    def by_id(self, wanted: int) -> Entry:
        """The schema with this id."""
        for entry in self._entries.values():
            if entry.id == wanted:
                return entry
        raise Refused(40403, f"Schema {wanted} not found")

    def versions(self, subject: str) -> list[Entry]:
        """A subject's schemas, first to last."""
        if subject not in self.subjects:
            raise Refused(40401, f"Subject '{subject}' not found.")
        return self.subjects[subject]

    def version(self, subject: str, wanted: str) -> tuple[int, Entry]:
        """A version by its number or `latest`, with its number."""
        versions = self.versions(subject)
        number = len(versions) if wanted == "latest" else int(wanted) if wanted.isdecimal() else 0
        if not 1 <= number <= len(versions):
            raise Refused(40402, f"Version {wanted} not found.")
        return number, versions[number - 1]

    def find(self, subject: str, text: str) -> tuple[int, Entry]:
        """The version that is this schema, with its number."""
        entry, versions = self.entry(text), self.versions(subject)
        if entry not in versions:
            raise Refused(40403, f"Schema not found under subject '{subject}'.")
        return versions.index(entry) + 1, entry

    def register(self, subject: str, text: str) -> Entry:
        """The schema as a version of the subject, a new one if it has to be."""
        entry, versions = self.entry(text), self.subjects.get(subject, [])
        if entry not in versions:
            if found := self.conflicts(subject, text):
                raise Refused(
                    409, f"Schema being registered is incompatible with an earlier schema: {'; '.join(found)}"
                )
            self._entries.setdefault(_normal(text), entry)
            self.subjects[subject] = [*versions, entry]
        return entry

    def conflicts(self, subject: str, text: str, wanted: str | None = None) -> list[str]:
        """Why the schema may not stand beside one version, or beside those the subject's level speaks of."""
        entry, level = self.entry(text), self.levels.get(subject, self.level)
        if wanted is not None:
            olds = [self.version(subject, wanted)]
        else:
            known = list(enumerate(self.subjects.get(subject, []), 1))
            olds = known if level.endswith("_TRANSITIVE") else known[-1:]
        return [
            f"{why} (version {number})" for number, old in olds for why in conflicts(level, entry.schema, old.schema)
        ]


def application(registry: EmbeddedRegistry) -> Starlette:
    """The registry's REST face, for `serving.serve`."""
    face = _Face(registry)
    routes = [
        Route("/subjects", face.list_subjects),
        Route("/subjects/{subject}", face.find, methods=["POST"]),
        Route("/subjects/{subject}/versions", face.list_versions),
        Route("/subjects/{subject}/versions", face.register, methods=["POST"]),
        Route("/subjects/{subject}/versions/{version}", face.show_version),
        Route("/schemas/types", face.list_types),
        Route("/schemas/ids/{id:int}", face.show_schema),
        Route("/compatibility/subjects/{subject}/versions", face.check, methods=["POST"]),
        Route("/compatibility/subjects/{subject}/versions/{version}", face.check, methods=["POST"]),
        Route("/config", face.show_level),
        Route("/config", face.set_level, methods=["PUT"]),
        Route("/config/{subject}", face.show_level),
        Route("/config/{subject}", face.set_level, methods=["PUT"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refusal})


class _Face:
    """One method for each call: what is asked, out of the request; what is known, into the reply."""

    def __init__(self, registry: EmbeddedRegistry) -> None:
        self._registry = registry

    async def list_subjects(self, _: Request) -> Response:
        return _reply(sorted(self._registry.subjects))

    async def list_versions(self, request: Request) -> Response:
        return _reply(list(range(1, len(self._registry.versions(_subject(request))) + 1)))

    async def list_types(self, _: Request) -> Response:
        return _reply(["AVRO"])

    async def show_version(self, request: Request) -> Response:
        subject = _subject(request)
        return _version(subject, *self._registry.version(subject, request.path_params["version"]))

    async def show_schema(self, request: Request) -> Response:
        return _reply({"schema": self._registry.by_id(request.path_params["id"]).text})

    async def find(self, request: Request) -> Response:
        subject = _subject(request)
        return _version(subject, *self._registry.find(subject, await _schema(request)))

    async def register(self, request: Request) -> Response:
        return _reply({"id": self._registry.register(_subject(request), await _schema(request)).id})

    async def check(self, request: Request) -> Response:
        wanted = request.path_params.get("version")
        found = self._registry.conflicts(_subject(request), await _schema(request), wanted)
        told = {"messages": found} if request.query_params.get("verbose") == "true" else {}
        return _reply({"is_compatible": not found} | told)

    async def show_level(self, request: Request) -> Response:
        subject = request.path_params.get("subject")
        own = self._registry.levels.get(subject) if subject else None
        if subject and own is None and request.query_params.get("defaultToGlobal") != "true":
            raise Refused(40408, f"Subject '{subject}' does not have subject-level compatibility configured")
        return _reply({"compatibilityLevel": own or self._registry.level})

    async def set_level(self, request: Request) -> Response:
        level = (await _body(request)).get("compatibility")
        if level not in LEVELS:
            raise Refused(42203, f"Invalid compatibility level: {level!r}")
        if subject := request.path_params.get("subject"):
            self._registry.levels[subject] = level
        else:
            self._registry.level = level
        return _reply({"compatibility": level})


def _subject(request: Request) -> str:
    return str(request.path_params["subject"])


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise Refused(400, f"Unreadable request: {error}") from error
    if not isinstance(body, dict):
        raise Refused(400, "Unreadable request: wanted an object")
    return body


async def _schema(request: Request) -> str:
    body = await _body(request)
    if body.get("schemaType", "AVRO") != "AVRO" or body.get("references"):
        raise Refused(42201, "Invalid schema: this registry knows Avro without references only")
    return str(body.get("schema"))


def _version(subject: str, number: int, entry: Entry) -> Response:
    return _reply({"subject": subject, "version": number, "id": entry.id, "schema": entry.text})


def _reply(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type=MEDIA)


async def _refusal(_: Request, error: Any) -> Response:
    """Errors of ours, and starlette's own for unknown paths and methods, in the registry's words."""
    code = error.code if isinstance(error, Refused) else error.status_code
    return _reply({"error_code": code, "message": error.detail}, error.status_code)


def _normal(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)
