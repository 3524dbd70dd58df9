"""Lines of libraries that repeat themselves are kept back by kind, and counted."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest
from aiokafka.conn import create_conn
from aiokafka.errors import NotLeaderForPartitionError
from confluent_kafka import Producer

from streamer import log
from streamer.log import Calm


def record(event: str, /, *, name: str = "streamer", level: int = logging.INFO, args: Any = ()) -> logging.LogRecord:
    """A line of a library, or of ours."""
    return logging.makeLogRecord({"name": name, "levelno": level, "msg": event, "args": args})


class Clock:
    """Monotonic seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_an_identical_line_of_aiokafka_passes_once_in_ten_seconds() -> None:
    """Repetitions within 10 s of the line that passed are kept back; the next one says how many."""
    clock = Clock()
    calm = Calm(clock)
    passed: list[tuple[float, Any]] = []

    for tenth in range(250):
        clock.now = tenth / 10
        line = record("Unable connect to node with id 1", name="aiokafka.client", level=logging.ERROR)
        if calm.filter(line):
            passed.append((clock.now, getattr(line, "fields", None)))

    assert passed == [(0.0, None), (10.0, {"repeated": 99}), (20.0, {"repeated": 99})]


def test_what_is_no_request_does_not_fill_the_log() -> None:
    """Whoever can reach the port may send as many as they like: it is said once in 10 s."""
    calm = Calm(Clock())
    said = [record("Invalid HTTP request received.", name="uvicorn.error", level=logging.WARNING) for _ in range(50)]

    assert [calm.filter(line) for line in said] == [True] + 49 * [False]


def test_other_lines_pass() -> None:
    """Another text, level or logger is another line; ours and other libraries' are never kept back."""
    calm = Calm(Clock())
    lines = [
        record("one", name="aiokafka.conn"),
        record("two", name="aiokafka.conn"),
        record("one", name="aiokafka.client"),
        record("one", name="aiokafka.conn", level=logging.ERROR),
        record("one"),
        record("one"),
        record("one", name="aiokafkaesque"),
        record("one", name="aiokafkaesque"),
    ]

    assert [calm.filter(line) for line in lines] == [True] * len(lines)
    assert calm.filter(record("one", name="aiokafka.conn")) is False


def test_a_cluster_is_no_noisier_than_one_broker() -> None:
    """Lines that differ in broker or topic alone are alike; another kind of cause is news."""
    calm, said = Calm(Clock()), "Unable connect to node with id %s: %s"
    causes = [ConnectionRefusedError("a:1"), ConnectionRefusedError("b:2"), TimeoutError(), ConnectionRefusedError("c")]
    lines = [record(said, name="aiokafka.client", args=(node, cause)) for node, cause in enumerate(causes)]

    assert [calm.filter(line) for line in lines] == [True, False, True, False]


def test_a_partition_that_gets_its_leader_is_no_news() -> None:
    """A topic that was just made has no leader for a moment, and the client asks again: it is told if that lasts."""
    clock = Clock()
    calm, passed = Calm(clock), []

    for tenth in (*range(5), *range(36_000, 36_005), *range(72_000, 72_150)):
        clock.now = tenth / 10
        line = record("Failed %s", name="aiokafka.fetcher", level=log.ERROR, args=(NotLeaderForPartitionError(),))
        if calm.filter(line):
            passed.append((clock.now, line.__dict__["fields"]))

    assert passed == [(7210.0, {"repeated": 100})]


def test_what_an_error_of_ours_tells_is_not_told_twice() -> None:
    """A line that was gathered for an error is left to that; below the level that is wanted nothing passes."""
    gathered = record("one", name="aiokafka.conn", level=log.ERROR)
    gathered.gathered = True

    assert Calm(Clock()).filter(gathered) is False
    assert Calm(Clock(), least=log.ERROR).filter(record("one", name="aiokafka.conn", level=log.WARNING)) is False


def test_what_is_remembered_is_bounded() -> None:
    """Lines that never repeat do not fill the memory; those too many to remember pass."""
    clock = Clock()
    calm = Calm(clock)

    for number in range(3 * log.REMEMBERED):
        assert calm.filter(record(f"offset {number}", name="aiokafka.conn"))
    assert len(calm._said) == log.REMEMBERED

    clock.now = log.QUIET_S
    assert calm.filter(record("another", name="aiokafka.conn"))
    assert len(calm._said) == 1


@pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning")
async def test_a_connection_that_a_stop_left_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """Who is cancelled while aiokafka connects leaves one behind; it is closed as that is said."""
    cluster = Producer({"bootstrap.servers": "x:1", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()

    await create_conn(broker.host, broker.port)  # and nobody keeps it
    gc.collect()

    (said,) = [line for line in caplog.records if line.name == "asyncio" and line.levelno == logging.ERROR]
    assert Calm(Clock()).filter(said) is False
    assert Calm(Clock()).filter(record("Task was destroyed but it is pending!", name="asyncio", level=logging.ERROR))
