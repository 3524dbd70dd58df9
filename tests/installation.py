"""A whole installation for a test: a simulated Intersight in the test's own loop, and `streamer run` as a process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import yaml

from streamer.demo.credentials import Credentials
from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.serving import serve
from tests import judge
from tests.process import Process
from tests.services import kafka
from tests.services.registry import Given as Schemas

Credential = Literal["rsa", "ec", "oauth"]
ACCEPTED = "poll.accepted"
QUIET_POLLS = 3  # with an `audit.wait` of 1, see `quiet`


def utc_ms() -> int:
    """Now."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Around:
    """What an installation stands on: a broker's address, a registry's, a prefix of its own, one more topic or not."""

    bootstrap: str
    registry: str
    prefix: str
    all_topic: bool = False

    @classmethod
    def of(
        cls, broker: kafka.Given | kafka.Broker, schemas: Schemas, prefix: str, *, all_topic: bool = False
    ) -> Around:
        """From the fixtures."""
        return cls(broker.bootstrap, schemas.url, prefix, all_topic)

    async def log(self) -> judge.Log:
        """What a consumer reads there."""
        return await judge.read_log(self.bootstrap, self.registry, self.prefix, all_topic=self.all_topic)


class Installation:
    """One account, one worker. `life` is the account's, `process` the service."""

    def __init__(self, around: Around, life: Life, simulator: Simulator, process: Process) -> None:
        self.around = around
        self.life = life
        self.simulator = simulator
        self.process = process

    async def quiet(self, *sources: str) -> None:
        """Let nothing happen any more, not even an expiry, and wait until each source has told all that did.

        One poll was under way, the next sees what is missing, and tells of it when `audit.wait` is over.

        Args:
            sources: their names; none: whichever there is.
        """
        self.life.settle()
        lines = [f"{ACCEPTED} source={name} " for name in sources] or [ACCEPTED]
        seen = [self.process.said().count(line) for line in lines]
        for line, count in zip(lines, seen, strict=True):
            await self.process.says(line, count + QUIET_POLLS)

    async def verdict(self) -> list[str]:
        """Every promise that was broken; call it when all is quiet."""
        log = await self.around.log()
        shown = {moid: judge.as_published(row) for moid, row in self.life.tokens.items()}
        truth = [{"moid": e.moid, "what": e.what, "at": e.at} for e in self.life.truth]
        return [*judge.faults(log), *judge.differences(log, shown), *judge.untimely(log, truth)]


UNHELD: Mapping[str, str] = {  # so much life would look like an attack
    f"STREAMER_SOURCES__0__DELETES__HOLD_ABOVE__{limit}": "100000" for limit in ("AT_LEAST", "AT_MOST")
}


def configuration(around: Around, folder: Path, url: str, credentials: Credentials, how: Credential) -> dict[str, Any]:
    """A file's content for one source, polled every second; a free port for health."""
    kept = {"rsa": credentials.rsa, "ec": credentials.ec}
    secret = folder / "secret"
    secret.write_text(kept[how].pem if how in kept else credentials.client_secret)
    who: dict[str, Any] = {"oauth": {"client_id": credentials.client_id, "client_secret_file": str(secret)}}
    if how in kept:
        who = {"api_key": {"id": kept[how].id, "file": str(secret)}}
    return {
        "sources": [{"name": "prod", "url": url, "interval": "1s", "replica_lag": "0s", **who}],
        "kafka": {
            "bootstrap_servers": [around.bootstrap],
            "topic_prefix": around.prefix,
            "state_partitions": 2,
            "group": f"{around.prefix}-workers",
            "all_topic": around.all_topic,
            "transaction": {"timeout": "5s"},
        },
        "registry": {"url": around.registry},
        "http": {"listen": "127.0.0.1:0"},
        "log": {"level": "debug"},
    }


@asynccontextmanager
async def installed(
    around: Around,
    folder: Path,
    *,
    tokens: int,
    acts_per_second: float,
    how: Credential = "ec",
    seed: int = 7,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Installation]:
    """Installed, and not started: `process.start()` is the test's.

    Args:
        around: broker, registry and prefix.
        folder: an empty one.
        tokens: there from the start.
        acts_per_second: by chance, on average.
        seed: of that chance.
        how: the credential that the service uses.
        environ: keys of the configuration as environment variables.
    """
    life = Life(utc_ms, seed=seed, tokens=tokens, rates=Rates(per_second=acts_per_second))
    simulator = Simulator(life, seed=seed)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(simulator.app))
        written = configuration(around, folder, url, simulator.credentials, how)
        (folder / "streamer.yaml").write_text(yaml.safe_dump(written))
        process = Process("run", folder=folder, environ=environ or {})
        stack.push_async_callback(process.end)
        yield Installation(around, life, simulator, process)


async def health(process: Process, path: str) -> httpx.Response:
    """What the service answers on its health port."""
    await process.says("http.listening")
    url = process.said().partition("url=")[2].split()[0]
    async with httpx.AsyncClient() as client:
        return await client.get(f"{url}{path}")
