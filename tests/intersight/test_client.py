"""One request, one reply, or an error whose reason an operator can act on."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from streamer import __version__
from streamer.errors import ApiError, Rejected
from streamer.intersight.client import Client
from streamer.intersight.replies import Journal, Reply
from streamer.serving import serve
from streamer.tokens import ServerClock
from tests.intersight.stage import (
    DATE,
    NOW,
    Naps,
    Script,
    answering,
    client_of,
    fault,
    listed,
    said,
    wire,
)

GOOD = said(200, listed([]))


async def _get(client: Client, journal: Journal | None = None, query: Sequence[tuple[str, str]] = ()) -> Reply:
    return await client.get("iam/OAuthTokens", query, journal=journal)


# What is sent...


async def test_says_who_asks_and_for_what() -> None:
    """Every request names us and our version, wants JSON, and carries its query percent-encoded."""
    script = Script(GOOD)
    async with serve(script) as url, client_of(url + "/") as client:
        await _get(client, query=[("$orderby", "Moid"), ("$filter", "a eq 'ü'")])

    (asked,) = script.asked
    assert asked.headers["user-agent"] == f"streamer/{__version__}"
    assert asked.headers["accept"] == "application/json"
    assert asked.scope["raw_path"] == b"/api/v1/iam/OAuthTokens"
    assert dict(asked.query_params) == {"$orderby": "Moid", "$filter": "a eq 'ü'"}


async def test_keeps_its_connection_and_the_balancer_s_cookie() -> None:
    """Requests one after the other use one connection, and go where the load balancer's cookie leads."""
    script = Script(said(200, listed([]), Set_Cookie="AWSALB=one; Path=/"), GOOD)
    async with serve(script) as url, client_of(url) as client:
        for _ in range(3):
            await _get(client)

    assert len({asked.client for asked in script.asked}) == 1
    assert [asked.cookies.get("AWSALB") for asked in script.asked] == [None, "one", "one"]


async def test_reads_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a proxy nor a password of the environment is used: only the configuration counts."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login x password y")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    script = Script(GOOD)
    async with serve(script) as url, client_of(url) as client:
        assert (await _get(client)).status == 200

    assert script.asked[0].headers["authorization"].startswith("Signature ")


# What comes back...


async def test_a_reply_tells_its_date_its_trace_and_its_times() -> None:
    """A reply carries the server's date in ms, its trace id, and our times around it; the journal keeps them."""
    times = iter(range(NOW, NOW + 1000, 10))
    journal = Journal()
    async with (
        serve(Script(said(200, listed([]), Date=DATE, X_Starship_Traceid="NB0f3c"))) as url,
        client_of(url, clock=lambda: next(times)) as client,
    ):
        reply = await _get(client, journal)

    assert (reply.date, reply.trace_id) == (NOW, "NB0f3c")
    assert NOW <= reply.sent_at < reply.received_at
    assert (journal.server_date, journal.trace_ids) == (NOW, ["NB0f3c"])
    assert journal.clock == ServerClock.of_reply(NOW, reply.sent_at, reply.received_at)


def test_a_journal_s_first_date_is_not_held_against_a_guess() -> None:
    """Before the first `Date` nothing is known of the server's clock; replies then narrow what is known."""
    journal = Journal()
    dated = httpx.Headers({"Date": DATE})
    for sent, received in ((NOW, NOW + 500), (NOW + 900, NOW + 950)):
        journal.note(Reply("GET x", 200, dated, b"", sent, received))

    assert journal.clock == ServerClock(-500, 100)


async def test_unpacks_gzip() -> None:
    """A compressed page is read like any other."""
    packed = said(200, gzip.compress(listed([])), Content_Encoding="gzip")
    async with serve(Script(packed)) as url, client_of(url) as client:
        assert (await _get(client)).body == listed([])


