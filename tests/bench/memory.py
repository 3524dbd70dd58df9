"""What a token takes in memory: of a process that starts on what the log holds, and polls.

`python -m tests.bench.memory URL BOOTSTRAP PREFIX VARIANT` starts as the service does, polls three times, then once
more while the account shows that variant of its rows, and prints four figures in bytes, each less what the process had
before its first request: the most it ever had in memory until it knew its state, the most it ever had in the polls in
which nothing changed, what it has after them, and what it has after the last one. On an empty log the first poll is a
baseline, on that log a second process shows a restart. Linux only.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.bench.measure import Figure
from tests.bench.polls import SOURCE, Service, Shown, changing
from tests.kafka.bench import OnBroker
from tests.services.jvm import die_with_parent

POLLS = 3
STAGES = ("until restored", "at most", "in the end", "after 1 % changed")
STARTS = {"memory, first start": "ten", "memory, restart": "plain"}  # and what is shown when one in a hundred changes


async def memory(on: OnBroker, shown: Shown) -> list[Figure]:
    """The figures of a first start and of a restart, on the topics of an empty log."""
    shown.show("plain")
    found = []
    for task, variant in STARTS.items():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.memory", shown.url, on.bootstrap, on.prefix, variant),
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent(),
        )
        told, _ = await process.communicate()
        assert process.returncode == 0, "memory was not measured"
        stages = zip(STAGES, json.loads(told), strict=True)
        found += [Figure(task, stage, shown.tokens, bytes=spent / shown.tokens) for stage, spent in stages]
    return found


async def main(url: str, bootstrap: str, prefix: str, variant: str) -> None:
    """A start and the polls after it."""
    on = OnBroker(bootstrap, prefix)
    service = Service(url, on.ledger(SOURCE))
    before = _bytes("VmHWM")
    async with service.source:
        await service.cycle.prepare()
        restored = _bytes("VmHWM")
        for _ in range(POLLS):
            await service.turn()
        found = [restored, _bytes("VmHWM"), _bytes("VmRSS")]
        await asyncio.to_thread(Shown(url, 0).show, variant)
        await changing(service)()
        found.append(_bytes("VmRSS"))
    await on.close()
    print(json.dumps([spent - before for spent in found]))


def _bytes(what: str) -> int:
    """As Linux says; `getrusage` would count what our parent had when it started us."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
