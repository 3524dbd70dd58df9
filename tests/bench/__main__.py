"""`python -m tests.bench`: one table of what polls, the log and memory cost, each figure beside its controls.

CPU is that of this process per token, in microseconds (of `follow`, per event and of the command's process); the
account is served from another process, and the broker is one. `--json FILE` keeps the figures, and
`python -m tests.bench.compare` sets those of two commits side by side. `--growth` shows the slope from a thousand
tokens to a million, of the most telling polls and of memory: last it says what a token costs at the most tokens
compared with ten thousand, and how much its ratio to the control moved, which holds on a busy machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bench.follow import follow
from tests.bench.log import log, restored, topics, transactions
from tests.bench.measure import Figure
from tests.bench.memory import memory
from tests.bench.polls import GROWTH, POLLS, UNCHANGED, account, polls
from tests.bench.sdk import official

PARTS = ("memory", "polls", "sdk", "log", "follow", "transactions")
GROWN = ("memory", "polls")
SLOPE = (1_000, 10_000, 100_000, 1_000_000)
FROM = 10_000  # of fewer tokens, what is done once a poll is not yet shared by enough
HEAD = f"{'':28}{'':22}{'tokens':>9}{'CPU us':>10}{'wall us':>10}{'ratio':>8}{'bytes':>8}"


def main(arguments: Sequence[str] | None = None) -> list[Figure]:
    """Measure what is asked for, print it as it comes, and keep it if a file is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", help="how many; 10,000, if it is not said")
    parser.add_argument("--rounds", type=int, default=3, help="of which each figure is the median")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="the parts of the table")
    parser.add_argument("--growth", action="store_true", help="1,000 to 1,000,000 tokens, the most telling tasks")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args(arguments)
    print(HEAD)
    sizes = asked.tokens or (SLOPE if asked.growth else (10_000,))
    parts = asked.only or (GROWN if asked.growth else PARTS)
    found = asyncio.run(_measured(sizes, asked.rounds, parts, GROWTH if asked.growth else tuple(POLLS)))
    if asked.growth:
        print("\n".join(slopes(found)))
    if asked.json:
        asked.json.write_text(json.dumps([figure.as_json() for figure in found], indent=1) + "\n")
    return found


async def _measured(sizes: Sequence[int], rounds: int, wanted: Sequence[str], tasks: Sequence[str]) -> list[Figure]:
    found: list[Figure] = []
    for tokens in sizes:
        async with account(tokens) as shown, AsyncExitStack() as stack:
            if "memory" in wanted:  # first: what a million tokens in polls leave in this process would stand beside it
                async with topics() as on:
                    found += _told(await memory(on, shown))
                    found += _told(await restored("restore", on, tokens, rounds))
            sdk = await stack.enter_async_context(official(shown.url)) if "sdk" in wanted else {}
            if "polls" in wanted or sdk:
                async for figures in polls(shown, rounds, tasks if "polls" in wanted else (UNCHANGED,), sdk):
                    found += _told(figures)
            if "log" in wanted:
                async with topics() as on:
                    async for figures in log(on, shown, rounds):
                        found += _told(figures)
            if "follow" in wanted:
                async with topics() as on:
                    found += _told(await follow(on, shown, rounds))
            if "transactions" in wanted:
                async with topics() as on:
                    found += _told(await transactions(on, shown, rounds))
    return found


def slopes(found: Sequence[Figure]) -> Iterator[str]:
    """What each way costs a token at the most tokens, compared with ten thousand; nothing, if it was not run there."""
    few = {(one.task, one.way): one for one in found if one.tokens == FROM and one.cpu_us}
    most = max(one.tokens for one in found)
    for one in found:
        base = few.get((one.task, one.way))
        if base and base.cpu_us and one.cpu_us and one.tokens == most > FROM:
            beside = f", ratio {one.ratio / base.ratio:.2f}" if one.ratio and base.ratio else ""
            yield f"{one.task:28}{one.way:22}{most:>9} : {FROM}  CPU {one.cpu_us / base.cpu_us:.2f}{beside}"


def _told(figures: list[Figure]) -> list[Figure]:
    for one in figures:
        numbers = [
            f"{one.cpu_us or 0:.2f}",
            f"{one.wall_us or 0:.2f}",
            f"{one.ratio or 0:.2f}",
            f"{one.bytes or 0:.0f}",
        ]
        spent = [number if float(number) else "" for number in numbers]
        print(
            f"{one.task:28}{one.way:22}{one.tokens:>9}{spent[0]:>10}{spent[1]:>10}{spent[2]:>8}{spent[3]:>8}",
            flush=True,
        )
    return figures


if __name__ == "__main__":
    main()
