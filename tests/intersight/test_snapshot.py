"""A snapshot is complete or it is an error: every fault below would otherwise be a false deletion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from streamer import avro
from streamer.errors import ApiError, Rejected
from streamer.intersight.snapshot import read_snapshot
from streamer.serving import serve
from streamer.tokens import ServerClock, Snapshot
from tests.intersight.stage import ACCOUNT, DATE, NOW, Pages, Script, client_of, fault, listed, row, said

ROWS = [row(f"m{i:02d}") for i in range(7)]
MOIDS = [each["Moid"] for each in ROWS]


async def _read(
    app: Any, *, size: int = 3, known: Mapping[bytes, str] | None = None, clock: Callable[[], int] = lambda: NOW
) -> Snapshot:
    async with serve(app) as url, client_of(url, clock=clock) as client:
        return await read_snapshot(client, known or {}, page_size=size, clock=clock)


async def _refused(app: Any, *, size: int = 3) -> Rejected:
    with pytest.raises(Rejected) as caught:
        await _read(app, size=size)
    return caught.value


# Complete...


@pytest.mark.parametrize(("size", "pages"), [(1, 7), (3, 3), (6, 2), (7, 1), (1000, 1)])
async def test_all_pages_make_a_snapshot(size: int, pages: int) -> None:
    """Every row of every page is in it, and no request is made that the Count does not call for."""
    app = Pages(ROWS)
    seen = await _read(app, size=size)

    assert (sorted(seen.rows), len(seen), seen.unchanged) == (MOIDS, 7, frozenset())
    assert (seen.walk.paging, seen.walk.pages, seen.walk.requests, seen.walk.rows) == ("skip", pages, pages, 7)
    assert (seen.walk.server_count, seen.account_moid, app.requests) == (7, ACCOUNT, pages)
    assert seen.moids_sha256 == sha256("\n".join(MOIDS).encode()).hexdigest()


async def test_asks_in_the_order_that_does_not_move() -> None:
    """Each page is asked for by `$top`, `$skip`, `$orderby=Moid` and `$inlinecount=allpages`, in this order."""
    script = Script(said(200, listed(ROWS[:3], 4)), said(200, listed(ROWS[3:4], 4)))
    await _read(script)

    assert [list(asked.query_params.multi_items()) for asked in script.asked] == [
        [("$top", "3"), ("$skip", skip), ("$orderby", "Moid"), ("$inlinecount", "allpages")] for skip in ("0", "3")
    ]


@pytest.mark.parametrize("rows", [[], None])
async def test_an_empty_account_is_a_snapshot(rows: list[Any] | None) -> None:
    """No rows, as `[]` or null, with a Count of 0 is complete; whether to believe it is another room's question."""
    seen = await _read(Script(said(200, listed(rows))))

    assert (len(seen), seen.account_moid, seen.walk.server_count) == (0, None, 0)
    assert seen.moids_sha256 == sha256(b"").hexdigest()


async def test_unchanged_rows_are_named_and_not_decoded() -> None:
    """With the state's digests at hand only the changed row is decoded; the hash is over all Moids all the same."""
    first = await _read(Pages(ROWS))
    known = {seen.raw: moid for moid, seen in first.rows.items()}
    before = (avro.counts.tokens_encoded, avro.counts.tokens_decoded)
    second = await _read(Pages(ROWS), known=known)
    assert (avro.counts.tokens_encoded, avro.counts.tokens_decoded) == before

    third = await _read(Pages([*ROWS[:6], row("m06", ClientName="renamed")]), known=known)

    assert (second.unchanged, second.rows) == (frozenset(MOIDS), {})
    assert (third.unchanged, list(third.rows)) == (frozenset(MOIDS[:6]), ["m06"])
    assert first.moids_sha256 == second.moids_sha256 == third.moids_sha256


@settings(deadline=None, max_examples=25)  # each example is a server of its own
@given(st.permutations(ROWS), st.integers(1, 8))
async def test_order_and_size_of_pages_do_not_matter(rows: list[Any], size: int) -> None:
    """However rows are ordered and cut into pages, the snapshot holds the same tokens."""
    app = Script(*(said(200, listed(rows[skip : skip + size], 7)) for skip in range(0, 7, size)))
    async with serve(app) as url, client_of(url) as client:
        seen = await read_snapshot(client, {}, page_size=size, clock=lambda: NOW)

    assert {moid: each.token.moid for moid, each in seen.rows.items()} == {moid: moid for moid in MOIDS}
    assert seen.moids_sha256 == sha256("\n".join(MOIDS).encode()).hexdigest()


