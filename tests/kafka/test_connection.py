"""The ways in: every security setting lets us in where it should, and says why where it does not."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiokafka import TopicPartition
from confluent_kafka import Producer
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from streamer.config import KafkaSettings
from streamer.errors import Misconfigured, StreamerError, Unready
from streamer.kafka.bearer import Bearer
from streamer.kafka.connection import Connection
from streamer.kafka.writer import Writer
from streamer.serving import serve
from tests.kafka.conftest import USERS
from tests.kafka.stage import Dies, make, record, writer
from tests.services.kafka import Broker, Given
from tests.services.tls import self_signed

UNREACHABLE = r"Kafka at {}: cannot say who it is: "


def connection(address: str, **keys: Any) -> Connection:
    """The connection of a configuration."""
    return Connection.of(KafkaSettings(bootstrap_servers=(address,), **keys))


async def brokers(way: Connection) -> int:
    """How many brokers a client finds that goes this way; only one that was let in finds any."""
    admin = way.admin()
    with way.reaching("say who it is"):
        try:
            await admin.start()
            return len((await admin.describe_cluster())["brokers"])
        finally:
            await admin.close()


def file(path: Path, content: str | bytes) -> Path:
    """A file with that content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# Let in...


async def test_plaintext(guarded: Broker) -> None:
    """Without security keys a plain listener lets us in."""
    assert await brokers(connection(guarded.at("PLAINTEXT"))) == 1


async def test_ssl_with_a_client_certificate(guarded: Broker, tmp_path: Path) -> None:
    """TLS that trusts one authority and shows a certificate of our own whose key has a password."""
    chain = guarded.ca_file.read_bytes()
    key = load_pem_private_key(chain, None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"key-word"))
    keys: dict[str, Any] = {
        "security_protocol": "SSL",
        "ssl_ca_file": guarded.ca_file,
        "ssl_cert_file": guarded.ca_file,
        "ssl_key_file": file(tmp_path / "key.pem", locked),
        "ssl_key_password_file": file(tmp_path / "word", "key-word\n"),
    }

    assert await brokers(connection(guarded.at("SSL"), **keys)) == 1


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_scram_over_tls(guarded: Broker, tmp_path: Path, mechanism: str) -> None:
    """User and password, in both strengths, over TLS."""
    keys: dict[str, Any] = {
        "security_protocol": "SASL_SSL",
        "ssl_ca_file": guarded.ca_file,
        "sasl_mechanism": mechanism,
        "sasl_username": "admin",
        "sasl_password_file": file(tmp_path / "word", USERS["admin"]),
    }

    assert await brokers(connection(guarded.at("SASL_SSL"), **keys)) == 1


async def test_plain_without_tls(guarded: Broker, tmp_path: Path) -> None:
    """User and password in the clear."""
    keys: dict[str, Any] = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "alice",
        "sasl_password_file": file(tmp_path / "word", USERS["alice"]),
    }

    assert await brokers(connection(guarded.at("SASL_PLAINTEXT"), **keys)) == 1


async def test_a_certificate_of_another_name(guarded: Broker) -> None:
    """A broker reached by a name its certificate lacks is refused, unless ssl_check_hostname is false."""
    port = guarded.at("SASL_SSL").split(":")[1]
    context = connection("unused:1", security_protocol="SSL", ssl_ca_file=guarded.ca_file).renewed["ssl_context"]()
    lax = connection(
        "unused:1", security_protocol="SSL", ssl_ca_file=guarded.ca_file, ssl_check_hostname=False
    ).renewed["ssl_context"]()
    host = guarded.at("SASL_SSL").split(":")[0]

    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'elsewhere'"):
        await asyncio.open_connection(host, port, ssl=context, server_hostname="elsewhere")
    _, stream = await asyncio.open_connection(host, port, ssl=lax, server_hostname="elsewhere")
    stream.transport.abort()


# Kept out...


