"""No crash, at any await of a day, can be read in the log: nothing twice, nothing missing, no other name or number."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from streamer import batch
from streamer.errors import Doubt
from streamer.tokens import Token
from tests import builders, laws
from tests.builders import EPOCH, FORM, NOON, SECOND
from tests.fakes import Gates, Log
from tests.planning import row_of
from tests.stage import POLICY, SOURCE, Stage

TINY = replace(FORM, records=7)  # two tokens a transaction, and what is remembered of their user


def token(moid: str, **fields: Any) -> Token:
    """A token of one of two people; two Moids after one another have one client."""
    owned = {"user_moid": f"u{ord(moid) % 2}", "client_id": f"client {ord(moid) // 2}"}
    return builders.token(moid, **owned | fields)


Hours = tuple[tuple[tuple[Token, ...], dict[str, Any]], ...]
EXTRA = token("d", create_time=NOON + 100 * SECOND, client_id="client of nobody else")
DAY: Hours = (
    (tuple(map(token, "abcdefg")), {}),
    ((token("a", client_name="x"), token("b", client_name="y"), token("c"), token("f"), token("g")), {"unsure": "dg"}),
    ((token("b"), token("c", client_name="z"), token("g"), token("h"), EXTRA), {"hidden": "g", "unsure": "b"}),
    ((token("a"), token("c"), token("g", client_name="q")), {}),
    ((), {"unsure": "c"}),
    (tuple(map(token, "abcdefgh")), {}),
)
HOLDS: Hours = (
    (tuple(map(token, "abcdefg")), {}),
    ((), {}),  # a list of seven goes empty
    ((token("a"), token("c"), token("e", client_name="x"), token("i")), {"hidden": "c", "unsure": "d"}),  # some return
    ((token("c"), token("e", client_name="x"), token("i")), {"hidden": "c", "unsure": "d"}),  # the rest is let go
    ((token("c"), token("e", client_name="x"), token("i")), {}),
)
RELEASED_IN = 3  # this hour of them


def born(moids: str, client: str) -> tuple[Token, ...]:
    """Tokens that came after the first look, all with one client."""
    return tuple(token(moid, client_id=client, create_time=NOON + 100 * SECOND) for moid in moids)


CLIENTS: Hours = (  # in one poll each person comes with one client, twice, and then with another one
    ((token("a"), token("b")), {}),
    ((token("a"), token("b"), *born("cdef", "n")), {}),
    ((token("a"), token("b", client_id="n"), *born("cdefgh", "o")), {}),
)


@dataclass
class Life:
    """A day of one account, watched by workers that may die; each starts where the one before was cut off."""

    gates: Gates
    day: Hours = DAY
    begun: bool = True
    stage: Stage = field(init=False)
    hour: int = 0

    def __post_init__(self) -> None:
        self.stage = Stage(gates=self.gates, policy=replace(POLICY, form=TINY))
        if self.begun:  # so that all lives have one epoch, and with it the same names
            self.stage.log.append(SOURCE, batch.begin(SOURCE, EPOCH, "c", NOON))

    async def live(self) -> None:
        """Until the day is over; what a `Doubt` leaves behind is restored, the moment does not move meanwhile."""
        self.stage.cycle = cycle = self.stage.worker()
        while self.hour < len(self.day):
            tokens, shown = self.day[self.hour]
            self.stage.clock.now = NOON + (self.hour + 1) * 60 * SECOND
            self.stage.account.show(tokens, **shown)
            try:
                await cycle.prepare()
                self.order()
                await cycle.obey()
                await cycle.settle(await cycle.look())
            except Doubt:
                cycle.forget()
            else:
                self.hour += 1

    def order(self) -> None:
        """A person lets go what is held, once."""
        if self.day is HOLDS and self.hour == RELEASED_IN and not self.stage.log.commands:
            self.stage.order("release")

    async def die_once(self) -> None:
        """Live until the planted gate hangs, be killed there, and live on."""
        living = asyncio.create_task(self.live())
        hangs = asyncio.create_task(self.gates.hangs.wait())
        await asyncio.wait((living, hangs), return_when=asyncio.FIRST_COMPLETED)
        assert not living.done(), "the gate was never reached"
        living.cancel()
        await asyncio.wait((living,))
        await self.live()


async def undisturbed(day: Hours = DAY) -> Life:
    """The day without any crash."""
    life = Life(Gates(), day)
    await life.live()
    return life


def told(life: Life) -> list[laws.Read]:
    """What readers see, but for the poll that showed it."""
    return [{**event, "snapshot_id": ""} for event in life.stage.events]


def check(life: Life, other: Life) -> None:
    """The log keeps its promises at every moment, is the other's, and tells of every snapshot that was cut off."""
    life.stage.check()
    assert told(life) == told(other)
    log, opened = Log(), []
    for source, part in life.stage.log.batches:
        log.append(source, part)
        laws.check_cut(log.records, log.state(SOURCE))
        opened += [still.snapshot_id] if (still := row_of(part).open) else []
    polls = laws.reports(log.records)
    accepted = [poll["snapshot_id"] for poll in polls if poll["verdict"] == "accepted"]
    interrupted = [poll["snapshot_id"] for poll in polls if poll["verdict"] == "interrupted"]
    assert interrupted == [one for one in dict.fromkeys(opened) if one not in accepted]
    assert len(accepted) == len(set(accepted)) >= len(life.day)


