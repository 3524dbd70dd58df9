"""The schema registry's laws, on the demo's registry, on a real one, and on one of another hand, alike."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from streamer import avro
from streamer.config import RegistrySettings
from streamer.demo.registry import EmbeddedRegistry, application
from streamer.errors import Misconfigured, Unready
from streamer.registry import SCHEMAS, Registry, same_layout, subject_of
from streamer.serving import serve
from streamer.wire.avsc import schema_text

A: dict[str, Any] = {"name": "a", "type": "string", "doc": "the first"}
B: dict[str, Any] = {"name": "b", "type": ["null", "long"], "default": None}
B_TIME: dict[str, Any] = {**B, "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]}
B_TEXT: dict[str, Any] = {**B, "type": ["null", "string"]}
GUARDING = pytest.mark.parametrize("url", ["embedded", "registry"], indirect=True)  # what refuses; the other takes all
MANDATORY: dict[str, Any] = {"name": "m", "type": "string"}


def record(*fields: dict[str, Any], **keys: Any) -> str:
    """The text of a record's schema."""
    return json.dumps({"type": "record", "name": "R", "namespace": "n", "fields": fields} | keys)


@pytest.fixture(name="url", params=["embedded", "registry", "other_registry"])
async def _url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A registry: the demo's, a real one, and a second implementation."""
    if request.param != "embedded":
        yield request.getfixturevalue(request.param).url
        return
    async with serve(application(EmbeddedRegistry())) as url:
        yield url


@pytest.fixture(name="client")
async def _client(url: str) -> AsyncIterator[Registry]:
    async with registry_at(url) as client:
        yield client


@pytest.fixture(name="subject")
def _subject() -> str:
    """A subject nobody else has."""
    return subject_of(f"t-{uuid.uuid4().hex[:12]}")


def registry_at(url: str, **settings: Any) -> Registry:
    """A client that knows nothing yet."""
    return Registry(RegistrySettings(url=url, **settings))


# Schemas and ids ...


async def test_what_is_registered_is_found_by_text_and_by_id(client: Registry, subject: str) -> None:
    """A schema has one id: told when registered, found by look-up, and resolving to the same layout."""
    schema = record(A, B)

    made = await client.register(subject, schema)

    async with registry_at(client._http.name) as other:
        assert await other.look_up(subject, schema) == made
        assert same_layout(await other.schema(made), schema)
        assert subject in await other.subjects()


async def test_spacing_and_order_of_keys_make_no_new_schema(client: Registry, subject: str) -> None:
    """The same schema written otherwise has the same id, and so it has under another subject."""
    schema = record(A, B)
    otherwise = json.dumps(json.loads(schema), indent=2, sort_keys=True)
    made = await client.register(subject, schema)

    assert await client.look_up(subject, otherwise) == made
    assert await client.register(subject, otherwise) == made
    assert await client.register(f"other-{subject}", schema) == made


async def test_what_is_not_there_is_none(client: Registry, subject: str) -> None:
    """Looking up in a subject that does not exist, and another schema in one that does, finds None."""
    assert await client.look_up(subject, record(A)) is None
    await client.register(subject, record(A))

    assert await client.look_up(subject, record(B)) is None


async def test_logical_types_tell_schemas_apart(client: Registry, subject: str) -> None:
    """A number and a time are two schemas, though their bytes look alike."""
    number = await client.register(subject, record(A, B))

    assert await client.look_up(subject, record(A, B_TIME)) is None
    assert await client.register(subject, record(A, B_TIME)) != number


async def test_an_unknown_id_is_the_wrong_registry(client: Registry) -> None:
    """An id that resolves to nothing says so, and what it may mean."""
    with pytest.raises(Misconfigured, match="no schema with id 999999"):
        await client.schema(999_999)


@GUARDING
@pytest.mark.parametrize("text", ["{nope", '{"type": "record"}', '{"type": "record", "name": "R", "fields": [{}]}'])
async def test_an_invalid_schema_is_refused(client: Registry, subject: str, text: str) -> None:
    """What is no schema is refused with the registry's own words, not registered."""
    with pytest.raises(Misconfigured, match=rf"answered 422 to POST \S*/subjects/{subject}/versions: .+ \(42201\)"):
        await client.register(subject, text)

    assert subject not in await client.subjects()


