"""The services themselves: what the other tests stand on."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.conftest import OwnedBroker
from tests.services import jvm, kafka
from tests.services.reader import ends, read_all


async def _make_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()


async def _write(bootstrap: str, topic: str, *, commit: bool) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"{topic}-id")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"v", key=b"k", headers=[("h", b"x")], timestamp_ms=5, partition=1)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def test_reader_sees_committed_records_only(kafka: kafka.Given, prefix: str) -> None:
    """An aborted record is invisible under read_committed and visible under read_uncommitted."""
    topic = f"{prefix}.seen"
    await _make_topic(kafka.bootstrap, topic)
    await _write(kafka.bootstrap, topic, commit=True)
    await _write(kafka.bootstrap, topic, commit=False)

    committed = await read_all(kafka.bootstrap, [topic])
    everything = await read_all(kafka.bootstrap, [topic], "read_uncommitted")

    assert [(m.partition, m.offset, m.key, m.value, m.headers) for m in committed] == [
        (1, 0, b"k", b"v", (("h", b"x"),))
    ]
    assert [m.offset for m in everything] == [0, 2]


async def test_owned_broker_keeps_its_data_through_kill_pause_and_stop(owned_broker: OwnedBroker) -> None:
    """What was committed survives SIGKILL, SIGSTOP and a clean stop, at the same address."""
    broker = owned_broker()
    await _make_topic(broker.bootstrap, "kept")
    await _write(broker.bootstrap, "kept", commit=True)
    # killed before a commit is marked in the topic, a lone broker may lose the mark
    assert [m.value for m in await read_all(broker.bootstrap, ["kept"], patience_s=30)] == [b"v"]

    broker.kill()
    assert not broker.running
    broker.launch()
    await asyncio.to_thread(broker.wait)
    broker.pause()
    broker.resume()
    broker.stop()
    broker.start()

    assert [m.value for m in await read_all(broker.bootstrap, ["kept"])] == [b"v"]
    assert ends(broker.bootstrap, ["kept"]) == {("kept", 0): 0, ("kept", 1): 2}


def test_registry_answers(registry: Any) -> None:
    """The registry serves the Confluent-compatible face under the given URL."""
    with urllib.request.urlopen(f"{registry.url}/subjects", timeout=10) as reply:
        assert isinstance(json.load(reply), list)


def test_missing_maven_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Maven is told what to install."""
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(jvm.Missing, match="install `mvn`"):
        jvm.maven("-v")


def test_missing_java_is_one_sentence() -> None:
    """A machine whose Java is too old is told what to install."""
    with pytest.raises(jvm.Missing, match="Java 9999 or newer"):
        jvm.java(9999)
