"""One set of keys for all tests of the simulator: an RSA key takes long to make."""

from __future__ import annotations

import pytest

from streamer.demo.credentials import Credentials
from tests.demo.stage import Clock


@pytest.fixture(scope="session", name="credentials")
def _credentials() -> Credentials:
    """Keys and an OAuth client."""
    return Credentials.new()


@pytest.fixture(name="clock")
def _clock() -> Clock:
    """A clock that stands at `START`."""
    return Clock()
