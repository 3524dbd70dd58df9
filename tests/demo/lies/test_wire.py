"""Lies of HTTP and of the connection, as a caller without defence meets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest

from streamer.demo.credentials import Credentials
from streamer.demo.simulator import Simulator
from tests.demo.lies.liar import lying
from tests.demo.stage import START, TOKENS, Clock


@pytest.mark.parametrize(("status", "code"), [(500, "InternalServerError"), (503, "ServiceUnavailable"), (529, None)])
async def test_errors_have_the_api_s_body(
    credentials: Credentials, clock: Clock, status: int, code: str | None
) -> None:
    """`status` answers with any status, in the API's own words."""
    async with lying(credentials, clock, f"status={status}") as liar:
        reply = await liar.client.get(TOKENS)

    assert (reply.status_code, reply.json()["code"]) == (status, code or "InternalServerError")


@pytest.mark.parametrize(
    ("fault", "header"),
    [
        ("throttled", None),
        ("throttled=5", "5"),
        ("throttled=0", "0"),
        ("throttled=5,form=date", "Thu, 09 Oct 2025 08:53:25 GMT"),
    ],
)
async def test_throttling(credentials: Credentials, clock: Clock, fault: str, header: str | None) -> None:
    """429 comes without Retry-After, or with one in seconds, or as a date by the server's clock."""
    async with lying(credentials, clock, fault) as liar:
        reply = await liar.client.get(TOKENS)

    assert (reply.status_code, reply.headers.get("retry-after")) == (429, header)


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("html", 200, "text/html; charset=utf-8"),
        ("html=502", 502, "text/html; charset=utf-8"),
        ("html,content_type=application/json", 200, "application/json"),
    ],
)
async def test_a_page_for_people(
    credentials: Credentials, clock: Clock, fault: str, status: int, content_type: str
) -> None:
    """HTML comes with a good status or a bad one, and under any type, whoever asks."""
    async with lying(credentials, clock, fault) as liar:
        replies = [await liar.client.get(TOKENS), await liar.client.get("/nowhere", auth=httpx.Auth())]

    assert {(reply.status_code, reply.headers["content-type"]) for reply in replies} == {(status, content_type)}
    assert all(reply.text.startswith("<!DOCTYPE html>") for reply in replies)


@pytest.mark.parametrize(
    ("fault", "status", "to"),
    [
        ("redirect", 302, "https://sso.example.com/login"),
        ("redirect=/api/v2,status=308", 308, "/api/v2"),
    ],
)
async def test_the_way_elsewhere(credentials: Credentials, clock: Clock, fault: str, status: int, to: str) -> None:
    """A redirect names another place and nothing else."""
    async with lying(credentials, clock, fault) as liar:
        reply = await liar.client.get(TOKENS)

    assert (reply.status_code, reply.headers["location"], reply.content) == (status, to, b"")


async def test_a_cut_body_whose_length_fits(credentials: Credentials, clock: Clock) -> None:
    """`truncated`: HTTP is content, the first part of the body is there, and no more."""
    async with lying(credentials, clock) as liar:
        whole = (await liar.client.get(TOKENS)).content
        liar.arm("truncated,share=0.3")
        cut = await liar.client.get(TOKENS)

    assert (cut.status_code, cut.headers["content-length"]) == (200, str(len(whole) * 3 // 10))
    assert cut.content == whole[: len(whole) * 3 // 10]


async def test_a_cut_body_whose_length_does_not(
    credentials: Credentials, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """`truncated=wrong`: the whole length is announced, half of it comes, then the end; a good reply can follow."""
    async with lying(credentials, clock) as liar:
        whole = (await liar.client.get(TOKENS)).content
        liar.arm("truncated=wrong,times=1")
        got = bytearray()
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            await _read(liar.client, got)
        after = await liar.client.get(TOKENS)

    assert bytes(got) == whole[: len(whole) // 2]
    assert after.content == whole
    assert caplog.records == []


@pytest.mark.parametrize("where", ["before", "within"])
async def test_a_reset(credentials: Credentials, clock: Clock, caplog: pytest.LogCaptureFixture, where: str) -> None:
    """`reset`: the peer is gone without an end (no FIN), with nothing sent or with less than the whole body."""
    async with lying(credentials, clock) as liar:
        whole = (await liar.client.get(TOKENS)).content
        liar.arm(f"reset={where},times=1")
        got = bytearray()
        with pytest.raises(httpx.ReadError):
            await _read(liar.client, got)
        after = await liar.client.get(TOKENS)

    assert len(got) <= len(whole) // 2
    assert (len(got) > 0) <= (where == "within")
    assert after.content == whole
    assert caplog.records == []


async def _read(client: httpx.AsyncClient, got: bytearray) -> None:
    """Put a list into `got`, as far as it comes."""
    async with client.stream("GET", TOKENS) as reply:
        async for part in reply.aiter_raw():
            got.extend(part)


@pytest.mark.parametrize(("where", "started"), [("before", 0), ("within", 2)])
async def test_a_reset_in_memory(credentials: Credentials, clock: Clock, where: str, started: int) -> None:
    """Where there is no connection to break, the application raises what a broken one would: `within` after a part."""
    async with lying(credentials, clock, f"reset={where}") as liar:
        caller = _Caller(liar.simulator)
        with pytest.raises(ConnectionResetError):
            await caller.get()

    assert len(caller.sent) == started
    assert all(message["more_body"] for message in caller.sent[1:])


async def test_a_dripping_body(credentials: Credentials, clock: Clock) -> None:
    """`drip`: the body is whole, in so many pieces, and the waits between them are so many seconds together."""
    async with lying(credentials, clock) as liar:
        whole = (await liar.client.get(TOKENS)).content
        liar.arm("drip=4s,pieces=8")
        reply = await liar.client.get(TOKENS)
        caller = _Caller(liar.simulator)
        await caller.get()

    pieces = [message["body"] for message in caller.sent if message.get("body")]
    assert (reply.content, reply.headers["content-length"]) == (whole, str(len(whole)))
    assert liar.naps == [0.5] * 16
    assert (len(pieces), msgspec.json.decode(b"".join(pieces))["code"]) == (8, "InvalidUrl")


async def test_dripping_ends_with_the_listener(credentials: Credentials, clock: Clock) -> None:
    """When nobody listens any more, no further piece is waited for: a drip does not outlive its connection."""
    async with lying(credentials, clock, "drip=4s,pieces=8") as liar:
        caller = _Caller(liar.simulator, _Gone())
        await caller.get()

    assert (liar.naps, len(caller.sent)) == ([0.5], 2)


@pytest.mark.parametrize("fault", ["slow=7s", "unsorted,delay=7", "skew=0,delay=7s"])
async def test_waits(credentials: Credentials, clock: Clock, fault: str) -> None:
    """`slow`, and the `delay` of any fault, hold the request so many seconds, then it goes on."""
    async with lying(credentials, clock, fault) as liar:
        moids = await liar.seen()

    assert liar.naps == [7.0]
    assert sorted(moids) == liar.moids


@pytest.mark.parametrize(
    ("fault", "date"),
    [
        ("skew", "Thu, 09 Oct 2025 08:58:20 GMT"),
        ("skew=-1h", "Thu, 09 Oct 2025 07:53:20 GMT"),
        ("skew,text=yesterday", "yesterday"),
    ],
)
async def test_a_clock_that_is_off(credentials: Credentials, clock: Clock, fault: str, date: str) -> None:
    """`skew`: the reply's Date is off, ahead or behind, or no date at all; the reply itself is right."""
    async with lying(credentials, clock, fault) as liar:
        reply = await liar.client.get(TOKENS)

    assert reply.headers.get_list("date") == [date]
    assert len(reply.json()["Results"]) == 30
    assert liar.world.clock() == START


class _Gone:
    """A transport whose peer has left."""

    def is_closing(self) -> bool:
        """Yes."""
        return True


@dataclass
class _Caller:
    """Calls the application in memory, without credentials, as a server does whose `transport` this is."""

    simulator: Simulator
    transport: _Gone | None = None
    sent: list[Any] = field(default_factory=list)

    async def send(self, message: Any) -> None:
        """ASGI."""
        self.sent.append(message)

    async def receive(self) -> Any:
        """ASGI."""
        return {"type": "http.request", "body": b""}

    async def get(self) -> None:
        """Ask for what does not exist: the answer is an error with a body."""
        asked = {"method": "GET", "path": "/nowhere", "raw_path": b"/nowhere", "query_string": b"", "headers": []}
        await self.simulator.app({"type": "http", "root_path": "", **asked}, self.receive, self.send)
