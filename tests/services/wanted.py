"""What a test does on a machine that lacks a service: it is skipped with one sentence; with CI=true it fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services import jvm


def installed(fetch: Callable[[], Path]) -> Path:
    """What `fetch` gives: the folder or program of a service."""
    try:
        return fetch()
    except jvm.Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