GATES = [pytest.param(DAY, at, id=f"day-{at}") for at in range(1, 56 + 1)]
GATES += [pytest.param(CLIENTS, at, id=f"clients-{at}") for at in range(1, 26 + 1)]
GATES += [pytest.param(HOLDS, at, id=f"holds-{at}") for at in range(1, 46 + 1)]


async def test_the_days_have_as_many_awaits_as_are_crashed_at() -> None:
    """Else the tests below would miss some; they are also rich: every type of event, several transactions a poll."""
    day, holds, clients = [await undisturbed(one) for one in (DAY, HOLDS, CLIENTS)]

    assert sum(len(life.gates.passed) for life in (day, holds, clients)) == len(GATES)
    assert {event["event_type"] for event in day.stage.events} == {"created", "modified", "deleted"}
    assert any(event["retracts"] for event in day.stage.events)
    new = [(event["moid"], event["derived"]["new_client_for_user"]) for event in clients.stage.events]
    assert new[:2] == [("a", None), ("b", None)]
    assert new[2:6] == [("c", True), ("d", True), ("e", False), ("f", False)]
    assert new[6:] == [("b", False), ("c", True), ("d", True), *((moid, False) for moid in "efgh")]
    for life in (day, holds, clients):
        assert sum(row_of(part).open is not None for _, part in life.stage.log.batches) >= 5
        check(life, life)
    assert [one["held"] for one in laws.reports(holds.stage.log.records)] == [0, 7, 5, 1, 0]
    assert [event["moid"] for event in holds.stage.events if event["event_type"] == "deleted"] == list("abfgd")


@pytest.mark.parametrize(("day", "at"), GATES)
async def test_a_crash_at_any_await_cannot_be_read_in_the_log(day: Hours, at: int) -> None:
    """Killed there and started again: the same events under the same names and numbers, each once."""
    life = Life(Gates(hang_at=at), day)

    await life.die_once()

    check(life, await undisturbed(day))


@pytest.mark.parametrize(("day", "at"), GATES)
async def test_a_failed_commit_cannot_be_read_in_the_log(day: Hours, at: int) -> None:
    """Whether it had its effect or not, only the log is asked; the worker goes on."""
    life = Life(Gates(fail_at=at), day)

    await life.live()

    check(life, await undisturbed(day))


@pytest.mark.parametrize("at", range(1, 4))
async def test_a_crash_while_a_history_begins_leaves_one_epoch(at: int) -> None:
    """If the epoch was committed it stays; if not, nobody has seen it."""
    life = Life(Gates(hang_at=at), begun=False)

    await life.die_once()

    life.stage.check()
    assert len({row_of(part).epoch for _, part in life.stage.log.batches}) == 1
    assert life.stage.log.batches[0][1].tokens == {}
    assert len(told(life)) == len(told(await undisturbed()))
