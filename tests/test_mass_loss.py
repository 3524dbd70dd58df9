"""Half of an account goes at once: a lost privilege is held until it is back, a revocation until a person lets it go.

The real `streamer run` and `streamer deletes`, a real broker and registry; read back with another client and the
vendor's decoder. `MASS_LOSS_TOKENS=10000` plays it in full size.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from streamer.demo.shorthand import read_fault
from tests import person
from tests.installation import ACCEPTED, Around, Installation, health, installed
from tests.judge import Event, Log
from tests.services.reader import ends, read_all

TOKENS: Final = int(os.environ.get("MASS_LOSS_TOKENS", "2000"))
FEW_RECORDS: Final = {"STREAMER_KAFKA__TRANSACTION__RECORDS": "20"}  # so that a release is a row of transactions
OK, HOLDING = 200, 503

pytestmark = pytest.mark.timeout(120 + TOKENS // 20)


async def _told(here: Installation) -> tuple[int, Event]:
    """What `/sources` answers, and tells of the one source, after a poll that began now or later."""
    await here.process.says(ACCEPTED, here.process.said().count(ACCEPTED) + 2)
    reply = await health(here.process, "/sources")
    return reply.status_code, reply.json()[0]


def _of(kind: str, log: Log) -> list[Event]:
    return [event for event in log.events if event["event_type"] == kind]


async def _lose(here: Installation, by_moid: str) -> Event:
    """Half of the tokens are neither listed nor, by that, shown by Moid."""
    here.simulator.faults.arm(read_fault(f"hidden=0.5,by_moid={by_moid}"))
    status, source = await _told(here)
    assert (status, source["healthy"], source["last_verdict"]) == (HOLDING, False, "accepted")
    return source


async def _regain(here: Installation) -> None:
    """All are listed again, and nobody has to do anything."""
    here.simulator.faults.clear()
    _, source = await _told(here)
    assert (source["held"], source["hold_id"], source["tokens"]) == (0, None, len(here.life.tokens))
    while (await health(here.process, "/sources")).status_code != OK:  # it was just read, unless the machine is busy
        await _told(here)


async def test_a_lost_privilege(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Half of the list is hidden, whatever look-ups say: all of it is held and told so, none of it deleted.

    What happens to the tokens that are still shown goes on being published. Once the privilege is back the hold ends by
    itself, and no token that was there all the time is `created` again.
    """
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=TOKENS, acts_per_second=0) as here:
        await here.process.start()
        await here.process.says(ACCEPTED)
        lost = await _lose(here, "404")
        (listed,) = await person.held(tmp_path)
        born = {here.life.login(user, session_ms=0) for user in here.life.users[:8]}
        for user in here.life.users[:20]:
            here.life.relogin(user)
        _, still = await _told(here)
        await _regain(here)
        for by_moid in ("403", "visible"):
            await _lose(here, by_moid)
            await _regain(here)
        assert await here.process.stop() == 0
        broken = await here.verdict()

    log = await around.log()
    held = [report for report in log.reports if report["held"]]
    new = {event["moid"] for event in _of("created", log) if not event["baseline"]}
    changed_meanwhile = {event["snapshot_id"] for event in _of("modified", log)}
    assert broken == []
    assert (listed["hold_id"], listed["count"], listed["reason"]) == (lost["hold_id"], lost["held"], "threshold")
    assert TOKENS * 0.4 < lost["held"] < TOKENS * 0.6
    assert (still["held"], still["hold_id"]) == (lost["held"], lost["hold_id"])
    assert len({report["hold_id"] for report in held}) == 3
    assert all(report["rows"] + report["held"] >= TOKENS for report in held)  # each that is not shown
    assert not changed_meanwhile.isdisjoint(report["snapshot_id"] for report in held)
    assert _of("deleted", log) == []
    assert new
    assert new <= born  # those that were hidden too are told as what was there before it could be seen
    assert {report["verdict"] for report in log.reports} == {"accepted"}


async def test_a_real_revocation(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Half of the tokens are really gone: held, let go by a person, and published once each through a SIGKILL.

    The kill hits a release that is published in part; nobody orders again, the rest follows after the restart.
    """
    around = Around.of(kafka, registry, prefix)
    topic = f"{prefix}.deleted"

    async def published() -> int:
        return sum((await asyncio.to_thread(ends, around.bootstrap, [topic])).values())

    async with installed(around, tmp_path, tokens=TOKENS, acts_per_second=0, environ=FEW_RECORDS) as here:
        await here.process.start()
        await here.process.says(ACCEPTED)
        revoked = here.life.moids[::2]
        for moid in revoked:
            here.life.remove(moid)
        status, held = await _told(here)
        assert (status, held["held"], await published()) == (HOLDING, len(revoked), 0)
        released = asyncio.create_task(person.release(tmp_path, held["hold_id"], len(revoked)))
        while await published() < len(revoked) // 4:
            assert not here.process.running.returncode
        await here.process.kill()
        before = {message.key for message in await read_all(around.bootstrap, [topic])}
        await here.process.start()
        await released
        await here.quiet()
        await _regain(here)
        assert await here.process.stop() == 0
        broken = await here.verdict()

    log = await around.log()
    gone = _of("deleted", log)
    print(f"{len(before)} of {len(revoked)} deletions stood in the log when it was killed")
    assert broken == []
    assert 0 < len(before) < len(revoked)
    assert Counter(event["moid"] for event in gone) == dict.fromkeys(revoked, 1)
    assert {(event["delete_cause"], event["delete_evidence"]["actor"]) for event in gone} == {
        ("revoked", here.life.admin.email)
    }
    assert "interrupted" in {report["verdict"] for report in log.reports}
