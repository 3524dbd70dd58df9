"""A snapshot is complete or it is an error: every fault below would otherwise be a false deletion."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from starlette.responses import Response

from streamer import avro
from streamer.errors import ApiError, Rejected
from streamer.tokens import ServerClock
from tests.builders import known_of
from tests.intersight.account import Account, held, moids, read
from tests.intersight.stage import ACCOUNT, DATE, NOW, Script, fault, listed, row, said

MOIDS = moids(7)
ROWS = [row(moid) for moid in MOIDS]


async def _refused(app: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        await read(app, paging=held())
    return caught.value


def _page(rows: list[Any], count: int) -> Response:
    return said(200, listed(rows, count), Date=DATE)


# Complete...


@pytest.mark.parametrize(("size", "pages"), [(1, 8), (3, 3), (6, 2), (7, 2), (8, 1), (1000, 1)])
async def test_all_pages_make_a_snapshot(size: int, pages: int) -> None:
    """Every row of every page is in it; the last page is the one that is not full, and no other request is made."""
    account = Account(set(MOIDS))
    seen = await read(account, size=size, paging=held())

    assert (sorted(seen.rows), len(seen), seen.unchanged) == (MOIDS, 7, frozenset())
    assert (seen.walk.paging, seen.walk.pages, seen.walk.rows) == ("keyset", pages, 7)
    assert (seen.walk.server_count, seen.account_moid, len(account.asked)) == (7, ACCOUNT, pages)
    assert seen.moids_sha256 == sha256("\n".join(MOIDS).encode()).hexdigest()


@pytest.mark.parametrize("rows", [[], None])
async def test_an_empty_account_is_a_snapshot(rows: list[Any] | None) -> None:
    """No rows, as `[]` or null, with a Count of 0 is complete; whether to believe it is another room's question."""
    script = Script(said(200, listed(rows)))
    seen = await read(script)

    assert (len(seen), seen.account_moid, seen.walk.server_count, len(script.asked)) == (0, None, 0, 1)
    assert seen.moids_sha256 == sha256(b"").hexdigest()


async def test_unchanged_rows_are_named_and_not_decoded() -> None:
    """With the state's digests at hand only the changed row is decoded; the hash is over all Moids all the same."""
    account = Account(set(MOIDS))
    first = await read(account)
    known = known_of(*first.rows.values())
    before = (avro.counts.tokens_encoded, avro.counts.tokens_decoded)
    second = await read(account, known=known)
    assert (avro.counts.tokens_encoded, avro.counts.tokens_decoded) == before

    account.rows = {MOIDS[6]: row(MOIDS[6], ClientName="renamed")}
    third = await read(account, known=known)

    assert (second.unchanged, second.rows) == (frozenset(MOIDS), {})
    assert (third.unchanged, list(third.rows)) == (frozenset(MOIDS[:6]), [MOIDS[6]])
    assert first.moids_sha256 == second.moids_sha256 == third.moids_sha256


async def test_a_null_account_is_unknown_not_another() -> None:
    """Rows without an account say nothing about it."""
    rows = {"a": row("a", AccountMoid=None), "b": row("b"), "c": {"Moid": "c"}}

    assert (await read(Account(set("abc"), rows=rows), size=9)).account_moid == ACCOUNT
    assert (await read(Account({"c"}, rows=rows), size=9)).account_moid is None


async def test_a_snapshot_lies_between_its_own_times() -> None:
    """It starts before its first request and ends when its last answer is complete; each row has its own arrival."""
    ticks = iter(range(NOW, NOW + 10_000))
    seen = await read(Account(set(MOIDS)), clock=lambda: next(ticks), paging=held())
    arrivals = [seen.rows[moid].arrived_at for moid in MOIDS]

    assert seen.started_at < arrivals[0] < arrivals[3] < arrivals[6] == seen.finished_at
    assert len(set(arrivals)) == 3


