"""What a schema registry, or what stands in its place, may answer."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.responses import Response

from streamer.config import RegistrySettings
from streamer.errors import StreamerError
from streamer.registry import Registry, same_layout
from streamer.wire import avsc
from tests.fuzz.spoiling import JSON, TEXT, documents, spoilt, tries
from tests.scripted import Pauses, raw, scripted

SCHEMA = avsc.schema_text("oauth_token_event")
REGISTERED = {
    "id": 1,
    "version": 1,
    "subject": "s",
    "schema": SCHEMA,
    "compatibilityLevel": "FULL",
    "is_compatible": True,
}
SAMPLES = (REGISTERED, {"error_code": 40401, "message": "no subject"}, {"error_code": 409, "message": "incompatible"})
STATUS = st.sampled_from([200, 200, 200, 201, 301, 400, 401, 403, 404, 409, 422, 429, 500])
ANSWERS = st.one_of(documents(*SAMPLES), JSON, st.lists(st.integers() | TEXT, max_size=3))


def said(answer: tuple[int, Any]) -> Response:
    """One answer."""
    return Response(json.dumps(answer[1]), answer[0], media_type="application/json")


@given(st.lists(st.tuples(STATUS, ANSWERS), min_size=1, max_size=6))
@example([(200, {"schema": "[" * 3000, "id": 1})])
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
    | spoilt(SCHEMA.encode()).map(repr)
)
@tries(200)
def test_any_schema(text: str) -> None:
    """A schema is ours or is not, whatever it is."""
    assert same_layout(text, SCHEMA) in (True, False)
    assert same_layout(SCHEMA, SCHEMA)
