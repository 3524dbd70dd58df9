"""The writer: a transaction is in the log whole or not at all, and whatever goes wrong is called by its name."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from streamer.errors import Doubt, Fenced, Misconfigured, Unready
from streamer.kafka.writer import BATCH_BYTES, LARGEST_RECORD, Outgoing, Writer
from tests.kafka.stage import ANSWER_LIMIT_S, NOW, Dies, alice, complaints, left_running, make, record, values, writer
from tests.services.kafka import Broker, Given
from tests.services.reader import read_all


async def test_a_transaction_is_written_as_given(kafka: Given, prefix: str) -> None:
    """Topic, partition, key, value, tombstone, timestamp and headers arrive as given, in order per partition."""
    events, state = f"{prefix}.events", f"{prefix}.state"
    await make(kafka.bootstrap, events, state, partitions=3)
    head = (("ce_id", b"1"), ("content-type", "ü".encode()))
    records = [
        Outgoing(events, 2, b"a", b"one", NOW, head),
        Outgoing(state, 0, b"s/t/a", None, NOW + 1),
        Outgoing(events, 2, b"a", b"two", NOW + 2, head),
        Outgoing(events, 0, b"b", b"", NOW + 3),
    ]
    one = writer(kafka.bootstrap, prefix, [events, state])
    await one.open()

    await one.commit(records)
    await one.close()

    found = await read_all(kafka.bootstrap, [events, state])
    assert [(m.topic, m.partition, m.key, m.value, m.timestamp, m.headers) for m in found] == [
        (events, 0, b"b", b"", NOW + 3, ()),
        (events, 2, b"a", b"one", NOW, head),
        (events, 2, b"a", b"two", NOW + 2, head),
        (state, 0, b"s/t/a", None, NOW + 1, ()),
    ]


async def test_many_batches_keep_their_order(kafka: Given, prefix: str) -> None:
    """A transaction of many batches a partition, unequal partitions included, arrives whole and in order."""
    await make(kafka.bootstrap, prefix, partitions=3)
    padding = os.urandom(500)
    sizes = {0: 9 * BATCH_BYTES, 1: 2 * BATCH_BYTES, 2: 1}
    records = [
        record(prefix, b"%d " % number + padding, partition=partition)
        for partition, size in sizes.items()
        for number in range(1 + size // len(padding))
    ]
    one = writer(kafka.bootstrap, prefix, [prefix])
    await one.open()

    await one.commit(sorted(records, key=lambda r: int((r.value or b"").split()[0])))
    await one.close()

    found = [(m.partition, m.value) for m in await read_all(kafka.bootstrap, [prefix])]
    assert found == [(r.partition, r.value) for r in records]


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_every_compression_is_readable(kafka: Given, prefix: str, compression: str) -> None:
    """Another client reads what was written, whichever compression is configured."""
    await make(kafka.bootstrap, prefix)
    one = writer(kafka.bootstrap, prefix, [prefix], compression=compression)
    await one.open()
    await one.commit([record(prefix, b"x" * 10_000)])
    await one.close()

    assert await values(kafka.bootstrap, prefix) == [b"x" * 10_000]


async def test_a_writer_goes_on_for_many_transactions(kafka: Given, prefix: str) -> None:
    """One opening serves any number of commits, and an empty one is a commit too."""
    await make(kafka.bootstrap, prefix)
    one = writer(kafka.bootstrap, prefix, [prefix])
    await one.open()
    for number in range(5):
        await one.commit([record(prefix, b"%d" % number)])
    await one.commit([])

    assert one.is_open
    await one.close()
    await one.close()
    assert not one.is_open
    assert await values(kafka.bootstrap, prefix) == [b"0", b"1", b"2", b"3", b"4"]
    assert not await left_running()


async def test_the_largest_record_fits_and_a_larger_one_is_refused(kafka: Given, prefix: str) -> None:
    """An incompressible record of the largest size passes; one byte more is refused, and nothing is sent."""
    await make(kafka.bootstrap, prefix, max_message_bytes=2 * 2**20)
    one = writer(kafka.bootstrap, prefix, [prefix])
    largest = os.urandom(LARGEST_RECORD - 1)
    await one.open()
    await one.commit([record(prefix, b"before"), record(prefix, largest), record(prefix, b"after")])

    with pytest.raises(Doubt, match=f"a record of {LARGEST_RECORD + 1} bytes for {prefix}"):
        await one.commit([record(prefix, b"lost"), record(prefix, largest + b"x")])

    assert not one.is_open
    assert await values(kafka.bootstrap, prefix) == [b"before", largest, b"after"]


async def test_opening_aborts_what_the_id_left_open(kafka: Given, prefix: str) -> None:
    """A writer that died within a transaction leaves nothing to read, and blocks nobody once the next one opened."""
    await make(kafka.bootstrap, prefix)
    dying, heir = writer(kafka.bootstrap, prefix, [prefix], Dies), writer(kafka.bootstrap, prefix, [prefix])
    await dying.open()
    with pytest.raises(KeyboardInterrupt):
        await dying.commit([record(prefix, b"never")])
    assert not dying.is_open

    await heir.open()
    await heir.commit([record(prefix, b"heir")])
    await heir.close()

    assert await values(kafka.bootstrap, prefix) == [b"heir"]
    assert [m.value for m in await read_all(kafka.bootstrap, [prefix], "read_uncommitted")] == [b"never", b"heir"]


# Who may write...


async def test_a_second_writer_of_the_id_fences_the_first(
    kafka: Given, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one's next commit is Fenced and leaves no record; it is closed then and only opening helps."""
    await make(kafka.bootstrap, prefix)
    first, second = (writer(kafka.bootstrap, prefix, [prefix]) for _ in range(2))
    await first.open()
    await first.commit([record(prefix, b"first")])
    await second.open()

    with pytest.raises(Fenced, match=f"writer {prefix} was fenced"):
        await first.commit([record(prefix, b"zombie")])
    with pytest.raises(Doubt, match="is closed"):
        await first.commit([record(prefix, b"zombie")])
    await second.commit([record(prefix, b"second")])
    await second.close()

    assert await values(kafka.bootstrap, prefix) == [b"first", b"second"]
    assert not complaints(caplog)


