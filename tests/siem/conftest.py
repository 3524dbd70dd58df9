"""What reads and runs KQL, for every test that asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.services import jvm, kusto, wanted

ASKING = {"test_kql.py", "test_searches.py", "test_readme_siem.py"}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch what the chosen tests need before any test's clock runs."""
    if session.config.option.collectonly or ASKING.isdisjoint(item.path.name for item in session.items):
        return
    for fetch in (kusto.engine_installed, kusto.judge_installed):
        with contextlib.suppress(jvm.Missing):  # the tests say it again
            fetch()


@pytest.fixture(name="kql", scope="session")
def _kql() -> Iterator[kusto.Engine]:
    with kusto.engine(wanted.installed(kusto.engine_installed)) as running:
        yield running
