"""`streamer run` as an operator has it: the real process, a simulated Intersight, a real broker and registry."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from streamer.demo.credentials import Credentials
from streamer.demo.faults import Status
from tests.conftest import OwnedBroker
from tests.installation import ACCEPTED, UNHELD, Around, Credential, health, installed
from tests.process import Process

REJECTED = "poll.rejected"
TOKENS_PATH = "/api/v1/iam/OAuthTokens"


@pytest.mark.parametrize("how", ["rsa", "ec", "oauth"])
async def test_what_is_read_is_what_happened(
    kafka: Any, registry: Any, prefix: str, tmp_path: Path, how: Credential
) -> None:
    """With each credential: some polls of random life, and the events agree with the API, none of them for noise."""
    around = Around.of(kafka, registry, prefix, all_topic=how == "oauth")
    async with installed(around, tmp_path, tokens=300, acts_per_second=20, how=how, environ=UNHELD) as here:
        await here.process.start()
        await here.process.says(ACCEPTED, 5)
        here.life.vanish(next(iter(here.life.tokens)))  # few tokens end by chance in so short a life
        await here.process.says(ACCEPTED, 6)
        await here.quiet()
        ready, polls = await health(here.process, "/readyz"), len((await around.log()).reports)
        metrics = await health(here.process, "/metrics")
        while (sources := await health(here.process, "/sources")).status_code != 200:
            await here.process.says(ACCEPTED, here.process.said().count(ACCEPTED) + 1)  # not fresh: the machine is busy
        page = await health(here.process, "/")
        assert await here.process.stop() == 0
        broken = await here.verdict()

    log = await around.log()
    assert broken == []
    assert {e["event_type"] for e in log.events} == {"created", "modified", "deleted"}
    assert ready.status_code == 200
    (source,) = sources.json()
    assert source["last_sequence"] == len(log.events)
    assert source["tokens"] == len(here.life.tokens)
    counted = {name: _sum(metrics.text, name) for name in ("streamer_events_total", "streamer_api_requests_total")}
    assert counted["streamer_events_total"] == len(log.events)
    assert sum(report["requests"] for report in log.reports[:polls]) <= counted["streamer_api_requests_total"]
    assert _sum(metrics.text, "streamer_restore_seconds_count") == _sum(metrics.text, "streamer_ready") == 1
    assert "1 source, fresh" in page.text


def _sum(metrics: str, name: str) -> float:
    """Of all series of that name."""
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if re.match(rf"{name}[ {{]", line))


async def test_broker_stopped_and_started(
    owned_broker: OwnedBroker, registry: Any, prefix: str, tmp_path: Path
) -> None:
    """While Kafka is away the process lives and waits; when it is back nothing was lost and nothing stands twice."""
    broker = owned_broker()
    around = Around.of(broker, registry, prefix)
    async with installed(around, tmp_path, tokens=100, acts_per_second=20, environ=UNHELD) as here:
        await here.process.start()
        await here.process.says(ACCEPTED, 3)
        for _ in range(2):
            failed = here.process.said().count("turn.failed")
            await asyncio.to_thread(broker.stop)
            await here.process.says("turn.failed", failed + 1)
            accepted = here.process.said().count(ACCEPTED)
            broker.launch()
            await asyncio.to_thread(broker.wait)
            await here.process.says(ACCEPTED, accepted + 2)
        await here.quiet()
        assert await here.process.stop() == 0

        assert await here.verdict() == []


async def test_api_down_for_three_polls(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Every failed poll leaves a report and changes nothing; the first good one tells all that happened meanwhile."""
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=100, acts_per_second=20, environ=UNHELD) as here:
        await here.process.start()
        await here.process.says(ACCEPTED, 2)
        here.simulator.faults.arm(Status(status=503, path=TOKENS_PATH))
        await here.process.says(REJECTED, 3)
        here.simulator.faults.clear()
        await here.quiet()
        assert await here.process.stop() == 0

        assert await here.verdict() == []

    rejected = [r for r in (await around.log()).reports if r["verdict"] == "rejected"]
    assert len(rejected) >= 3
    assert {(r["reason"], r["created"], r["modified"], r["deleted"]) for r in rejected} == {("unavailable", 0, 0, 0)}