async def test_dates_narrow_the_server_s_clock() -> None:
    """The clock is what all replies' dates allow together; the last date and all trace ids are kept."""
    dated = [
        said(200, listed(ROWS[at : at + 3], 7 - at), Date=f"Thu, 20 Nov 2025 08:14:{second} GMT", X_Starship_Traceid=tr)
        for at, second, tr in ((0, "05", "t1"), (3, "05", "t2"), (6, "06", "t3"))
    ]
    ticks = iter(range(NOW, NOW + 10_000, 10))
    seen = await read(Script(*dated), clock=lambda: next(ticks), paging=held())

    assert seen.walk.server_date == NOW + 1000
    assert seen.walk.trace_ids == ("t1", "t2", "t3")
    assert seen.rows[MOIDS[0]].trace_id == "t1"
    assert seen.walk.clock.lowest > -1000
    assert seen.walk.clock.highest <= 2000
    assert seen.clock == seen.walk.clock


async def test_without_dates_the_clocks_agree() -> None:
    """A server that sends no `Date` leaves its clock unknown: taken for ours."""
    seen = await read(Script(said(200, listed([]))))

    assert (seen.walk.server_date, seen.clock) == (None, ServerClock())


# Any other fault...


BAD_ANSWERS: dict[str, tuple[Response, str]] = {
    "empty 200": (said(200, b""), "not_json"),
    "HTML 200": (said(200, b"<html>Log in</html>", content_type="text/html"), "not_json"),
    "body cut": (said(200, listed(ROWS[3:6], 4)[:-2]), "not_json"),
    "a count": (said(200, b'{"ObjectType": "mo.DocumentCount", "Count": 7}'), "not_a_list"),
    "a row without a Moid": (_page([row("x"), {"ClientName": "y"}, row("z")], 7), "row_without_moid"),
    "a bad Moid": (_page([row("x"), row("y/"), row("z")], 7), "bad_moid"),
    "another account": (_page([row("x"), row("y", AccountMoid="other"), row("z")], 7), "wrong_account"),
    "202": (said(202, b"{}"), "http_202"),
    "204": (Response(status_code=204), "http_204"),
    "206": (said(206, listed(ROWS[3:6], 4)), "http_206"),
    "302": (said(302, Location="https://elsewhere/"), "http_302"),
    "400": (fault(400, "InvalidRequest"), "http_400"),
    "401": (fault(401, "AuthenticationFailure"), "unauthorized"),
    "403": (fault(403, "UnauthorizedOperation"), "forbidden"),
    "403 of a gateway": (said(403, b"<html>", content_type="text/html"), "forbidden"),
    "404": (fault(404, "NotFound"), "http_404"),
    "404 of a gateway": (said(404, b"<html>", content_type="text/html"), "http_404"),
    "429": (fault(429), "throttled"),
    "500": (fault(500), "unavailable"),
    "503 of a gateway": (said(503, b"<html>", content_type="text/html"), "unavailable"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_second_page_rejects_the_poll(name: str) -> None:
    """A fault on any page voids all of them, and says how far the reading came."""
    answer, reason = BAD_ANSWERS[name]
    error = await _refused(Script(_page(ROWS[:3], 7), answer))

    assert error.reason == reason
    if name != "400":  # taken for a refusal of the filter: the walk by offset, begun then, came nowhere
        assert (error.walk.server_count, error.walk.paging) == (7, "keyset")
        assert error.walk.rows in {3, 6}
    assert isinstance(error, ApiError) == (answer.status_code != 200)


async def test_an_error_tells_the_clock_and_the_traces_of_what_was_read() -> None:
    """The walk of a rejected poll carries what its replies told, the refused one's included."""
    answers = (said(200, listed(ROWS[:3], 7), Date=DATE, X_Starship_Traceid="t1"), fault(401, X_Starship_Traceid="t2"))
    error = await _refused(Script(*answers))

    assert (error.walk.pages, error.walk.server_date, error.walk.trace_ids) == (1, NOW, ("t1", "t2"))
    assert error.walk.clock == ServerClock(0, 1000)
