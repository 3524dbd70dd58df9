"""What relays are tried on: the broker that all tests share."""

from __future__ import annotations

import pytest

from tests.kafka.relay.stage import Bench
from tests.services.kafka import Given


@pytest.fixture(name="bench")
async def _bench(kafka: Given, prefix: str) -> Bench:
    """The input topics, with nothing in them."""
    made = Bench(kafka.bootstrap, prefix)
    await made.make_inputs()
    return made
