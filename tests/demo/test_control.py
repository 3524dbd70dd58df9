"""The control face: what really happened, acts on cue, faults on cue; open, and never struck by a fault itself."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from streamer.demo.credentials import Credentials
from streamer.demo.faults import Faults, Status
from streamer.demo.shapes import rfc3339
from streamer.demo.simulator import Simulator
from tests.demo.stage import START, TOKENS, Clock, served, still

ACTS = ("login", "refresh", "relogin", "widen", "rename", "tag", "edit", "logout", "remove", "vanish")
ROUTES = ("tokens", "truth", "act", "faults")


def _simulator(credentials: Credentials, clock: Clock, tokens: int = 0) -> Simulator:
    return Simulator(still(tokens, clock=clock, account=credentials.account), credentials)


async def _act(client: httpx.AsyncClient, *acts: dict[str, Any]) -> Any:
    reply = await client.post("/-/act", json=acts[0] if len(acts) == 1 else acts)
    assert reply.status_code == 200, reply.text
    return reply.json()["entries"]


async def test_the_ledger_can_be_read_on(credentials: Credentials, clock: Clock) -> None:
    """`/-/truth` is the ledger, a line an entry; `after` goes on behind a number; replayed, it is `/-/tokens`."""
    simulator = _simulator(credentials, clock, 20)
    async with served(simulator, clock) as client:
        await _act(client, {"act": "logout"}, {"act": "login"}, {"act": "refresh"})
        lines = (await client.get("/-/truth")).text.splitlines()
        rest = (await client.get("/-/truth", params={"after": 18})).text.splitlines()
        tokens = (await client.get("/-/tokens")).json()

    entries = [json.loads(line) for line in lines]
    replayed = {entry["moid"]: entry["after"] for entry in entries}
    assert [entry["number"] for entry in entries] == list(range(1, len(simulator.world.truth) + 1))
    assert rest == lines[18:]
    assert {row["Moid"]: row for row in tokens["tokens"]} == {m: row for m, row in replayed.items() if row}
    assert entries[0] == {**asdict(simulator.world.truth.entries[0]), "changed": []}


async def test_the_tokens_of_a_moment(credentials: Credentials, clock: Clock) -> None:
    """`/-/tokens?at=` tells what the API showed then."""
    simulator = _simulator(credentials, clock)
    async with served(simulator, clock) as client:
        ((born,),) = [await _act(client, {"act": "login"})]
        clock.now += 1000
        await _act(client, {"act": "vanish", "moid": born["moid"]})
        then = (await client.get("/-/tokens", params={"at": START})).json()
        now = (await client.get("/-/tokens")).json()

    assert then == {"at": START, "tokens": [born["after"]]}
    assert now == {"at": START + 1000, "tokens": []}


async def test_each_act_on_cue(credentials: Credentials, clock: Clock) -> None:
    """Every act can be had by name, with names of people, applications and tokens; the answer is what it did."""
    simulator = _simulator(credentials, clock)
    world = simulator.world
    user, client_ = world.users[2], world.clients[1]
    async with served(simulator, clock) as client:
        (born,) = await _act(
            client,
            {"act": "login", "user": user.email, "client": client_.name, "ip": "203.0.113.7", "session_ms": 60_000},
        )
        moid = born["moid"]
        clock.now += 10
        done = [
            await _act(client, {"act": "refresh", "moid": moid}),
            await _act(client, {"act": "relogin", "user": user.moid, "ip": "203.0.113.8"}),
            await _act(client, {"act": "widen", "moid": moid}),
            await _act(client, {"act": "rename", "client": client_.client_id, "name": "new name"}),
            await _act(client, {"act": "tag", "moid": moid, "key": "a", "value": "b"}),
            await _act(client, {"act": "tag", "moid": moid, "key": "a"}),
            await _act(client, {"act": "edit", "moid": moid, "set": {"SharedScope": "x"}}),
        ]
        (sparse,) = await _act(client, {"act": "login", "user": user.moid, "client": "", "session_ms": 0})
        out = await _act(client, {"act": "logout", "user": user.moid, "client": client_.moid})
        gone = await _act(client, {"act": "remove", "moid": sparse["moid"]})

    assert born["after"]["User"]["Moid"] == user.moid
    assert (born["after"]["ClientName"], born["after"]["ClientIpAddress"]) == (client_.name, "203.0.113.7")
    assert born["after"]["ExpirationTime"] == rfc3339(START + 60_000)
    causes = ["refresh", "relogin", "widen", "rename", "tag", "tag", "edit"]
    assert [(entry["cause"], entry["moid"], entry["at"]) for (entry,) in done] == [
        (c, moid, START + 10) for c in causes
    ]
    assert set(done[-1][0]["changed"]) == {"SharedScope", "ModTime"}
    assert (sparse["after"]["ClientId"], sparse["after"]["ExpirationTime"]) == ("", "0001-01-01T00:00:00Z")
    assert [entry["cause"] for entry in out + gone] == ["logout", "remove"]


@pytest.mark.parametrize(
    ("act", "status"),
    [
        ({"act": "dance"}, 400),
        ({"act": "login", "who": "x"}, 400),
        ({"act": "tag"}, 400),
        ([{"act": "login"}, {"act": 5}], 400),
        ("{", 400),
        ({"act": "login", "user": "nobody@example.com"}, 404),
        ({"act": "login", "client": "none"}, 404),
        ({"act": "refresh", "moid": "x"}, 404),
        ({"act": "vanish"}, 404),
    ],
)
async def test_acts_that_cannot_be_done(credentials: Credentials, clock: Clock, act: Any, status: int) -> None:
    """An unknown act or field is 400, an unknown person, application or token 404; nothing happens, and it says why."""
    simulator = _simulator(credentials, clock)
    async with served(simulator, clock) as client:
        reply = await client.post("/-/act", content=act if isinstance(act, str) else json.dumps(act))

    assert (reply.status_code, len(simulator.world.truth)) == (status, 0)
    assert reply.json()["error"]


@pytest.mark.parametrize("name", ["Moid", "ModTime", "User", "ClientId", "Nothing"])
async def test_what_cannot_be_edited(credentials: Credentials, clock: Clock, name: str) -> None:
    """What the world finds a token by is not to be set, nor an unknown property, nor a time to what is none."""
    simulator = _simulator(credentials, clock, 1)
    async with served(simulator, clock) as client:
        named = await client.post("/-/act", json={"act": "edit", "set": {name: "x"}})
        time = await client.post("/-/act", json={"act": "edit", "set": {"ExpirationTime": "soon"}})

    assert (named.status_code, time.status_code, len(simulator.world.truth)) == (404, 404, 1)
    assert name in named.json()["error"]


@pytest.mark.parametrize("path", ["/-/truth?after=x", "/-/tokens?at=x"])
async def test_a_bad_number_is_refused(credentials: Credentials, clock: Clock, path: str) -> None:
    """What is no number is 400, not a crash."""
    async with served(_simulator(credentials, clock), clock) as client:
        assert (await client.get(path)).status_code == 400


async def test_a_fault_strikes_as_often_as_it_says(credentials: Credentials, clock: Clock) -> None:
    """An armed status answers the next `times` requests to its path in the API's own form, then the API is back."""
    simulator = _simulator(credentials, clock, 2)
    fault = {"fault": "status", "status": 429, "times": 2, "path": TOKENS, "headers": {"Retry-After": "7"}}
    async with served(simulator, clock) as client:
        armed = await client.post("/-/faults", json=fault)
        other = await client.get("/api/v1/iam/Users")
        first = await client.get(TOKENS)
        left = (await client.get("/-/faults")).json()
        rest = [(await client.get(TOKENS)).status_code for _ in range(3)]
        summary = (await client.get("/-/")).json()

    assert armed.json() == [fault]
    assert (other.status_code, first.status_code, rest) == (200, 429, [429, 200, 200])
    assert (first.headers["retry-after"], first.json()["traceId"]) == ("7", first.headers["x-starship-traceid"])
    assert first.headers["date"] == "Thu, 09 Oct 2025 08:53:20 GMT"
    assert left[0]["times"] == 1
    assert (summary["faults"], summary["replies"]) == ([], {"200": 3, "429": 2})
    assert (summary["tokens"], summary["entries"], summary["counts"]["seed"]) == (2, 2, 2)


