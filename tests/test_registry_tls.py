"""Whom the registry's client trusts, which certificate it shows, and what it says when one of both is refused."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from starlette.responses import Response

from streamer.config import RegistrySettings
from streamer.errors import Misconfigured, Unready
from streamer.registry import Registry
from streamer.serving import serve
from tests.scripted import Pauses, Script, raw
from tests.services.tls import self_signed


def nothing() -> bytes:
    """A registry without subjects."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"


@pytest.fixture(name="server_pem")
def _server_pem(tmp_path: Path) -> Path:
    path = tmp_path / "server.pem"
    path.write_bytes(self_signed("127.0.0.1"))
    return path


@pytest.fixture(name="our_pem")
def _our_pem(tmp_path: Path) -> Path:
    path = tmp_path / "ours.pem"
    path.write_bytes(self_signed("127.0.0.9"))
    return path


def tls(server_pem: Path, client_pem: Path | None = None) -> ssl.SSLContext:
    """A server's side; with `client_pem` it demands that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_pem)
    if client_pem is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_pem)
    return context


async def test_a_private_authority_is_trusted_if_it_is_named(server_pem: Path) -> None:
    """`ca_file` is trusted."""
    async with (
        raw(nothing, tls(server_pem)) as (url, _),
        Registry(RegistrySettings(url=url, ca_file=server_pem)) as client,
    ):
        assert await client.subjects() == ()


@pytest.mark.parametrize("named", [True, False])
async def test_an_unknown_authority_is_refused_at_once(server_pem: Path, our_pem: Path, *, named: bool) -> None:
    """A certificate of nobody we trust does not get better by waiting: Misconfigured, with the keys to look at."""
    pauses = Pauses()
    async with (
        raw(nothing, tls(server_pem)) as (url, _),
        Registry(RegistrySettings(url=url, ca_file=our_pem if named else None), sleep=pauses) as client,
    ):
        with pytest.raises(Misconfigured, match=r"cannot be reached: .*certificate") as raised:
            await client.subjects()

    assert "registry.ca_file" in raised.value.hint
    assert pauses == []


async def test_our_certificate_is_shown(server_pem: Path, our_pem: Path) -> None:
    """Mutual TLS: the server sees the certificate of `cert_file`."""
    async with (
        raw(nothing, tls(server_pem, our_pem)) as (url, certificates),
        Registry(RegistrySettings(url=url, ca_file=server_pem, cert_file=our_pem, key_file=our_pem)) as client,
    ):
        assert await client.subjects() == ()

    assert [certificate["subjectAltName"] for certificate in certificates] == [(("IP Address", "127.0.0.9"),)]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_that_is_missing_is_told(server_pem: Path, our_pem: Path, version: ssl.TLSVersion) -> None:
    """A server that demands one we do not have is Misconfigured, with the keys to look at."""
    demanding = tls(server_pem, our_pem)
    demanding.minimum_version = demanding.maximum_version = version
    pauses = Pauses()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        refused = asyncio.to_thread(_refuse, listener, demanding)
        async with Registry(RegistrySettings(url=url, ca_file=server_pem), sleep=pauses) as client:
            why, told = await asyncio.gather(refused, client.subjects(), return_exceptions=True)

    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in str(why)
    assert isinstance(told, Misconfigured)
    assert "registry.cert_file" in told.hint
    assert pauses == []


def _refuse(listener: socket.socket, context: ssl.SSLContext) -> str:
    """Take one connection and say why its handshake failed; unlike asyncio's servers this one tells the client too."""
    connection, _ = listener.accept()
    tried = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    why = "nothing was wrong"
    try:
        tried.do_handshake()
    except ssl.SSLError as error:
        why = str(error)
    with socket.socket(fileno=tried.detach()) as plain:
        plain.settimeout(10)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(4096):  # a reset would overtake the alert
            pass
    return why


def _encrypted(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    return path


def test_files_that_cannot_be_used_are_named(tmp_path: Path, our_pem: Path) -> None:
    """A file that is missing, no PEM, or an encrypted key: the message has key and file, and nobody is prompted."""
    (tmp_path / "text").write_text("no pem")
    cases: Sequence[tuple[dict[str, Any], str]] = [
        ({"ca_file": tmp_path / "gone"}, "registry.ca_file: cannot use .*gone: No such file"),
        ({"ca_file": tmp_path / "text"}, "registry.ca_file: cannot use .*text: "),
        (
            {"cert_file": tmp_path / "gone", "key_file": our_pem},
            "cert_file or key_file: cannot use .*gone with .*ours.pem",
        ),
        (
            {"cert_file": our_pem, "key_file": tmp_path / "text"},
            "cert_file or key_file: cannot use .*ours.pem with .*text",
        ),
        ({"cert_file": our_pem, "key_file": _encrypted(tmp_path / "key")}, "registry.key_file is encrypted"),
    ]
    for files, told in cases:
        with pytest.raises(Misconfigured, match=told):
            Registry(RegistrySettings(url="https://127.0.0.1", **files))


async def test_no_tls_where_it_is_spoken_to_with_tls() -> None:
    """A URL that begins with https: and leads to a plain port is said to be that, and not a certificate's fault."""
    pauses = Pauses()
    async with serve(Script(Response()).app) as url:
        settings = RegistrySettings(url=url.replace("http:", "https:"))
        async with Registry(settings, sleep=pauses) as client:
            with pytest.raises(Misconfigured, match=r"cannot be reached: .*WRONG_VERSION") as told:
                await client.subjects()

    assert told.value.hint == "no TLS is spoken there: check registry.url, which begins with https:"
    assert pauses == []


async def test_a_handshake_that_hangs_is_no_refusal() -> None:
    """A port that takes the connection and says nothing may be a registry that starts: it is tried again, and said."""
    pauses = Pauses()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = RegistrySettings(url=f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        async with Registry(settings, sleep=pauses) as client:
            with pytest.raises(Unready, match=r"cannot be reached: no answer within 0.1 s"):
                await client.subjects()

    assert len(pauses) == 3


async def test_tls_where_it_is_spoken_to_without(server_pem: Path) -> None:
    """The other way round the port only hangs up, as one that is starting does: it is tried again, and said."""
    async with raw(nothing, tls(server_pem)) as (url, _):
        settings = RegistrySettings(url=url.replace("https:", "http:"))
        async with Registry(settings, sleep=Pauses()) as client:
            with pytest.raises(Unready, match=r"cannot be reached: .*disconnected"):
                await client.subjects()


@pytest.mark.parametrize(
    ("host", "days", "cause"), [("127.0.0.1", -1, "has expired"), ("127.9.9.9", 1, "is not valid for '127.0.0.1'")]
)
async def test_a_certificate_that_is_wrong_is_told(tmp_path: Path, host: str, days: int, cause: str) -> None:
    """One that has expired and one of another host are told apart."""
    pem = tmp_path / "pem"
    pem.write_bytes(self_signed(host, until_days=days))
    async with raw(nothing, tls(pem)) as (url, _), Registry(RegistrySettings(url=url, ca_file=pem)) as client:
        with pytest.raises(Misconfigured, match=f"cannot be reached: .*certificate {cause}"):
            await client.subjects()
