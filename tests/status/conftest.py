"""Programs of others that judge what we tell; where Debian cannot be reached .ci/run says which tests are left out."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from streamer.health import Board
from streamer.status.application import show
from tests.services import chromium, promtool, wanted
from tests.status import boards


@pytest.fixture(scope="session", name="promtool")
def _promtool() -> Path:
    """Prometheus's judge."""
    if os.environ.get("WITHOUT_PROMTOOL"):
        pytest.skip("WITHOUT_PROMTOOL is set: rules and metrics are not judged by Prometheus's own tool")
    return wanted.installed(promtool.installed)


@pytest.fixture(name="browser")
async def _browser() -> AsyncIterator[chromium.Browser]:
    """A browser that can reach this machine alone."""
    if os.environ.get("WITHOUT_CHROMIUM"):
        pytest.skip("WITHOUT_CHROMIUM is set: the page is not looked at in a browser")
    async with chromium.chromium(wanted.installed(chromium.installed)) as running:
        yield running


@pytest.fixture(name="board")
def _board() -> Board:
    """One with everything that can be wrong."""
    return boards.troubled()


@pytest.fixture(name="url")
async def _url(board: Board) -> AsyncIterator[str]:
    """Where that board is told, at noon for ever."""
    async with AsyncExitStack() as opened:
        yield await show(opened, board, "127.0.0.1:0", "a test", clock=lambda: boards.NOW)
