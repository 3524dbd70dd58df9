"""One account: its snapshot, and what a look-up proves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from streamer.config import ApiKey, OAuth, SourceSettings
from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.errors import Misconfigured
from streamer.intersight.source import IntersightSource
from streamer.serving import serve
from streamer.tokens import Gone, Sighting, Unsure
from tests.intersight.stage import ACCOUNT, GOLDEN, KEY_ID, NOW, Naps, Pages, Script, fault, row, said

MOID = "6b00014d7564613301d4f7aa"
ROW = row(MOID, ClientName="portal")


def _settings(url: str, **others: Any) -> SourceSettings:
    given = {"name": "prod-us", "url": url, "api_key": ApiKey(id=KEY_ID, file=GOLDEN / "v3.pem"), **others}
    return SourceSettings(**given)


def _source(url: str, **others: Any) -> IntersightSource:
    return IntersightSource(_settings(url, **others), clock=lambda: NOW, sleep=Naps())


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_reads_all_tokens_with_either_key(version: str) -> None:
    """With a v2 or a v3 key a source reads its account's tokens by pages of the size configured."""
    app = Pages([row(f"m{i}") for i in range(5)])
    async with serve(app) as url:
        key = ApiKey(id=KEY_ID, file=GOLDEN / f"{version}.pem")
        async with _source(url, api_key=key, page_size=2) as source:
            seen = await source.snapshot({})

    assert (source.name, len(seen), seen.walk.pages, seen.account_moid) == ("prod-us", 5, 3, ACCOUNT)


async def test_reads_all_tokens_as_an_oauth_client() -> None:
    """With OAuth credentials a source fetches one token for all its requests."""
    pages, fetched = Pages([row(f"m{i}") for i in range(5)]), []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/iam/token":
            fetched.append(scope["path"])
            await said(200, {"access_token": "t", "expires_in": 600})(scope, receive, send)
        else:
            assert Request(scope).headers["authorization"] == "Bearer t"
            await pages(scope, receive, send)

    client = OAuth(client_id="id", client_secret=SecretStr("secret"))
    async with serve(app) as url, _source(url, api_key=None, oauth=client, page_size=2) as source:
        assert len(await source.snapshot({})) == 5

    assert len(fetched) == 1


@pytest.mark.parametrize("credential", ["v2", "v3", "v3 as PKCS8", "oauth"])
async def test_the_simulator_and_the_source_understand_each_other(credential: str) -> None:
    """The simulator, which shares no code with this room, takes every credential, and both see the same tokens."""
    simulator = Simulator(Life(lambda: NOW, rates=Rates(per_second=0), tokens=25))
    keys = simulator.credentials
    pems = {
        "v2": (keys.rsa.id, keys.rsa.pem),
        "v3": (keys.ec.id, keys.ec.pem),
        "v3 as PKCS8": (keys.ec.id, keys.ec.pkcs8),
    }
    if credential == "oauth":
        client = OAuth(client_id=keys.client_id, client_secret=SecretStr(keys.client_secret))
        given: dict[str, Any] = {"api_key": None, "oauth": client}
    else:
        key_id, pem = pems[credential]
        given = {"api_key": ApiKey(id=key_id, pem=SecretStr(pem))}
    async with serve(simulator.app) as url, _source(url, page_size=10, **given) as source:
        seen = await source.snapshot({})
        known = {row.raw: moid for moid, row in seen.rows.items()}
        again = await source.snapshot(known)
        present, absent = await source.look_up(min(seen.rows)), await source.look_up("6b00014d7564613301d4f7aa")

    assert (len(seen), seen.walk.pages, seen.unknown) == (25, 3, 0)
    assert {moid: row.meaning for moid, row in again.rows.items()}.items() <= {
        moid: row.meaning for moid, row in seen.rows.items()
    }.items()
    assert isinstance(present, Sighting)
    assert isinstance(absent, Gone)


async def test_a_present_token_is_a_sighting() -> None:
    """A 200 with the Moid asked for is the token, as a list would have shown it."""
    script = Script(said(200, ROW, X_Starship_Traceid="t1"))
    async with serve(script) as url, _source(url) as source:
        found = await source.look_up(MOID)

    assert isinstance(found, Sighting)
    assert (found.token.moid, found.token.client_name) == (MOID, "portal")
    assert (found.arrived_at, found.trace_id) == (NOW, "t1")
    assert (script.asked[0].url.path, script.asked[0].url.query) == (f"/api/v1/iam/OAuthTokens/{MOID}", "")


async def test_a_look_up_and_a_list_agree() -> None:
    """The same row found by list and by look-up has one meaning, and one raw digest where its bytes are the same."""
    app = Pages([ROW])
    async with serve(app) as url, _source(url) as source:
        listed = (await source.snapshot({})).rows[MOID]
    async with serve(Script(said(200, json.dumps(ROW).encode() + b"\n"))) as url, _source(url) as source:
        found = await source.look_up(MOID)

    assert found == listed


