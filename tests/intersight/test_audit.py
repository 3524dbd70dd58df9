"""Audit records are read whole or not at all, and nobody is named for what did not happen."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from streamer.errors import Rejected
from streamer.intersight.audit import ASKED, MOST, AuditReader
from streamer.intersight.lists import AT_ONCE, SHORT
from streamer.serving import serve
from streamer.tokens import Audit, AuditRecord
from tests.intersight.account import moids
from tests.intersight.stage import NOW, Naps, Script, client_of, fault, said

SINCE, UNTIL = NOW, NOW + 60_000
TIME = "2025-11-20T08:14:10.5Z"
HUGE = "ü" * 1_000_000


def record(moid: str, target: str, **properties: Any) -> dict[str, Any]:
    """An audit record as the service would send it."""
    return {
        "ClassId": "aaa.AuditRecord",
        "CreateTime": "2025-11-20T08:14:11Z",
        "Email": "ada@example.com",
        "Event": "Deleted",
        "HttpResponseCode": 200,
        "MoType": "iam.OAuthToken",
        "Moid": moid,
        "ObjectMoid": target,
        "SourceIp": "198.51.100.7",
        "Timestamp": TIME,
        "User": {"Moid": "u1", "ObjectType": "iam.User"},
        "UserIdOrEmail": "ada",
        **properties,
    }


def records(*rows: Any, **others: Any) -> Response:
    """A list of them."""
    return said(200, {"Count": len(rows), "ObjectType": "aaa.AuditRecord.List", "Results": rows, **others})


async def _read(app: Any, *, tokens: Any = ("t1",), users: Any = (), times: int = 1) -> Audit:
    async with serve(app) as url, client_of(url, sleep=Naps()) as client:
        reader = AuditReader(client)
        for _ in range(times - 1):
            await reader.read(tokens, users, SINCE, UNTIL)
        return await reader.read(tokens, users, SINCE, UNTIL)


async def test_a_record_tells_who_did_what_when_from_where() -> None:
    """A record's fields are those of the API, its time in ms."""
    assert await _read(Script(records(record("r1", "t1")))) == Audit(
        (
            AuditRecord(
                *("r1", "Deleted", "iam.OAuthToken", "t1", "u1", "ada@example.com", "198.51.100.7"), NOW + 5_500
            ),
        ),
        readable=True,
    )


async def test_asks_for_tokens_and_for_logouts() -> None:
    """One list names the tokens, one the users who may have logged out; both from the interval's beginning on."""
    script = Script(records())
    await _read(script, tokens=["t2", "t1", "t2", "not'a moid"], users=["u1", "u') or Moid ne ('"])

    assert {asked.url.path for asked in script.asked} == {"/api/v1/aaa/AuditRecords"}
    assert [dict(asked.query_params) for asked in script.asked] == [
        {"$top": "1000", "$filter": f"{text} and CreateTime ge 2025-11-20T08:14:05.000Z", "$inlinecount": "allpages"}
        for text in (
            "MoType eq 'iam.OAuthToken' and ObjectMoid in ('t1','t2')",
            "Event eq 'Logout' and MoType eq 'iam.User' and ObjectMoid in ('u1')",
        )
    ]


async def test_many_are_asked_for_in_batches_up_to_a_bound() -> None:
    """A hundred a request, a hundred requests at most; the records of all are one answer, by time."""

    def answer(request: Request) -> Response:
        named = request.query_params["$filter"].partition("(")[2].partition(")")[0].replace("'", "").split(",")
        seen.append(len(named))
        return records(
            *(record(f"r{moid}", moid, Timestamp=f"2025-11-20T08:14:{9 + len(seen) % 40:02d}Z") for moid in named)
        )

    seen: list[int] = []
    audit = await _read(Script(answer), tokens=moids(250), users=[f"u{i}" for i in range(AT_ONCE * MOST + 1)])

    assert seen == [100, 100, 50] + [100] * MOST
    assert len(audit.records) == sum(seen)
    assert [r.timestamp for r in audit.records] == sorted(r.timestamp for r in audit.records)


async def test_nothing_is_asked_for_nobody() -> None:
    """Without tokens and users there is no request, and nothing to complain of."""
    script = Script(fault(500))
    assert (await _read(script, tokens=()), script.asked) == (Audit((), readable=True), [])


