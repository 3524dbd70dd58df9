"""Many events in Kafka, each really published: a simulated account in which all tokens change in every poll."""

from __future__ import annotations

from pathlib import Path

from streamer.demo.life import Life
from tests.installation import ACCEPTED, UNHELD, Around, installed

TOKENS = 4_000  # so many events a poll, at most
ENDED = 20  # tokens that go in each round, and as many that come
LIMIT_S = 120.0  # for one poll, on a busy machine


async def record(around: Around, folder: Path, events: int) -> int:
    """Let `streamer run` publish at least so many events, as its log tells; how many it told."""
    tokens = min(TOKENS, max(100, events // 10))
    async with installed(around, folder, tokens=tokens, acts_per_second=0.001, environ=UNHELD) as here:
        await here.process.start()
        rounds = 0
        while (told := published(here.process.said())) < events:
            polls = here.process.said().count(ACCEPTED)
            await here.process.says(ACCEPTED, polls + 1, LIMIT_S)
            happens(here.life, rounds)
            rounds += 1
        assert await here.process.stop() == 0
        return told


def happens(life: Life, number: int) -> None:
    """Everything changes: refreshed, tagged, moved in time or in address; some tokens go, and as many come."""
    moids = list(life.tokens)
    for at, moid in enumerate(moids[ENDED:]):
        match (at + number) % 4:
            case 0:
                life.tag(moid, "round", str(number))
            case 1:
                life.edit(moid, "edit", LastLoginClient=f"198.51.100.{at % 250 + 1}")
            case _:
                life.refresh(moid)
    for moid in moids[: ENDED // 2]:
        life.remove(moid)
    for moid in moids[ENDED // 2 : ENDED]:
        life.vanish(moid)
    for at in range(ENDED):
        life.login(life.users[at % len(life.users)], life.clients[at % len(life.clients)], f"203.0.113.{at + 1}")


def published(said: str) -> int:
    """How many events the lines of a log tell."""
    return sum(
        int(word.partition("=")[2])
        for line in said.splitlines()
        if ACCEPTED in line
        for word in line.split()
        if word.startswith(("created=", "modified=", "deleted="))
    )