async def test_a_null_account_is_unknown_not_another() -> None:
    """Rows without an account say nothing about it."""
    rows = [row("a", AccountMoid=None), row("b"), {"Moid": "c"}]

    assert (await _read(Pages(rows))).account_moid == ACCOUNT
    assert (await _read(Pages(rows[2:]))).account_moid is None


async def test_a_snapshot_lies_between_its_own_times() -> None:
    """It starts before its first request and ends when its last answer is complete; each row has its own arrival."""
    ticks = iter(range(NOW, NOW + 10_000))
    seen = await _read(Pages(ROWS), clock=lambda: next(ticks))
    arrivals = [seen.rows[moid].arrived_at for moid in MOIDS]

    assert seen.started_at < arrivals[0] < arrivals[3] < arrivals[6] == seen.finished_at
    assert len(set(arrivals)) == 3


async def test_dates_narrow_the_server_s_clock() -> None:
    """The clock is what all replies' dates allow together; the last date and all trace ids are kept."""
    dated = [
        said(
            200, listed(ROWS[skip : skip + 3], 7), Date=f"Thu, 20 Nov 2025 08:14:{second} GMT", X_Starship_Traceid=trace
        )
        for skip, second, trace in ((0, "05", "t1"), (3, "05", "t2"), (6, "06", "t3"))
    ]
    now = iter((NOW, NOW, NOW + 100, NOW, NOW + 200, NOW, NOW + 600, NOW, NOW + 700, NOW + 800, NOW + 900, NOW + 950))
    script = Script(*dated)
    seen = await _read(script, clock=lambda: next(now))

    assert seen.walk.server_date == NOW + 1000
    assert seen.walk.trace_ids == ("t1", "t2", "t3")
    assert seen.rows["m00"].trace_id == "t1"
    assert seen.walk.clock.lowest > -1000
    assert seen.walk.clock.highest <= 2000
    assert seen.clock == seen.walk.clock


async def test_without_dates_the_clocks_agree() -> None:
    """A server that sends no `Date` leaves its clock unknown: taken for ours."""
    seen = await _read(Script(said(200, listed([]))))

    assert (seen.walk.server_date, seen.clock) == (None, ServerClock())


# Torn, and taken again...


def _page(rows: list[Any], count: int) -> Response:
    return said(200, listed(rows, count), Date=DATE)


TEARS: dict[str, tuple[list[Response], str]] = {
    "Count grows": ([_page(ROWS[:3], 6), _page(ROWS[3:6], 7)], "torn"),
    "Count shrinks": ([_page(ROWS[:3], 7), _page(ROWS[3:6], 6)], "torn"),
    "Count falls to 0": ([_page(ROWS[:3], 7), _page([], 0)], "torn"),
    "first page short": ([_page(ROWS[:2], 7)], "short_page"),
    "middle page short": ([_page(ROWS[:3], 7), _page(ROWS[3:5], 7)], "short_page"),
    "last page short": ([_page(ROWS[:3], 7), _page(ROWS[3:6], 7), _page([], 7)], "short_page"),
    "empty 200 with a Count": ([_page([], 7)], "short_page"),
    "null Results with a Count": ([said(200, listed(None, 7))], "short_page"),
    "more rows than Count": ([_page(ROWS[:3], 2)], "count_mismatch"),
    "more rows than asked for": ([_page(ROWS[:4], 7)], "count_mismatch"),
    "rows under a Count of 0": ([_page(ROWS[:1], 0)], "count_mismatch"),
    "no Count": ([said(200, listed(ROWS[:3], Count=None))], "count_mismatch"),
    "Count below 0": ([_page([], -1)], "count_mismatch"),
    "no Count on the second page": ([_page(ROWS[:3], 7), said(200, listed(ROWS[3:6], Count=None))], "count_mismatch"),
    "a page repeated": ([_page(ROWS[:3], 7), _page(ROWS[:3], 7)], "duplicate_moid"),
    "a row shifted right": ([_page(ROWS[:3], 7), _page(ROWS[2:5], 7)], "duplicate_moid"),
    "a row twice on a page": ([_page([ROWS[0], ROWS[1], ROWS[0]], 7)], "duplicate_moid"),
    "one Moid in two forms": ([_page([row("a"), row("a", ClientName="x")], 2)], "duplicate_moid"),
}


