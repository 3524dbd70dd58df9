"""Kafka's password, client secret and certificates are replaced while the service runs: the next client has the new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from streamer.errors import Misconfigured, Unready
from streamer.kafka.connection import Connection
from streamer.kafka.hard_close import wires
from streamer.kafka.writer import Writer
from streamer.serving import serve
from tests.conftest import OwnedBroker
from tests.intersight.stage import Script, said
from tests.kafka.stage import make, record, values
from tests.kafka.test_connection import brokers, connection, file
from tests.services.kafka import Broker, admin
from tests.services.tls import self_signed


def authorities(way: Connection) -> list[bytes]:
    """Whom a client that is built now trusts."""
    trusted: list[bytes] = way.renewed["ssl_context"]().get_ca_certs(binary_form=True)
    return trusted


def der(pem: bytes) -> bytes:
    """The certificate of a PEM as TLS has it."""
    return load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT") :]).public_bytes(Encoding.DER)


def kept(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What was said of secrets."""
    return [(r.getMessage(), vars(r)["fields"]["key"]) for r in caplog.records if r.getMessage().startswith("secret.")]


def certified(folder: Path, pem: bytes) -> tuple[dict[str, Path], Connection]:
    """A connection whose authorities, certificate and key stand in three files, each with all of it."""
    keys: dict[str, Any] = {key: file(folder / key, pem) for key in ("ssl_ca_file", "ssl_cert_file", "ssl_key_file")}
    return keys, connection("unused:1", security_protocol="SSL", **keys)


@asynccontextmanager
async def lasting(way: Connection, topic: str) -> AsyncIterator[tuple[AIOKafkaConsumer, Writer]]:
    """A consumer and a writer that are at work."""
    consumer = way.consumer()
    writer = Writer(way, "w", topics=[topic], compression="zstd", timeout_s=20.0)
    try:
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        await writer.open()
        await writer.commit([record(topic)])
        yield consumer, writer
    finally:
        await consumer.stop()
        await writer.close()


async def test_every_client_has_the_new_password(owned_broker: OwnedBroker, tmp_path: Path) -> None:
    """A password changed in Kafka refuses what connects, new clients and those that live on, until its file changes.

    A file that is empty then changes nothing.
    """
    broker = owned_broker(users={"admin": "admin-word", "dave": "dave-word"})
    await make(broker.bootstrap, "t")
    word = file(tmp_path / "word", "dave-word")
    login: dict[str, Any] = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "dave", "sasl_password_file": word}
    way = connection(broker.at("SASL_PLAINTEXT"), security_protocol="SASL_PLAINTEXT", **login)
    async with lasting(way, "t") as (consumer, writer):
        _set_password(broker, "dave", "another-word")
        with pytest.raises(Unready, match="SaslAuthenticationFailed"):
            await brokers(way)
        file(word, "another-word")
        assert await brokers(way) == 1
        file(word, "")
        assert await brokers(way) == 1

        await _hang_up(*consumer._client._conns.values(), *wires(writer._producer))
        await consumer.getmany(timeout_ms=1)
        assert await consumer.topics() == {"t"}
        await writer.commit([record("t")])

    assert await values(broker.bootstrap, "t") == [b"v", b"v"]


async def _hang_up(*broken: Any) -> None:
    for wire in broken:
        wire._writer.transport.abort()
    while any(wire.connected() for wire in broken):  # noqa: ASYNC110 - its client hears of it in a turn of its own
        await asyncio.sleep(0)


def _set_password(broker: Broker, user: str, word: str) -> None:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    change = UserScramCredentialUpsertion(user, info, word.encode())
    client = admin(broker.bootstrap)  # its replies come only while it is held
    for done in client.alter_user_scram_credentials([change]).values():
        done.result(timeout=30)


async def test_the_next_token_is_asked_for_with_the_new_secret(tmp_path: Path) -> None:
    """OAUTHBEARER: by clients that were there before, too; a file that is missing leaves the secret as it was."""
    server = Script(said(200, {"access_token": "t", "expires_in": 1e-9}))
    secret = file(tmp_path / "secret", "first")
    async with serve(server) as url:
        way = connection(
            "unused:1",
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="OAUTHBEARER",
            sasl_oauth_token_url=url,
            sasl_oauth_client_id="me",
            sasl_oauth_client_secret_file=secret,
        )
        provider = way.options["sasl_oauth_token_provider"]
        await provider.token()
        file(secret, "second")
        await provider.token()
        secret.unlink()
        await provider.token()

    sent = [request.headers["authorization"] for request in server.asked]
    assert sent == ["Basic bWU6Zmlyc3Q=", "Basic bWU6c2Vjb25k", "Basic bWU6c2Vjb25k"]


def test_the_next_client_has_the_new_certificates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Authorities, certificate and key; clients share one context for as long as the files are the same."""
    caplog.set_level(logging.INFO, "streamer")
    old, new = self_signed("127.0.0.1"), self_signed("127.0.0.1")
    keys, way = certified(tmp_path, old)
    first = way.renewed["ssl_context"]()
    assert authorities(way) == [der(old)]

    assert way.renewed["ssl_context"]() is first
    file(keys["ssl_ca_file"], new)
    assert authorities(way) == [der(new)]
    assert kept(caplog) == [("secret.renewed", "kafka.ssl")]


@pytest.mark.parametrize("which", ["ssl_ca_file", "ssl_cert_file", "ssl_key_file"])
@pytest.mark.parametrize("content", ["none", "cut", "of another pair"])
def test_certificates_in_between_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, which: str, content: str
) -> None:
    """One file that is missing, cut, or already of the next pair: clients keep the old context, which is said once."""
    caplog.set_level(logging.INFO, "streamer")
    old, new = self_signed("127.0.0.1"), self_signed("127.0.0.1")
    keys, way = certified(tmp_path, old)
    first = way.renewed["ssl_context"]()
    if content == "none":
        keys[which].unlink()
    else:
        file(keys[which], new if content == "of another pair" else old[:100])
    now = [way.renewed["ssl_context"]() for _ in range(2)]

    if (which, content) == ("ssl_ca_file", "of another pair"):
        assert now == [now[0]] * 2 != [first] * 2
        return
    assert now == [first] * 2
    assert kept(caplog) == [("secret.kept", "kafka.ssl")]
    for path in keys.values():
        file(path, new)
    assert authorities(way) == [der(new)]


def test_at_the_start_a_bad_file_is_an_error(tmp_path: Path) -> None:
    """Nothing works yet that could go on."""
    login = {"sasl_mechanism": "PLAIN", "sasl_username": "me", "sasl_password_file": file(tmp_path / "word", "")}
    with pytest.raises(Misconfigured, match=r"kafka\.sasl_password_file: .* is empty"):
        connection("unused:1", security_protocol="SASL_PLAINTEXT", **login)
