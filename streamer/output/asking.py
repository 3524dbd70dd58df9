"""One question to several accounts: they are asked beside each other and answer in their own order.

What an account answers is handed over page by page as soon as all accounts before it are done, so that the order is the
configuration's every time, and little waits in memory. One that does not answer hinders no other; that it did not is
told at the end, for an answer without it is not the whole one.

Question: who hands over. Choice: a thread at a time: writing to a reader that does not read must not stop the loop,
which has requests under way and signals to hear.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Final, TypeVar

from streamer.errors import Misconfigured, StreamerError, Transient

AT_ONCE: Final = 8  # accounts asked beside each other
AHEAD: Final = 2  # pages of one that may wait for those before it

Part = TypeVar("Part")
Lane = asyncio.Queue[Part | StreamerError | None]  # None at the end


async def ask(
    answers: Mapping[str, AsyncGenerator[Part, None]], take: Callable[[str, Part], bool]
) -> dict[str, StreamerError]:
    """Hand every part of every answer over; what went wrong, by the account's name.

    Args:
        answers: by name, an account's answer, not yet begun.
        take: gets a name and a part, in a thread; False if it wants no more of anything.

    Raises:
        OSError: what `take` raised, alone and not as one of a group: whoever reads us has gone, or a disk is full.
    """
    places = asyncio.Semaphore(AT_ONCE)
    lanes: dict[str, Lane[Part]] = {name: asyncio.Queue(AHEAD) for name in answers}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_fill(lanes[name], answer, places)) for name, answer in answers.items()]
        try:
            failed, unwritten = await _hand_over(lanes, take), None
        except OSError as error:
            failed, unwritten = {}, error
        for task in tasks:
            task.cancel()
    if unwritten:
        raise unwritten
    return failed


async def _hand_over(lanes: Mapping[str, Lane[Part]], take: Callable[[str, Part], bool]) -> dict[str, StreamerError]:
    failed = {}
    for name, lane in lanes.items():
        while (part := await lane.get()) is not None:
            if isinstance(part, StreamerError):
                failed[name] = part
            elif not await asyncio.to_thread(take, name, part):
                return failed
    return failed


def unanswered(failed: Mapping[str, StreamerError], asked: int) -> StreamerError:
    """The one error that these are.

    Args:
        failed: by the account's name, at least one.
        asked: how many accounts were.
    """
    (name, first), *others = failed.items()
    texts = [f"{name}: {error}" for name, error in failed.items()]
    if asked > 1:
        texts.insert(0, f"{len(failed)} of {asked} sources did not answer in full:")
    kind = Misconfigured if all(isinstance(error, Misconfigured) for error in failed.values()) else Transient
    hint = first.hint if not others else f"{name}: {first.hint}" if first.hint else ""
    return kind("\n".join(texts), hint=hint)


async def _fill(lane: Lane[Part], answer: AsyncGenerator[Part, None], places: asyncio.Semaphore) -> None:
    """Put an answer's parts into its lane, then the error that ended it, if any."""
    async with places:
        try:
            async with aclosing(answer) as parts:
                async for part in parts:
                    await lane.put(part)
        except StreamerError as error:
            await lane.put(error)
    await lane.put(None)