async def test_the_api_s_own_not_found_is_gone() -> None:
    """A 404 by Moid with the API's code `NotFound` is the proof of absence, at the moment it arrived."""
    async with serve(Script(fault(404, "NotFound"))) as url, _source(url) as source:
        assert await source.look_up(MOID) == Gone(MOID, NOW, "lookup", "NB01")


PROOF_OF_NOTHING: dict[str, tuple[Response, str]] = {
    "404 of a gateway": (said(404, b"<html>Not Found</html>", content_type="text/html"), "http_404"),
    "404 without a body": (said(404), "http_404"),
    "404 cut": (said(404, b'{"code": "NotFound", "message'), "http_404"),
    "404 with another code": (fault(404, "InvalidUrl"), "http_404"),
    "404 with a code that is no text": (said(404, {"code": ["NotFound"]}), "http_404"),
    "404 of a token endpoint": (said(404, {"error": "NotFound"}), "http_404"),
    "404 in an array": (said(404, b'[{"code": "NotFound"}]'), "http_404"),
    "400 with NotFound": (fault(400, "NotFound"), "http_400"),
    "401": (fault(401, "AuthenticationFailure"), "unauthorized"),
    "403": (fault(403, "NotFound"), "forbidden"),
    "410": (fault(410, "NotFound"), "http_410"),
    "429": (fault(429, "NotFound"), "throttled"),
    "503": (fault(503, "NotFound"), "unavailable"),
    "302": (said(302, Location="/"), "http_302"),
    "200 with NotFound": (fault(200, "NotFound"), "row_without_moid"),
    "another object": (said(200, row("6b00014d7564613301d4f7ab")), "wrong_moid"),
    "null": (said(200, b"null"), "row_without_moid"),
    "a list": (said(200, [ROW]), "row_without_moid"),
    "nothing": (said(200, b""), "not_json"),
    "HTML": (said(200, b"<html>", content_type="text/html"), "not_json"),
}


@pytest.mark.parametrize("name", PROOF_OF_NOTHING)
async def test_anything_else_proves_nothing(name: str) -> None:
    """Every other answer, however much it looks like an absence, is `Unsure` and says why."""
    answer, why = PROOF_OF_NOTHING[name]
    async with serve(Script(answer)) as url, _source(url) as source:
        found = await source.look_up(MOID)

    assert isinstance(found, Unsure)
    assert (found.moid, found.why.split(":")[0]) == (MOID, why)


async def test_no_answer_proves_nothing() -> None:
    """A host that is not there is `Unsure`, not gone."""
    async with serve(Script(said(200))) as url:
        pass
    async with _source(url) as source:
        found = await source.look_up(MOID)

    assert isinstance(found, Unsure)
    assert found.why.startswith("unavailable: ")


async def test_a_refused_oauth_client_proves_nothing() -> None:
    """A token endpoint that answers 404 and `NotFound` has not been asked for the token's Moid."""
    client = OAuth(client_id="id", client_secret=SecretStr("secret"))
    async with (
        serve(Script(fault(404, "NotFound"))) as url,
        _source(url, api_key=None, oauth=client) as source,
    ):
        found = await source.look_up(MOID)

    assert isinstance(found, Unsure)
    assert "/iam/token" in found.why


async def test_look_ups_run_beside_each_other() -> None:
    """Eight look-ups at once are answered each with its own."""

    def answer(request: Request) -> Response:
        moid = request.url.path.rsplit("/", 1)[1]
        return said(200, row(moid)) if moid != "m3" else fault(404, "NotFound")

    async with serve(Script(answer)) as url, _source(url) as source:
        found = await asyncio.gather(*(source.look_up(f"m{i}") for i in range(8)))

    assert [each.token.moid if isinstance(each, Sighting) else each.moid for each in found] == [
        f"m{i}" for i in range(8)
    ]
    assert [i for i, each in enumerate(found) if isinstance(each, Gone)] == [3]


def test_a_source_that_cannot_work_says_so_at_once(tmp_path: Path) -> None:
    """An unusable key, CA file or proxy is `Misconfigured` before any request, and names the source's own key."""
    (tmp_path / "bad.pem").write_text("no key")
    bad: dict[str, dict[str, Any]] = {
        r"sources\.prod-us\.api_key holds no PEM": {"api_key": ApiKey(id=KEY_ID, file=tmp_path / "bad.pem")},
        r"sources\.prod-us\.ca_file": {"ca_file": tmp_path / "bad.pem"},
        r"missing\.pem": {"api_key": ApiKey(id=KEY_ID, file=tmp_path / "missing.pem")},
    }
    for told, others in bad.items():
        with pytest.raises(Misconfigured, match=told):
            _source("https://intersight.com", **others)
