"""The demo's registry where it must be as strict as a real one; the laws of both are in `tests/test_registry.py`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from streamer.demo.registry import EmbeddedRegistry, application
from streamer.serving import serve

SCHEMA = '{"type": "record", "name": "R", "fields": []}'
WIDER = '{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}'
OTHER = '{"type": "record", "name": "O", "fields": []}'


@pytest.fixture(name="http")
async def _http() -> AsyncIterator[httpx.AsyncClient]:
    """A browser of a registry where subject `s` has one version."""
    app = application(EmbeddedRegistry())
    async with serve(app) as url, httpx.AsyncClient(base_url=url, verify=False) as client:  # no TLS: 0.2 s less
        await client.post("/subjects/s/versions", json={"schema": SCHEMA})
        yield client


@pytest.mark.parametrize(
    ("asked", "body", "code"),
    [
        ("GET /nowhere", None, 404),
        ("DELETE /subjects", None, 405),
        ("GET /subjects/x/versions", None, 40401),
        ("GET /subjects/s/versions/2", None, 40402),
        ("GET /subjects/s/versions/0", None, 40402),
        ("GET /subjects/s/versions/one", None, 40402),
        ("POST /subjects/x", {"schema": SCHEMA}, 40401),
        ("POST /subjects/s", {"schema": OTHER}, 40403),
        ("GET /schemas/ids/9", None, 40403),
        ("POST /subjects/s/versions", {"schema": WIDER}, 409),
        ("POST /subjects/s/versions", {"schema": "{"}, 42201),
        ("POST /subjects/s/versions", {}, 42201),
        ("POST /subjects/s/versions", {"schema": SCHEMA, "schemaType": "JSON"}, 42201),
        ("POST /subjects/s/versions", {"schema": SCHEMA, "references": [{"name": "x"}]}, 42201),
        ("POST /subjects/s/versions", [], 400),
        ("POST /compatibility/subjects/x/versions/latest", {"schema": SCHEMA}, 40401),
        ("POST /compatibility/subjects/s/versions/7", {"schema": SCHEMA}, 40402),
        ("GET /config/s", None, 40408),
        ("PUT /config/s", {"compatibility": "FULLER"}, 42203),
        ("PUT /config", {}, 42203),
    ],
)
async def test_refusals(http: httpx.AsyncClient, asked: str, body: Any, code: int) -> None:
    """Every refusal has the code of the real interface and the status that begins it, and changes nothing."""
    method, path = asked.split()
    reply = await http.request(method, path, json=body)

    assert str(reply.status_code) == str(code)[:3]
    assert reply.json()["error_code"] == code
    assert isinstance(reply.json()["message"], str)
    assert reply.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    assert (await http.get("/subjects")).json() == ["s"]
    assert (await http.get("/subjects/s/versions")).json() == [1]


async def test_a_request_that_is_no_json(http: httpx.AsyncClient) -> None:
    """A body that cannot be read is the client's fault."""
    reply = await http.post("/subjects/s/versions", content=b"\xff")

    assert (reply.status_code, reply.json()["error_code"]) == (400, 400)


async def test_versions_and_ids(http: httpx.AsyncClient) -> None:
    """A version is told with subject, number, id and text; ids count schemas, versions count those of a subject."""
    await http.put("/config/s", json={"compatibility": "NONE"})
    second = (await http.post("/subjects/s/versions", json={"schema": WIDER})).json()
    again = (await http.post("/subjects/t/versions", json={"schema": WIDER})).json()

    assert second == again == {"id": 2}
    assert (await http.get("/subjects/s/versions/latest")).json() == {
        "subject": "s",
        "version": 2,
        "id": 2,
        "schema": WIDER,
    }
    assert (await http.get("/subjects/t/versions/1")).json()["id"] == 2
    assert (await http.get("/schemas/ids/1")).json() == {"schema": SCHEMA}
    assert (await http.get("/schemas/types")).json() == ["AVRO"]


async def test_a_refused_schema_takes_no_id(http: httpx.AsyncClient) -> None:
    """What was not registered leaves nothing behind."""
    await http.post("/subjects/s/versions", json={"schema": WIDER})

    assert (await http.get("/schemas/ids/2")).status_code == 404
    assert (await http.post("/subjects/t/versions", json={"schema": OTHER})).json() == {"id": 2}


async def test_levels(http: httpx.AsyncClient) -> None:
    """A subject follows the registry's level, BACKWARD at first, until it gets its own."""
    follows = "/config/s?defaultToGlobal=true"
    assert (await http.get("/config")).json() == {"compatibilityLevel": "BACKWARD"}
    assert (await http.get(follows)).json() == {"compatibilityLevel": "BACKWARD"}

    await http.put("/config", json={"compatibility": "FULL"})
    assert (await http.get(follows)).json() == {"compatibilityLevel": "FULL"}

    assert (await http.put("/config/s", json={"compatibility": "NONE"})).json() == {"compatibility": "NONE"}
    assert (await http.get("/config/s")).json() == {"compatibilityLevel": "NONE"}
    assert (await http.get("/config")).json() == {"compatibilityLevel": "FULL"}


async def test_the_check_tells_why_if_asked(http: httpx.AsyncClient) -> None:
    """Messages come with `verbose=true` only."""
    path = "/compatibility/subjects/s/versions/latest"
    why = "the new schema cannot read the old: field 'a' of R is missing, and has no default (version 1)"

    assert (await http.post(path, json={"schema": WIDER})).json() == {"is_compatible": False}
    verbose = await http.post(f"{path}?verbose=true", json={"schema": WIDER})
    assert verbose.json() == {"is_compatible": False, "messages": [why]}
    fine = await http.post(f"{path}?verbose=true", json={"schema": SCHEMA})
    assert fine.json() == {"is_compatible": True, "messages": []}


async def test_transitive_levels_ask_every_version(http: httpx.AsyncClient) -> None:
    """Without `_TRANSITIVE` only the last version counts."""
    text, number = ({"name": "a", "type": kind, "default": zero} for kind, zero in (("string", ""), ("int", 0)))
    versions = [json.dumps({"type": "record", "name": "V", "fields": fields}) for fields in ([text], [], [number])]
    for subject, level in (("v", "FULL"), ("w", "FULL_TRANSITIVE")):
        await http.put(f"/config/{subject}", json={"compatibility": level})
        for schema in versions[:2]:
            await http.post(f"/subjects/{subject}/versions", json={"schema": schema})

    body = {"schema": versions[2]}
    check = "/compatibility/subjects/{}/versions"
    assert (await http.post(check.format("v"), json=body)).json() == {"is_compatible": True}
    assert (await http.post(check.format("w"), json=body)).json() == {"is_compatible": False}
    assert (await http.post("/subjects/v/versions", json=body)).status_code == 200
    assert (await http.post("/subjects/w/versions", json=body)).status_code == 409
