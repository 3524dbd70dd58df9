"""What a token takes in memory: `python -m tests.bench.memory URL` prints the bytes, of a process that polls only it.

Measured is the most that the process ever had in memory (so polls count, not only what lies still between them), less
what it had before its first request, by the number of tokens. Linux only.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.bench.measure import Figure
from tests.bench.polls import Nowhere, Service, Shown
from tests.services.jvm import die_with_parent


async def memory(shown: Shown) -> Figure:
    """The figure, taken in a process of its own."""
    shown.show("plain")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.memory", shown.url),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, "memory was not measured"
    return Figure("memory, three polls", "streamer", shown.tokens, bytes=int(told) / shown.tokens)


async def main(url: str) -> None:
    """A baseline and two polls that find nothing."""
    service = Service(url, Nowhere())
    async with service.source:
        await service.cycle.prepare()
        before = _peak()
        for _ in range(3):
            await service.turn()
    print(_peak() - before)


def _peak() -> int:
    """Bytes; `getrusage` would count what our parent had when it started us."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