async def test_unsure_look_up_waits(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """A token that is no longer listed is not published as deleted while its look-up fails, also over a restart."""
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=20, acts_per_second=0) as here:
        moid = next(iter(here.life.tokens))
        here.simulator.faults.arm(Status(status=403, path=f"{TOKENS_PATH}/{moid}"))
        await here.process.start()
        await here.process.says(ACCEPTED, 2)
        here.life.vanish(moid)
        await here.process.says("waiting=1", 2)
        assert await here.process.stop() == 0
        waiting = await around.log()
        here.simulator.faults.clear()
        await here.process.start()
        await here.process.says("deleted=1")
        await here.quiet()
        assert await here.process.stop() == 0
        broken = await here.verdict()

    assert [e for e in waiting.of(moid) if e["event_type"] == "deleted"] == []
    assert waiting.reports[-1]["waiting"] == 1
    created, deleted = (await around.log()).of(moid)
    gone_at = here.life.truth.entries[-1].at
    assert (created["event_type"], deleted["event_type"], deleted["delete_cause"]) == ("created", "deleted", "removed")
    assert deleted["not_before"] <= gone_at <= deleted["not_after"]
    showed = [report["started_at"] for report in waiting.reports if report["waiting"] == 0][-1]
    assert deleted["not_before"] >= showed - 2000  # honest over the restart: the last poll that showed it, by `Date`
    assert deleted["delete_evidence"]["method"] == "lookup"
    assert broken == []


async def test_two_groups_with_one_prefix(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Workers of two groups fence each other: one of them ends with status 4 and names the id; nothing stands twice."""
    around = Around.of(kafka, registry, prefix)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    async with installed(around, folders[0], tokens=20, acts_per_second=20) as one:
        (folders[1] / "streamer.yaml").write_text((folders[0] / "streamer.yaml").read_text())
        two = type(one.process)("run", folder=folders[1], environ={"STREAMER_KAFKA__GROUP": f"{prefix}-others"})
        try:
            await one.process.start()
            await two.start()
            done, _ = await asyncio.wait(
                [asyncio.ensure_future(p.running.wait()) for p in (one.process, two)],
                return_when=asyncio.FIRST_COMPLETED,
            )
            loser, winner = (one.process, two) if one.process.running.returncode is not None else (two, one.process)
            assert {task.result() for task in done} == {4}, loser.said()[-2000:]
            assert f"{prefix}.state-" in loser.said()
            one.process = winner
            await one.quiet()
            assert await winner.stop() == 0
        finally:
            await two.end()

        assert await one.verdict() == []


async def test_second_signal_ends_at_once(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """SIGINT stops as SIGTERM does; a wrong configuration ends with status 2 and says what is wrong."""
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=5, acts_per_second=0) as here:
        await here.process.start()
        await here.process.says(ACCEPTED)
        assert await here.process.stop(signal.SIGINT) == 0
        written = tmp_path / "streamer.yaml"
        written.write_text(written.read_text().replace("interval", "intervall"))
        await here.process.start()
        assert await asyncio.wait_for(here.process.running.wait(), 30) == 2
        assert "intervall" in here.process.said()
        assert "did you mean" in here.process.said().lower()


async def test_a_start_without_registry_and_kafka_tells_of_both(tmp_path: Path) -> None:
    """Nothing is there: what it waits for first does not hide the other, and the hint has the keys of both."""
    nobody = "127.0.0.1:9"  # a port that nobody listens on
    environ = {
        "STREAMER_SOURCES__0__NAME": "prod",
        "STREAMER_SOURCES__0__URL": f"http://{nobody}",
        "STREAMER_SOURCES__0__API_KEY__ID": "a/u/k",
        "STREAMER_SOURCES__0__API_KEY__PEM": Credentials.new().ec.pem,
        "STREAMER_KAFKA__BOOTSTRAP_SERVERS": nobody,
        "STREAMER_REGISTRY__URL": f"http://{nobody}",
        "STREAMER_HTTP__LISTEN": "127.0.0.1:0",
    }
    process = Process("run", folder=tmp_path, environ=environ)
    await process.start()
    try:
        await process.says("start.waiting")
        (told,) = (line for line in process.said().splitlines() if "start.waiting" in line)
        assert await process.stop() == 0
    finally:
        await process.end()

    assert "what=registry" in told
    assert f"http://{nobody} cannot be reached: Connection refused; and Kafka " in told
    assert "check registry.url" in told
    assert "kafka.bootstrap_servers" in told
