"""`python -m tests.bench.follow`: how fast `streamer follow` prints what the service has published, on one core.

A real broker, Confluent's prefix, a real registry; `streamer run` publishes the events first. The process is held to
one core, its start is counted, and so is all that it prints. CPU seconds are its own: on a busy machine they say more
than the clock does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import recording
from tests.installation import Around
from tests.services import kafka, registry

OUTPUTS = ("ndjson", "ecs", "ocsf")
PREFIX = "bench"
CORE = 1


def main() -> None:
    """Record, and print one line for each output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.follow", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="to publish, at least")
    parser.add_argument("--output", choices=OUTPUTS, nargs="+", default=OUTPUTS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("kafka", "registry", "service"):
            (folder / part).mkdir()
        broker, schemas = kafka.Broker(folder / "kafka"), registry.Registry(folder / "registry")
        try:
            broker.start()
            schemas.start()
            around = Around(broker.bootstrap, schemas.url, PREFIX)
            asyncio.run(recording.record(around, folder / "service", asked.events))
            print(f"{'output':8}{'events':>9}{'MB':>7}{'s':>8}{'events/s':>10}{'CPU s':>8}{'events/CPU s':>14}")
            for output in asked.output:
                told(folder / "service", output)
        finally:
            broker.stop()
            schemas.stop()


def told(folder: Path, output: str) -> None:
    """One run to the end, and its figures."""
    command = [sys.executable, "-m", "streamer", "follow", "--from-beginning", "--until-end", "--output", output]
    core = {min(CORE, (os.cpu_count() or 1) - 1)}
    before, began = _cpu_s(), time.perf_counter()
    with (folder / "lines").open("w+b") as out:
        subprocess.run(
            command,
            cwd=folder,
            stdout=out,
            stderr=subprocess.DEVNULL,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
        took, cpu = time.perf_counter() - began, _cpu_s() - before
        out.seek(0)
        lines, size = sum(1 for _ in out), out.tell()
    print(f"{output:8}{lines:>9}{size / 1e6:>7.0f}{took:>8.1f}{lines / took:>10.0f}{cpu:>8.1f}{lines / cpu:>14.0f}")


def _cpu_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    main()
