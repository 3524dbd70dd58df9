"""What a token takes in memory: of a process that starts on what the log holds, and polls.

`python -m tests.bench.memory URL BOOTSTRAP PREFIX VARIANT` starts as the service does, polls three times, then once
more while the account shows that variant of its rows, and prints four figures in bytes, each less what the process had
before its first request: the most it ever had in memory until it knew its state, the most it ever had in the polls in
which nothing changed, what it has after them, and what it has after the last one. On an empty log the first poll is a
baseline, on that log a second process shows a restart. With only the URL the plain way polls as often, and knows
nothing when it starts. Linux only.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Figure
from tests.bench.polls import MODELS, SOURCE, Service, Shown, changing
from tests.bench.ways import Plain, client
from tests.kafka.bench import OnBroker
from tests.services.jvm import die_with_parent

POLLS = 3
STAGES = ("until restored", "at most", "in the end", "after 1 % changed")
STARTS = {"memory, first start": "ten", "memory, restart": "plain"}  # and what is shown when one in a hundred changes
PLAIN, PLAIN_STAGES = "memory, plain way", STAGES[1:3]


async def memory(on: OnBroker, shown: Shown) -> list[Figure]:
    """The figures of a first start and of a restart, on the topics of an empty log, and those of the plain way."""
    shown.show("plain")
    found = await _started(shown, PLAIN, PLAIN_STAGES) if shown.tokens <= MODELS else []
    for task, variant in STARTS.items():
        found += await _started(shown, task, STAGES, on.bootstrap, on.prefix, variant)
    return found


async def _started(shown: Shown, task: str, stages: Sequence[str], *arguments: str) -> list[Figure]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.memory", shown.url, *arguments),
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, "memory was not measured"
    figures = zip(stages, json.loads(told), strict=True)
    return [Figure(task, stage, shown.tokens, bytes=spent / shown.tokens) for stage, spent in figures]


async def ours(url: str, bootstrap: str, prefix: str, variant: str) -> list[int]:
    """A start and the polls after it."""
    on = OnBroker(bootstrap, prefix)
    service = Service(url, on.ledger(SOURCE))
    before = _bytes("VmHWM")
    async with service.source:
        await service.cycle.prepare()
        found = [_bytes("VmHWM")]
        for _ in range(POLLS):
            await service.turn()
        found += [_bytes("VmHWM"), _bytes("VmRSS")]
        await asyncio.to_thread(Shown(url, 0).show, variant)
        await changing(service)()
        found.append(_bytes("VmRSS"))
    await on.close()
    return [spent - before for spent in found]


async def plainly(url: str) -> list[int]:
    """The same polls by the plain way."""
    async with client(url) as http:
        plain = Plain(http)
        before = _bytes("VmHWM")
        for _ in range(POLLS):
            await plain.poll()
        return [_bytes(what) - before for what in ("VmHWM", "VmRSS")]


def _bytes(what: str) -> int:
    """As Linux says; `getrusage` would count what our parent had when it started us."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ours(*sys.argv[1:]) if sys.argv[2:] else plainly(*sys.argv[1:]))))
