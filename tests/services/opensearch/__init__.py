"""A search engine for what collectors write there: OpenSearch, embedded, one node, data in its folder.

It stands for Elasticsearch too, whose engine no package registry serves: the REST face of templates, indexing and
Lucene queries is the one they had in common when they parted. ES|QL is not part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.services import jvm
from tests.services.kafka import loopback

OPENSEARCH: Final = "2.19.6"  # the last line that Java 17 runs
JAVA_AT_LEAST: Final = 17
JARS: Final = {
    "org.opensearch:opensearch": OPENSEARCH,
    "org.opensearch.plugin:transport-netty4-client": OPENSEARCH,
    "org.opensearch.plugin:analysis-common": OPENSEARCH,
    "org.opensearch.plugin:lang-painless": OPENSEARCH,  # the language of conditions over what was counted
    "org.apache.logging.log4j:log4j-core": "2.25.4",  # it asks for more than the interface that it declares
}
PROGRAM: Final = Path(__file__).parent / "Single.java"


def installed() -> Path:
    """The folder of its jars and of our few lines that start it; `Missing` if this machine cannot have or run it."""
    jvm.java(JAVA_AT_LEAST)
    digest = hashlib.sha256(PROGRAM.read_bytes() + repr(JARS).encode()).hexdigest()
    return jvm.fetched(f"opensearch-{OPENSEARCH}-{digest[:12]}", _build)


def _build(folder: Path) -> None:
    javac = shutil.which("javac")
    if javac is None:
        raise jvm.Missing("This needs a Java compiler: install a JDK (Debian: default-jdk-headless).")
    jvm.copy_jars(folder, JARS)
    command = [javac, "-cp", f"{folder}/*", "-d", str(folder), "--release", str(JAVA_AT_LEAST), str(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=jvm.FETCH_LIMIT_S)
    if done.returncode != 0:
        raise jvm.Missing(f"javac could not build what starts OpenSearch: {done.stderr[-400:]}")


class OpenSearch(jvm.Jvm):
    """A node at `url`; `ask` calls it."""

    def __init__(self, folder: Path) -> None:
        host, port = loopback()
        self.url = f"http://{host}:{port}"
        (folder / "config").mkdir()
        jars = installed()
        flags = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=ERROR"]
        command = [jvm.java(JAVA_AT_LEAST), *flags, "-cp", f"{jars}{os.pathsep}{jars}/*", PROGRAM.stem]
        super().__init__(
            [*command, str(folder), host, str(port), str(port + 1)],
            folder,
            lambda: jvm.answers(f"{self.url}/_cluster/health"),
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One call; what it refuses is raised with its own words."""
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        data = None if body is None else text.encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    def write(self, index: str, documents: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Index documents (id, content), as a collector does; all are searchable afterwards, or it is an error."""
        lines = [json.dumps(part) for key, found in documents for part in ({"index": {"_id": key}}, found)]
        done = self.ask("POST", f"/{index}/_bulk?refresh=true", "\n".join(lines) + "\n")
        assert not done["errors"], done

    def found(self, index: str, query: Mapping[str, Any], **more: Any) -> list[dict[str, Any]]:
        """The hits of a query."""
        body = {"query": query, "size": 1_000, **more}
        return list(self.ask("POST", f"/{index}/_search", body)["hits"]["hits"])
