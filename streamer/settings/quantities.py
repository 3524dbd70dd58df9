"""Durations and sizes as operators write them: `60s`, `5m`, `30d`; `512KiB`, `16MiB`.

A bare number is no duration: whether 60 means seconds or milliseconds is guessed wrong by half of all readers.
"""

from __future__ import annotations

import re
from typing import Final

_UNITS_S: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_UNITS_BYTES: Final = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}
_WRITTEN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def seconds(text: str) -> float:
    """The seconds of a duration such as `60s`, `1.5h` or `250ms`.

    Raises:
        ValueError: not a number with one of the units d, h, m, s, ms.
    """
    return _measured(text, _UNITS_S, "a duration such as 60s, 5m or 30d")


def octets(text: str) -> int:
    """The bytes of a size such as `16MiB` or `512KiB`; a bare number counts bytes.

    Raises:
        ValueError: not a whole number of bytes, KiB, MiB or GiB.
    """
    size = _measured(f"{text}B" if text.isdecimal() else text, _UNITS_BYTES, "a size such as 16MiB or 512KiB")
    if size != int(size):
        raise ValueError("wanted a whole number of bytes")
    return int(size)


def duration_text(duration_s: float) -> str:
    """A duration in the largest unit of which it holds two or more without a rest: `60s`, `10m`, `30d`."""
    for unit, length in _UNITS_S.items():
        if duration_s >= 2 * length and duration_s % length == 0:
            return f"{int(duration_s / length)}{unit}"
    return f"{duration_s:g}s"


def size_text(size: int) -> str:
    """A size in the largest unit that divides it: `16MiB`."""
    for unit, length in _UNITS_BYTES.items():
        if size and size % length == 0:
            return f"{size // length}{unit}"
    return "0B"


def _measured(text: str, units: dict[str, float] | dict[str, int], wanted: str) -> float:
    found = _WRITTEN.fullmatch(text.strip())
    if found is None or found[2] not in units:
        raise ValueError(f"wanted {wanted}")
    return float(found[1]) * units[found[2]]
