"""Long work of the service: quiet while it is short, then a line now and then with how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streamer import underway
from streamer.config import ApiKey, SourceSettings
from streamer.demo.broker import embedded_broker
from streamer.intersight.source import IntersightSource
from streamer.kafka.connection import Connection
from streamer.kafka.restore import restore
from streamer.known import Known
from streamer.serving import serve
from streamer.underway import EVERY_S, SHORT_S, Underway, shown_by
from tests.builders import known_of, sighting, token
from tests.intersight.account import Account, moids
from tests.intersight.stage import GOLDEN, KEY_ID, NOW, Naps
from tests.stage import POLICY, SOURCE, Stage


def _said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    return [(record.getMessage(), record.fields) for record in caplog.records if record.name == "streamer"]  # type: ignore[attr-defined]


@pytest.fixture(name="chatty")
def _chatty(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All work is long."""
    monkeypatch.setattr(underway, "EVERY_S", 0.0)
    caplog.set_level(logging.INFO, "streamer")
    return caplog


def test_what_is_short_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The first line comes after a few seconds, the next after as many again."""
    caplog.set_level(logging.INFO, "streamer")
    now = 100.0
    work = Underway("work.going", "going", ("done", "of"), clock=lambda: now, source="prod")
    for number in range(1, 10):
        now += EVERY_S / 4
        work.tell(done=number)

    assert _said(caplog) == [("work.going", {"source": "prod", "done": number}) for number in (4, 8)]


def test_what_is_shown_leaves_no_lines(caplog: pytest.LogCaptureFixture) -> None:
    """After a moment, with how much of how much; it is taken away at the end, whatever ends it."""
    caplog.set_level(logging.INFO, "streamer")
    surface, now = Surface(), 100.0
    with shown_by(surface):
        work = Underway("work.going", "going", ("done", "of"), clock=lambda: now, of=9)
    with contextlib.suppress(OSError), work:
        work.tell(done=1)
        now += SHORT_S
        work.tell(done=2)
        now += EVERY_S
        raise OSError

    assert surface.heard == [(work, "going", 2, 9), work]
    assert _said(caplog) == []


class Surface:
    """Keeps what it is to show."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def show(self, work: object, what: str, done: int, total: int | None) -> None:
        """See `underway.Surface`."""
        self.heard.append((work, what, done, total))

    def over(self, work: object) -> None:
        """See `underway.Surface`."""
        self.heard.append(work)


async def test_a_first_snapshot_says_how_far_it_is(chatty: pytest.LogCaptureFixture) -> None:
    """Page by page, of how many; a later one, in which rows are known, is soon over and says nothing."""
    async with serve(Account(set(moids(5)))) as url:
        key = ApiKey(id=KEY_ID, file=GOLDEN / "v3.pem")
        settings = SourceSettings(name="prod", url=url, api_key=key, page_size=2)
        async with IntersightSource(settings, clock=lambda: NOW, sleep=Naps()) as source:
            await source.snapshot(Known())
            first = [fields for event, fields in _said(chatty) if event == "snapshot.reading"]
            await source.snapshot(known_of(sighting(token("x"))))

    assert [fields for fields in first if fields["rows"] > 1] == [  # one row is asked for to prove the paging
        {"source": "prod", "rows": rows, "of": 5} for rows in (2, 4, 5)
    ]
    assert len([event for event, _ in _said(chatty) if event == "snapshot.reading"]) == len(first)


async def test_a_poll_in_several_transactions_says_how_far_it_is(chatty: pytest.LogCaptureFixture) -> None:
    """One line after each, with the records that are written so far."""
    stage = Stage()
    stage.policy = replace(POLICY, form=replace(POLICY.form, records=20))
    stage.cycle = stage.worker()
    await stage.turn(*(token(f"{number:024x}") for number in range(30)))

    (begun, *told) = [fields for event, fields in _said(chatty) if event == "poll.writing"]
    assert begun == {"source": SOURCE, "transactions": 1, "records": 1}  # the epoch
    assert [fields["transactions"] for fields in told] == list(range(1, len(told) + 1))
    assert len(told) > 2
    assert told[-1]["records"] == len(stage.log.records) - 1


async def test_a_restore_says_how_far_it_is(chatty: pytest.LogCaptureFixture) -> None:
    """Where it is in its partition, and where that ends."""
    async with embedded_broker() as bootstrap:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
            for number in range(3):
                await producer.send_and_wait("P.state", b"x", key=b"%d" % number, partition=0)
        async with asyncio.timeout(30):
            await restore(Connection.to_embedded(bootstrap), "P.state", 0, owned=False)

    last = [fields for event, fields in _said(chatty) if event == "state.reading"][-1]
    assert last == {"topic": "P.state", "partition": 0, "offset": 3, "end": 3, "rows": 3}
