"""What a schema registry, or what stands in its place, may answer."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import Response

from streamer import avro
from streamer.config import RegistrySettings
from streamer.errors import StreamerError
from streamer.registry import Registry, same_layout
from streamer.wire import avsc
from tests.fuzz.spoiling import DEEP, JSON, TEXT, documents, spoilt, tries
from tests.golden import published
from tests.scripted import Pauses, raw, scripted

SCHEMA = avsc.schema_text("oauth_token_event")
EVENT = avro.encode_event(next(iter(published.EVENTS.values())))
REGISTERED = {
    "id": 1,
    "version": 1,
    "subject": "s",
    "schema": SCHEMA,
    "compatibilityLevel": "FULL",
    "is_compatible": True,
}
SAMPLES = (REGISTERED, {"error_code": 40401, "message": "no subject"}, {"error_code": 409, "message": "incompatible"})
BODIES = tuple(json.dumps(sample).encode() for sample in SAMPLES)
STATUS = st.sampled_from([200, 200, 200, 201, 301, 400, 401, 403, 404, 409, 422, 429, 500])
ANSWERS = st.one_of(documents(*SAMPLES), JSON, st.lists(st.integers() | TEXT, max_size=3))


def said(answer: tuple[int, Any]) -> Response:
    """One answer; bytes are sent as they are."""
    status, body = answer
    return Response(body if isinstance(body, bytes) else json.dumps(body), status, media_type="application/json")


@given(st.lists(st.tuples(STATUS, ANSWERS | spoilt(*BODIES)), min_size=1, max_size=6))
@example([(200, {"schema": "[" * DEEP, "id": 1})])
@example([(200, b"[" * DEEP)])
@example([(404, b"[" * DEEP)])
@example([(404, {"error_code": [], "message": "x"})])
@tries(80)
async def test_any_answers(answers: list[tuple[int, Any]]) -> None:
    """Each call ends with a result or an error of ours, whatever the answers are."""
    async with asyncio.timeout(20), scripted(*map(said, answers)) as (client, _, _):
        for ask in (
            lambda: client.prepare({"s": SCHEMA}),
            client.subjects,
            lambda: client.incompatibilities("s", SCHEMA),
            lambda: client.schema(1),
        ):
            with suppress(StreamerError):
                await ask()


@given(spoilt(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n[]"))
@tries(80)
async def test_any_bytes(reply: bytes) -> None:
    """HTTP itself may be broken, too."""
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(asyncio.timeout(20))
        url, _ = await opened.enter_async_context(raw(lambda: reply))
        settings = RegistrySettings(url=url, timeout=2)
        client = await opened.enter_async_context(Registry(settings, sleep=Pauses()))
        with suppress(StreamerError):
            await client.subjects()


@given(
    st.one_of(documents(avsc.schema_json("oauth_token_event")), JSON).map(json.dumps)
    | spoilt(SCHEMA.encode()).map(lambda text: text.decode(errors="replace"))
)
@example("[" * DEEP)
@example('{"type": "array", "items": ' * DEEP + '"string"' + "}" * DEEP)
@tries(200)
def test_any_schema(text: str) -> None:
    """A schema is ours or is not, whatever it is; what it wrote can be read, or an error of ours says why."""
    assert same_layout(text, SCHEMA) in (True, False)
    assert same_layout(SCHEMA, SCHEMA)
    with suppress(StreamerError):
        avro.decode_event(EVENT, text)
