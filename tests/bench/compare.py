"""`python -m tests.bench.compare BEFORE.json AFTER.json`: what two runs with `--json` have in common, side by side.

Each figure of the second run is divided by that of the first: below 1 is better. Microseconds of two runs are compared,
so the machine must have been as quiet in one as in the other; beside them stands by how much the ratio to the control
of the same run moved, which holds on a busy machine too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

MEASURED = ("cpu_us", "wall_us", "ratio", "bytes")
Figures = dict[tuple[str, str, int], dict[str, Any]]


def read(kept: Path) -> Figures:
    """The figures of a file, by task, way and number of tokens."""
    return {(one["task"], one["way"], one["tokens"]): one for one in json.loads(kept.read_text())}


def compared(before: Figures, after: Figures) -> Iterator[str]:
    """A line for each figure that both have."""
    yield f"{'':28}{'':22}{'tokens':>9}" + "".join(f"{name:>26}" for name in MEASURED)
    for (task, way, tokens), one in before.items():
        if other := after.get((task, way, tokens)):
            cells = [_cell(one[name], other[name]) for name in MEASURED]
            yield f"{task:28}{way:22}{tokens:>9}" + "".join(f"{cell:>26}" for cell in cells)


def _cell(one: float | None, other: float | None) -> str:
    return f"{one:.4g} > {other:.4g} {other / one:5.2f}" if one and other else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    asked = parser.parse_args(arguments)
    print("\n".join(compared(read(asked.before), read(asked.after))))


if __name__ == "__main__":
    main()
