"""The API over real sockets: envelopes, objects, errors and headers as recorded of the real one."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from streamer.demo.credentials import Credentials
from streamer.demo.gate import Rules
from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.serving import serve
from tests.demo.stage import START, TOKENS, Clock, Signed, served, still

ACCOUNTS, USERS, APPS, AUDIT = (
    f"/api/v1/{path}" for path in ("iam/Accounts", "iam/Users", "iam/AppRegistrations", "aaa/AuditRecords")
)


def _simulator(credentials: Credentials, clock: Clock, tokens: int = 0, **options: Any) -> Simulator:
    world = still(tokens, clock=clock, account=credentials.account, admin=credentials.admin)
    return Simulator(world, credentials, **options)


def _same_token(shown: dict[str, Any], row: dict[str, Any]) -> bool:
    return {name: value for name, value in row.items() if value is not None} == {
        name: value for name, value in shown.items() if value is not None
    }


async def test_lists_have_their_envelopes(credentials: Credentials, clock: Clock) -> None:
    """A plain list has no Count, `$inlinecount=allpages` adds that of all pages, `$count=true` is a count alone."""
    simulator = _simulator(credentials, clock, 120, noise=0)
    rows = [simulator.world.tokens[moid] for moid in simulator.world.moids]
    async with served(simulator, clock) as client:
        plain = (await client.get(TOKENS)).json()
        counted = (await client.get(TOKENS, params={"$inlinecount": "allpages", "$top": 3, "$skip": 118})).json()
        empty = (await client.get(TOKENS, params={"$filter": "Moid eq 'x'", "$inlinecount": "allpages"})).json()
        alone = (await client.get(TOKENS, params={"$count": "true", "$top": 1})).json()

    assert plain == {"ObjectType": "iam.OAuthToken.List", "Results": rows[:100]}
    assert counted == {"Count": 120, "ObjectType": "iam.OAuthToken.List", "Results": rows[118:]}
    assert empty == {"Count": 0, "ObjectType": "iam.OAuthToken.List", "Results": []}
    assert alone == {"Count": 120, "ObjectType": "mo.DocumentCount"}


async def test_the_text_of_a_list_is_as_recorded(credentials: Credentials, clock: Clock) -> None:
    """Keys arrive in alphabetical order, text as UTF-8, an object alone without an envelope."""
    simulator = _simulator(credentials, clock, 1, noise=0)
    (moid,) = simulator.world.tokens
    simulator.world.tag(moid, "team", "équipe")
    async with served(simulator, clock) as client:
        listed, alone = await client.get(TOKENS), await client.get(f"{TOKENS}/{moid}")

    assert listed.headers["content-type"] == "application/json"
    assert "équipe".encode() in listed.content
    assert alone.json() == listed.json()["Results"][0] == simulator.world.tokens[moid]
    assert list(alone.json()) == sorted(alone.json())


async def test_a_walk_over_pages_sees_every_token(credentials: Credentials, clock: Clock) -> None:
    """Pages by `$skip`, and by `Moid gt` the last one, both give all tokens in order, with noise as without."""
    simulator = _simulator(credentials, clock, 230, noise=0.5)
    by_skip: list[dict[str, Any]] = []
    by_key: list[dict[str, Any]] = []
    async with served(simulator, clock) as client:
        for skip in range(0, 300, 100):
            reply = await client.get(TOKENS, params={"$top": 100, "$skip": skip, "$orderby": "Moid"})
            by_skip += reply.json()["Results"]
        counts = []
        for _ in range(3):
            after = by_key[-1]["Moid"] if by_key else ""
            options = {"$orderby": "Moid", "$filter": f"Moid gt '{after}'", "$inlinecount": "allpages"}
            reply = await client.get(TOKENS, params=options)
            by_key += reply.json()["Results"]
            counts.append(reply.json()["Count"])

    assert counts == [230, 130, 30]
    assert [row["Moid"] for row in by_skip] == [row["Moid"] for row in by_key] == sorted(simulator.world.tokens)


async def test_the_other_lists(credentials: Credentials, clock: Clock) -> None:
    """Account, users, applications and audit records are listed by the same rules, and found by Moid."""
    simulator = _simulator(credentials, clock, 5)
    world = simulator.world
    gone = world.moids[0]
    world.remove(gone)
    async with served(simulator, clock) as client:
        (account,) = (await client.get(ACCOUNTS, params={"$select": "Name,Moid"})).json()["Results"]
        users = (await client.get(USERS, params={"$inlinecount": "allpages"})).json()
        apps = (await client.get(APPS, params={"$filter": "ClientId ne ''"})).json()
        options = {"$filter": f"MoType eq 'iam.OAuthToken' and ObjectMoid eq '{gone}'", "$orderby": "CreateTime desc"}
        (record,) = (await client.get(AUDIT, params=options)).json()["Results"]
        alone = (await client.get(f"{USERS}/{record['User']['Moid']}")).json()

    assert account["Moid"] == credentials.account.moid == credentials.ec.id.split("/")[0]
    assert (users["ObjectType"], users["Count"]) == ("iam.User.List", len(world.users) + 1)
    assert {row["ClientId"] for row in apps["Results"]} == {client.client_id for client in world.clients}
    assert alone["Email"] == record["Email"] == credentials.admin.email


async def test_a_token_is_deleted_once(credentials: Credentials, clock: Clock) -> None:
    """DELETE by Moid takes the token, in the ledger as `remove`; then it is not found, by GET and by DELETE."""
    simulator = _simulator(credentials, clock, 3)
    moid = simulator.world.moids[1]
    async with served(simulator, clock) as client:
        replies = [
            await client.delete(f"{TOKENS}/{moid}"),
            await client.get(f"{TOKENS}/{moid}"),
            await client.delete(f"{TOKENS}/{moid}"),
        ]

    assert [reply.status_code for reply in replies] == [200, 404, 404]
    assert [(e.cause, e.moid) for e in simulator.world.truth.entries[3:]] == [("remove", moid)]
    assert replies[1].json() == {
        "code": "NotFound",
        "message": f"iam.OAuthToken '{moid}' does not exist",
        "messageId": "barcelona_request_object_does_not_exist",
        "messageParams": {"1": "iam.OAuthToken", "2": moid},
        "traceId": replies[1].headers["x-starship-traceid"],
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("DELETE", TOKENS, 403, "UnauthorizedOperation"),
        ("POST", TOKENS, 403, "UnauthorizedOperation"),
        ("PATCH", f"{TOKENS}/x", 403, "UnauthorizedOperation"),
        ("DELETE", f"{USERS}/x", 403, "UnauthorizedOperation"),
        ("GET", TOKENS.lower(), 403, "UnauthorizedOperation"),
        ("GET", f"{TOKENS.lower()}/x", 403, "UnauthorizedOperation"),
        ("GET", "/api/v1/iam/Nothing", 404, "InvalidUrl"),
        ("GET", f"{TOKENS}/", 404, "InvalidUrl"),
        ("GET", f"{TOKENS}/x/y", 404, "InvalidUrl"),
        ("GET", "/api/v1/iam", 404, "InvalidUrl"),
        ("GET", "/api/v2/iam/OAuthTokens", 404, "InvalidUrl"),
        ("GET", "/iam/token", 403, "UnauthorizedOperation"),
        ("GET", f"{TOKENS}/x", 404, "NotFound"),
        ("GET", f"{TOKENS}?$top=1001", 400, "InvalidRequest"),
        ("GET", f"{TOKENS}?$filter=Nothing eq 'x'", 400, "InvalidRequest"),
        ("GET", f"{TOKENS}/x?$select=Nothing", 400, "InvalidRequest"),
    ],
)
async def test_errors_have_the_api_s_own_body(  # noqa: PLR0917  a row of the table
    credentials: Credentials, clock: Clock, method: str, path: str, status: int, code: str
) -> None:
    """Every error has a status, a code, a stable messageId and the trace id of its reply."""
    async with served(_simulator(credentials, clock), clock) as client:
        reply = await client.request(method, path)

    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code)
    assert set(body) == {"code", "message", "messageId", "messageParams", "traceId"}
    assert body["traceId"] == reply.headers["x-starship-traceid"]


async def test_every_reply_is_stamped(credentials: Credentials, clock: Clock) -> None:
    """Good or bad, a reply has a trace id of its own, the date of the world's clock, and forbids caching."""
    async with served(_simulator(credentials, clock), clock) as client:
        replies = [await client.get(path) for path in (TOKENS, f"{TOKENS}/x", "/nowhere", "/-/")]

    for reply in replies:
        assert reply.headers["date"] == "Thu, 09 Oct 2025 08:53:20 GMT"
        assert reply.headers["cache-control"] == "no-cache, no-store, must-revalidate"
        assert re.fullmatch("NB[0-9a-f]{32}", reply.headers["x-starship-traceid"])
    assert len({reply.headers["x-starship-traceid"] for reply in replies}) == len(replies)


