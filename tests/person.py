"""A person beside the service: `streamer deletes ...` as a process of its own, in the folder of the configuration."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.process import LIMIT_S


async def deletes(folder: Path, *arguments: str) -> str:
    """What it prints; it must succeed."""
    command = (sys.executable, "-m", "streamer", "deletes", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)
    assert process.returncode == 0, err.decode()
    return out.decode()


async def held(folder: Path) -> list[dict[str, Any]]:
    """The holds as a program reads them."""
    return list(json.loads(await deletes(folder, "list", "--output", "json")))


async def release(folder: Path, hold_id: str, expect: int) -> str:
    """Let a hold go."""
    return await deletes(folder, "release", "--hold", hold_id, "--expect", str(expect), "--yes")
