"""A stream processor in Go, built on demand: the Benthos engine with components of franz-go and hamba/avro."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.services import jvm

SOURCES = ("main.go", "go.mod", "go.sum")
HERE = Path(__file__).parent
BUILD_LIMIT_S = 600
LIMIT_S = 60


def installed() -> Path:
    """The program, built once for these sources; `Missing` if this machine cannot build it."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()
    return jvm.fetched(f"processor-{digest[:12]}", _build) / "processor"


def _build(folder: Path) -> None:
    go = shutil.which("go")
    wanted = re.search(r"^go (\S+)$", (HERE / "go.mod").read_text(), re.MULTILINE)
    if go is None:
        raise jvm.Missing(f"This needs Go {wanted and wanted[1]} or newer.")
    for name in SOURCES:
        shutil.copy(HERE / name, folder)
    done = subprocess.run(
        [go, "build", "-o", "processor", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILD_LIMIT_S,
    )
    if done.returncode != 0:
        raise jvm.Missing(f"Go {wanted and wanted[1]} could not build the processor: {done.stderr[-400:]}")


@asynccontextmanager
async def running(text: str, folder: Path, environ: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The processor with a configuration; documents come out of it one a line."""
    (configuration := folder / "processor.yaml").write_text(text, encoding="utf-8")
    with (folder / "processor.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(installed(), "run", configuration),
            cwd=folder,
            env={"PATH": os.environ.get("PATH", ""), **environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.PIPE,
            limit=4 * 2**20,
            preexec_fn=jvm.die_with_parent(),
        )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def documents(process: asyncio.subprocess.Process, count: int) -> list[dict[str, Any]]:
    """So many documents, or those that came in time."""
    assert process.stderr is not None
    found: list[dict[str, Any]] = []
    deadline = asyncio.get_running_loop().time() + LIMIT_S
    while len(found) < count and (left := deadline - asyncio.get_running_loop().time()) > 0:
        try:
            line = await asyncio.wait_for(process.stderr.readline(), left)
        except TimeoutError:
            break
        if not line:
            break
        found.append(json.loads(line))
    return found
