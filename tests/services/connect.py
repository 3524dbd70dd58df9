"""A real Kafka Connect worker, standalone, with an Avro converter: jars from Maven, driven through its REST face.

Question: which converter? Choice: Apicurio's, which reads Confluent's prefix; Confluent's own is in no registry that
everybody reaches. A rendering names Confluent's, so `by_apicurio` puts the other one in its place, and nothing else.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.services import jvm
from tests.services.kafka import JAVA_AT_LEAST, KAFKA, LOG4J, LOG4J2, loopback
from tests.services.registry import FACE

APICURIO_CONVERTER = "2.6.13.Final"
CONFLUENT = "io.confluent.connect.avro.AvroConverter"
APICURIO = "io.apicurio.registry.utils.converter.AvroConverter"

ARTIFACTS = {
    "org.apache.kafka:connect-runtime": KAFKA,
    "org.apache.kafka:connect-transforms": KAFKA,
    "org.apache.kafka:connect-file": KAFKA,
    "io.apicurio:apicurio-registry-utils-converter": APICURIO_CONVERTER,
    "org.apache.logging.log4j:log4j-slf4j-impl": LOG4J,
}


def installed() -> Path:
    """The folder of the worker's jars, fetched once; `Missing` if this machine cannot have or run them."""
    jvm.java(JAVA_AT_LEAST)
    name = f"connect-{KAFKA}-{APICURIO_CONVERTER}"
    return jvm.fetched(name, lambda folder: jvm.copy_jars(folder, ARTIFACTS))


def by_apicurio(config: Mapping[str, str]) -> dict[str, str]:
    """A connector's configuration with Apicurio's converter where it names Confluent's."""
    prefix = "value.converter."
    kept = {name: value for name, value in config.items() if not name.startswith(prefix)}
    assert kept["value.converter"] == CONFLUENT
    url = config[f"{prefix}schema.registry.url"].removesuffix(FACE)
    theirs = {"apicurio.registry.url": f"{url}/apis/registry/v2", "apicurio.registry.as-confluent": "true"}
    theirs["apicurio.registry.use-id"] = "contentId"
    return {**kept, "value.converter": APICURIO, **{f"{prefix}{name}": value for name, value in theirs.items()}}


class Worker(jvm.Jvm):
    """A standalone worker at `url`; `environ` is what connectors may refer to."""

    def __init__(self, folder: Path, bootstrap: str, environ: Mapping[str, str], *more: Path) -> None:
        host, port = loopback()
        self.url = f"http://{host}:{port}"
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log4j2.xml").write_text(LOG4J2)
        (folder / "worker.properties").write_text(
            f"bootstrap.servers={bootstrap}\n"
            f"listeners={self.url}\n"
            "key.converter=org.apache.kafka.connect.storage.StringConverter\n"
            "value.converter=org.apache.kafka.connect.storage.StringConverter\n"
            f"offset.storage.file.filename={folder / 'offsets'}\n"
            "offset.flush.interval.ms=1000\n"  # a sink is called at least so often, with or without records
            f"plugin.discovery={'hybrid_warn' if more else 'service_load'}\n"
            "config.providers=env\n"
            "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n"
        )
        flags = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC"]
        classpath = ":".join(f"{at}/*" for at in (installed(), *more))
        given = [f"{name}={value}" for name, value in environ.items()]
        super().__init__(
            [
                *(shutil.which("env") or "env", *given, jvm.java(JAVA_AT_LEAST), *flags),
                *("-Dlog4j2.configurationFile=log4j2.xml", "-cp", classpath),
                *("org.apache.kafka.connect.cli.ConnectStandalone", "worker.properties"),
            ],
            folder,
            lambda: jvm.answers(f"{self.url}/connectors"),
        )

    def remove(self) -> None:
        """End it and take its folder away."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request of the worker's REST face; an error's text is raised as an assertion."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode(errors="replace")) from error
