"""One row a lie: what the API says, what is published meanwhile, and what the report of that poll tells.

The scene is always the same: all is known, then one token is deleted, one changes and one is created, and the API lies.
Under no lie a token that is there is published as deleted, and once the lie is over readers know the truth. The control
(`naive`) stands beside, in the same scene: the table says which kinds of events it publishes that never happened.

31 tokens are known, one of them for seconds only; 31 are there after the scene; a page has seven rows. Three deletions
at once may go, more are held. The table (`lies`) is written from the contract, and every number in it has its reason.
"""

from __future__ import annotations

import contextlib
from typing import Final

import httpx
import pytest
from pydantic import SecretStr

from streamer.config import OAuth
from tests.demo.stage import Signed
from tests.truth.happened import LAG_MS, Broken
from tests.truth.lies import TABLE, Lie
from tests.truth.model import CREDENTIALS, INTERVAL_MS, Play, playing
from tests.truth.naive import Naive

TOKENS: Final = 30
SEED: Final = 3


async def _begun(play: Play) -> None:
    """What both know before the lie: all tokens, of which the last one is only seconds old."""
    play.wait(LAG_MS + INTERVAL_MS)
    play.world.login(play.world.users[1], play.world.clients[1])


def _scene(play: Play) -> None:
    """What really happens between the two polls."""
    world = play.world
    play.wait(5000)
    world.login(world.users[0], world.clients[0])
    old = [moid for moid in world.moids if world.tokens[moid]["CreateTime"] < world.accounts()[0]["CreateTime"]]
    world.remove(old[3])
    world.widen(old[11])
    play.wait(1000)


async def _fooled(lie: Lie) -> str:
    """The kinds of events that the control publishes in the same scene although they did not happen."""
    async with playing(seed=SEED, tokens=TOKENS, noise=0.0) as play:
        auth, world = Signed(CREDENTIALS.ec, play.clock), play.world
        async with httpx.AsyncClient(base_url=play.url, auth=auth, timeout=30) as client:
            naive = Naive(client)
            await _begun(play)
            await naive.changes()
            before, number = dict(world.tokens), len(world.truth.entries)
            _scene(play)
            if lie.late:
                await naive.changes()
                before, number = dict(world.tokens), len(world.truth.entries)
                play.wait(1000)
            play.arm(*lie.fault.split())
            told = await naive.changes()
            after = world.tokens
            born = {entry.moid for entry in world.truth.entries[number:] if entry.what == "created"}
            true = {
                "created": after.keys() - before.keys() | born,
                "modified": {moid for moid in after.keys() & before.keys() if after[moid] != before[moid]},
                "deleted": before.keys() - after.keys(),
            }
            return " ".join(kind for kind in true if told[kind] - true[kind])


@pytest.mark.parametrize("lie", TABLE, ids=lambda lie: lie.fault + ("/late" if lie.late else ""))
async def test_a_lie(lie: Lie) -> None:
    """What the table says is published and reported; no false delete; the truth once the lie is over."""
    async with playing(seed=SEED, tokens=TOKENS, noise=0.0) as play:
        await _begun(play)
        await play.poll()
        _scene(play)
        if lie.late:
            assert await play.poll()
            play.wait(1000)
        play.arm(*lie.fault.split())
        told, started_at = len(play.events), play.clock.now
        report = await play.poll()
        assert report is not None
        hold = play.state.row.hold if play.state.row else None
        causes = [event["delete_cause"] for event in play.events[told:] if event["event_type"] == "deleted"]
        assert lie == Lie(
            lie.fault,
            (report.created, report.modified, report.deleted),
            report.reason,
            why=hold.reason if hold else None,
            held=report.held,
            waiting=report.waiting,
            stale=report.stale,
            rows=report.rows,
            count=report.server_count,
            paging=report.paging,
            cause=causes[0] if causes else None,
            fools=await _fooled(lie),
            late=lie.late,
        )
        assert report.verdict == ("rejected" if lie.reason else "accepted")
        assert play.false_deletes() == []
        if lie.fault.startswith("between"):
            assert play._judge.unseen(play.believed, started_at, play.clock.now) == []
        await play.quiet()
        assert play.false_deletes() == []


