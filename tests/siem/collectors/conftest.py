"""One recorded history for all collectors; one that is in no package registry is collected only when asked for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.installation import Around
from tests.services import connect, flink, jvm, processor
from tests.services import kafka as broker
from tests.siem.collectors.recorded import Recorded, record

ASKED_FOR = {"test_splunk_sink.py": "SPLUNK_SINK"}  # the variable says where it is
FETCHED = {
    "test_connect.py": connect.installed,
    "test_splunk_sink.py": connect.installed,
    "test_flink_sql.py": flink.installed,
    "test_go.py": processor.installed,
}

collect_ignore = [name for name, variable in ASKED_FOR.items() if not os.environ.get(variable)]
if os.environ.get("WITHOUT_RSYSLOG"):  # .ci/run says so where Debian cannot be reached
    collect_ignore.append("test_rsyslog.py")
if os.environ.get("WITHOUT_KCAT"):
    collect_ignore.append("test_kcat.py")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch and build what the chosen tests need before any test's clock runs."""
    if session.config.option.collectonly:
        return
    for name in sorted({item.path.name for item in session.items} & FETCHED.keys()):
        with contextlib.suppress(jvm.Missing):  # the tests say it again
            FETCHED[name]()


@pytest.fixture(scope="session", name="recorded")
def _recorded(kafka: Any, registry: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """What an installation wrote: made once, only read by tests."""
    around = Around.of(kafka, registry, f"t-{uuid.uuid4().hex[:12]}")
    yield asyncio.run(record(around, tmp_path_factory.mktemp("recorded")))
    broker.remove_topics(kafka.bootstrap, around.prefix)