@pytest.mark.parametrize(
    ("properties", "there"),
    [
        ({"Timestamp": "2025-11-20T08:14:05Z"}, True),
        ({"Timestamp": "2025-11-20T08:14:04.999Z"}, False),
        ({"Timestamp": "2025-11-20T08:15:05Z"}, True),
        ({"Timestamp": "2025-11-20T08:15:05.001Z"}, False),
        ({"Timestamp": "2025-11-20T08:14:10Z", "CreateTime": "2025-11-20T09:00:00Z"}, True),
        ({"Timestamp": ""}, True),
        ({"Timestamp": "0001-01-01T00:00:00Z"}, True),
        ({"Timestamp": 17}, True),
        ({"Timestamp": None, "CreateTime": "soon"}, False),
    ],
)
async def test_only_what_lies_in_the_interval_counts(properties: dict[str, Any], there: bool) -> None:  # noqa: FBT001
    """A record counts by when the object changed, else by when it was written; both ends belong to the interval."""
    assert bool((await _read(Script(records(record("r1", "t1", **properties))))).records) is there


@pytest.mark.parametrize(
    ("code", "there"), [(200, True), (204, True), (0, True), (None, True), (400, False), (403, False)]
)
async def test_a_deed_that_failed_is_none(code: int | None, there: bool) -> None:  # noqa: FBT001
    """Who tried to delete a token and was refused has not deleted it."""
    answer = records(record("r1", "t1", HttpResponseCode=code))
    assert bool((await _read(Script(answer))).records) is there


async def test_hostile_values_are_bounded() -> None:
    """Texts of a megabyte, of the wrong type, or with letters that are none, leave a short record."""
    hostile = record("r1", "t1", Event=HUGE, Email=None, UserIdOrEmail="\ud800x", SourceIp=["x"], User="ada", MoType=1)
    async with serve(Script(records(hostile))) as url, client_of(url) as client:
        reader = AuditReader(client)
        (told,) = (await reader.read(["t1"], [], SINCE, UNTIL)).records

    assert reader.damaged == 3
    assert len(told.event.encode()) <= SHORT
    assert told.event.endswith("…")
    assert (told.actor, told.actor_ip, told.user_moid, told.object_type) == ("\ufffdx", None, None, "")


@pytest.mark.parametrize("times", [1, 2])
async def test_one_refusal_is_a_fault(times: int) -> None:
    """A 403 among answers does not mean that we may not read."""
    audit = await _read(Script(*[fault(403, "UnauthorizedOperation")] * times, records(record("r1", "t1"))))
    assert (len(audit.records), audit.readable) == (1, True)


async def test_a_role_that_may_not_read_is_said_so() -> None:
    """Three refusals are believed, then one is enough; a right that is given later is seen at once."""
    script = Script(*[fault(403, "UnauthorizedOperation")] * 4, records(record("r1", "t1")))

    assert await _read(script) == Audit((), readable=False)
    assert len(script.asked) == ASKED
    script = Script(*[fault(403, "UnauthorizedOperation")] * 4, records(record("r1", "t1")))
    assert (await _read(script, times=2)).readable is False
    assert len(script.asked) == ASKED + 1
    script = Script(*[fault(403, "UnauthorizedOperation")] * 3, records(record("r1", "t1")))
    assert (await _read(script, times=2)).readable is True


BAD: dict[str, tuple[Response, str]] = {
    "403 of a gateway": (said(403, b"<html>", content_type="text/html"), "forbidden"),
    "400": (fault(400), "http_400"),
    "404": (fault(404, "NotFound"), "http_404"),
    "503": (fault(503), "unavailable"),
    "HTML": (said(200, b"<html>"), "not_json"),
    "other objects": (records(record("r1", "t1"), record("r2", "t2")), "wrong_moid"),
    "no object": (records(record("r1", "t1", ObjectMoid=None)), "wrong_moid"),
    "too few": (records(record("r1", "t1"), Count=2), "count_mismatch"),
    "no Count": (records(record("r1", "t1"), Count=None), "count_mismatch"),
    "one twice": (records(record("r1", "t1"), record("r1", "t1")), "duplicate_moid"),
    "no Moid": (records(record("", "t1")), "row_without_moid"),
    "no object at all": (records(7), "row_without_moid"),
    "another list": (records(ObjectType="iam.User.List"), "not_a_list"),
}


@pytest.mark.parametrize("name", BAD)
async def test_anything_else_is_no_answer(name: str) -> None:
    """An answer that cannot be whole and right is none; the caller waits."""
    answer, reason = BAD[name]
    with pytest.raises(Rejected) as caught:
        await _read(Script(answer))
    assert caught.value.reason == reason


async def test_a_failure_on_the_way_voids_all() -> None:
    """A second batch that fails leaves nothing of the first."""
    with pytest.raises(Rejected):
        await _read(Script(records(record("r1", "t1")), fault(400)), users=["u1"])