async def test_the_truth_fools_nobody() -> None:
    """Without any lie the control tells the same as we do: it is the lies that it cannot bear."""
    assert await _fooled(Lie("audit")) == ""


def _is_heard(lie: Lie) -> bool:
    """Whether the lie is told to who only lists tokens; the control never asks for anything else."""
    return "on=moid" not in lie.fault and "path=" not in lie.fault and not lie.fault.startswith(("accounts", "audit"))


def test_the_table_bites() -> None:
    """Most rows fool the control, four of five of those that it hears; most make it publish a false deletion."""
    heard = [lie for lie in TABLE if _is_heard(lie)]
    print(f"{sum(bool(lie.fools) for lie in TABLE)} of {len(TABLE)} rows fool the control, it hears {len(heard)}")

    assert sum(bool(lie.fools) for lie in TABLE) / len(TABLE) > 0.6
    assert sum(bool(lie.fools) for lie in heard) / len(heard) > 0.8
    assert sum("deleted" in lie.fools for lie in TABLE) / len(TABLE) > 0.5


# Beside the table...


async def test_a_lost_role_holds_deletions() -> None:
    """An OAuth client whose tokens claim other roles may not see all: even one missing token is held."""
    oauth = OAuth(client_id=CREDENTIALS.client_id, client_secret=SecretStr(CREDENTIALS.client_secret))
    async with playing(seed=SEED, tokens=TOKENS, noise=0.0, api_key=None, oauth=oauth) as play:
        await _begun(play)
        await play.poll()
        play.wait(600_000)  # an access token lives so long, and tells its claims as long as it lives
        play.arm("claims=Read-Only")
        _scene(play)
        report = await play.poll()
        hold = play.state.row.hold if play.state.row else None

        assert report is not None
        assert (report.created, report.modified, report.deleted, report.held) == (1, 1, 0, 1)
        assert hold is not None
        assert hold.reason == "rights_changed"
        await play.quiet()


async def test_one_odd_answer_after_a_restart_holds_nothing() -> None:
    """A new process knows what the one before it remembered: the deletion waits for the next poll."""
    async with playing(seed=SEED, tokens=TOKENS, noise=0.0) as play:
        await _begun(play)
        await play.poll()
        await play.crash()
        _scene(play)
        play.arm("accounts=more,times=1")
        first = await play.poll()
        play.wait(INTERVAL_MS)
        second = await play.poll()

        assert first is not None
        assert second is not None
        assert (first.held, first.waiting, first.deleted) == (0, 1, 0)
        assert (second.held, second.waiting, second.deleted) == (0, 0, 1)


async def test_what_outlives_its_expiry_is_counted_and_is_there() -> None:
    """Listed past its ExpirationTime it is no deletion; once it goes it has expired."""
    async with playing(seed=SEED, tokens=TOKENS, noise=0.0, linger_ms=60_000) as play:
        await _begun(play)
        play.world.login(play.world.users[2], play.world.clients[0], session_ms=50_000)
        await play.poll()
        play.wait(55_000)
        lingering = await play.poll()
        play.wait(60_000)
        over = await play.poll()

        assert lingering is not None
        assert over is not None
        assert (lingering.outlived, lingering.deleted) == (1, 0)
        assert (over.outlived, over.deleted) == (0, 1)
        assert play.events[-1]["delete_cause"] == "expired"


async def test_what_cannot_be_told_from_deletion_is_undone() -> None:
    """A privilege that hides fewer than the threshold, and answers 404 by Moid: the one case, and it is taken back."""
    async with playing(seed=SEED, tokens=TOKENS, noise=0.0) as play:
        await _begun(play)
        await play.poll()
        play.arm("hidden=0.05,by_moid=404")
        for _ in range(2):
            play.wait(INTERVAL_MS)
            with contextlib.suppress(Broken):  # the judge knows better, as the ledger does
                await play.poll()
        (lost,) = play.false_deletes()
        play.simulator.faults.clear()
        play.wait(LAG_MS + INTERVAL_MS)
        with contextlib.suppress(Broken):
            await play.poll()

        assert play.events[-1]["moid"] == lost
        assert (play.events[-1]["event_type"], play.events[-1]["retracts"]) == ("created", play.events[-2]["event_id"])
