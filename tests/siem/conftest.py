"""What runs KQL, for every test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services import kusto, wanted


@pytest.fixture(name="kql", scope="session")
def _kql() -> Iterator[kusto.Engine]:
    with kusto.engine(wanted.installed(kusto.engine_installed)) as running:
        yield running
