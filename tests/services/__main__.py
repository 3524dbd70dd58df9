"""A real Kafka and a real schema registry to try things with, until Ctrl-C: `python -m tests.services`.

They are those that the tests use: Maven fetches them once, Java runs them on loopback addresses of their own, and all
they hold is gone in the end. What is printed is meant for the shell in which `streamer` is started.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from streamer.stop import Stop
from tests.services import jvm, kafka, registry


async def main() -> None:
    """Start both, say where they are, and end them."""
    with tempfile.TemporaryDirectory(prefix="streamer-services-") as name, ExitStack() as opened:
        for part in ("kafka", "registry"):
            (Path(name) / part).mkdir()
        broker, schemas = kafka.Broker(Path(name) / "kafka"), registry.Registry(Path(name) / "registry")
        for service in (broker, schemas):
            opened.callback(service.remove)
            service.start()
        print(f"# Apache Kafka {kafka.KAFKA} and a schema registry, Apicurio {registry.APICURIO}, until Ctrl-C")
        print(f"export STREAMER_KAFKA__BOOTSTRAP_SERVERS={broker.bootstrap}")
        print(f"export STREAMER_REGISTRY__URL={schemas.url}", flush=True)
        stop = Stop()
        with stop.on_signals():
            await stop.wait()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except jvm.Missing as missing:
        sys.exit(str(missing))