async def test_fencing_during_a_transaction(kafka: Given, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """A writer that is fenced between its sends and its commit is Fenced, and nothing is left to complain about."""

    class Overtaken(Writer):
        async def _end(self, producer: Any, deadline: float) -> None:
            await second.open()
            await super()._end(producer, deadline)

    await make(kafka.bootstrap, prefix)
    first, second = writer(kafka.bootstrap, prefix, [prefix], Overtaken), writer(kafka.bootstrap, prefix, [prefix])
    await first.open()

    with pytest.raises(Fenced):
        await first.commit([record(prefix, b"zombie")])
    await second.close()

    assert await values(kafka.bootstrap, prefix) == []
    assert not await left_running()
    assert not complaints(caplog)


async def test_fencing_works_across_clients(kafka: Given, prefix: str) -> None:
    """Librdkafka's producer of the same id fences ours, and ours fences it."""
    await make(kafka.bootstrap, prefix)
    ours = writer(kafka.bootstrap, prefix, [prefix])
    await ours.open()
    theirs = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": prefix, "log_level": 0})
    await asyncio.to_thread(theirs.init_transactions, ANSWER_LIMIT_S)

    with pytest.raises(Fenced):
        await ours.commit([record(prefix, b"ours")])
    theirs.begin_transaction()
    theirs.produce(prefix, b"theirs")
    await asyncio.to_thread(theirs.commit_transaction, ANSWER_LIMIT_S)
    await ours.open()
    theirs.begin_transaction()
    theirs.produce(prefix, b"zombie")
    with pytest.raises(KafkaException) as fenced:
        await asyncio.to_thread(theirs.commit_transaction, ANSWER_LIMIT_S)

    assert fenced.value.args[0].code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED)
    await ours.commit([record(prefix, b"ours again")])
    await ours.close()
    assert await values(kafka.bootstrap, prefix) == [b"theirs", b"ours again"]


async def test_a_transaction_that_takes_too_long_is_fenced(kafka: Given, prefix: str) -> None:
    """The broker aborts it and says the same as of another writer; nothing of it is read."""

    class Slow(Writer):
        async def _end(self, producer: Any, deadline: float) -> None:
            await read_all(kafka.bootstrap, [prefix], patience_s=ANSWER_LIMIT_S)  # until nothing is open there any more
            await super()._end(producer, deadline + ANSWER_LIMIT_S)

    await make(kafka.bootstrap, prefix)
    slow = writer(kafka.bootstrap, prefix, [prefix], Slow, timeout_s=1.0)
    await slow.open()

    with pytest.raises(Fenced, match="or its transaction took too long"):
        await slow.commit([record(prefix)])

    assert await values(kafka.bootstrap, prefix) == []


# Opening...


async def test_no_broker_is_unready() -> None:
    """A closed port is Unready, names the address and the cause, and leaves nothing behind."""
    nowhere = writer("127.1.2.3:19099", "t", ["t"])

    with pytest.raises(Unready, match=r"Kafka at 127.1.2.3:19099: cannot start the writer t: .*Connect call failed"):
        await nowhere.open()

    assert not nowhere.is_open
    assert not await left_running()


async def test_a_missing_topic_is_unready(kafka: Given, prefix: str) -> None:
    """A topic that does not exist is named before the first transaction, not in it."""
    one = writer(kafka.bootstrap, prefix, [f"{prefix}.none"], timeout_s=2.0)

    with pytest.raises(Unready, match=f"topic {prefix}.none does not exist"):
        await one.open()

    assert not one.is_open


async def test_a_denied_id_is_misconfigured(guarded: Broker, prefix: str) -> None:
    """A user without rights on the transactional id is told which right is missing."""
    one = Writer(alice(guarded), prefix, compression="zstd", timeout_s=20.0, topics=[])

    with pytest.raises(
        Misconfigured, match=rf"cannot start the writer {prefix}: User:alice lacks Write on tra"
    ) as denied:
        await one.open()

    assert f"--operation Write --transactional-id {prefix}" in denied.value.hint


async def test_a_timeout_beyond_the_brokers_is_misconfigured(kafka: Given, prefix: str) -> None:
    """Kafka's own limit of a transaction is named as what it is."""
    one = writer(kafka.bootstrap, prefix, [], timeout_s=1_000_000.0)

    with pytest.raises(Misconfigured, match=r"kafka.transaction.timeout: 1e\+06s is given"):
        await one.open()
