"""Programs in Go that tests build on demand: the Go module proxy brings what they import, `go.sum` pins it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.services import jvm

SOURCES: Final = ("main.go", "go.mod", "go.sum")
BUILD_LIMIT_S: Final = 600


def built(sources: Path) -> Path:
    """The program of a folder, named as the folder is, built once for these sources; `Missing` if it cannot be."""
    digest = hashlib.sha256(b"".join((sources / name).read_bytes() for name in SOURCES)).hexdigest()
    return jvm.fetched(f"{sources.name}-{digest[:12]}", lambda folder: _build(sources, folder)) / sources.name


def _build(sources: Path, folder: Path) -> None:
    go = shutil.which("go")
    wanted = re.search(r"^go (\S+)$", (sources / "go.mod").read_text(), re.MULTILINE)
    if go is None:
        raise jvm.Missing(f"This needs Go {wanted and wanted[1]} or newer.")
    for name in SOURCES:
        shutil.copy(sources / name, folder)
    done = subprocess.run(
        [go, "build", "-o", sources.name, "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_LIMIT_S,
    )
    if done.returncode != 0:
        raise jvm.Missing(f"Go {wanted and wanted[1]} could not build the {sources.name}: {done.stderr[-400:]}")
