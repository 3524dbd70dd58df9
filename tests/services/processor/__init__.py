"""A stream processor in Go, built on demand: the Benthos engine with components of franz-go and hamba/avro."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.services import golang, jvm

LIMIT_S = 60


def installed() -> Path:
    """The program, built once for these sources; `Missing` if this machine cannot build it."""
    return golang.built(Path(__file__).parent)


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