async def test_an_error_carries_what_the_api_said() -> None:
    """Status, code, messageId and traceId of the error body are in the error and in its one-line message."""
    async with serve(Script(fault(403, "UnauthorizedOperation"))) as url, client_of(url) as client:
        error = (await _get(client)).error()

    assert (error.reason, error.status) == ("forbidden", 403)
    assert (error.code, error.message_id, error.trace_id) == ("UnauthorizedOperation", "some_id", "NB01")
    assert "answered 403: UnauthorizedOperation, some_id, A message. (trace NB01)" in str(error)
    assert "iam.OAuthToken" in error.hint


async def test_a_hostile_error_body_stays_on_one_short_line() -> None:
    """Whatever types, line breaks and lengths an error body has, the message is one line of bounded length."""
    body = {"code": ["x"], "message": "a\r\n\x1b[31mb" + "c" * 10_000, "messageId": None, "traceId": {"a": 1}}
    async with serve(Script(said(400, body))) as url, client_of(url) as client:
        error = (await _get(client)).error()

    assert (error.reason, error.code, error.message_id, error.trace_id) == ("http_400", None, None, None)
    assert str(error).isprintable()
    assert len(str(error)) < 500


async def test_a_redirect_is_an_error_and_is_not_followed() -> None:
    """A redirect would carry a signature to a host it does not name: it is an error that says where it leads."""
    elsewhere = Script(GOOD)
    async with serve(elsewhere) as other, serve(Script(said(302, Location=other))) as url, client_of(url) as client:
        error = (await _get(client)).error()

    assert (error.reason, elsewhere.asked) == ("http_302", [])
    assert other in error.hint


async def test_a_404_that_is_not_the_apis_points_to_the_url() -> None:
    """A host that is no Intersight knows none of its paths; Intersight's own NotFound says all by itself."""
    own = fault(404, "NotFound")
    async with serve(Script(said(404, b"Not Found"), own)) as url, client_of(url) as client:
        foreign, intersights = (await _get(client)).error(), (await _get(client)).error()

    assert "is `url` that of an Intersight?" in foreign.hint
    assert intersights.hint == ""


@pytest.mark.parametrize(("now", "told"), [(NOW - 300_000, "300 s slow"), (NOW + 300_000, "299 s fast")])
async def test_a_401_under_a_wrong_clock_names_the_clock(now: int, told: str) -> None:
    """A signature's date too far from the server's is a likely cause of a 401, and the reply shows it."""
    async with (
        serve(Script(fault(401, "AuthenticationFailure", Date=DATE))) as url,
        client_of(url, clock=lambda: now) as client,
    ):
        error = (await _get(client)).error()

    assert error.reason == "unauthorized"
    assert f"clock is {told}" in error.hint


# Tries...


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
async def test_what_may_pass_is_tried_again(status: int) -> None:
    """After 429 and any 5xx the same request is sent again, signed anew, and its answer is the answer."""
    script, naps = Script(fault(status), fault(status), GOOD), Naps()
    async with serve(script) as url, client_of(url, sleep=naps) as client:
        assert (await _get(client)).status == 200

    assert (len(script.asked), naps.taken) == (3, [1.0, 2.0])
    assert len({asked.headers["authorization"] for asked in script.asked}) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 412, 422])
async def test_a_mistake_is_not_repeated(status: int) -> None:
    """Any other status is the answer at once, 401 of a signature included: a revoked key is not asked in a loop."""
    script = Script(fault(status))
    async with serve(script) as url, client_of(url) as client:
        assert (await _get(client)).status == status

    assert len(script.asked) == 1


@pytest.mark.parametrize(("status", "reason"), [(429, "throttled"), (500, "unavailable"), (529, "unavailable")])
async def test_tries_end(status: int, reason: str) -> None:
    """After four tries the last answer is the error."""
    script, naps = Script(fault(status)), Naps()
    async with serve(script) as url, client_of(url, sleep=naps) as client:
        with pytest.raises(ApiError) as caught:
            await _get(client)

    assert (caught.value.reason, caught.value.status, caught.value.message_id) == (reason, status, "some_id")
    assert (len(script.asked), naps.taken) == (4, [1.0, 2.0, 4.0])


