"""What is told over HTTP: that the loop turns, what is missing, and which source has grown silent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from streamer.health import HEADERS, Board, SourceHealth, application
from streamer.serving import serve

NOW = 1_795_608_000_123  # 2026-11-25T12:00:00.123Z
MINUTE = 60_000


class Clock:
    """UTC ms that pass when told to."""

    now = NOW

    def __call__(self) -> int:
        """The time."""
        return self.now


def source(name: str = "prod-us", **known: Any) -> SourceHealth:
    """A source read every minute, taken an hour ago and read just now."""
    facts: dict[str, Any] = {
        "owner": "host-1",
        "interval_s": 60.0,
        "watched_since": NOW - 60 * MINUTE,
        "last_accepted_at": NOW,
    }
    return SourceHealth(name, **facts | known)


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


def show(board: Board, *sources: SourceHealth) -> None:
    """Put sources on the board."""
    board.sources = {one.source: one for one in sources}


# Alive and ready ...


async def test_healthz_says_that_the_loop_turns(http: httpx.AsyncClient, board: Board) -> None:
    """Whatever is missing or stale, the process is alive: nobody should restart it for that."""
    show(board, source(last_accepted_at=0, held=3))

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
    show(board, source("b"), source("a", **known))
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
    show(board, source(), source("stale", last_accepted_at=NOW - age_ms))

    reply = await http.get("/sources")

    assert reply.status_code == (200 if healthy else 503)
    assert [(row["healthy"], row["age_s"]) for row in reply.json()] == [(True, 0), (healthy, max(0, age_ms) / 1000)]


@pytest.mark.parametrize(("watched_ms", "status"), [(3 * MINUTE, 200), (3 * MINUTE + 1, 503)])
async def test_a_source_never_read_is_as_old_as_our_watch(
    http: httpx.AsyncClient, board: Board, watched_ms: int, status: int
) -> None:
    """Its first three intervals are its chance; its age stays unknown."""
    show(board, source(last_accepted_at=None, watched_since=NOW - watched_ms))

    reply = await http.get("/sources")

    assert reply.status_code == status
    assert (reply.json()[0]["age_s"], reply.json()[0]["last_accepted_at"]) == (None, None)


async def test_held_deletions_are_unhealthy(http: httpx.AsyncClient, board: Board) -> None:
    """What waits for a person is told as if it were stale, until it is settled."""
    show(board, source(held=2, hold_id="h"))
    held = await http.get("/sources")
    board.sources["prod-us"].held = 0
    settled = await http.get("/sources")

    assert (held.status_code, held.json()[0]["hold_id"], held.json()[0]["healthy"]) == (503, "h", False)
    assert settled.status_code == 200


# How it is told ...


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/sources", "/nowhere"])
async def test_every_reply_is_guarded(http: httpx.AsyncClient, path: str) -> None:
    """No reply is cached, sniffed, framed or referred to, found or not; HEAD is GET without its body."""
    got, head = await http.get(path), await http.head(path)

    assert got.headers["cache-control"] == "no-store"
    assert {name: got.headers[name] for name in HEADERS} == HEADERS
    assert (head.status_code, head.headers, head.content) == (got.status_code, got.headers, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/sources"])
async def test_nothing_can_be_changed(http: httpx.AsyncClient, method: str, path: str) -> None:
    """Every method but GET and HEAD is refused, with the same guards."""
    reply = await http.request(method, path)

    assert reply.status_code == 405
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS
