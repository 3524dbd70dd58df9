"""Broken connections, deadlines, bounds, trust and proxies: what lies between one request and one reply."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamer.errors import Misconfigured, Rejected
from streamer.intersight import client as client_room
from streamer.intersight.client import Client
from streamer.intersight.replies import Reply
from streamer.serving import serve
from tests.intersight.stage import (
    NOW,
    Script,
    Wire,
    answering,
    client_of,
    http,
    listed,
    proxy,
    said,
    signature,
    wire,
)
from tests.services.tls import self_signed

GOOD = said(200, listed([]))


async def _get(client: Client, query: Sequence[tuple[str, str]] = ()) -> Reply:
    return await client.get("iam/OAuthTokens", query)


async def test_a_lost_connection_is_tried_again() -> None:
    """A connection that closes before, or in the middle of, an answer costs one try."""
    answers = [b"", http(listed([]))[:-3], http(listed([]))]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(answers.pop(0))(reader, writer)

    async with wire(handle) as authority, client_of(f"http://{authority}") as client:
        assert (await _get(client)).body == listed([])

    assert client.requests == 3


WIRE_FAULTS: dict[str, tuple[bytes, str, str, int]] = {
    "hangs up": (b"", "unavailable", "disconnected", 4),
    "body cut": (http(listed([]))[:-1], "unavailable", "without sending complete", 4),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "unavailable", "illegal status line", 4),
    "broken gzip": (http(b"\x00\x01\x02", "Content-Encoding: gzip"), "not_json", "unpacked", 4),
}


@pytest.mark.parametrize("name", WIRE_FAULTS)
async def test_a_broken_transport_is_named(name: str) -> None:
    """What is no whole answer of HTTP is tried four times and then has a reason of its own."""
    reply, reason, told, tries = WIRE_FAULTS[name]
    async with wire(answering(reply)) as authority, client_of(f"http://{authority}") as client:
        with pytest.raises(Rejected, match=told) as caught:
            await _get(client)

    assert (caught.value.reason, client.requests) == (reason, tries)


async def test_nobody_there_is_unavailable() -> None:
    """A refused connection is tried again and then `unavailable`."""
    async with serve(Script(GOOD)) as url:
        pass
    async with client_of(url) as client:
        with pytest.raises(Rejected) as caught:
            await _get(client)

    assert (caught.value.reason, client.requests) == ("unavailable", 4)


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read():
        pass


async def _dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0)  # lets the client read


@pytest.mark.parametrize("handle", [_silent, _dripping], ids=["silence", "an answer that drips"])
async def test_a_try_has_one_deadline(handle: Wire) -> None:
    """Who does not answer, or never ends its answer, is a `timeout`: the deadline is for the whole, not for a read."""
    async with wire(handle) as authority, client_of(f"http://{authority}", timeout=0.05) as client:
        with pytest.raises(Rejected, match=r"within 0\.05 s") as caught:
            await _get(client)

    assert caught.value.reason == "timeout"


async def test_a_body_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body over the bound is `too_large`, also where it is small on the wire."""
    monkeypatch.setattr(client_room, "MAX_BODY", 1000)
    bomb = said(200, gzip.compress(b" " * 100_000), Content_Encoding="gzip")
    for answer in (said(200, b" " * 1001), bomb):
        async with serve(Script(answer)) as url, client_of(url) as client:
            with pytest.raises(Rejected, match="exceeds 1000 bytes") as caught:
                await _get(client)
            assert caught.value.reason == "too_large"
    async with serve(Script(said(200, b" " * 1000))) as url, client_of(url) as client:
        assert len((await _get(client)).body) == 1000


async def test_a_cancelled_request_leaves_the_client_usable() -> None:
    """A poll that is called off in the middle of an answer costs a connection, not the client."""
    reached, hung = asyncio.Event(), [True]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if hung.pop() if hung else False:
            writer.write(http(listed([]))[:40])
            reached.set()
            await reader.read()
        else:
            writer.write(http(listed([])))
            await writer.drain()

    async with wire(handle) as authority, client_of(f"http://{authority}") as client:
        async with asyncio.TaskGroup() as tasks:
            poll = tasks.create_task(_get(client))
            await reached.wait()
            poll.cancel()
        assert (await _get(client)).status == 200


# Trust and proxies...


