"""The services and names that tests share: one real broker and one real registry for a whole run.

A machine that cannot run them skips those tests with one sentence that says what to install; with CI=true it fails.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.services import franz, intersight_sdk, jvm, kafka, registry, wanted

hypothesis.settings.register_profile("tests", deadline=None)  # a busy machine is slow now and then, not wrong
hypothesis.settings.load_profile("tests")

OwnedBroker = Callable[..., kafka.Broker]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch what the chosen tests need before any test's clock runs: a cold cache may take longer than a test may."""
    if session.config.option.collectonly:
        return
    named = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    with contextlib.suppress(jvm.Missing):  # the fixtures say it again, test by test
        if "owned_broker" in named or ("kafka" in named and not kafka.given()):
            kafka.installed()
        if "registry" in named and not registry.given():
            registry.installed()
        if "other_registry" in named:
            franz.installed()
        if "official_sdk" in named:
            intersight_sdk.installed()


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """A command says how much its process logs; here one process runs all of them, and each test hears what it may."""
    loggers = [logging.getLogger(), logging.getLogger("streamer")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session", name="kafka_jars")
def _kafka_jars() -> Path:
    """The jars of the broker; a session's fixture, so that a machine without them is asked once."""
    return wanted.installed(kafka.installed)


@pytest.fixture(scope="session", name="kafka")
def _kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Given]:
    """The broker all tests share: `.bootstrap`; nobody stops it."""
    if somebodys := kafka.given():
        yield somebodys
        return
    request.getfixturevalue("kafka_jars")
    broker = kafka.Broker(tmp_path_factory.mktemp("kafka"), kafka.Options(session_ms=9000))
    try:
        broker.start()
        yield kafka.Given(broker.bootstrap)
    finally:
        broker.remove()


@pytest.fixture(scope="session", name="official_sdk")
def _official_sdk() -> Path:
    """The folder with Cisco's SDK."""
    return wanted.installed(intersight_sdk.installed)


@pytest.fixture(name="owned_broker")
def _owned_broker(kafka_jars: Path, tmp_path: Path) -> Iterator[OwnedBroker]:
    """`owned_broker(authorizer=..., users=..., tls=..., properties=...)`: a started broker that a test may maltreat."""
    assert kafka_jars.exists()
    brokers: list[kafka.Broker] = []

    def make(**options: Any) -> kafka.Broker:
        broker = kafka.Broker(tmp_path / f"broker-{len(brokers)}", kafka.Options(**options))
        brokers.append(broker)
        broker.start()
        return broker

    try:
        yield make
    finally:
        for broker in reversed(brokers):  # one that has joined another's cluster bids its controller farewell
            broker.remove()


@pytest.fixture(scope="session", name="registry")
def _registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registry.Given]:
    """The schema registry all tests share: `.url` of its ccompat/v7 face."""
    if somebodys := registry.given():
        yield somebodys
        return
    wanted.installed(registry.installed)
    started = registry.Registry(tmp_path_factory.mktemp("registry"))
    try:
        started.start()
        yield registry.Given(started.url)
    finally:
        started.remove()


@pytest.fixture(scope="session", name="other_registry")
def _other_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[registry.Given]:
    """Another implementation of a schema registry, which guards no compatibility: `.url`."""
    wanted.installed(franz.installed)
    started = franz.Registry(tmp_path_factory.mktemp("franz"))
    try:
        started.start()
        yield registry.Given(started.url)
    finally:
        started.remove()


@pytest.fixture(name="prefix")
def _prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A topic prefix that no other test has; its topics on the shared broker go when the test does."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    yield name
    if "kafka" in request.fixturenames:
        kafka.remove_topics(request.getfixturevalue("kafka").bootstrap, name)
