"""What reads and runs KQL, and what runs Lucene, for every test that asks for it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from streamer.siem.pipelines import elasticsearch_template
from tests.services import jvm, kusto, opensearch, wanted
from tests.siem import lucene
from tests.siem.renderings import DEPLOYMENTS

KQL = (kusto.engine_installed, kusto.judge_installed)
ASKING = {
    "test_kql.py": KQL,
    "test_readme_siem.py": KQL,
    "test_searches.py": (*KQL, opensearch.installed),
    "test_opensearch.py": (opensearch.installed,),
}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch what the chosen tests need before any test's clock runs."""
    if session.config.option.collectonly:
        return
    asked = ASKING.keys() & {item.path.name for item in session.items}
    for fetch in dict.fromkeys(fetch for name in sorted(asked) for fetch in ASKING[name]):
        with contextlib.suppress(jvm.Missing):  # the tests say it again
            fetch()


@pytest.fixture(name="kql", scope="session")
def _kql() -> Iterator[kusto.Engine]:
    with kusto.engine(wanted.installed(kusto.engine_installed)) as running:
        yield running


@pytest.fixture(name="engine", scope="session")
def _engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[opensearch.OpenSearch]:
    """A node with the templates of the deployment whose names are the usual ones, and ECS as Elastic types it."""
    wanted.installed(opensearch.installed)
    node = opensearch.OpenSearch(tmp_path_factory.mktemp("opensearch"))
    try:
        node.start()
        for form in elasticsearch_template.FORMS:
            template = elasticsearch_template.render(DEPLOYMENTS["plain"], form)
            node.ask("PUT", f"/_index_template/{form}", json.loads(template))
        node.ask("PUT", "/_index_template/stream", lucene.ecs_template())
        yield node
    finally:
        node.stop()
