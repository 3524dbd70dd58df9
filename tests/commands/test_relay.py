"""`streamer relay` as a process: relays, says whether it is ready, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.kafka.relay.stage import Bench, as_json, many, report, report_as_json, shown
from tests.kafka.stage import make
from tests.process import Process
from tests.services.feed import event
from tests.services.kafka import Given

NOWHERE = "127.0.0.1:1"


def _environ(bench: Bench) -> dict[str, str]:
    keys = {"BOOTSTRAP_SERVERS": bench.bootstrap, "TOPIC_PREFIX": bench.prefix, "VALUE_FORMAT": "avro"}
    return {f"STREAMER_KAFKA__{key}": value for key, value in keys.items()}


@asynccontextmanager
async def _started(bench: Bench, folder: Path, *options: str) -> AsyncIterator[Process]:
    process = Process("relay", *options, folder=folder, environ=_environ(bench))
    try:
        await process.start()
        yield process
    finally:
        await process.end()


async def _ready(process: Process) -> httpx.Response:
    """What `/readyz` says."""
    await process.says("http.listening")
    url = process.said().partition("url=")[2].split()[0]
    async with httpx.AsyncClient() as client:
        return await client.get(f"{url}/readyz")


async def test_it_relays_is_ready_and_stops(kafka: Given, prefix: str, tmp_path: Path) -> None:
    """Events and reports once each; ready once it has its partitions; SIGTERM ends it with 0, saying little."""
    bench = Bench(kafka.bootstrap, prefix)
    await bench.make_inputs()
    await bench.write(*many(20), report(1))
    async with _started(bench, tmp_path, "--listen", "127.0.0.1:0") as process:
        lines = await bench.comes("json", 20)
        reports = await bench.comes("snapshots.json", 1)
        while (reply := await _ready(process)).status_code != 200:
            assert reply.status_code == 503
        status = await process.stop()
        said = process.said().splitlines()

    assert (status, reply.json()) == (0, {"ready": True, "missing": {}})
    assert shown(lines) == sorted(map(as_json, many(20)))
    assert [one.value for one in reports] == [report_as_json(report(1))]
    told = [line.split()[2] for line in said if "aiokafka" not in line]
    assert set(told) <= {"http.listening", "relay.passed", "relay.share", "relay.stopped", "relay.waiting"}, said
    assert any(f"relay.passed topic={bench.names.of('json')} records=20" in line for line in said), said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stop_while_it_waits_is_a_clean_end(tmp_path: Path, number: signal.Signals) -> None:
    """Kafka is not there: unready, said once, and a signal ends it at once with 0."""
    async with _started(Bench(NOWHERE, "p"), tmp_path, "--listen", "127.0.0.1:0") as process:
        await process.says("relay.waiting part=json")
        reply = await _ready(process)
        status = await process.stop(number)

    assert (status, reply.status_code) == (0, 503)
    assert "look after the topics" in reply.json()["missing"]["json"]


async def test_two_formats_of_one_group_name_do_not_share(kafka: Given, prefix: str, tmp_path: Path) -> None:
    """`--group` gets the format behind it: each topic has all events."""
    bench = Bench(kafka.bootstrap, prefix)
    await bench.make_inputs()
    await bench.write(*many(9))
    for name in ("json", "ecs"):
        (tmp_path / name).mkdir()
    group = ("--group", f"{prefix}-g")
    async with (
        _started(bench, tmp_path / "json", "--format", "json", *group),
        _started(bench, tmp_path / "ecs", "--format", "ecs", *group),
    ):
        lengths = [len(await bench.comes(name, 9)) for name in ("json", "ecs")]

    assert lengths == [9, 9]


async def test_what_a_person_must_change_ends_it_with_2(kafka: Given, prefix: str, tmp_path: Path) -> None:
    """Unequal event topics: one line that names each with its count, and a hint."""
    bench = Bench(kafka.bootstrap, prefix)
    await make(kafka.bootstrap, bench.names.created, bench.names.modified, partitions=2)
    await make(kafka.bootstrap, bench.names.deleted, bench.names.snapshots)
    async with _started(bench, tmp_path) as process:
        status = await asyncio.wait_for(process.running.wait(), 60)

    assert status == 2
    assert "same number of partitions" in process.said()
    assert "hint:" in process.said()
    assert "Traceback" not in process.said()


async def test_from_beginning_relays_all_again(kafka: Given, prefix: str, tmp_path: Path) -> None:
    """A group without offsets, and a topic that holds records: 2 without the option, all once more with it."""
    bench = Bench(kafka.bootstrap, prefix)
    await bench.make_inputs()
    await bench.write(event(1))
    async with bench.relaying():
        await bench.comes("json", 1)
    async with _started(bench, tmp_path, "--group", "other") as process:
        status = await asyncio.wait_for(process.running.wait(), 60)
    async with _started(bench, tmp_path, "--group", "other", "--from-beginning"):
        found = await bench.comes("json", 2)

    assert (status, "--from-beginning" in process.said()) == (2, True)
    assert shown(found) == 2 * [as_json(event(1))]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "xml"], "'xml' is not one of 'json', 'ocsf', 'ecs'"),
        (["--listen", "nowhere"], "'nowhere' is given, wanted host:port, such as 127.0.0.1:9465"),
        (["--listen", "192.0.2.1:9465"], "cannot be listened on"),
    ],
)
def test_wrong_usage_is_status_2(tmp_path: Path, options: list[str], said: str) -> None:
    """The message names what was given and what is wanted."""
    command = [sys.executable, "-m", "streamer", "relay", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_the_help_has_two_examples() -> None:
    """`--help` says what it does, each option, and two examples."""
    command = [sys.executable, "-m", "streamer", "relay", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.count("  streamer relay ") == 2
