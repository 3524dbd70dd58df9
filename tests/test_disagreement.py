"""Workers, files and topics that do not agree: what is different is said by name, and nothing is published for it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from streamer.clock import utc_ms
from streamer.health import Board
from streamer.kafka.connection import Connection
from streamer.kafka.reports import Reports
from streamer.kafka.topics import partition_of
from streamer.serving import serve
from streamer.state import source_key, token_key
from streamer.status.application import application
from streamer.strangers import MISMATCH
from streamer.watch import STATE_DAMAGED
from tests import laws
from tests.builders import token
from tests.installation import ACCEPTED, Around, installed
from tests.kafka.bench import ONE, TWO, OnBroker, by_key, start
from tests.kafka.stage import record, writer
from tests.services import kafka as services
from tests.stage import POLICY, Stage
from tests.test_worker import Bench, Walked, comes, settled

FAR = next(
    name for name in map("far{}".format, range(99)) if partition_of(name.encode(), 2) != partition_of(b"prod", 2)
)


@pytest.fixture(name="bench")
async def _bench(kafka: services.Given, prefix: str) -> AsyncIterator[Bench]:
    """Two workers' sources, and one that lives in another partition if there are two; topics are the test's to make."""
    broker = OnBroker(kafka.bootstrap, prefix)
    made = Bench(broker)
    made.accounts[FAR] = Walked()
    yield made
    await broker.close()


@asynccontextmanager
async def shown(board: Board) -> AsyncIterator[httpx.AsyncClient]:
    """What a worker serves."""
    async with serve(application(board, utc_ms)) as url, httpx.AsyncClient(base_url=url) as client:
        yield client


async def known_as_strange(board: Board, *names: str) -> None:
    """Wait until these are shown as sources that nobody here polls, beside one that is polled and ready."""
    await comes(lambda: all(name in board.sources and board.sources[name].last_reason for name in names))
    await settled((board, 1 + len(names)))
    assert {board.sources[name].last_reason for name in names} == {MISMATCH}


def told(caplog: pytest.LogCaptureFixture, *events: str) -> list[tuple[str, str | None]]:
    """The lines of these kinds, each with its source."""
    lines = [(r.getMessage(), vars(r).get("fields", {}).get("source")) for r in caplog.records]
    return [line for line in lines if line[0] in events]


async def mismatches(bench: Bench) -> list[str]:
    """The sources that a report of a configuration that differs is about, in order."""
    return [report["source"] for report in await bench.reports() if report["reason"] == MISMATCH]


async def begun(bench: Bench, *names: str) -> None:
    """These have been polled by a worker that is gone."""
    async with bench.working(*names):
        for name in names:
            await bench.polled(name, 1)


async def test_a_removed_source_is_shown_and_reported_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Whether the partition holds sources of ours or not; it is red, until the file knows it again; its rows stay."""
    await bench.broker.make_topics(state=2)
    await begun(bench, ONE, TWO, FAR)
    before = {name: await bench.broker.ledger(name).restore(name) for name in (TWO, FAR)}
    caplog.set_level(logging.WARNING)
    for _ in range(2):  # the second time it is nothing new
        async with bench.working(ONE, owner="me") as board, shown(board) as client:
            await known_as_strange(board, TWO, FAR)
            reply = await client.get("/sources")
            row = next(row for row in reply.json() if row["source"] == FAR)

    assert reply.status_code == 503
    assert (row["owner"], row["tokens"], row["interval_s"], row["healthy"]) == ("me", 1, None, False)
    assert (row["last_verdict"], row["last_reason"]) == ("rejected", MISMATCH)
    assert (far := before[FAR].row) is not None
    assert row["epoch"] == far.epoch
    assert sorted(told(caplog, "source.unknown")) == 2 * [("source.unknown", FAR)] + 2 * [("source.unknown", TWO)]
    assert sorted(await mismatches(bench)) == sorted([TWO, FAR])
    for name, state in before.items():
        assert (await bench.broker.ledger(name).restore(name)).tokens == state.tokens


async def test_a_source_that_comes_back_goes_on(bench: Bench) -> None:
    """Where it was: nothing is created anew, nothing deleted; that it changed hands is reported both ways."""
    await bench.broker.make_topics(state=2)
    await begun(bench, ONE, FAR)
    async with bench.working(ONE) as board:
        await known_as_strange(board, FAR)
        await bench.polled(ONE, 2)
    await begun(bench, ONE, FAR)

    events = [event for event in laws.events(await bench.broker.records()) if event["source"] == FAR]
    polls = [report["verdict"] for report in await bench.reports() if report["source"] == FAR]
    assert await mismatches(bench) == [FAR, FAR]
    assert [event["event_type"] for event in events] == ["created"]
    assert polls[-1] == "accepted"


async def test_a_look_for_strangers_fences_nobody(bench: Bench) -> None:
    """A partition without a source of ours is only read: whoever writes there goes on."""
    await bench.broker.make_topics(state=2)
    names = bench.broker.names
    home = partition_of(FAR.encode(), 2)
    other = writer(bench.broker.bootstrap, f"{names.state}-{home}", [names.control])
    await other.open()
    async with bench.working(ONE) as board:
        await bench.polled(ONE, 2)
        await settled((board, 1))
        await other.commit([record(names.control, b"x")])
        await other.close()


