"""All that commands tell, each as a process of its own beside the service's topics: when all is well, and when not."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.process import LIMIT_S, MODULE
from tests.services.jvm import die_with_parent

AT_ONCE: Final = 3
HOLD: Final = "5f0c3d1e-8a51-4c43-9b1e-2f6f0a7c1d90"
FOLLOW: Final = "follow --from-beginning --until-end"
ORDERS: Final = (f"deletes release --hold {HOLD} --expect 1", f"deletes discard --hold {HOLD}", "sources forget nobody")
WELL: Final = (
    *("check", "check --offline", "verify", "tokens --output json", "sources", "deletes list", FOLLOW),
    *(f"{FOLLOW} --output ecs --group {{prefix}}-siem", "schemas show oauth_token_event", "schemas check"),
    *("schemas register", "siem logstash", "siem kafka-connect-splunk", "siem rsyslog"),
)
KAFKA: Final = ("check", "verify", "sources", "deletes list", FOLLOW, *ORDERS)
ACCOUNT: Final = ("check", "verify", "tokens")
DECODERS: Final = ("check", "sources", FOLLOW, "schemas register")
READERS: Final = ("sources", "siem vector")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, as environment variables, or in a file that is given instead; and who is to tell of it."""

    environ: Mapping[str, str]
    calls: tuple[str, ...]
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What one process said, on both its outputs, and its exit status."""

    status: int
    said: bytes


async def told(folder: Path, calls: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, Told]:
    """By name, what each call told; all of them in one folder."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(call: str) -> Told:
        async with places:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *MODULE, *call.split()),
                cwd=folder,
                env={**os.environ, **environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                preexec_fn=die_with_parent(),
            )
            try:
                said, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
            except TimeoutError:
                process.kill()
                raise AssertionError(f"{call} does not end") from None
            assert process.returncode is not None
            return Told(process.returncode, said)

    return dict(zip(calls, await asyncio.gather(*map(one, calls.values())), strict=True))
