"""A second schema registry that nobody here wrote: the in-memory one of franz-go, Confluent's dialect in Go.

It differs from Apicurio where registries do: the vendor's content type, error 404 for a level that is not set, ids with
gaps, the schema's text as it was given. It guards no compatibility: what tests that, needs another registry.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.services import golang, jvm
from tests.services.kafka import loopback


def installed() -> Path:
    """The program, built once; `Missing` if this machine cannot build it."""
    return golang.built(Path(__file__).parent)


class Registry(jvm.Jvm):
    """A registry of our own at `url`."""

    def __init__(self, folder: Path) -> None:
        host, port = loopback()
        self.url = f"http://{host}:{port}"
        self.folder = folder
        super().__init__([str(installed()), f"{host}:{port}"], folder, lambda: jvm.answers(f"{self.url}/subjects"))

    def remove(self) -> None:
        """End it and take its folder away."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
