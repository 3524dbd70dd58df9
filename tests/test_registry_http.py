"""One call to a registry: what is tried again, who we say we are, and what each refusal tells."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount

from streamer.config import RegistrySettings
from streamer.demo.registry import EmbeddedRegistry, application
from streamer.errors import Misconfigured, Unready
from streamer.registry import Prepared, Registry
from streamer.registry_http import PAUSES_S
from streamer.serving import serve
from tests.scripted import Pauses, Script, raw, says, scripted

SUBJECT = "t-value"
SCHEMA = '{"type": "record", "name": "R", "fields": []}'


# Trying again ...


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_registry_is_asked_again(status: int) -> None:
    """A registry that recovers after three refusals is no error; the pauses grow."""
    busy = says(status, 50002, "forwarding timed out")

    async with scripted(busy, busy, busy, JSONResponse({"id": 7})) as (client, script, pauses):
        assert await client.register(SUBJECT, SCHEMA) == 7

    assert pauses == list(PAUSES_S) == sorted(PAUSES_S)
    assert len(script.asked) == 4


async def test_patience_ends() -> None:
    """A registry that stays busy is Unready after four tries, with what it said last."""
    async with scripted(says(503, 50301, "no leader")) as (client, script, pauses):
        with pytest.raises(Unready, match=r"answered 503 to GET /subjects: no leader \(50301\)"):
            await client.subjects()

    assert len(script.asked) == 4
    assert pauses == list(PAUSES_S)


async def test_nobody_there_is_unready() -> None:
    """A refused connection is tried again, then Unready with the address and the system's own word."""
    async with serve(Script(Response()).app) as url:
        pass
    pauses = Pauses()

    async with Registry(RegistrySettings(url=url), sleep=pauses) as client:
        with pytest.raises(Unready, match=rf"registry {url} cannot be reached: Connection refused$") as raised:
            await client.subjects()

    assert "registry.url" in raised.value.hint
    assert "kafka.value_format: json" in raised.value.hint

    assert pauses == list(PAUSES_S)


