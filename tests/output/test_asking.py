"""Several accounts, one answer: in their order, each failure told, and no more than is wanted."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Callable

import pytest

from streamer.errors import Misconfigured, Rejected, StreamerError, Transient
from streamer.output.asking import AHEAD, AT_ONCE, ask, unanswered

AWAY = Rejected("unavailable", "nobody answers", hint="look at its `url`")
REFUSED = Misconfigured("the key is unknown", hint="give another key")


async def parts(*given: int | StreamerError | asyncio.Event) -> AsyncGenerator[int, None]:
    """An answer of these parts, which waits for events and ends with errors."""
    for one in given:
        if isinstance(one, asyncio.Event):
            await one.wait()
        elif isinstance(one, StreamerError):
            raise one
        else:
            yield one


def keeping(taken: list[tuple[str, int]], most: int = 1000) -> Callable[[str, int], bool]:
    """Takes so many parts."""

    def take(name: str, part: int) -> bool:
        taken.append((name, part))
        return len(taken) < most

    return take


async def test_answers_come_in_the_order_of_the_accounts() -> None:
    """Though the first one is the last to answer, and there are more than are asked at once."""
    taken: list[tuple[str, int]] = []
    ready = asyncio.Event()

    async def last() -> AsyncGenerator[int, None]:
        yield 7
        ready.set()

    many = {f"s{number}": parts(number) for number in range(AT_ONCE * 2)}
    failed = await ask({"a": parts(1, ready, 2), "b": last(), **many}, keeping(taken))

    assert (failed, taken[:3]) == ({}, [("a", 1), ("a", 2), ("b", 7)])
    assert [name for name, _ in taken[3:]] == list(many)


async def test_one_that_fails_hinders_no_other() -> None:
    """What it answered until then is handed over, and its error stands beside its name."""
    taken: list[tuple[str, int]] = []
    failed = await ask({"a": parts(1, AWAY), "b": parts(2, 3)}, keeping(taken))

    assert (failed, taken) == ({"a": AWAY}, [("a", 1), ("b", 2), ("b", 3)])


async def test_enough_is_enough() -> None:
    """Those who still answer are stopped; nothing more is handed over."""
    taken: list[tuple[str, int]] = []
    never = asyncio.Event()
    failed = await ask({"a": parts(*range(100)), "b": parts(1, never)}, keeping(taken, most=3))

    assert (failed, taken) == ({}, [("a", 0), ("a", 1), ("a", 2)])


async def test_an_answer_does_not_run_ahead() -> None:
    """Of an account whose turn has not come a few parts wait, and no more are asked for."""
    seen: list[int] = []
    turn = asyncio.Event()

    async def eager() -> AsyncGenerator[int, None]:
        for number in range(100):
            seen.append(number)
            if number == AHEAD:
                turn.set()
            yield number

    def take(name: str, part: int) -> bool:
        del part
        if name == "a":
            ahead.append(len(seen))
        return True

    ahead: list[int] = []
    await ask({"a": parts(turn, 1), "b": eager()}, take)

    assert (ahead, len(seen)) == ([AHEAD + 1], 100)


async def test_what_hinders_writing_comes_out_alone() -> None:
    """Not in a group, so that a closed pipe and a full disk are known for what they are; all others are stopped."""

    def take(name: str, part: int) -> bool:
        raise OSError(errno.ENOSPC, f"{name} {part}")

    with pytest.raises(OSError, match="a 1"):
        await ask({"a": parts(1), "b": parts(asyncio.Event())}, take)


def test_one_error_says_who_did_not_answer() -> None:
    """Status 2 only if all of it is for a person to change; a hint says whose it is where there are several."""
    alone = unanswered({"a": AWAY}, 1)
    some = unanswered({"a": AWAY, "b": REFUSED}, 3)
    refused = unanswered({"b": REFUSED}, 3)

    assert (str(alone), alone.hint, alone.exit_code) == ("a: nobody answers", "look at its `url`", 1)
    assert isinstance(some, Transient)
    assert str(some).splitlines() == [
        "2 of 3 sources did not answer in full:",
        "a: nobody answers",
        "b: the key is unknown",
    ]
    assert some.hint == "a: look at its `url`"
    assert isinstance(refused, Misconfigured)
