"""Stop is a request that ends every wait and lets work finish within its limit; the second signal is an order."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from streamer.stop import Stop, Stopped

FOREVER_S = 3600.0
CHILD = """
import asyncio
from streamer.stop import Stop, Stopped

async def main(grace_s):
    stop = Stop()
    with stop.on_signals():
        try:
            async with stop.allows(grace_s):
                print("ready", flush=True)
                await stop.wait()
                print("asked", flush=True)
                await asyncio.Event().wait()
        except Stopped:
            print("stopped", flush=True)

asyncio.run(main({grace_s}))
"""


async def test_nobody_asked() -> None:
    """Blocks run to their end, sleeps take their time, and a limit of no seconds limits nothing yet."""
    stop = Stop()

    async with stop.allows(0):
        await asyncio.sleep(0)
    await stop.sleep(0)
    await stop.sleep(-1)

    assert not stop.requested


async def test_a_request_ends_what_has_no_grace() -> None:
    """At its first wait; and so for a block that is entered later."""
    stop = Stop()
    asyncio.get_running_loop().call_soon(stop.request)

    with pytest.raises(Stopped):
        async with stop.allows(0):
            await asyncio.Event().wait()
    with pytest.raises(Stopped):
        async with stop.allows(0):
            await asyncio.Event().wait()

    assert stop.requested


async def test_what_finishes_within_its_grace_is_not_stopped() -> None:
    """The request came while it ran; its work is done, nothing is raised, whether it was entered before or after."""
    stop = Stop()
    done = []

    async with stop.allows(FOREVER_S):
        stop.request()
        await asyncio.sleep(0)
        done.append("entered before")
    async with stop.allows(FOREVER_S):
        await asyncio.sleep(0)
        done.append("entered after")

    assert done == ["entered before", "entered after"]


async def test_what_takes_longer_is_cut_off() -> None:
    """Cleaning up still runs; asking twice does not give it more time."""
    stop = Stop()
    cleaned: list[bool] = []

    async def work() -> None:
        async with stop.allows(0.01):
            stop.request()
            stop.request()
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.append(True)

    with pytest.raises(Stopped):
        await work()
    assert cleaned


async def test_a_blocks_own_time_limit_is_its_own() -> None:
    """A `TimeoutError` from inside is no stop, before and after the request."""
    stop = Stop()

    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with stop.allows(FOREVER_S), asyncio.timeout(0):
                await asyncio.Event().wait()
        stop.request()


async def test_a_request_reaches_everybody() -> None:
    """All blocks, sleeps and waits at once, each by its own grace."""
    stop = Stop()
    ends: list[str] = []

    async def block() -> None:
        try:
            async with stop.allows(0):
                await asyncio.Event().wait()
        except Stopped:
            ends.append("block")

    async def sleep() -> None:
        await stop.sleep(FOREVER_S)
        ends.append("sleep")

    async def wait() -> None:
        await stop.wait()
        ends.append("wait")

    async with asyncio.TaskGroup() as group:
        for one in (block, sleep, wait):
            group.create_task(one())
        await asyncio.sleep(0)
        stop.request()

    assert sorted(ends) == ["block", "sleep", "wait"]


async def test_a_cancellation_is_not_taken_for_a_stop() -> None:
    """Whoever cancels the task gets their cancellation."""
    stop = Stop()

    async def block() -> None:
        async with stop.allows(0):
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def _child(grace_s: float) -> Process:
    made = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD.format(grace_s=grace_s), stdout=PIPE)
    assert await _line(made) == "ready"
    return made


async def _line(child: Process) -> str:
    assert child.stdout is not None
    return (await child.stdout.readline()).decode().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_is_a_request(number: signal.Signals) -> None:
    """A real process ends by itself, with status 0."""
    child = await _child(0)

    child.send_signal(number)

    assert [await _line(child), await _line(child)] in (["asked", "stopped"], ["stopped", ""])
    assert await child.wait() == 0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_the_second_signal_is_an_order(first: signal.Signals, second: signal.Signals) -> None:
    """A real process that has all the time in the world ends at once, by that very signal."""
    child = await _child(FOREVER_S)

    child.send_signal(first)
    assert await _line(child) == "asked"
    child.send_signal(second)

    assert await child.wait() == -second