def _server_trust(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    pem = tmp_path / "server.pem"
    pem.write_bytes(self_signed("127.0.0.1"))
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(pem)
    return trust, pem


async def test_tls_trusts_whom_it_is_told_to(tmp_path: Path) -> None:
    """A private authority is refused without `ca_file`, at once and with a hint; with it, or unverified, it answers."""
    trust, pem = _server_trust(tmp_path)
    async with wire(answering(http(listed([]))), trust) as authority:
        async with client_of(f"https://{authority}") as refused:
            with pytest.raises(Rejected, match="CERTIFICATE_VERIFY_FAILED") as caught:
                await _get(refused)
        async with client_of(f"https://{authority}", ca_file=pem) as client:
            assert (await _get(client)).status == 200
        async with client_of(f"https://{authority}", verify_tls=False) as client:
            assert (await _get(client)).status == 200

    assert (caught.value.reason, refused.requests) == ("unavailable", 1)
    assert "ca_file" in caught.value.hint


async def test_tls_where_none_is_spoken_is_told_at_once() -> None:
    """`https:` on a port of plain HTTP costs one try, and the hint names what to change."""
    async with serve(Script(GOOD)) as url, client_of(url.replace("http:", "https:")) as client:
        with pytest.raises(Rejected, match="WRONG_VERSION_NUMBER") as caught:
            await _get(client)

    assert (caught.value.reason, client.requests) == ("unavailable", 1)
    assert caught.value.hint.startswith("no TLS is spoken there: let `url`")


async def test_a_ca_file_is_for_its_host_only(tmp_path: Path) -> None:
    """A trusted certificate for another name is refused."""
    trust, pem = _server_trust(tmp_path)
    async with (
        wire(answering(http(listed([]))), trust) as authority,
        client_of(f"https://localhost:{authority.split(':')[1]}", ca_file=pem) as client,
    ):
        with pytest.raises(Rejected, match="localhost"):
            await _get(client)


async def test_https_goes_through_a_proxy_unseen(tmp_path: Path) -> None:
    """Through a proxy TLS is a tunnel: the origin sees the request as signed, the proxy only host and port."""
    trust, pem = _server_trust(tmp_path)
    seen: list[bytes] = []
    heads: list[bytes] = []
    async with (
        wire(answering(http(listed([])), heads), trust) as authority,
        proxy(seen) as through,
        client_of(f"https://{authority}", ca_file=pem, proxy=through) as client,
    ):
        assert (await _get(client, query=[("$top", "1")])).status == 200

    assert seen[0].startswith(f"CONNECT {authority} HTTP/1.1".encode())
    assert b"Signature" not in seen[0]
    assert heads[0].startswith(b"GET /api/v1/iam/OAuthTokens?%24top=1 HTTP/1.1")
    assert f"host: {authority}\r\n".encode() in heads[0].lower()


async def test_http_goes_through_a_proxy_with_its_password() -> None:
    """A plain request goes to the proxy by its absolute URL, with the proxy's own credential beside the signature."""
    seen: list[bytes] = []
    async with (
        serve(Script(GOOD)) as url,
        proxy(seen) as through,
        client_of(url, proxy=through.replace("://", "://user:pass@")) as client,
    ):
        assert (await _get(client)).status == 200

    assert seen[0].startswith(f"GET {url}/api/v1/iam/OAuthTokens HTTP/1.1".encode())
    assert b"proxy-authorization: basic dxnlcjpwyxnz" in seen[0].lower()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "no PEM"])
def test_a_ca_file_that_cannot_be_used_is_named(content: bytes | None, tmp_path: Path) -> None:
    """A CA file that is missing, empty or no PEM is `Misconfigured`, before any request."""
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"sources\.prod\.ca_file is .*ca\.pem, wanted a readable PEM"):
        Client("https://x", signature(), clock=lambda: NOW, ca_file=ca_file, where="sources.prod")


@pytest.mark.parametrize("url", ["ftp://u:secret@proxy", "proxy:3128", "socks5://u:secret@proxy"])
def test_a_proxy_that_cannot_be_used_is_named(url: str) -> None:
    """A proxy of another kind is `Misconfigured`, and its password is not shown."""
    with pytest.raises(Misconfigured, match=r"sources\.prod\.proxy cannot be used") as caught:
        Client("https://x", signature(), clock=lambda: NOW, proxy=url, where="sources.prod")

    assert "secret" not in str(caught.value)
