"""Which requests a fault strikes: by kind, number and chance; how several get on; what the control face knows."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from streamer.demo.credentials import Credentials
from streamer.demo.faults import FAULTS, SETS, AnyFault
from streamer.demo.lies.fault import Fault
from streamer.demo.shorthand import read_set
from tests.demo.lies.liar import Liar, lying
from tests.demo.stage import TOKENS, Clock

ACCOUNTS = "/api/v1/iam/Accounts"


async def _struck(liar: Liar, count: int, path: str = TOKENS) -> list[int]:
    """Which of so many requests were answered with 503."""
    statuses = [await liar.status(path) for _ in range(count)]
    return [number for number, status in enumerate(statuses) if status == 503]


async def test_requests_of_a_kind(credentials: Credentials, clock: Clock) -> None:
    """`on` tells a list, a filter by Moid and one object apart; other paths are of no kind; `path` is a beginning."""
    struck: list[list[str]] = []
    async with lying(credentials, clock) as liar:
        moid = liar.moids[0]
        lists = [TOKENS, f"{TOKENS}?$filter=Moid gt '{moid}'", f"{TOKENS}?$filter=TokenId eq 'x'", ACCOUNTS]
        filters = [f"{TOKENS}?$filter=Moid in ('{moid}')", f"{TOKENS}?$filter= Moid eq '{moid}'"]
        objects = [f"{TOKENS}/{moid}", f"{ACCOUNTS}/x"]
        paths = [*lists, *filters, *objects, "/nowhere", "/api/v1/iam", "/api/v1/a/b/c/d"]
        for fault in ("status,on=list", "status,on=filter", "status,on=moid", f"status,path={TOKENS}", "status"):
            liar.simulator.faults.clear()
            liar.arm(fault)
            struck.append([path for path in paths if await liar.status(path) == 503])

    assert struck == [lists, filters, objects, [path for path in paths if path.startswith(TOKENS)], paths]


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        ("status", [0, 1, 2, 3, 4, 5]),
        ("status,times=2", [0, 1]),
        ("status,after=2", [2, 3, 4, 5]),
        ("status,after=2,times=1", [2]),
        ("status,burst=2:0", []),
        ("status,burst=4,times=3", [0, 1, 2]),
    ],
)
async def test_which_ones(credentials: Credentials, clock: Clock, fault: str, struck: list[int]) -> None:
    """`after` lets some through, `times` ends it."""
    async with lying(credentials, clock, fault) as liar:
        assert await _struck(liar, 6) == struck


async def test_a_burst(credentials: Credentials, clock: Clock) -> None:
    """Once it strikes by chance, a burst strikes so many requests in a row, and no more than that."""
    async with lying(credentials, clock, "status,burst=5:0.05") as liar:
        struck = await _struck(liar, 200)
        alone = await _struck(liar, 0)

    starts = [number for number in struck if number - 1 not in struck]
    assert alone == []
    assert 1 < len(starts) < 25
    assert all({start + n for n in range(5)} <= {*struck, *range(200, 210)} for start in starts)
    assert len(struck) < 120


async def test_the_seed_decides(credentials: Credentials, clock: Clock) -> None:
    """A seed strikes the same requests, whatever other faults are armed behind it; each fault has its own chance."""
    runs = []
    for others in ((), ("html,path=/nowhere:0.5", "unsorted:0.5")):
        async with lying(credentials, clock, "status:0.3", *others) as liar:
            runs.append(await _struck(liar, 60))
    async with lying(credentials, clock, "html,path=/nowhere", "status:0.3") as liar:
        second = await _struck(liar, 60)

    assert runs[0] == runs[1]
    assert 8 < len(runs[0]) < 30
    assert second != runs[0]


async def test_connection_bytes_sight(credentials: Credentials, clock: Clock) -> None:
    """Several strike one request from outside in: the connection's, the bytes', what is seen; armed in any order."""
    async with lying(credentials, clock, "hidden=1", "count=+2", "drip=1s,pieces=2", "skew") as liar:
        reply = await liar.client.get(TOKENS, params={"$inlinecount": "allpages"})
    async with lying(credentials, clock, "nan,rows=30", "short=3", "truncated,share=0.5") as other:
        spoilt = (await other.client.get(TOKENS)).content

    assert reply.json() == {"Count": 2, "ObjectType": "iam.OAuthToken.List", "Results": []}
    assert (reply.headers["date"], liar.naps) == ("Thu, 09 Oct 2025 08:58:20 GMT", [0.5, 0.5])
    assert spoilt.count(b":NaN") == spoilt.count(b'"ClientName":') > 5


async def test_what_an_inner_lie_made_unreadable_stays(credentials: Credentials, clock: Clock) -> None:
    """A lie about values leaves a reply alone that an inner one has made no JSON."""
    async with lying(credentials, clock, "count=+2", "nan") as liar:
        content = (await liar.client.get(TOKENS, params={"$inlinecount": "allpages"})).content

    assert b'"Count":30,' in content
    assert b":NaN" in content


async def test_the_control_face_arms_and_disarms(credentials: Credentials, clock: Clock) -> None:
    """Faults are armed by object, in short, or several at once; disarmed by name or all; strikes are counted."""
    async with lying(credentials, clock) as liar:
        ask = liar.client
        await ask.post("/-/faults", json="count=-1,times=3")
        armed = await ask.post("/-/faults", json=["html:0.5", {"fault": "lag", "by": 7, "on": "moid"}])
        await liar.page()
        told = (await ask.get("/-/")).json()
        left = await ask.delete("/-/faults", params={"fault": "html"})
        counted = await liar.page()
        none = await ask.delete("/-/faults")
        right = await liar.page()

    assert armed.json() == [
        {"fault": "count", "by": -1, "times": 3},
        {"fault": "html", "probability": 0.5},
        {"fault": "lag", "by": 7.0, "on": "moid"},
    ]
    assert told["struck"] == {"count": 1}
    assert [fault["fault"] for fault in left.json()] == ["count", "lag"]
    assert (counted["Count"], none.json(), right["Count"]) == (29, [], 30)


@pytest.mark.parametrize(
    "fault",
    [
        "rain",
        ["html", "rain"],
        {"fault": "lag", "by": -1},
        {"fault": "lag", "probability": 1.5},
        {"fault": "status", "status": 99},
        {"fault": "html", "times": 0},
        {"fault": "slow", "delay": 1000},
        {"fault": "between", "acts": [{"act": "dance"}]},
        [],
    ],
)
async def test_what_cannot_be_armed(credentials: Credentials, clock: Clock, fault: Any) -> None:
    """An unknown fault or a value out of bounds is 400, says what, and arms nothing of a list."""
    async with lying(credentials, clock) as liar:
        reply = await liar.client.post("/-/faults", json=fault)
        armed = (await liar.client.get("/-/faults")).json()

    assert (reply.status_code, armed) == (400, [])
    assert reply.json()["error"]


async def test_the_help_knows_every_fault(credentials: Credentials, clock: Clock) -> None:
    """`GET /-/` has one line on each fault: what it does, each of its parameters, when and where it strikes."""
    async with lying(credentials, clock) as liar:
        told = (await liar.client.get("/-/")).json()["help"]

    common = {field.name for field in msgspec.structs.fields(Fault)}
    assert set(told["faults"]) == set(FAULTS)
    for name, line in told["faults"].items():
        fields = {field.name for field in msgspec.structs.fields(FAULTS[name])}
        assert "\n" not in line
        assert line[0].isupper() or line[0].isdigit() or line[0] == "`"
        assert all(f"{field}=" in line for field in fields - common)
        assert "Strikes " in line
        assert "; path=/" in line
    assert all(f"{name}=" in told["of all"] or f"{name} (" in told["of all"] for name in common)


@pytest.mark.parametrize("fault", read_set("all:1"), ids=lambda fault: msgspec.json.encode(fault).decode())
async def test_every_fault_strikes_and_leaves_the_truth(
    credentials: Credentials, clock: Clock, fault: AnyFault
) -> None:
    """Whatever is asked while it is armed, the ledger stays, but for acts between pages, and then the API is right."""
    acts = type(fault) is FAULTS["between"]
    async with lying(credentials, clock, honest=not acts) as liar:
        liar.simulator.faults.arm(fault)
        moids, token = liar.moids, {"grant_type": "client_credentials"}
        after = {"$filter": f"Moid gt '{moids[9]}'", "$inlinecount": "allpages"}
        for path in (TOKENS, f"{TOKENS}/{moids[0]}", ACCOUNTS, "/api/v1/aaa/AuditRecords"):
            await _tried(liar.client.get(path, params=after if path == TOKENS else {}))
        await _tried(liar.client.post("/iam/token", data=token))
        struck = liar.simulator.faults.struck
        liar.simulator.faults.clear()
        seen, total = await liar.seen(), len(liar.world.truth)

    assert sum(struck.values()) >= 1
    assert seen == liar.moids
    assert total == 30 + 2 * acts


async def _tried(request: Any) -> None:
    try:
        await request
    except httpx.TransportError:
        return


def test_a_set_is_all_of_a_room() -> None:
    """`all` holds every fault, the other sets share it out; each variant is there once, at the given chance."""
    rest = [kind for name, kinds in SETS.items() if name != "all" for kind in kinds]

    assert set(rest) == set(SETS["all"]) == set(FAULTS.values())
    assert len(rest) == len(FAULTS)
    armed = read_set("all:0.02")
    assert {fault.probability for fault in armed} == {0.02}
    assert {type(fault) for fault in armed} == set(FAULTS.values())
    assert len({msgspec.json.encode(fault) for fault in armed}) == len(armed)