async def test_rows_in_a_partition_that_is_not_theirs_are_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """As after a copy of the state to a topic with more partitions: they are not used, and not taken for a source."""
    await bench.broker.make_topics(state=2)
    one = partition_of(ONE.encode(), 2)
    name = next(
        n for n in map("n{}".format, range(99)) if partition_of(n.encode(), 3) == one != partition_of(n.encode(), 2)
    )
    layout = bench.broker.layout
    bench.broker.layout = replace(layout, state=3)
    await start(bench.broker.ledger(name), name, token("a"))
    bench.broker.layout = layout
    async with bench.working(ONE) as board:
        await bench.polled(ONE, 1)
        await comes(lambda: told(caplog, "state.misplaced") == [("state.misplaced", name)])
        assert set(board.sources) == {ONE}


async def test_a_state_that_was_lost_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Readers know the source, the state does not: a new epoch begins, with a warning that a first start has not."""
    await bench.broker.make_topics()
    caplog.set_level(logging.WARNING)
    await begun(bench, ONE)
    assert told(caplog, "state.lost", "reports.unread") == []
    services.remove_topics(bench.broker.bootstrap, bench.broker.names.state)
    await bench.broker.make_topics()
    await begun(bench, ONE, TWO)

    epochs = {report["epoch"] for report in await bench.reports() if report["source"] == ONE}
    assert told(caplog, "state.lost", "reports.unread") == [("state.lost", ONE)]
    assert len(epochs) == 2


async def test_reports_that_cannot_be_read_stop_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Whether the state was lost is then not known, which is said once."""
    reports = Reports(Connection(("127.0.0.1:1",)), "p.snapshots", 1)

    await reports.warn_of(ONE)
    await reports.warn_of(TWO)

    assert told(caplog, "state.lost", "reports.unread") == [("reports.unread", None)]


async def test_another_number_of_state_partitions_is_refused(
    kafka: Any, registry: Any, prefix: str, tmp_path: Path
) -> None:
    """By the real service, at its start, with status 2, both numbers and what to do; nothing is polled or written."""
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=3, acts_per_second=0) as here:
        await here.process.start()
        await here.process.says(ACCEPTED)
        assert await here.process.stop() == 0
        before = len((await around.log()).reports)
        written = yaml.safe_load((tmp_path / "streamer.yaml").read_text())
        written["kafka"]["state_partitions"] = 3
        (tmp_path / "streamer.yaml").write_text(yaml.safe_dump(written))
        await here.process.start()
        assert await here.process.running.wait() == 2

    assert f"kafka.state_partitions: 3 is given, topic {prefix}.state has 2" in here.process.said()
    assert "set kafka.state_partitions: 2" in here.process.said()
    assert len((await around.log()).reports) == before


async def test_what_is_gone_does_not_begin_anew() -> None:
    """A stranger whose rows have vanished in the meantime: there is nothing to be tended, and nothing is written."""
    stage = Stage(policy=replace(POLICY, configured=False))

    assert await stage.cycle.prepare() is None
    assert stage.log.records == []


async def test_a_damaged_row_stops_its_own_source(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Configured or not, it is red and named with the row's key; all others are polled; repaired, it goes on.

    Nothing is published for it meanwhile.
    """
    await bench.broker.make_topics(state=2)
    await begun(bench, ONE, TWO, FAR)
    first, sound = await bench.reports(), by_key(await bench.broker.records())
    rows = {token_key(TWO, "a"): sound[token_key(TWO, "a")], source_key(FAR): sound[source_key(FAR)]}
    for key in rows:
        bench.broker.plant(key, b"\x01 cut short")
    async with bench.working(ONE, TWO) as board, shown(board) as client:
        await comes(lambda: all(name in board.sources and board.sources[name].damaged_state for name in (TWO, FAR)))
        before = await bench.polled(ONE, 2)
        listed, ready, alive = [await client.get(path) for path in ("/sources", "/readyz", "/healthz")]
        for key, row in rows.items():
            bench.broker.plant(key, row)
        await bench.polled(TWO, 1)

    assert (listed.status_code, ready.status_code, alive.status_code) == (503, 503, 200)
    red = {row["source"]: (row["last_verdict"], row["last_reason"]) for row in listed.json() if not row["healthy"]}
    assert red == dict.fromkeys((TWO, FAR), ("rejected", STATE_DAMAGED))
    assert (missing := ready.json()["missing"]).keys() == {TWO, FAR}
    assert f"{bench.broker.names.state}-{partition_of(TWO.encode(), 2)}, key b'{TWO}/t/a'" in missing[TWO]
    assert {source for event, source in told(caplog, "turn.failed")} == {TWO, FAR}
    assert sum(report["source"] == TWO for report in before) == sum(report["source"] == TWO for report in first)
    assert len(laws.events(await bench.broker.records())) == 3


async def test_rows_without_their_sources_own_are_no_source(bench: Bench) -> None:
    """What a forgetting that was cut off may leave behind is not shown as a source."""
    await bench.broker.make_topics()
    names = bench.broker.names
    other = writer(bench.broker.bootstrap, f"{names.state}-0", [names.state])
    await start(bench.broker.ledger(TWO), TWO, token("a"))
    await other.open()
    await other.commit([replace(record(names.state, b""), key=source_key(TWO), value=None)])
    await other.close()

    assert await bench.broker.ledger(ONE).sources(0) == frozenset()
