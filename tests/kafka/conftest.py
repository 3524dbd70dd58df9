"""What tests of the Kafka border stand on: ledgers on the shared broker, and a broker with rights, users and TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.kafka.bench import OnBroker
from tests.services import kafka

USERS = {"admin": "admin-word", "alice": "alice-word", "carol": "carol-word"}
_JAAS = "org.apache.kafka.common.security"
SECURITY = {
    "auto.create.topics.enable": "true",  # as many clusters have it: a question must not make a topic
    "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER",
    "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
        f'{_JAAS}.plain.PlainLoginModule required user_alice="alice-word";'
    ),
    "listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config": (
        f'{_JAAS}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="admin";'
    ),
    "listener.name.ssl.ssl.client.auth": "required",
}


@pytest.fixture(name="broker")
async def _broker(kafka: kafka.Given, prefix: str) -> AsyncIterator[OnBroker]:
    """Ledgers on the broker that all tests share; the test makes the topics."""
    made = OnBroker(kafka.bootstrap, prefix)
    yield made
    await made.close()


@pytest.fixture(name="bench")
async def _bench(broker: OnBroker) -> OnBroker:
    """Topics with one partition of the state and of commands."""
    await broker.make_topics()
    return broker


@pytest.fixture(scope="session", name="guarded")
def _guarded(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Broker]:
    """A broker with an authorizer, SASL users `admin` (all rights) and `alice` (none), TLS and client certificates."""
    assert kafka_jars.exists()
    options = kafka.Options(authorizer=True, users=USERS, tls=True, properties=SECURITY)
    broker = kafka.Broker(tmp_path_factory.mktemp("guarded"), options)
    try:
        broker.start()
        yield broker
    finally:
        broker.remove()


@pytest.fixture(name="frail")
def _frail(guarded: kafka.Broker) -> Iterator[kafka.Broker]:
    """A broker that a test may pause, stop and kill; the next test finds it serving."""
    yield guarded
    if guarded.running:
        guarded.resume()
        guarded.wait()
    else:
        guarded.start()