async def test_a_connection_that_breaks_is_tried_again() -> None:
    """A server that hangs up in the middle of an answer, once, is no error."""
    answers = iter(
        [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"]
    )

    async with raw(lambda: next(answers)) as (url, _), Registry(RegistrySettings(url=url), sleep=Pauses()) as client:
        assert await client.subjects() == ()


async def test_the_reason_is_told_however_deep_it_lies() -> None:
    """A library's error without a text of its own is told by the first of its causes that has one."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Registry(RegistrySettings(url=url), sleep=Pauses()) as client:
            with pytest.raises(Unready, match=r"cannot be reached: .*[Rr]eset by peer"):
                await client.subjects()


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        pytest.param(says(401, 40101, "Unauthorized"), r"401 .+Unauthorized \(40101\)", id="401"),
        pytest.param(says(403, 40301, "denied to write"), r"403 .+denied to write \(40301\)", id="403"),
        pytest.param(says(422, 42205, "read-only\nmode"), r"422 .+: read-only mode \(42205\)", id="422"),
        pytest.param(says(404, 404, "HTTP 404 Not Found"), r"404 .+HTTP 404 Not Found \(404\)", id="no such page"),
        pytest.param(PlainTextResponse("<h1>Not\nhere</h1>", 404), "404 .+: <h1>Not here</h1>$", id="no registry"),
        pytest.param(JSONResponse({"detail": "Not Found"}, 404), '404 .+: {"detail":"Not Found"}$', id="no message"),
        pytest.param(Response(status_code=302, headers={"Location": "/login"}), "302 .+: Found", id="a login page"),
        pytest.param(
            PlainTextResponse("<h1>Hello</h1>"), "does not answer like a schema reg.+<h1>Hello</h1>", id="html"
        ),
        pytest.param(JSONResponse({"id": "7"}), "does not answer like a schema registry", id="wrong type"),
        pytest.param(JSONResponse(["id"]), "does not answer like a schema registry", id="wrong shape"),
    ],
)
async def test_what_time_does_not_heal_is_said_at_once(reply: Response, told: str) -> None:
    """A refusal is Misconfigured, in one line, with what the registry said; it is not tried again."""
    async with scripted(reply) as (client, script, pauses):
        with pytest.raises(Misconfigured, match=told) as raised:
            await client.register(SUBJECT, SCHEMA)

    assert "\n" not in str(raised.value)
    assert (len(script.asked), pauses) == (1, [])


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "registry.password_file"), (403, "right"), (404, "registry.url must name")]
)
async def test_refusals_come_with_a_hint(status: int, hint: str) -> None:
    """The operator is told what to change."""
    async with scripted(says(status, status, "no")) as (client, _, _):
        with pytest.raises(Misconfigured) as raised:
            await client.subjects()

    assert hint in raised.value.hint


async def test_a_conflict_names_subject_level_and_reasons() -> None:
    """409: the message has the subject, the level it is held to, and the registry's own reasons."""
    conflict = says(409, 40901, "incompatible, details: [{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE'}]")

    async with scripted(conflict, JSONResponse({"compatibilityLevel": "FULL"})) as (client, script, _):
        with pytest.raises(
            Misconfigured, match=f"under subject {SUBJECT}, whose level is FULL: .*READER_FIELD_MISSING_DEFAULT_VALUE"
        ):
            await client.register(SUBJECT, SCHEMA)

    assert [request.url.path for request in script.asked] == [f"/subjects/{SUBJECT}/versions", f"/config/{SUBJECT}"]


# Start-up against registries of other habits ...


async def test_a_registry_that_takes_no_level_without_a_schema() -> None:
    """Where the level of an unknown subject is refused, the schema goes first and the level right after it."""
    unknown, fine = says(404, 40401, "no subject"), JSONResponse({"compatibility": "FULL_TRANSITIVE"})
    text, level = JSONResponse({"schema": SCHEMA}), JSONResponse({"compatibilityLevel": "FULL_TRANSITIVE"})

    async with scripted(unknown, unknown, unknown, JSONResponse({"id": 3}), fine, text, level) as (client, script, _):
        assert await client.prepare({SUBJECT: SCHEMA}) == Prepared({SUBJECT: 3})

    assert [(request.method, request.url.path) for request in script.asked] == [
        ("GET", f"/subjects/{SUBJECT}/versions"),
        ("GET", f"/config/{SUBJECT}"),
        ("PUT", f"/config/{SUBJECT}"),
        ("POST", f"/subjects/{SUBJECT}/versions"),
        ("PUT", f"/config/{SUBJECT}"),
        ("GET", "/schemas/ids/3"),
        ("GET", f"/config/{SUBJECT}"),
    ]


async def test_an_id_that_resolves_to_another_schema_stops_the_start() -> None:
    """Two registries behind one address: the id of one, the schema of the other; better no event than a wrong one."""
    other = JSONResponse({"schema": SCHEMA.replace('"R"', '"Other"')})

    async with scripted(JSONResponse([1]), JSONResponse({"id": 3}), other) as (client, _, _):
        with pytest.raises(Misconfigured, match=f"gave id 3 for subject {SUBJECT}, but id 3 is another schema there"):
            await client.prepare({SUBJECT: SCHEMA})


async def test_an_id_that_not_every_node_knows_yet_is_waited_for() -> None:
    """Right after registering, another node of the registry may not know the id: that is no fault of anybody's."""
    unknown = says(404, 40403, "Schema 3 not found")

    async with scripted(JSONResponse([1]), JSONResponse({"id": 3}), unknown) as (client, _, _):
        with pytest.raises(Unready, match="gave id 3, but does not know it yet"):
            await client.prepare({SUBJECT: SCHEMA})


async def test_ids_are_asked_for_once() -> None:
    """Whatever an id stood for it stands for: neither ids nor schemas are asked for twice."""
    async with scripted(JSONResponse({"id": 3, "schema": SCHEMA})) as (client, script, _):
        for _ in range(3):
            await client.register(SUBJECT, SCHEMA)
            await client.look_up(SUBJECT, SCHEMA)
            await client.schema(3)

    assert len(script.asked) == 2


async def test_a_path_prefix_is_kept_and_subjects_are_quoted() -> None:
    """The address may carry a path, with or without a slash at its end; a subject may hold anything."""
    app = Starlette(routes=[Mount("/apis/ccompat/v7", application(EmbeddedRegistry()))])
    async with serve(app) as url:
        for end in ("", "/"):
            async with Registry(RegistrySettings(url=f"{url}/apis/ccompat/v7{end}")) as client:
                await client.prepare({"100% ?#": SCHEMA})
                assert await client.subjects() == ("100% ?#",)


# Who we are ...


async def test_basic_authentication(tmp_path: Path) -> None:
    """User and password go with the first request."""
    (tmp_path / "password").write_text("pässword\n")

    async with scripted(JSONResponse([]), username="u", password_file=tmp_path / "password") as (client, script, _):
        await client.subjects()

    assert script.asked[0].headers["authorization"] == f"Basic {base64.b64encode('u:pässword'.encode()).decode()}"


async def test_a_renewed_bearer_token_is_used(tmp_path: Path) -> None:
    """The file of the token is read for each request: whoever renews it need not restart us."""
    token = tmp_path / "token"
    token.write_text("one\n")
    async with scripted(JSONResponse([]), bearer_token_file=token) as (client, script, _):
        await client.subjects()
        token.write_text("two\n")
        await client.subjects()

    assert [request.headers["authorization"] for request in script.asked] == ["Bearer one", "Bearer two"]


async def test_a_token_that_is_no_line_of_text_is_not_shown(tmp_path: Path) -> None:
    """A file that holds more than a token is named; its content stays out of the message and of what caused it."""
    (tmp_path / "token").write_text("sec\nret")

    async with scripted(JSONResponse([]), bearer_token_file=tmp_path / "token") as (client, script, _):
        with pytest.raises(Misconfigured, match=r"registry\.bearer_token") as raised:
            await client.subjects()

    assert "ret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert script.asked == []


async def test_without_credentials_none_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credential, no proxy and no certificate is taken from the environment."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    async with scripted(JSONResponse([])) as (client, script, _):
        await client.subjects()

    assert "authorization" not in script.asked[0].headers


async def test_what_is_sent_is_what_the_interface_wants() -> None:
    """The vendor's content type, normalisation asked for, the schema as text within JSON."""
    async with scripted(JSONResponse({"id": 1})) as (client, script, _):
        await client.register(SUBJECT, SCHEMA)

    asked = script.asked[0]
    assert asked.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    assert dict(asked.query_params) == {"normalize": "true"}
    assert json.loads(script.bodies[0]) == {"schema": SCHEMA, "schemaType": "AVRO", "references": []}
