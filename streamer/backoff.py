"""How long to wait before what failed is tried again."""

from __future__ import annotations

import random


def pause_s(failures: int, longest_s: float, first_s: float = 1.0) -> float:
    """Doubles with every failure in a row, from `first_s` to `longest_s`, half of it by chance."""
    whole = min(first_s * 2.0 ** min(failures - 1, 32), longest_s)
    return whole * random.uniform(0.5, 1)  # noqa: S311 - a pause, not a secret
