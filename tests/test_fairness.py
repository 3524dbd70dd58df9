"""Many accounts on one worker: whatever some of them do, the others are polled when they are due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamer.intersight.client import _trust
from streamer.known import Known
from streamer.tokens import Snapshot
from tests.builders import token
from tests.chaos.fleet import fleet
from tests.fakes import Account
from tests.installation import Around
from tests.intersight.stage import Wire, wire
from tests.kafka.bench import ONE, TWO, OnBroker
from tests.services.kafka import Given
from tests.services.reader import read_all
from tests.services.tls import self_signed
from tests.stage import POLICY
from tests.test_worker import Bench, Now, comes

MANY = 400  # tokens: some 80 transactions of 10 records
HEALTHY = ("berlin", "lagos", "lima", "osaka")
HANGING = tuple(f"hanging-{number}" for number in range(6))
PLACES = 4
AT_ONCE = 3


class Counted(Account):
    """An account that stands in `reading` while its list is asked for, which is not answered before `go` is set."""

    def __init__(self, reading: set[Account], go: asyncio.Event) -> None:
        super().__init__(Now())
        self._reading = reading
        self._go = go
        self.show([token("a")])

    async def snapshot(self, known: Known) -> Snapshot:
        """See `streamer.judging.gather.Source`."""
        self._reading.add(self)
        await self._go.wait()
        self._reading.remove(self)
        return await super().snapshot(known)


@pytest.fixture(name="bench")
async def _bench(kafka: Given, prefix: str) -> AsyncIterator[Bench]:
    """One state partition for all."""
    broker = OnBroker(kafka.bootstrap, prefix)
    await broker.make_topics()
    yield Bench(broker)
    await broker.close()


async def test_a_huge_change_lets_its_mates_in_between(bench: Bench) -> None:
    """A source that takes many transactions has the partition, and its one writer, never to itself until its end."""
    bench.accounts[ONE].show([token(f"m{number}") for number in range(MANY)])
    policy = replace(POLICY, form=replace(POLICY.form, records=10))
    async with bench.working(ONE, TWO, policy=policy):
        await bench.polled(ONE, 1)

    rows = [m.key or b"" for m in await read_all(bench.broker.bootstrap, [bench.broker.names.state])]
    written = [number for number, key in enumerate(rows) if key.startswith(f"{ONE}/t/".encode())]
    mates = [number for number, key in enumerate(rows) if key == TWO.encode()]
    between = {sum(number < mate for number in written) for mate in mates} - {0, len(written)}
    assert len(written) == MANY
    assert len(between) > 3


async def test_no_more_polls_at_a_time_than_allowed(bench: Bench) -> None:
    """However many are due, and as many as that; the others wait for a place, and are polled when there is one."""
    reading: set[Account] = set()
    go = asyncio.Event()
    accounts = {f"account-{number}": Counted(reading, go) for number in range(12)}
    bench.accounts |= accounts  # type: ignore[arg-type]  # none of these is held by a test
    async with bench.working(*accounts, places=AT_ONCE) as board:
        await comes(lambda: len(bench.places._lines[0]._queue) == len(accounts) - AT_ONCE)
        assert len(reading) == AT_ONCE
        go.set()
        await comes(lambda: all(board.sources[name].last_verdict == "accepted" for name in accounts))


async def _hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Takes every request, and answers none."""
    while await reader.read(65536):
        pass


async def _drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begins to answer, and never comes to the end; it must be read on to see that the other side is gone."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
    await _hangs(reader, writer)


async def _lies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers everything at once, with a page of HTML."""
    while await reader.read(65536):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>")


async def _fails(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Is out of order."""
    while await reader.read(65536):
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


HOSTILE: dict[str, Wire] = {
    **dict.fromkeys(HANGING, _hangs),
    "dripping": _drips,
    "lying": _lies,
    "failing": _fails,
}


async def _among_hostile_ones(folder: Path, opened: AsyncExitStack) -> None:
    """These come first in the configuration, so they ask for places first, in the one partition there is.

    Who hangs does so for longer than any test runs.
    """
    path = folder / "worker-0" / "streamer.yaml"
    written = yaml.safe_load(path.read_text())
    sources = []
    for name, behaviour in HOSTILE.items():
        url = f"http://{await opened.enter_async_context(wire(behaviour))}"
        sources.append({**written["sources"][0], "name": name, "url": url, "timeout": "1h"})
    written["sources"] = [*sources, *written["sources"]]
    written["kafka"]["state_partitions"] = 1
    written["max_concurrent_polls"] = PLACES
    path.write_text(yaml.safe_dump(written))


async def test_hostile_accounts_delay_nobody(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """More of them hang than there are places, others fail and lie: the real worker polls the rest again and again.

    It does so before a single hanging one has come to an end, from the first poll on, when it knows nothing of them.
    """
    around = Around.of(kafka, registry, prefix)
    async with (
        fleet(around, tmp_path, accounts=HEALTHY, workers=1, acts_per_second=2) as here,
        AsyncExitStack() as opened,
    ):
        await _among_hostile_ones(tmp_path, opened)
        await here.starts()
        await here.polls(3)
        broken = await here.verdict()
        log = await around.log()
        await here.workers[0].kill()

    verdicts = {(report["source"], report["verdict"]) for report in log.reports}
    assert broken == []
    assert {source for source, _ in verdicts}.isdisjoint(HANGING)
    assert {("lying", "rejected"), ("failing", "rejected")} <= verdicts
    assert {source for source, verdict in verdicts if verdict == "accepted"} == set(HEALTHY)


def test_sources_that_trust_alike_share_what_that_takes(tmp_path: Path) -> None:
    """A context takes up to a megabyte; one for each account would be most of the memory."""
    ours, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    for path in (ours, other):
        path.write_bytes(self_signed("127.0.0.1"))

    contexts = [
        [_trust(path, verify_tls=verify, where="sources.a") for _ in range(2)]
        for path, verify in ((ours, True), (other, True), (None, True), (None, False))
    ]
    ours.write_bytes(other.read_bytes())
    renewed = _trust(ours, verify_tls=True, where="sources.a")

    assert all(one is again for one, again in contexts)
    assert len({id(one) for one, _ in contexts} | {id(renewed)}) == 5
