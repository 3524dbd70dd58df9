"""The demo's broker: speaks Kafka to our client, and never outlives whoever started it."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streamer.demo.broker import embedded_broker
from streamer.errors import Misconfigured, Unready

PARENT = """
import asyncio
from streamer.demo.broker import embedded_broker

async def main():
    async with embedded_broker() as bootstrap:
        print(bootstrap, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def _connected(bootstrap: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = bootstrap.split(":")
    return await asyncio.open_connection(host, int(port))


async def _hung_up(reader: asyncio.StreamReader) -> bool:
    """Whether the other side is gone; waits until it is."""
    try:
        return await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionError:
        return True


async def test_a_transaction_goes_in_and_comes_out() -> None:
    """What one client commits another reads, headers included, on a topic nobody made."""
    async with embedded_broker() as bootstrap:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="one")
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait("seen", b"v", key=b"k", headers=[("h", b"x")], partition=3)
        await producer.stop()
        consumer = AIOKafkaConsumer(
            "seen",
            bootstrap_servers=bootstrap,
            check_crcs=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await consumer.start()
        record = await asyncio.wait_for(consumer.getone(), 10)
        await consumer.stop()
    assert (record.partition, record.key, record.value, record.headers) == (3, b"k", b"v", (("h", b"x"),))


async def test_it_is_gone_when_the_block_ends() -> None:
    """Its connections close and its address refuses."""
    async with embedded_broker() as bootstrap:
        reader, writer = await _connected(bootstrap)
    assert await _hung_up(reader)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await _connected(bootstrap)


async def test_it_dies_with_a_killed_parent() -> None:
    """SIGKILL of the process that started it leaves no orphan."""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    bootstrap = (await parent.stdout.readline()).decode().strip()
    reader, writer = await _connected(bootstrap)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    assert await _hung_up(reader)
    writer.close()


async def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without confluent-kafka the hint is the command that installs it."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(Misconfigured, match="confluent-kafka") as caught:
        async with embedded_broker():
            pass
    assert caught.value.hint == "in the folder of README: pip install -e '.[demo]'; or pip install confluent-kafka"


async def test_a_child_that_ends_at_once_is_unready(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address, no broker: the error says so, and waits for nothing."""
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(Unready, match="ended while it started"):
        async with embedded_broker():
            pass