async def test_both_keys_open_and_nothing_else_does(credentials: Credentials, clock: Clock) -> None:
    """Either key is let in; no credentials, a stale date, a stranger's key are 401, each by its messageId."""
    stranger = Signed(Credentials.new().ec, clock)
    stale = Signed(credentials.ec, Clock(START - 301_000))
    async with served(_simulator(credentials, clock), clock) as client:
        statuses = [
            (await client.get(TOKENS, auth=Signed(key, clock))).status_code for key in (credentials.rsa, credentials.ec)
        ]
        refused = [await client.get(TOKENS, auth=auth) for auth in (None, stranger, stale)]

    assert statuses == [200, 200]
    assert [reply.status_code for reply in refused] == [401, 401, 401]
    ids = [reply.json()["messageId"] for reply in refused]
    assert ids == ["iam_cookie_invalid", "iam_api_key_is_invalid", "iam_api_key_is_invalid"]


async def test_credentials_come_before_the_path(credentials: Credentials, clock: Clock) -> None:
    """A stranger learns nothing about what exists: 401 for every path below `/api/v1`."""
    async with serve(_simulator(credentials, clock).app) as url, httpx.AsyncClient(base_url=url) as client:
        replies = [await client.get(path) for path in (TOKENS, f"{TOKENS}/x", "/api/v1/iam/Nothing", TOKENS.lower())]

    assert {reply.status_code for reply in replies} == {401}


