"""The measure of a worker measures: a figure for everything it names, on a real broker."""

from pathlib import Path
from typing import Any

from tests.bench.worker import asked_for, measured
from tests.installation import Around

FIGURES = {"sources": 3, "tokens": 20, "interval": 1, "seconds": 3, "settle": 0, "acts": 1, "partitions": 2}


async def test_a_small_crowd_is_measured(kafka: Any, registry: Any, prefix: str, tmp_path: Path) -> None:
    """Each account was polled while it was looked at, none was rejected, and Linux told what that took."""
    asked = asked_for([f"--{name}={figure}" for name, figure in FIGURES.items()])

    found = await measured(Around.of(kafka, registry, prefix), tmp_path, asked)

    assert found["rejected"] == 0
    assert all(figure > 0 for what, figure in found.items() if what != "rejected"), found
