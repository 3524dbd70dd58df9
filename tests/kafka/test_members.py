"""Members that died on this machine: nobody waits for their session to end; everybody else is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streamer.kafka import members
from streamer.kafka.connection import Connection
from streamer.kafka.group import Membership
from streamer.kafka.members import client_id, is_gone, roster, show_out
from streamer.kafka.share import Share
from streamer.stop import Stop
from tests.kafka.relay.stage import Bench
from tests.kafka.stage import GATHERING, make
from tests.services.jvm import die_with_parent
from tests.services.kafka import Given

SESSION_S = 300.0  # nobody would wait so long
LIMIT_S = 30.0  # less than a group waits for whoever is alive but does not come
MEMBER = f"""
import asyncio, sys
from streamer.kafka.connection import Connection
from streamer.kafka.members import client_id
from streamer.kafka.group import Membership

async def main(bootstrap, group, topic):
    async with Membership(Connection((bootstrap,)), group, [topic], session_s={SESSION_S}) as member:
        while True:
            share = await member.share()
            print(client_id(), len(share.lanes), flush=True)
            while not share.over.requested:
                await member._poll()
            share.released.set()

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def process(code: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process that is gone when the block ends."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, stdout=asyncio.subprocess.PIPE, preexec_fn=die_with_parent()
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def line(running: asyncio.subprocess.Process) -> str:
    """The next that it says."""
    assert running.stdout is not None
    async with asyncio.timeout(LIMIT_S):
        return (await running.stdout.readline()).decode().strip()


async def test_a_process_is_known_by_more_than_its_number() -> None:
    """It lives while it runs or stands still; it is gone once it ended, and when its number is another's."""
    assert not is_gone(client_id())
    code = "from streamer.kafka.members import client_id; print(client_id(), flush=True); input()"
    async with process(code) as running:
        name = await line(running)
        running.send_signal(signal.SIGSTOP)
        assert not is_gone(name)
        running.send_signal(signal.SIGCONT)
        assert not is_gone(name)
        running.kill()
        await running.wait()
        assert is_gone(name)

    place, pid, started = client_id().rsplit(".", 2)
    assert is_gone(f"{place}.{pid}.{int(started) + 1}")


def test_an_entry_that_nobody_fetched_yet_is_no_process() -> None:
    """A killed child stays in the table of processes until its parent asks for it."""
    place, _, started = client_id().rsplit(".", 2)
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert is_gone(f"{place}.{child}.{started}")
    finally:
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    "name",
    [
        "streamer",
        "",
        "other-client",
        "streamer:elsewhere-1.4.7",
        "streamer:.1.2",
        "streamer:a.b.c",
        "\x00",
        "streamer:..",
    ],
)
def test_whoever_is_not_of_here_lives(name: str) -> None:
    """Another machine's process, another container's, another program: nothing is known of them."""
    assert not is_gone(name)
    place, pid, started = client_id().rsplit(".", 2)
    assert not is_gone(f"{place}0.{pid}.{int(started) + 1}")


def test_without_a_process_table_all_are_called_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nobody is ever taken for dead."""
    name = client_id()
    monkeypatch.setattr(members, "BOOT", members.PROC / "not-there")

    assert client_id() == "streamer"
    assert not is_gone(name)
    assert not is_gone("streamer:None.1.1")


async def test_nobody_waits_for_a_member_that_was_killed(kafka: Given, prefix: str) -> None:
    """The one that comes in its place has its share while the session of the dead one has minutes to go."""
    bench = Bench(kafka.bootstrap, prefix, partitions=4)
    await make(bench.bootstrap, bench.names.created, partitions=4)
    group = f"{prefix}-group"
    async with process(MEMBER, bench.bootstrap, group, bench.names.created) as running:
        assert (await line(running)).endswith(" 4")
        running.kill()
        await running.wait()

    share = await joined(bench, group)

    assert sorted(share.lanes) == [0, 1, 2, 3]


async def test_what_a_member_had_that_was_killed_is_given_to_the_others(kafka: Given, prefix: str) -> None:
    """Nobody comes in its place and nobody waits for it: those that work on their own shares see that it is dead."""
    bench = Bench(kafka.bootstrap, prefix, partitions=4)
    await make(bench.bootstrap, bench.names.created, partitions=4)
    group = f"{prefix}-group"
    async with asyncio.timeout(LIMIT_S), process(MEMBER, bench.bootstrap, group, bench.names.created) as running:
        assert (await line(running)).endswith(" 4")
        connection = Connection((bench.bootstrap,))
        async with Membership(connection, group, [bench.names.created], session_s=SESSION_S) as member:
            half = await member.share()
            assert (await line(running)).endswith(" 2")
            running.kill()
            await member.attend(half, Stop())
            half.released.set()
            whole = await member.share()
            whole.released.set()

    assert len(half.lanes) == 2
    assert sorted(whole.lanes) == [0, 1, 2, 3]


async def test_a_member_that_stands_still_is_waited_for(kafka: Given, prefix: str) -> None:
    """It is alive: it keeps its place, and has its half as soon as it moves again."""
    bench = Bench(kafka.bootstrap, prefix, partitions=4)
    await make(bench.bootstrap, bench.names.created, partitions=4)
    group = f"{prefix}-group"
    async with process(MEMBER, bench.bootstrap, group, bench.names.created) as running:
        assert (await line(running)).endswith(" 4")
        running.send_signal(signal.SIGSTOP)
        async with asyncio.TaskGroup() as tasks:
            coming = tasks.create_task(joined(bench, group, until=2))
            await looked_at(bench, group)
            assert not coming.done()
            running.send_signal(signal.SIGCONT)
        assert (await line(running)).endswith(" 2")


async def joined(bench: Bench, group: str, until: int = 4) -> Share:
    """A member of this process, and its share."""
    connection = Connection((bench.bootstrap,))
    async with asyncio.timeout(LIMIT_S), Membership(connection, group, [bench.names.created]) as member:
        share = await member.share()
        share.released.set()
        assert len(share.lanes) == until
        return share


async def looked_at(bench: Bench, group: str) -> None:
    """Once it waits, look at the group as its members do: nobody is shown out."""
    connection = Connection((bench.bootstrap,))
    async with asyncio.timeout(LIMIT_S):
        while (before := await roster(connection, group)).state != GATHERING or len(before.members) < 2:
            pass
        await show_out(connection, group)
    assert await roster(connection, group) == before