async def test_a_wrong_authority_is_told(guarded: Broker, tmp_path: Path) -> None:
    """A certificate that the given authority did not sign is the reason told, though the client only logs it."""
    keys: dict[str, Any] = {"security_protocol": "SSL", "ssl_ca_file": file(tmp_path / "ca", self_signed("127.0.0.1"))}

    with pytest.raises(Unready, match=UNREACHABLE.format(guarded.at("SSL")) + ".*CERTIFICATE_VERIFY_FAILED"):
        await brokers(connection(guarded.at("SSL"), **keys))


async def test_a_wrong_password_is_told_and_kept(guarded: Broker, tmp_path: Path) -> None:
    """A refused login is the reason told; neither message nor repr holds the password."""
    way = connection(
        guarded.at("SASL_PLAINTEXT"),
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="admin",
        sasl_password_file=file(tmp_path / "word", "not-the-word"),
    )

    with pytest.raises(Unready, match=UNREACHABLE.format(guarded.at("SASL_PLAINTEXT")) + ".*SaslAuth") as refused:
        await brokers(way)

    assert "not-the-word" not in f"{refused.value} {refused.value.hint} {way!r}"


async def test_causes_are_told_to_whom_they_concern() -> None:
    """Clients that fail at the same time each tell their own cause, once."""

    async def reason(address: str) -> str:
        with pytest.raises(Unready) as refused:
            await brokers(connection(address))
        return str(refused.value)

    addresses = [f"127.9.9.{n}:19099" for n in range(1, 9)]
    told = await asyncio.gather(*map(reason, addresses))

    begin = [f'Kafka at {address}: cannot say who it is: Unable connect to "{address}": ' for address in addresses]
    assert [line.startswith(head) for line, head in zip(told, begin, strict=True)] == [True] * 8
    assert [line.count("Unable connect") for line in told] == [1] * 8


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"ssl_ca_file": "none.pem"}, "kafka.ssl_ca_file .*none.pem: .*No such file"),
        ({"ssl_ca_file": "text.pem"}, "kafka.ssl_ca_file .*text.pem: "),
        ({"ssl_cert_file": "none.pem", "ssl_key_file": "key.pem"}, "kafka.ssl_cert_file .*none.pem.*No such file"),
        ({"ssl_cert_file": "text.pem", "ssl_key_file": "key.pem"}, "kafka.ssl_cert_file .*text.pem.*PEM lib"),
        ({"ssl_cert_file": "key.pem", "ssl_key_file": "locked.pem"}, "kafka.ssl_key_file .*locked.pem"),
    ],
)
async def test_files_that_cannot_be_used_are_named(tmp_path: Path, keys: dict[str, str], complaint: str) -> None:
    """A certificate or key that is missing, no PEM, or locked is Misconfigured by its key and file, and asks nobody."""
    pem = self_signed("127.0.0.1")
    locked = load_pem_private_key(pem, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    for name, content in (("text.pem", b"hello"), ("key.pem", pem), ("locked.pem", locked)):
        file(tmp_path / name, content)

    with pytest.raises(Misconfigured, match=complaint):
        connection("unused:1", security_protocol="SSL", **{key: tmp_path / name for key, name in keys.items()})


# Tokens...


class TokenServer:
    """An OAuth token endpoint; the tokens are unsecured JWTs for `admin`, which the tests' broker believes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.reply: dict[str, Any] | None = None
        self.app = Starlette(routes=[Route("/token", self._token, methods=["POST"])])

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self.asked.append((request.headers["authorization"], form))
        if self.reply is not None:
            return JSONResponse(self.reply)
        if request.headers["authorization"] != "Basic " + base64.b64encode(b"me:secret").decode():
            return JSONResponse({"error": "invalid_client"}, 401)
        return JSONResponse({"access_token": _jwt("admin"), "expires_in": 100, "token_type": "bearer"})


def _jwt(subject: str) -> str:
    parts = ({"alg": "none"}, {"sub": subject, "iat": 1_700_000_000, "exp": 4_000_000_000})
    return "".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") + "." for part in parts)


@pytest.fixture(name="tokens")
async def _tokens() -> AsyncIterator[tuple[str, TokenServer]]:
    server = TokenServer()
    async with serve(server.app) as url:
        yield f"{url}/token", server


async def test_a_bearer_token_lets_us_in(guarded: Broker, tmp_path: Path, tokens: tuple[str, TokenServer]) -> None:
    """OAUTHBEARER with client credentials: one token serves all connections of a configuration."""
    url, server = tokens
    way = connection(
        guarded.at("SASL_PLAINTEXT"),
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="OAUTHBEARER",
        sasl_oauth_token_url=url,
        sasl_oauth_client_id="me",
        sasl_oauth_client_secret_file=file(tmp_path / "secret", "secret"),
        sasl_oauth_scope="kafka",
    )

    assert list(await asyncio.gather(brokers(way), brokers(way))) == [1, 1]
    basic = "Basic " + base64.b64encode(b"me:secret").decode()
    assert server.asked == [(basic, {"grant_type": "client_credentials", "scope": "kafka"})]


async def test_a_token_is_renewed_before_it_expires(tokens: tuple[str, TokenServer]) -> None:
    """A token is asked for again after 0.8 of its lifetime, not earlier."""
    url, server = tokens
    now = 0.0
    bearer = Bearer(url=url, client_id="me", client_secret=lambda: "secret", clock=lambda: now)
    await bearer.token()
    now = 79.0
    await bearer.token()
    early = len(server.asked)
    now = 80.0
    await bearer.token()

    assert (early, len(server.asked)) == (1, 2)


async def test_a_token_server_that_refuses_is_told(guarded: Broker, tmp_path: Path, tokens: tuple[str, Any]) -> None:
    """A refused client shows as the reason why Kafka cannot be used."""
    way = connection(
        guarded.at("SASL_PLAINTEXT"),
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="OAUTHBEARER",
        sasl_oauth_token_url=tokens[0],
        sasl_oauth_client_id="me",
        sasl_oauth_client_secret_file=file(tmp_path / "secret", "wrong"),
    )

    with pytest.raises(Unready, match=f"no token from {tokens[0]}: HTTP Error 401"):
        await brokers(way)


@pytest.mark.parametrize("reply", [{}, {"access_token": "x", "expires_in": "soon"}])
async def test_a_reply_without_a_token_is_told(tokens: tuple[str, TokenServer], reply: dict[str, Any]) -> None:
    """What is no token response is an error of the connection, not of ours."""
    url, server = tokens
    server.reply = reply

    with pytest.raises(OSError, match="the reply is no OAuth token response"):
        await Bearer(url=url, client_id="me", client_secret=lambda: "secret").token()


def test_a_token_url_must_be_http() -> None:
    """A file or a mail address is no token endpoint."""
    with pytest.raises(StreamerError, match=r"sasl_oauth_token_url: 'file:///etc/passwd' is given"):
        Bearer(url="file:///etc/passwd", client_id="me", client_secret=lambda: "secret")


# Clients...


async def test_consumers_see_what_is_committed(kafka: Given, prefix: str) -> None:
    """A consumer stands before a transaction that is still open."""
    await make(kafka.bootstrap, prefix)
    dying = writer(kafka.bootstrap, prefix, [prefix], Dies)
    await dying.open()
    with pytest.raises(KeyboardInterrupt):
        await dying.commit([record(prefix)])
    consumer = Connection((kafka.bootstrap,)).consumer()
    await consumer.start()

    end = await consumer.end_offsets([TopicPartition(prefix, 0)])
    await consumer.stop()

    assert list(end.values()) == [0]


# The embedded broker...


async def test_the_embedded_profile_writes_and_reads(prefix: str) -> None:
    """On librdkafka's mock cluster, which the demo uses, the writer commits and a consumer reads it."""
    cluster = Producer({"bootstrap.servers": "x:1", "test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    way = Connection.to_embedded(f"{broker.host}:{broker.port}")
    one = Writer(way, prefix, compression="zstd", timeout_s=20.0, topics=[prefix])
    await one.open()
    for value in (b"one", b"two"):
        await one.commit([record(prefix, value)])
    await one.close()

    consumer = way.consumer(prefix, auto_offset_reset="earliest")
    await consumer.start()
    got = [await consumer.getone() for _ in range(2)]
    await consumer.stop()

    assert [message.value for message in got] == [b"one", b"two"]
