"""`python -m tests.bench`: one table of what polls, the log and memory cost, each figure beside its controls.

CPU is that of this process per token, in microseconds; the account is served from another process, and the broker is
one. Give `--json FILE` on two commits to compare them. `--growth` shows the slope from a thousand tokens to a million:
of the polls the cheapest and the dearest, and memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from tests.bench.log import log, restored, topics, transactions
from tests.bench.measure import Figure
from tests.bench.memory import memory
from tests.bench.polls import GROWTH, POLLS, account, polls

PARTS = ("polls", "log", "transactions", "memory")
SLOPE = (1_000, 10_000, 100_000, 1_000_000)
HEAD = f"{'':28}{'':22}{'tokens':>9}{'CPU us':>10}{'wall us':>10}{'ratio':>8}{'bytes':>8}"


def main(arguments: Sequence[str] | None = None) -> list[Figure]:
    """Measure what is asked for, print it as it comes, and keep it if a file is named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", help="how many; 10,000, if it is not said")
    parser.add_argument("--rounds", type=int, default=3, help="of which each figure is the median")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--growth", action="store_true", help="1,000 to 1,000,000 tokens, the most telling tasks")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args(arguments)
    print(HEAD)
    if asked.growth:
        asked.only = ("polls", "memory")
    sizes = asked.tokens or (SLOPE if asked.growth else (10_000,))
    found = asyncio.run(_measured(sizes, asked.rounds, asked.only, GROWTH if asked.growth else tuple(POLLS)))
    if asked.json:
        asked.json.write_text(json.dumps([figure.as_json() for figure in found], indent=1) + "\n")
    return found


async def _measured(sizes: Sequence[int], rounds: int, wanted: Sequence[str], tasks: Sequence[str]) -> list[Figure]:
    found: list[Figure] = []
    for tokens in sizes:
        async with account(tokens) as shown:
            if "polls" in wanted:
                async for figures in polls(shown, rounds, tasks):
                    found += _told(figures)
            if "log" in wanted:
                async with topics() as on:
                    async for figures in log(on, shown, rounds):
                        found += _told(figures)
            if "transactions" in wanted:
                async with topics() as on:
                    found += _told(await transactions(on, shown, rounds))
            if "memory" in wanted:
                async with topics() as on:
                    found += _told(await memory(on, shown))
                    found += _told(await restored("restore", on, tokens, rounds))
    return found


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