async def test_replies_are_counted_by_their_status() -> None:
    """Every try by the status it got, those for access tokens too; one that got none is counted as such, once."""
    script = Script(fault(503), fault(429), GOOD)
    async with serve(script) as url, client_of(url, sleep=Naps()) as client:
        await _get(client)
        assert (client.statuses, client.requests) == ({"503": 1, "429": 1, "200": 1}, 3)
    async with client_of(url, sleep=Naps()) as client:
        with pytest.raises(Rejected):
            await _get(client)
        assert (client.statuses, client.requests) == ({"none": 4}, 4)


async def test_a_reply_that_breaks_off_was_one() -> None:
    """Its status came, so it is counted under that alone."""
    async with (
        wire(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[")) as where,
        client_of(f"http://{where}", sleep=Naps()) as client,
    ):
        with pytest.raises(Rejected):
            await _get(client)
        assert +client.statuses == {"200": 4}


async def test_a_reply_that_hangs_was_one_too() -> None:
    """It ran out of time, and its status had come."""

    async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[")
        await reader.read()

    async with wire(hanging) as where, client_of(f"http://{where}", timeout=0.5) as client:
        with pytest.raises(Rejected, match="no whole answer"):
            await client.get("iam/OAuthTokens", (), tries=1)
        assert +client.statuses == {"200": 1}


async def test_backoff_is_full_jitter() -> None:
    """Without `Retry-After` a wait is anything from nothing to 1, 2, 4 s."""
    naps, draws = Naps(), iter((0.0, 0.25, 0.5, 0.75))
    async with (
        serve(Script(fault(500))) as url,
        client_of(url, sleep=naps, jitter=lambda: next(draws)) as client,
    ):
        with pytest.raises(ApiError):
            await _get(client)

    assert naps.taken == [0.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "0"}, 0.0),
        ({"Retry_After": "Thu, 20 Nov 2025 08:14:35 GMT", "Date": DATE}, 30.0),
        ({"Retry_After": "Thu, 20 Nov 2025 09:14:35 GMT", "Date": "Thu, 20 Nov 2025 09:14:05 GMT"}, 30.0),
        ({"Retry_After": "Thu, 20 Nov 2025 08:14:15 GMT"}, 10.0),
        ({"Retry_After": "Thu, 20 Nov 2025 08:00:00 GMT", "Date": DATE}, 0.0),
        ({"Retry_After": "soon"}, 1.0),
        ({"Retry_After": "-5"}, 1.0),
        ({"Retry_After": "1e9"}, 1.0),
    ],
    ids=["seconds", "zero", "date", "date by another clock", "date, no Date", "past", "nonsense", "negative", "float"],
)
async def test_waits_as_retry_after_says(headers: dict[str, str], wait: float) -> None:
    """`Retry-After` is seconds, or a date read by the server's own clock; what cannot be read is as if it were not."""
    naps = Naps()
    async with serve(Script(fault(429, **headers), GOOD)) as url, client_of(url, sleep=naps) as client:
        await _get(client)

    assert naps.taken == [wait]


async def test_waits_have_a_bound_and_silence_is_kept() -> None:
    """A `Retry-After` beyond what a poll can bear ends it; until that time is over, at most 10 min, nobody asks."""
    now = NOW
    script, naps = Script(fault(503, Retry_After="99999999"), GOOD), Naps()
    async with serve(script) as url, client_of(url, clock=lambda: now, sleep=naps) as client:
        with pytest.raises(ApiError, match="retry after 1e\\+08 s"):
            await _get(client)
        now = NOW + 599_999
        with pytest.raises(Rejected, match=r"0\.001 s more of silence") as caught:
            await _get(client)
        asked = len(script.asked), client.requests
        now = NOW + 600_000
        assert (await _get(client)).status == 200

    assert (caught.value.reason, asked, naps.taken) == ("throttled", (1, 1), [])


async def test_waits_add_up() -> None:
    """Waits that are bearable one by one are not so together: three times 25 s is over a minute."""
    naps = Naps()
    async with serve(Script(fault(503, Retry_After="25"))) as url, client_of(url, sleep=naps) as client:
        with pytest.raises(ApiError):
            await _get(client)

    assert naps.taken == [25.0, 25.0]
