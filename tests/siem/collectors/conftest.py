"""One recorded history for all collectors; those that are too slow for every run are collected only when asked for."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.installation import Around
from tests.services import kafka as broker
from tests.siem.collectors.recorded import Recorded, record

# Not to be had from package registries: collected only where the variable says where it is.
ASKED_FOR = {"test_splunk_sink.py": "SPLUNK_SINK"}

collect_ignore = [name for name, variable in ASKED_FOR.items() if not os.environ.get(variable)]


@pytest.fixture(scope="session", name="recorded")
def _recorded(kafka: Any, registry: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """What an installation wrote: made once, only read by tests."""
    around = Around.of(kafka, registry, f"t-{uuid.uuid4().hex[:12]}")
    yield asyncio.run(record(around, tmp_path_factory.mktemp("recorded")))
    broker.remove_topics(kafka.bootstrap, around.prefix)
