"""A real schema registry: Apicurio, seen through its Confluent-compatible face (`ccompat/v7`), data in memory."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.services import jvm
from tests.services.kafka import loopback

APICURIO = "3.3.3"
JAVA_AT_LEAST = 21
FACE = "/apis/ccompat/v7"


def installed() -> Path:
    """The folder of the registry, fetched once; `Missing` if this machine cannot have or run it."""
    jvm.java(JAVA_AT_LEAST)
    return jvm.fetched(f"apicurio-{APICURIO}", _unpack)


def _unpack(folder: Path) -> None:
    artifact = f"io.apicurio:apicurio-registry-app:{APICURIO}:tar.gz:all"
    jvm.maven(
        f"{jvm.DEPENDENCY_PLUGIN}:unpack",
        f"-Dartifact={artifact}",
        f"-DoutputDirectory={folder}",
        f"-DmarkersDirectory={folder}",  # by default a folder of the caller's
    )


class Registry(jvm.Jvm):
    """A registry of our own at `url`."""

    def __init__(self, folder: Path) -> None:
        host, port = loopback()
        self.url = f"http://{host}:{port}{FACE}"
        self.folder = folder
        jar = next(installed().rglob("quarkus-run.jar"))
        flags = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dquarkus.log.level=WARN"]
        ports = {"quarkus.http": port, "quarkus.management": port + 1}
        listen = [f"-D{name}.{k}={v}" for name, p in ports.items() for k, v in (("host", host), ("port", p))]
        super().__init__(
            [jvm.java(JAVA_AT_LEAST), *flags, *listen, "-jar", str(jar)],
            folder,
            lambda: jvm.answers(f"{self.url}/subjects"),
        )

    def remove(self) -> None:
        """End it and take its folder away."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Given:
    """Somebody else's registry, from `SCHEMA_REGISTRY_URL`."""

    url: str


def given() -> Given | None:
    """The registry the environment names, if it names one."""
    url = os.environ.get("SCHEMA_REGISTRY_URL")
    return Given(url) if url else None