async def test_a_bearer_token_opens_until_it_is_over(credentials: Credentials, clock: Clock) -> None:
    """`POST /iam/token` by form or Basic gives a token that opens the API for `expires_in` seconds."""
    simulator = _simulator(credentials, clock, rules=Rules(expires_in=30))
    client_id, secret = credentials.client_id, credentials.client_secret
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    async with serve(simulator.app) as url, httpx.AsyncClient(base_url=url) as client:
        by_form = await client.post("/iam/token", data=form)
        by_basic = await client.post("/iam/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret))
        denied = await client.post("/iam/token", data={**form, "client_secret": "x"})
        statuses = []
        for later in (0, 29_999, 30_000):
            clock.now = START + later
            bearer = {"authorization": f"Bearer {by_form.json()['access_token']}"}
            statuses.append((await client.get(TOKENS, headers=bearer)).status_code)

    assert (by_form.status_code, by_basic.status_code, statuses) == (200, 200, [200, 200, 401])
    assert by_form.json()["expires_in"] == 30
    assert (denied.status_code, denied.json()["error"]) == (401, "invalid_client")


async def test_the_skew_can_be_set(credentials: Credentials, clock: Clock) -> None:
    """How far a signed Date may be off is a rule of the simulator."""
    late = Signed(credentials.ec, Clock(START - 3_000))
    async with served(_simulator(credentials, clock, rules=Rules(skew_ms=2_000)), clock) as client:
        assert (await client.get(TOKENS, auth=late)).status_code == 401
        clock.now -= 1_000
        assert (await client.get(TOKENS, auth=late)).status_code == 200


async def test_the_world_lives_up_to_each_request(credentials: Credentials, clock: Clock) -> None:
    """A reader sees at t what happened up to t; reading itself changes nothing, whatever is read."""
    world = Life(clock, tokens=20, rates=Rates(per_second=5), account=credentials.account)
    unread = Life(Clock(), tokens=20, rates=Rates(per_second=5), account=credentials.account)
    async with served(Simulator(world, credentials, noise=1), clock) as client:
        for _ in range(10):
            clock.now += 1_700
            shown = (await client.get(TOKENS, params={"$expand": "User"})).json()["Results"]
            assert {row["Moid"]: row["ModTime"] for row in shown} == {
                moid: row["ModTime"] for moid, row in world.truth.state(clock.now).items()
            }

    unread.tick(clock.now)
    assert unread.truth.entries == world.truth.entries
    assert len(world.truth) > 50
