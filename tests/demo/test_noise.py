"""Noise changes how rows look and never what they mean; the truth does not see it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from streamer.demo.noise import Noise
from streamer.demo.shapes import LINK_HOST
from tests.demo.stage import still

WORLD = still(50)
for _moid in list(WORLD.moids)[:10]:
    WORLD.widen(_moid)
    WORLD.widen(_moid)
    WORLD.tag(_moid, "b", "1")
    WORLD.tag(_moid, "a", "2")
ROWS = list(WORLD.tokens.values())


def _meaning(value: Any) -> Any:
    """A value without what is noise: nulls, the order of lists, links."""
    if isinstance(value, dict):
        return {name: _meaning(item) for name, item in value.items() if item is not None and name != "link"}
    if isinstance(value, list):
        return sorted((_meaning(item) for item in value), key=repr)
    return value


def test_noise_means_nothing() -> None:
    """Each noisy row means what the row means, each kind of noise occurs, and the rows themselves are untouched."""
    before = deepcopy(ROWS)
    noise = Noise(1.0)
    shown = [noise.on(row) for row in ROWS]

    assert [_meaning(row) for row in shown] == [_meaning(row) for row in ROWS]
    assert before == ROWS
    pairs = list(zip(shown, ROWS, strict=True))
    for name in ("Owners", "Tags", "PermissionResources"):
        assert any(noisy[name] != row[name] for noisy, row in pairs)
    assert any("VersionContext" not in noisy for noisy in shown)
    assert any("VersionContext" in noisy for noisy in shown)
    assert {
        noisy["User"]["link"].removesuffix(row["User"]["link"].removeprefix(LINK_HOST)) for noisy, row in pairs
    } == {
        "https://www.intersight.com",
        "https://intersight.com",
    }
    assert all(list(noisy) == sorted(noisy) for noisy in shown)


def test_no_noise_is_none() -> None:
    """A share of 0 sends the very rows."""
    noise = Noise(0)

    assert all(noise.on(row) is row for row in ROWS)


def test_noise_is_repeatable_and_differs_between_replies() -> None:
    """The same seed makes the same noise; the same row is not always shown alike."""
    one, two = Noise(0.5, seed=3), Noise(0.5, seed=3)

    replies = [[one.on(row) for row in ROWS] for _ in range(2)]

    assert replies == [[two.on(row) for row in ROWS] for _ in range(2)]
    assert replies[0] != replies[1]
