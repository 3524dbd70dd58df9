"""What tests of commands need beside a broker and a registry."""

from pathlib import Path

import pytest

from tests.services import intersight_sdk, wanted


@pytest.fixture(scope="session", name="official_sdk")
def _official_sdk() -> Path:
    """The folder with Cisco's SDK."""
    return wanted.installed(intersight_sdk.installed)
