"""What differs between two replies although nothing happened: order within lists, the host of links, absent for null.

All of it was seen in recorded replies of the real API, or is left open by it. A reader that takes noise for change
reports tokens that nobody touched. The truth never sees noise: it is put on a copy, on the way out.
"""

from __future__ import annotations

import random
from typing import Any

from streamer.demo.shapes import LINK_HOST, Row

_OTHER_HOST = "https://intersight.com"
SHARE = 0.1
_SET_LIKE = ("Ancestors", "Owners", "PermissionResources", "Tags")


class Noise:
    """Chance on the way out.

    Args:
        share: of the rows of each reply that are shown otherwise than the truth has them; 0 for none.
        seed: of its own chance, apart from the world's: reading must not change history.
    """

    def __init__(self, share: float = SHARE, *, seed: int = 7) -> None:
        self.share = share
        self._random = random.Random(seed)  # noqa: S311  repeatable, not secret

    def on(self, row: Row) -> Row:
        """The row, or a copy of it that means the same."""
        if self._random.random() >= self.share:
            return row
        noisy = {name: value for name, value in row.items() if value is not None or self._random.random() < 1 / 2}
        for name in _SET_LIKE:
            if noisy.get(name):
                noisy[name] = self._random.sample(noisy[name], len(noisy[name]))
        if self._random.random() < 1 / 2:
            noisy = _elsewhere(noisy)
        return noisy


def _elsewhere(value: Any) -> Any:
    """A copy in which all links lead to the API's other host."""
    if isinstance(value, list):
        return [_elsewhere(item) for item in value]
    if not isinstance(value, dict):
        return value
    moved = {name: _elsewhere(item) for name, item in value.items()}
    if "link" in moved:
        moved["link"] = moved["link"].replace(LINK_HOST, _OTHER_HOST)
    return moved