async def test_an_outage_lasts_until_it_is_cleared(credentials: Credentials, clock: Clock) -> None:
    """Without `times`, the API is down until the faults are cleared; the control face and the world go on."""
    simulator = _simulator(credentials, clock)
    form = {"grant_type": "client_credentials"}
    async with served(simulator, clock) as client:
        await client.post("/-/faults", json={"fault": "status"})
        down = [await client.get(TOKENS), await client.get("/nowhere"), await client.post("/iam/token", data=form)]
        await _act(client, {"act": "login"})
        cleared = await client.delete("/-/faults")
        up = await client.get(TOKENS)

    assert [reply.status_code for reply in down] == [503, 503, 503]
    assert {reply.json()["code"] for reply in down} == {"ServiceUnavailable"}
    assert (cleared.json(), up.status_code, len(up.json()["Results"])) == ([], 200, 1)


@pytest.mark.parametrize(
    "fault", [{"fault": "rain"}, {"fault": "status", "status": "x"}, {"fault": "status", "no": 1}, []]
)
async def test_an_unknown_fault_is_refused(credentials: Credentials, clock: Clock, fault: Any) -> None:
    """What cannot be armed is 400 and says why; nothing is armed."""
    async with served(_simulator(credentials, clock), clock) as client:
        reply = await client.post("/-/faults", json=fault)
        armed = (await client.get("/-/faults")).json()

    assert (reply.status_code, armed) == (400, [])
    assert reply.json()["error"]