@pytest.mark.parametrize("name", TEARS)
async def test_a_tear_that_does_not_heal_rejects_the_poll(name: str) -> None:
    """A walk with this fault is taken three times; then it is the reason, with how far the last walk came."""
    answers, reason = TEARS[name]
    script = Script(*answers * 3)
    error = await _refused(script)

    assert error.reason == reason
    assert (error.walk.pages, error.walk.requests) == (len(answers), 3 * len(answers))
    assert len(script.asked) == 3 * len(answers)


@pytest.mark.parametrize("name", TEARS)
async def test_a_tear_that_heals_is_forgotten(name: str) -> None:
    """A whole walk after two torn ones is a snapshot, of its own rows alone, that began after the torn ones."""
    answers, _ = TEARS[name]
    ticks = iter(range(NOW, NOW + 10_000))
    whole = [_page(ROWS[:3], 7), _page(ROWS[3:6], 7), _page(ROWS[6:], 7)]
    seen = await _read(Script(*answers * 2, *whole), clock=lambda: next(ticks))

    assert sorted(seen.rows) == MOIDS
    assert (seen.walk.pages, seen.walk.rows, seen.walk.requests) == (3, 7, 2 * len(answers) + 3)
    assert seen.started_at > NOW + 2 * len(answers)
    assert seen.rows["m00"].arrived_at > seen.started_at


async def test_known_rows_are_checked_like_others() -> None:
    """A row known by its bytes that stands twice, or where it is too many, tears the walk like any other."""
    known = {seen.raw: moid for moid, seen in (await _read(Pages(ROWS))).rows.items()}
    for answers, reason in (TEARS["a page repeated"], TEARS["more rows than Count"], TEARS["middle page short"]):
        with pytest.raises(Rejected) as caught:
            await _read(Script(*answers * 3), known=known)
        assert caught.value.reason == reason


async def test_a_token_that_comes_between_two_pages_is_not_a_loss() -> None:
    """A token created, or one deleted, while the pages are read makes another walk and then a whole snapshot."""
    for change in (lambda rows: [row("m000"), *rows], lambda rows: rows[1:]):
        app = Pages(ROWS)

        def before(request: int, app: Pages = app, change: Callable[[list[Any]], list[Any]] = change) -> None:
            app.rows = change(app.rows) if request == 1 else app.rows

        app.before = before
        seen = await _read(app)

        assert sorted(seen.rows) == sorted(each["Moid"] for each in app.rows)


# Any other fault...


BAD_ANSWERS: dict[str, tuple[Response, str]] = {
    "empty 200": (said(200, b""), "not_json"),
    "HTML 200": (said(200, b"<html>Log in</html>", content_type="text/html"), "not_json"),
    "body cut": (said(200, listed(ROWS[3:6], 7)[:-2]), "not_json"),
    "a count": (said(200, b'{"ObjectType": "mo.DocumentCount", "Count": 7}'), "not_a_list"),
    "a row without a Moid": (_page([row("x"), {"ClientName": "y"}, row("z")], 7), "row_without_moid"),
    "a bad Moid": (_page([row("x"), row("y/"), row("z")], 7), "bad_moid"),
    "another account": (_page([row("x"), row("y", AccountMoid="other"), row("z")], 7), "wrong_account"),
    "202": (said(202, b"{}"), "http_202"),
    "204": (Response(status_code=204), "http_204"),
    "206": (said(206, listed(ROWS[3:6], 7)), "http_206"),
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
    """A fault on any page voids all of them, at once, and says how far the reading came."""
    answer, reason = BAD_ANSWERS[name]
    error = await _refused(Script(_page(ROWS[:3], 7), answer))

    assert error.reason == reason
    assert error.walk.server_count == 7
    assert error.walk.rows in {3, 6}
    assert error.walk.requests >= 2
    assert isinstance(error, ApiError) == (answer.status_code != 200)


async def test_an_error_tells_the_clock_and_the_traces_of_what_was_read() -> None:
    """The walk of a rejected poll carries what its replies told, the refused one's included."""
    answers = (said(200, listed(ROWS[:3], 7), Date=DATE, X_Starship_Traceid="t1"), fault(400, X_Starship_Traceid="t2"))
    error = await _refused(Script(*answers))

    assert (error.walk.pages, error.walk.server_date, error.walk.trace_ids) == (1, NOW, ("t1", "t2"))
    assert error.walk.clock == ServerClock(0, 1000)