# Levels and compatibility ...


@GUARDING
async def test_a_level_set_before_the_first_schema_holds_for_the_second(client: Registry, subject: str) -> None:
    """The order we rely on: a subject without schemas takes a level, and is held to it from then on."""
    await client.set_level(subject, "FULL_TRANSITIVE")
    await client.register(subject, record(A))

    assert await client.level(subject) == "FULL_TRANSITIVE"
    with pytest.raises(Misconfigured, match=rf"subject {subject}, whose level is FULL_TRANSITIVE: \S+"):
        await client.register(subject, record(A, MANDATORY))
    with pytest.raises(Misconfigured, match=rf"subject {subject}, whose level is FULL_TRANSITIVE: \S+"):
        await client.register(subject, record(B))
    assert await client.register(subject, record(A, B)) > 0


@GUARDING
async def test_a_level_that_does_not_exist_is_refused(client: Registry, subject: str) -> None:
    """A misspelt level is refused by the registry, with its code."""
    with pytest.raises(Misconfigured, match=r"answered 422 .+\(42203\)"):
        await client.set_level(subject, "FULL_TRANSITIV")


@GUARDING
async def test_incompatibilities_are_told_for_every_version(client: Registry, subject: str) -> None:
    """A field that comes back with another type agrees with the version without it, not with the one before that."""
    await client.prepare({subject: record(A, B)})
    await client.register(subject, record(A))

    found = await client.incompatibilities(subject, record(A, B_TEXT))

    assert [why.partition(":")[0] for why in found] == ["version 1"]
    assert await client.incompatibilities(subject, record(A, B, {**B_TIME, "name": "c"})) == ()
    with pytest.raises(Misconfigured, match="FULL_TRANSITIVE"):
        await client.register(subject, record(A, B_TEXT))


async def test_a_new_subject_has_no_incompatibilities(client: Registry, subject: str) -> None:
    """Where there is no version there is nothing to disagree with."""
    assert await client.incompatibilities(subject, record(A)) == ()


# The start-up step ...


async def test_prepare_registers_all_of_ours_with_their_level(client: Registry, subject: str) -> None:
    """The service's own schemas are accepted; event subjects share one id; nothing to warn of, now or at a restart."""
    ours = {f"{suffix}-{subject}": schema_text(name) for suffix, name in SCHEMAS.items()}

    first = await client.prepare(ours)

    assert list(first.ids) == list(ours)
    assert len(set(first.ids.values())) == len(set(SCHEMAS.values()))
    assert {await client.level(name) for name in ours} == {"FULL_TRANSITIVE"}
    async with registry_at(client._http.name) as other:
        assert await other.prepare(ours) == first
        assert first.warnings == ()


async def test_workers_that_start_at_one_moment_agree(client: Registry, subject: str) -> None:
    """Several workers prepare the same new subjects at once: none is refused, and all get the same ids."""
    ours = {f"{n}-{subject}": record(A) for n in range(4)}
    async with contextlib.AsyncExitStack() as opened:
        workers = [await opened.enter_async_context(registry_at(client._http.name)) for _ in range(4)]

        prepared = await asyncio.gather(*(worker.prepare(ours) for worker in workers))

    assert len({tuple(one.ids.items()) for one in prepared}) == 1
    assert {await client.level(name) for name in ours} == {"FULL_TRANSITIVE"}


async def test_prepare_completes_what_a_crash_left(client: Registry, subject: str) -> None:
    """A level without schemas, as a crash between the two steps leaves it, is no obstacle and no reason to warn."""
    await client.set_level(subject, "FULL_TRANSITIVE")

    assert (await client.prepare({subject: record(A)})).warnings == ()
    assert await client.level(subject) == "FULL_TRANSITIVE"


@pytest.mark.parametrize("exists", [True, False])
async def test_prepare_leaves_a_level_that_somebody_set(client: Registry, subject: str, *, exists: bool) -> None:
    """Another level is told, and not changed: on a subject that exists, and on one that somebody prepared for us."""
    if exists:
        await client.register(subject, record(A))
    await client.set_level(subject, "BACKWARD")

    prepared = await client.prepare({subject: record(A, B)})

    assert prepared.warnings == (
        f"subject {subject} has the compatibility level BACKWARD, wanted FULL_TRANSITIVE; it is left as it is",
    )
    assert await client.level(subject) == "BACKWARD"


