"""How a figure is taken: several ways of one thing, turn by turn in the same minutes, and of each the median.

CPU seconds are those of this process, all its threads; what serves it runs elsewhere. A way that is a process of its
own tells itself what it spent, and on how many tokens. A machine that is busy with something else stretches all ways
alike, so ratios hold where figures do not.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

Way = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process of its own spent on doing it, in seconds, and with how many tokens."""

    cpu_s: float
    wall_s: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Figure:
    """What one way of doing something cost, per token.

    Attributes:
        task, way: what was done, and by whom.
        tokens: how many there were.
        cpu_us, wall_us: per token, medians; None where it is not a matter of time.
        ratio: of CPU to that of the control in the same runs; None for the control itself.
        bytes: per token, where memory was measured.
    """

    task: str
    way: str
    tokens: int
    cpu_us: float | None = None
    wall_us: float | None = None
    ratio: float | None = None
    bytes: float | None = None

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


async def interleaved(
    task: str,
    ways: Mapping[str, Way],
    tokens: int,
    rounds: int,
    *,
    before: Callable[[], object] = lambda: None,
    by_wall: bool = False,
) -> list[Figure]:
    """Each way once a round; the first one is the control that the others are compared with, by CPU or by the clock.

    `before` is done before each round, at nobody's cost.
    """
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        before()
        for name, way in ways.items():
            gc.collect()
            began, began_wall = time.process_time(), time.perf_counter()
            told = await way()
            spent = Spent(time.process_time() - began, time.perf_counter() - began_wall, tokens)
            spent = told if isinstance(told, Spent) else spent
            cpu[name].append(spent.cpu_s * 1e6 / spent.tokens)
            wall[name].append(spent.wall_s * 1e6 / spent.tokens)
    floor = next(iter(ways))
    kept = wall if by_wall else cpu
    found = []
    for name in ways:
        ratio = None if name == floor else statistics.median(kept[name]) / statistics.median(kept[floor])
        found.append(Figure(task, name, tokens, statistics.median(cpu[name]), statistics.median(wall[name]), ratio))
    return found
