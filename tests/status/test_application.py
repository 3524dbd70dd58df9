"""What is told over HTTP: that the loop turns, what is missing, and which source has grown silent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from streamer.health import Board, SourceHealth
from streamer.serving import serve
from streamer.status import live
from streamer.status.application import CONTENT_SECURITY_POLICY, HEADERS, NOTHING, application, show
from streamer.status.page import POLICY
from tests.status import boards
from tests.status.boards import HOLD, MINUTE, NOW, source


class Clock:
    """UTC ms that pass when told to."""

    now = NOW

    def __call__(self) -> int:
        """The time."""
        return self.now


@pytest.fixture(name="board")
def _board() -> Board:
    return Board()


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="http")
async def _http(board: Board, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of the board."""
    async with serve(application(board, clock)) as url, httpx.AsyncClient(base_url=url, verify=False) as client:
        yield client


def put(board: Board, *sources: SourceHealth) -> None:
    """Put sources on the board."""
    board.sources = {one.source: one for one in sources}


# Alive and ready ...


async def test_healthz_says_that_the_loop_turns(http: httpx.AsyncClient, board: Board) -> None:
    """Whatever is missing or stale, the process is alive: nobody should restart it for that."""
    put(board, source(last_accepted_at=0, hold=HOLD))

    reply = await http.get("/healthz")

    assert (reply.status_code, reply.text) == (200, "ok\n")


async def test_readyz_tells_what_is_missing(http: httpx.AsyncClient, board: Board) -> None:
    """A new board is not ready; each thing that is missing is told until it is there."""
    first = await http.get("/readyz")
    board.missing = {"registry": "no answer", "prod-us": "not restored"}
    second = await http.get("/readyz")
    board.missing.clear()
    third = await http.get("/readyz")

    assert (first.status_code, first.json()) == (503, {"ready": False, "missing": {"start": "the service is starting"}})
    assert (second.status_code, second.json()["missing"]) == (503, {"registry": "no answer", "prod-us": "not restored"})
    assert (third.status_code, third.json()) == (200, {"ready": True, "missing": {}})


async def test_boards_do_not_share(board: Board) -> None:
    """What one board lacks is no other's."""
    board.missing.clear()

    assert Board().missing != {}


# Sources ...


async def test_sources_are_told_in_full(http: httpx.AsyncClient, board: Board, clock: Clock) -> None:
    """Every key of the contract, in its order, sources by name."""
    known = {"epoch": "e", "last_sequence": 7, "tokens": 3, "last_verdict": "accepted", "last_accepted_at": NOW}
    put(board, source("b"), source("a", **known))
    clock.now = NOW + 1500

    reply = await http.get("/sources")

    assert reply.status_code == 200
    assert [row["source"] for row in reply.json()] == ["a", "b"]
    assert list(reply.json()[0].items()) == [
        ("source", "a"),
        ("owner", "host-1"),
        ("epoch", "e"),
        ("last_sequence", 7),
        ("tokens", 3),
        ("held", 0),
        ("hold_id", None),
        ("last_accepted_at", "2026-11-25T12:00:00.123Z"),
        ("age_s", 1.5),
        ("last_verdict", "accepted"),
        ("last_reason", None),
        ("interval_s", 60.0),
        ("healthy", True),
    ]


async def test_no_source_is_no_alarm(http: httpx.AsyncClient) -> None:
    """A worker that owns nothing answers an empty list."""
    reply = await http.get("/sources")

    assert (reply.status_code, reply.json()) == (200, [])


@pytest.mark.parametrize(
    ("age_ms", "healthy"), [(0, True), (3 * MINUTE, True), (3 * MINUTE + 1, False), (-MINUTE, True)]
)
async def test_a_source_older_than_three_intervals_is_unhealthy(
    http: httpx.AsyncClient, board: Board, *, age_ms: int, healthy: bool
) -> None:
    """Exactly three intervals are still fine; a clock that went back makes nobody older or younger than now."""
    put(board, source(), source("stale", last_accepted_at=NOW - age_ms))

    reply = await http.get("/sources")

    assert reply.status_code == (200 if healthy else 503)
    assert [(row["healthy"], row["age_s"]) for row in reply.json()] == [(True, 0), (healthy, max(0, age_ms) / 1000)]


@pytest.mark.parametrize(("watched_ms", "status"), [(3 * MINUTE, 200), (3 * MINUTE + 1, 503)])
async def test_a_source_never_read_is_as_old_as_our_watch(
    http: httpx.AsyncClient, board: Board, watched_ms: int, status: int
) -> None:
    """Its first three intervals are its chance; its age stays unknown."""
    put(board, source(last_accepted_at=None, watched_since=NOW - watched_ms))

    reply = await http.get("/sources")

    assert reply.status_code == status
    assert (reply.json()[0]["age_s"], reply.json()[0]["last_accepted_at"]) == (None, None)


async def test_held_deletions_are_unhealthy(http: httpx.AsyncClient, board: Board) -> None:
    """What waits for a person is told as if it were stale, until it is settled."""
    put(board, source(hold=HOLD))
    held = await http.get("/sources")
    board.sources["prod-us"].hold = None
    settled = await http.get("/sources")

    assert (held.status_code, held.json()[0]["hold_id"], held.json()[0]["healthy"]) == (503, HOLD.hold_id, False)
    assert settled.status_code == 200