async def test_prepare_registers_the_next_version_beside_the_first(client: Registry, subject: str) -> None:
    """An upgrade of the service adds a version, and a service not yet upgraded still finds its own."""
    first = await client.prepare({subject: record(A)})
    second = await client.prepare({subject: record(A, B)})

    assert first.ids != second.ids
    async with registry_at(client._http.name) as other:
        assert await other.prepare({subject: record(A)}) == first


async def test_without_auto_register_prepare_only_looks(url: str, subject: str) -> None:
    """A missing subject or schema is Unready and nothing is written; once somebody has registered it, it is found."""
    async with registry_at(url, auto_register=False) as reader, registry_at(url) as writer:
        with pytest.raises(
            Unready, match=f"no schema of ours under subject {subject}, and registry.auto_register is f"
        ):
            await reader.prepare({subject: record(A, B)})
        assert subject not in await writer.subjects()

        await writer.prepare({subject: record(A)})
        with pytest.raises(Unready, match="no schema of ours"):
            await reader.prepare({subject: record(A, B)})

        made = await writer.register(subject, record(A, B))
        assert (await reader.prepare({subject: record(A, B)})).ids == {subject: made}


# The vendor's own client ...


async def test_the_vendors_client_reads_what_we_registered(client: Registry, subject: str) -> None:
    """The vendor's client finds our schema by id, as the latest version and by look-up, and decodes our frame by it."""
    schema = record(A, B_TIME)
    made = (await client.prepare({subject: schema})).ids[subject]
    datum = bytes([2]) + b"x" + bytes([0])  # a is "x", b is null

    def read() -> list[Any]:
        with SchemaRegistryClient({"url": client._http.name, "timeout": 15}) as vendor:
            topic = subject.removesuffix("-value")
            decode = AvroDeserializer(vendor)
            return [
                vendor.get_schema(made).schema_str,
                vendor.get_latest_version(subject).schema_id,
                vendor.lookup_schema(subject, Schema(schema, "AVRO"), normalize_schemas=True).schema_id,
                vendor.get_compatibility(subject),
                decode(avro.frame(datum, made), SerializationContext(topic, MessageField.VALUE)),
            ]

    text, *told = await asyncio.to_thread(read)

    assert same_layout(text, schema)
    assert told == [made, made, "FULL_TRANSITIVE", {"a": "x", "b": None}]


# Layouts ...


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(record({**A, "doc": "other words"}, B, doc="of the record"), True, id="docs"),
        pytest.param(record(A, {**B, "default": 7}), True, id="defaults"),
        pytest.param(json.dumps(json.loads(record(A, B)), sort_keys=True), True, id="order of keys"),
        pytest.param(record({**A, "type": {"type": "string"}}, B, name="n.R", namespace="x"), True, id="full name"),
        pytest.param(record(B, A), False, id="order of fields"),
        pytest.param(record(A, B_TIME), False, id="logical type"),
        pytest.param(record(A, B, namespace="m"), False, id="namespace"),
        pytest.param(record({**A, "name": "z"}, B), False, id="name of a field"),
        pytest.param(record(A, {**B, "type": ["long", "null"]}), False, id="order of a union"),
        pytest.param('syntax = "proto3";', False, id="protobuf"),
        pytest.param('{"$ref": "#/definitions/x"}', False, id="json schema"),
    ],
)
def test_layouts_are_what_a_reader_needs(other: str, *, same: bool) -> None:
    """Docs, defaults and spelling do not matter to the bytes; names, types, logical types and order do."""
    assert same_layout(record(A, B), other) is same


def test_layouts_follow_names_into_their_namespace() -> None:
    """A type named without its namespace is that of the namespace around it, wherever it is defined or used."""
    inner = {"type": "record", "name": "I", "fields": [A]}
    short = record({"name": "x", "type": inner}, {"name": "y", "type": {"type": "array", "items": "I"}})
    full = record(
        {"name": "x", "type": {**inner, "namespace": "n"}}, {"name": "y", "type": {"type": "array", "items": "n.I"}}
    )

    assert same_layout(short, full)
    assert not same_layout(short, full.replace('"n.I"', '"m.I"'))
