"""The whole chain over random days: whatever the API does, readers of the events know exactly what the state knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer import avro
from streamer.cycle import Policy
from streamer.errors import Rejected
from streamer.state import Status
from streamer.tokens import Token
from tests import laws
from tests.builders import FORM, NOON, SECOND, token
from tests.fakes import Log
from tests.stage import SOURCE, Stage

TOKENS = st.builds(
    token,
    st.sampled_from("abcdef"),
    client_name=st.sampled_from([None, "portal"]),
    access_expiration_time=st.sampled_from([None, NOON, NOON + 60 * SECOND]),
    expiration_time=st.sampled_from([None, NOON, NOON + 3600 * SECOND]),
    create_time=st.sampled_from([None, NOON - 3600 * SECOND, NOON + 90 * SECOND]),
)
MOIDS = st.frozensets(st.sampled_from("abcdef"), max_size=3)


@dataclass(frozen=True)
class Hour:
    """What the API does until the next poll.

    Attributes:
        tokens: those there are.
        hidden: the list lacks them.
        unsure: a look-up learns nothing of them.
        noise: other bytes of the same meaning.
        wait_s: since the poll before; a clock may be set back.
        restarts: the worker is another process.
        fails: no list is had.
    """

    tokens: tuple[Token, ...]
    hidden: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    noise: str = ""
    wait_s: int = 60
    restarts: bool = False
    fails: bool = False


HOURS = st.builds(
    Hour,
    st.lists(TOKENS, unique_by=lambda one: one.moid).map(tuple),
    hidden=MOIDS,
    unsure=MOIDS,
    noise=st.sampled_from(["", "link"]),
    wait_s=st.sampled_from([60, 60, 60, -30, 8 * 86_400]),
    restarts=st.booleans(),
    fails=st.sampled_from([False, False, False, True]),
)
CALM = Hour((token("a"), token("b", access_expiration_time=NOON)))


async def poll(stage: Stage, hour: Hour) -> None:
    """One poll of such an hour, and what must hold of any."""
    stage.clock.now += hour.wait_s * SECOND
    stage.account.show(hour.tokens, hidden=hour.hidden, unsure=hour.unsure)
    stage.account.noise = hour.noise
    stage.account.error = Rejected("unavailable", "503") if hour.fails else None
    if hour.restarts:
        stage.cycle = stage.worker()
    await stage.cycle.prepare()
    look = await stage.cycle.look()
    work = replace(avro.counts)
    told = await stage.cycle.settle(look)

    assert avro.counts.tokens_encoded == work.tokens_encoded
    decoded = avro.counts.tokens_decoded - work.tokens_decoded
    if look.snapshot is None:
        assert (told.verdict, told.first_sequence, decoded) == ("rejected", None, 0)
        return
    assert decoded == told.modified + len(stage.cycle._suppressed)
    assert told.created + told.modified + told.unchanged + told.suppressed == len(look.snapshot)
    rows = stage.log.state(SOURCE).tokens.values()
    assert told.waiting == sum(row.status is Status.WAITING for row in rows)


async def live(day: Sequence[Hour], stage: Stage) -> None:
    """All polls of a day, then what must hold of its log, as it is and after each of its transactions."""
    for hour in day:
        await poll(stage, hour)
    log = Log()
    for source, part in stage.log.batches:
        log.append(source, part)
        laws.check_cut(log.records, log.state(SOURCE))
    stage.check()


@settings(deadline=None, max_examples=60)
@given(
    day=st.lists(HOURS, min_size=1, max_size=7),
    suppress=st.booleans(),
    records=st.sampled_from([4, 5, 8, 100]),
    size=st.sampled_from([1, 3000, 10**9]),
)
@example(day=[CALM, replace(CALM, tokens=()), CALM], suppress=True, records=4, size=1)
def test_readers_know_what_the_state_knows(day: list[Hour], *, suppress: bool, records: int, size: int) -> None:
    """Replaying the events gives the state's known tokens, at every transaction, however small those are."""
    form = replace(FORM, records=records, size=size)

    asyncio.run(live(day, Stage(policy=Policy(SOURCE, form, suppress=suppress))))
