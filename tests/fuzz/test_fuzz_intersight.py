"""What Intersight, a gateway before it or somebody in its place may answer, byte by byte."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from streamer import avro
from streamer.errors import Rejected, StreamerError
from streamer.intersight.audit import AuditReader
from streamer.intersight.client import Client
from streamer.intersight.lists import read_list
from streamer.intersight.oauth import ClientCredentials
from streamer.intersight.replies import Failed, Journal, Reply
from streamer.intersight.rows import read_page, read_row
from streamer.intersight.signing import load_key
from streamer.intersight.users import Directory
from tests.fuzz.spoiling import JSON, documents, spoilt, tries
from tests.intersight.stage import GOLDEN, NOW, answering, client_of, http, listed, row, wire
from tests.intersight.test_canonical import FULL

ERROR = {"code": "NotFound", "message": "no", "messageId": "x", "messageParams": {}, "traceId": "NB01"}
USER = {"Moid": "u1", "ObjectType": "iam.User", "Name": "Ada", "Email": "a@b", "UserIdOrEmail": "a"}
RECORD = {
    "Moid": "r1",
    "ObjectType": "aaa.AuditRecord",
    "Event": "Deleted",
    "MoType": "iam.OAuthToken",
    "ObjectMoid": "a",
    "Timestamp": "2026-11-20T08:14:05.117Z",
    "CreateTime": "2026-11-20T08:14:05.117Z",
    "User": {"Moid": "u1"},
    "Email": "a@b",
    "UserIdOrEmail": "a",
    "SourceIp": "::1",
    "HttpResponseCode": 204,
}
GRANTED = {"access_token": "e30.eyJzdWIiOiJhIn0.x", "expires_in": 600, "token_type": "Bearer"}
PAGES = (listed([FULL, row("b")]), listed([]), listed(None, 0), json.dumps(FULL).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["Date", "Retry-After", "X-Starship-Traceid", "Content-Type", "Location"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
    | st.sampled_from(["Thu, 20 Nov 2025 08:14:05 GMT", "Thu, 20 Nov 0000 08:14:05 GMT", "120", "9" * 9, "-1"])
    | st.sampled_from(["Fri, 31 Dec 9999 23:59:59 -2359", "Sat, 01 Jan 0001 00:00:00 +2359"]),
)
PEMS = tuple((GOLDEN / f"{version}.pem").read_bytes() for version in ("v2", "v3"))


@given(spoilt(*PAGES))
@tries(600)
def test_a_page(body: bytes) -> None:
    """A page is rows or `Rejected`; every row's bytes can be read back."""
    with suppress(Rejected):
        for seen in read_page(body, NOW, "trace").rows:
            assert avro.decode_token(seen.datum) == seen.token
    with suppress(Rejected):
        read_row(body, NOW, None)


@given(documents({"ObjectType": "iam.OAuthToken.List", "Count": 1, "Results": [FULL]}), documents(FULL))
@tries(300)
def test_a_page_of_any_json(envelope: dict[str, Any], changed: dict[str, Any]) -> None:
    """The same of well-formed pages whose members are of any type."""
    for body in (envelope, {"ObjectType": "iam.OAuthToken.List", "Count": 1, "Results": [changed]}):
        with suppress(Rejected):
            read_page(json.dumps(body).encode(), NOW, None)


@given(st.integers(100, 999), HEADERS, spoilt(json.dumps(ERROR).encode(), json.dumps(GRANTED).encode(), b"<html>"))
@tries(400)
def test_an_error_reply(status: int, headers: dict[str, str], body: bytes) -> None:
    """Whatever status, headers and body say becomes one line of bounded length."""
    reply = Reply("GET https://x/y", status, httpx.Headers(headers), body, NOW, NOW)
    error = reply.error()
    assert str(error).isprintable()
    assert len(str(error)) < 4000
    Journal().note(reply)


@given(st.sampled_from([200, 201, 400, 401, 429, 500]), st.one_of(JSON, documents(GRANTED), st.just(None)), st.binary())
@example(200, {**GRANTED, "expires_in": float("nan")}, b"")
@example(200, {**GRANTED, "expires_in": 1e308}, b"")
@example(200, {**GRANTED, "access_token": "a.W10.b"}, b"")
@tries(400)
def test_a_token_endpoint(status: int, granted: Any, other: bytes) -> None:
    """It grants a token that can be sent, whose claims are an object; or it is `Failed` with an error of ours."""
    credentials = ClientCredentials("https://x", "id", lambda: "secret", clock=lambda: NOW)
    for body in (json.dumps(granted).encode(), other):
        with suppress(Failed):
            credentials._take(Reply("POST https://x/iam/token", status, httpx.Headers(), body, NOW, NOW), NOW)
        assert isinstance(credentials.claims, dict)


@given(st.text("Aa0_-.=", max_size=40) | st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
@tries(300)
def test_claims(token: str) -> None:
    """What a token that can be sent says of itself is an object, whatever stands where its claims should."""
    credentials = ClientCredentials("https://x", "id", lambda: "secret", clock=lambda: NOW)
    credentials._token = f"e30.{token}"
    assert isinstance(credentials.claims, dict)


@given(spoilt(*PEMS) | st.binary(max_size=200))
@tries(300)
def test_a_private_key(pem: bytes) -> None:
    """A key that can sign, or an error that says what the file holds and shows nothing of it."""
    text = pem.decode(errors="replace")
    told = "api_key holds"
    try:
        load_key(text, where="api_key")
    except StreamerError as error:
        told = str(error)
    assert told.startswith(("api_key holds", "api_key is empty"))
    assert not any(line in told for line in text.splitlines() if len(line) > 30)


# The same over a socket, where HTTP itself may be wrong...


def lists(*rows: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """A list's answer with rows that are nearly right, and spoilt in some other way."""
    kind = rows[0]["ObjectType"]
    good = json.dumps({"ObjectType": f"{kind}.List", "Count": 1, "Results": [rows[0]]}).encode()

    def written(changed: dict[str, Any]) -> bytes:
        return json.dumps({"ObjectType": f"{kind}.List", "Count": 1, "Results": [changed]}).encode()

    return documents(*rows).map(written).map(http) | spoilt(http(good))


async def answered(reply: bytes, ask: Any) -> None:
    """Ask a server that answers these bytes, once."""
    async with asyncio.timeout(10), wire(answering(reply)) as address, client_of(f"http://{address}") as client:
        with suppress(StreamerError):
            await ask(client)


@given(lists(USER))
@tries(150)
async def test_users(reply: bytes) -> None:
    """Users are a courtesy: nothing is raised, and no text is long."""

    async def ask(client: Client) -> None:
        for user in (await Directory(client, lambda: NOW).users(["u1"])).values():
            assert all(text is None or len(text.encode()) <= 1024 for text in (user.name, user.email, user.id))

    await answered(reply, ask)


@given(lists(RECORD))
@tries(150)
async def test_audit_records(reply: bytes) -> None:
    """Records are read, or refused as a whole with a reason."""
    await answered(reply, lambda client: AuditReader(client).read(["a"], [], 0, 2 * NOW))


@given(lists({"Moid": "a1", "ObjectType": "iam.Account"}))
@tries(150)
async def test_accounts(reply: bytes) -> None:
    """So are other short lists."""
    await answered(reply, lambda client: read_list(client, "iam/Accounts", (), "iam.Account", tries=1))