# How it is told ...


PATHS = ["/healthz", "/readyz", "/sources", "/metrics", "/", "/live"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/sources", "/", "/nowhere"])
async def test_every_reply_is_guarded(http: httpx.AsyncClient, path: str) -> None:
    """No reply is cached, sniffed, framed or referred to, found or not; HEAD is GET without its body."""
    got, head = await http.get(path), await http.head(path)

    assert got.headers["cache-control"] == "no-store"
    assert {name: got.headers[name] for name in HEADERS} == HEADERS
    assert got.headers[CONTENT_SECURITY_POLICY] == (POLICY if path == "/" else NOTHING)
    assert (head.status_code, head.headers, head.content) == (got.status_code, got.headers, b"")


def test_the_page_may_load_nothing_but_itself() -> None:
    """Style and script are allowed by their hash alone; nothing is inline by grace, nobody else is asked."""
    said = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))

    assert said["default-src"] == said["base-uri"] == said["form-action"] == said["frame-ancestors"] == "'none'"
    assert all(said[of].startswith("'sha256-") for of in ("style-src", "script-src"))
    assert (said["connect-src"], said["img-src"]) == ("'self'", "data:")
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
async def test_nothing_can_be_changed(http: httpx.AsyncClient, method: str, path: str) -> None:
    """Every method but GET and HEAD is refused, with the same guards."""
    reply = await http.request(method, path)

    assert reply.status_code == 405
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("127.0.0.1:9464", 200),
        ("[::1]:9464", 200),
        ("10.1.2.3", 200),
        ("localhost:9464", 200),
        ("streamer:9464", 200),  # a container's name
        ("status.example.com", 200),  # given
        ("STATUS.example.com:9464", 200),
        ("evil.example.com", 421),
        ("evil.example.com:9464", 421),
        ("127.0.0.1.evil.example.com", 421),
        ("status.example.com.evil.org", 421),
        ("localhost.", 421),
        ("1.2.3.4.5", 421),
    ],
)
@pytest.mark.parametrize("path", ["/", "/sources", "/live"])
async def test_a_strangers_name_is_refused(board: Board, path: str, asked: str, status: int) -> None:
    """A public name that was made to point to us reads nothing, wherever it asks; addresses and our own names do."""
    app = application(board, lambda: NOW, hosts=["status.example.com"])
    async with serve(app) as url, httpx.AsyncClient(base_url=url, verify=False) as client:
        reply = await client.head(path, headers={"Host": asked})

    assert reply.status_code == status


# The stream ...


async def test_the_stream_tells_all_and_then_what_changed(board: Board, clock: Clock) -> None:
    """At first every piece and row, later only the row that differs; it ends when the service does."""
    board.sources = boards.calm(3).sources
    board.missing.clear()
    pages = live.Live(board, clock)
    stream = pages.stream()

    assert await anext(stream) == f"retry: {live.AGAIN_MS}\n\n"
    first = _told(await anext(stream))
    board.sources["account-001"].last_sequence = 999_999
    second = _told(await anext(stream))
    pages.end()
    rest = [said async for said in stream]

    assert set(first["pieces"]) == {"state", "figures", "holds", "changes", "refused", "events"}
    assert (first["all"], list(first["rows"])) == (True, ["s-account-000", "s-account-001", "s-account-002"])
    assert (second["all"], list(second["rows"]), second["pieces"]) == (False, ["s-account-001"], {})
    assert "999,999" in second["rows"]["s-account-001"]
    assert rest == []


async def test_only_so_many_may_look(board: Board, clock: Clock) -> None:
    """Whoever comes after them is told to come again, and has a place once another has left."""
    pages = live.Live(board, clock)
    looking = [pages.stream() for _ in range(live.MOST)]
    for stream in looking:
        await anext(stream)
    async with (
        serve(application(board, clock, live=pages)) as url,
        httpx.AsyncClient(base_url=url, verify=False) as client,
    ):
        full = await client.get("/live")
        await looking[0].aclose()
        again = await client.head("/live")
    for stream in looking[1:]:
        await stream.aclose()

    assert (full.status_code, full.headers["retry-after"]) == (503, "10")
    assert (again.status_code, again.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_a_service_that_stops_lets_everybody_go(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    """Open streams end by themselves, and nothing is said about them."""
    async with httpx.AsyncClient(verify=False) as client:
        async with AsyncExitStack() as opened:
            url = await show(opened, board, "127.0.0.1:0", "a test", clock=lambda: NOW)
            reply = await client.send(client.build_request("GET", f"{url}/live"), stream=True)
            chunks = reply.aiter_text()
            assert (await anext(chunks)).startswith("retry:")
        rest = [chunk async for chunk in chunks]

    assert len(rest) <= 1
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []


def _told(said: str) -> dict[str, Any]:
    assert said.startswith("data: ")
    return dict(json.loads(said.removeprefix("data: ")))
