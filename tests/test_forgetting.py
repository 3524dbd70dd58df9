"""Whoever owns a partition obeys for the sources there that nobody polls: on a real broker, order by order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from streamer.control import LIFE_MS, Command
from streamer.errors import Doubt, Unready
from streamer.forgetting import Forgetter
from streamer.kafka.ledger import Ledger
from streamer.kafka.orders import Orders
from streamer.kafka.writer import Outgoing
from streamer.state import SourceState
from streamer.stop import Stop
from tests.builders import EPOCH, NOON, token
from tests.kafka.bench import ONE, TWO, OnBroker, start, tell
from tests.kafka.stage import writer
from tests.services.kafka import Given
from tests.watched import Paced

ORDER = Command("id", TWO, EPOCH, "forget", None, None, None, NOON, "ada@soc-7", NOON + LIFE_MS)


class Heard(Orders):
    """Asks for a stop once so many records were handed out, and are obeyed; before that it fails as often as told."""

    def __init__(self, bench: OnBroker, *, failures: int = 0) -> None:
        super().__init__(bench.connection, bench.names.control, [0])
        self._failures = failures

    def until(self, wanted: int, stop: Stop) -> None:
        """So many, then this stop."""
        self._wanted, self._stop = wanted, stop

    async def read(self) -> list[tuple[bytes, int, bytes]]:
        """As the other."""
        if self._failures:
            self._failures -= 1
            raise Unready("planted")
        if self._wanted <= 0:
            self._stop.request()
            return []
        found = await super().read()
        self._wanted -= len(found)
        return found


class Owner:
    """The worker of a partition in which one source is polled, and another one is not any more."""

    def __init__(self, bench: OnBroker) -> None:
        self.bench = bench
        self.ledger: Ledger = bench.ledger(ONE)
        self.state = SourceState()

    async def begin(self) -> None:
        """Both have a token; then the second one is taken out of the configuration."""
        both = self.bench.ledger(ONE, TWO)
        for source in (ONE, TWO):
            await start(both, source, token(f"{source}-a"))
        await both.close()
        self.state = await self.ledger.restore(ONE)

    async def order(self, **changes: Any) -> None:
        """Somebody orders something of the second source."""
        given = replace(ORDER, **{"command_id": str(uuid4()), **changes})
        await self.put(given.source.encode(), given.to_bytes())

    async def put(self, key: bytes, value: bytes) -> None:
        """A record of the control topic."""
        topic = self.bench.names.control
        one = writer(self.bench.bootstrap, f"{topic}-{uuid4()}", [topic])
        await one.open()
        await one.commit([Outgoing(topic, 0, key, value, NOON)])
        await one.open()  # so that readers see it
        await one.close()

    async def obey(self, orders: Heard | None = None, *, wanted: int = 1) -> list[float]:
        """Obey so many records of the topic; the pauses in between."""
        orders = orders or Heard(self.bench)
        stop = Paced(10**9)
        orders.until(wanted, stop)
        await Forgetter(orders, self.ledger, {ONE}, lambda: NOON + 1000).run(stop)
        return stop.slept

    async def knows(self, source: str) -> SourceState:
        """What the log says, once everybody else is fenced; the owner must restore after this."""
        ledger = self.bench.ledger(source)
        state = await ledger.restore(source)
        await ledger.close()
        return state


@pytest.fixture(name="owner")
async def _owner(kafka: Given, prefix: str) -> AsyncIterator[Owner]:
    """See `Owner.begin`."""
    bench = OnBroker(kafka.bootstrap, prefix)
    await bench.make_topics()
    made = Owner(bench)
    await made.begin()
    yield made
    await bench.close()


async def heard(owner: Owner, *, wanted: int = 1, **changes: Any) -> SourceState:
    """The state of the second source after an order."""
    await owner.order(**changes)
    await owner.obey(wanted=wanted)
    return await owner.knows(TWO)


async def test_all_rows_end_and_no_event_tells(owner: Owner) -> None:
    """And the source that is polled goes on where it was, on the same ledger."""
    before = await owner.bench.records()
    await owner.order()
    await owner.obey()
    await tell(owner.ledger, ONE, owner.state, token(f"{ONE}-b"), at=NOON + 60_000)
    after = await owner.bench.records()

    ends = {record.key for record in after if record.value is None}
    assert ends == {b"lab", b"lab/t/lab-a"}
    events = ("created", "modified", "deleted")
    assert [r for r in after if r.topic in events and b"lab-a" in r.key] == [
        r for r in before if r.topic in events and b"lab-a" in r.key
    ]
    assert await owner.knows(TWO) == SourceState()
    assert (await owner.knows(ONE)).tokens.keys() == {f"{ONE}-a", f"{ONE}-b"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"epoch": str(uuid4())}, "it was given in epoch"),
        ({"action": "release"}, "no worker polls this source"),
        ({"action": "burn"}, "it orders 'burn'"),
        ({"source": "other"}, ""),
        ({"expires_at": NOON}, ""),
    ],
)
async def test_what_is_not_obeyed(owner: Owner, changes: dict[str, Any], why: str) -> None:
    """It is answered where there is somebody to hear it: in the row of the source; everything else stays."""
    row = (await owner.knows(TWO)).row
    assert row is not None
    owner.state = await owner.ledger.restore(ONE)
    state = await heard(owner, **changes)

    assert state.row is not None
    assert state.tokens.keys() == {"lab-a"}
    told = state.row.answer.detail if state.row.answer else ""
    assert (why in told, bool(told)) == (True, bool(why))
    assert replace(state.row, answer=None, control_offset=row.control_offset) == row


async def test_a_polled_source_is_not_touched(owner: Owner) -> None:
    """Its own cycle hears that; a record that is no command changes nothing either."""
    await owner.put(TWO.encode(), b"foreign")
    await owner.put(b"\xff", b"\xff")
    await heard(owner, wanted=3, source=ONE)

    assert (await owner.knows(ONE)).tokens.keys() == {f"{ONE}-a"}
    assert (await owner.knows(TWO)).tokens.keys() == {"lab-a"}


async def test_what_was_answered_is_not_answered_again(owner: Owner) -> None:
    """Every share reads the topic from its beginning; the row says how far it was obeyed."""
    first = await heard(owner, epoch=str(uuid4()))
    owner.state = await owner.ledger.restore(ONE)
    records = len(await owner.bench.records())
    await owner.obey()

    assert first.row is not None
    assert first.row.control_offset is not None
    assert len(await owner.bench.records()) == records


async def test_a_failure_is_tried_again(owner: Owner) -> None:
    """The worker goes on, and hears all of it later."""
    await owner.order()
    slept = await owner.obey(Heard(owner.bench, failures=2))

    assert slept[:3] == [10.0, 10.0, 1.0]
    assert await owner.knows(TWO) == SourceState()


async def test_what_was_not_done_is_heard_again(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state cannot be read when the order comes: the order is not lost."""
    real, failures = owner.ledger.restore, [Doubt("planted")]

    async def restore(source: str) -> SourceState:
        if failures:
            raise failures.pop()
        return await real(source)

    monkeypatch.setattr(owner.ledger, "restore", restore)
    await owner.order()
    await owner.obey(wanted=2)

    assert await owner.knows(TWO) == SourceState()


async def test_a_stop_ends_it_at_once(owner: Owner) -> None:
    """Also where there is nothing to read: a control topic with fewer partitions than the state."""
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        idle = Orders(owner.bench.connection, owner.bench.names.control, [])
        group.create_task(Forgetter(idle, owner.ledger, {ONE}, lambda: NOON).run(stop))
        await asyncio.sleep(0)
        stop.request()