async def test_chance_strikes_its_share_and_repeatably(credentials: Credentials, clock: Clock) -> None:
    """A fault of probability p strikes about that share of requests, the same ones for the same seed."""

    async def statuses() -> list[int]:
        simulator = _simulator(credentials, clock)
        simulator.faults.arm(Status(probability=0.3))
        transport = httpx.ASGITransport(simulator.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://intersight.example.com") as client:
            return [(await client.get(TOKENS)).status_code for _ in range(200)]

    first = await statuses()

    assert first == await statuses()
    assert 35 < first.count(503) < 85


async def test_faults_wrap_around_each_other(credentials: Credentials, clock: Clock) -> None:
    """Of several that strike, the one armed first is outermost; each counts the strike it had."""
    simulator = _simulator(credentials, clock)
    faults: Faults = simulator.faults
    faults.arm(Status(status=502, times=1))
    faults.arm(Status(status=500, times=2))
    async with served(simulator, clock) as client:
        statuses = [(await client.get(TOKENS)).status_code for _ in range(3)]

    assert statuses == [502, 500, 200]


async def test_the_help_tells_how_to_ask(credentials: Credentials, clock: Clock) -> None:
    """`GET /-/` names every request that is answered, every act with what may be said with it, and one to copy."""
    simulator = _simulator(credentials, clock)
    async with served(simulator, clock) as client:
        told = (await client.get("/-/")).json()["help"]
        for request in told["requests"]:
            method, path = request.split(" ")
            assert (await client.request(method, path)).status_code != 404
        example = re.search(r"such as (\{.+?\})", told["requests"]["POST /-/act"])
        assert example is not None
        assert (await client.post("/-/act", content=example[1])).status_code == 200

    assert {request.split(" ")[1] for request in told["requests"]} == {"/-/", *(f"/-/{n}" for n in ROUTES)}
    assert set(told["acts"]) == set(ACTS)
    assert told["acts"]["rename"].endswith("[name (wanted), client]")
