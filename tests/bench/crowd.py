"""Many simulated accounts in a process of their own, on one socket: what it costs to serve them is nobody's cost here.

`python -m tests.bench.crowd --accounts N --tokens T --acts A --folder F` writes `crowd.json` there, the `sources` of a
configuration, then prints a line and serves until its input ends. Every account has an address of its own in 127/8, so
that each is another host to whoever asks; all of these are one listening socket (Linux only).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from starlette.types import ASGIApp, Receive, Scope, Send

from streamer.demo.credentials import ApiKey, Credentials
from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.serving import serve
from tests.installation import utc_ms

READY = "serving"


def address(number: int) -> str:
    """Of the account with this number."""
    return f"127.77.{number // 250}.{number % 250 + 1}"


def by_host(apps: Mapping[str, ASGIApp]) -> ASGIApp:
    """Each request to the application of the host that it names."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        host = dict(scope["headers"])[b"host"].decode().partition(":")[0]
        await apps[host](scope, receive, send)

    return app


def crowd(accounts: int, tokens: int, acts_per_second: float) -> dict[str, Simulator]:
    """The simulators by their hosts; the RSA key, which takes long to make and is not used, is one for all."""
    found: dict[str, Simulator] = {}
    first = Credentials.new()
    for number in range(accounts):
        life = Life(utc_ms, seed=number, tokens=tokens, rates=Rates(per_second=acts_per_second))
        owner = f"{life.account.moid}/{life.admin.moid}/{number:024x}"
        key = ApiKey(owner, ec.generate_private_key(ec.SECP256R1()))
        own = replace(first, account=life.account, admin=life.admin, ec=key)
        found[address(number)] = Simulator(life, own, seed=number)
    return found


def sources(simulators: Mapping[str, Simulator], port: int, folder: Path) -> list[dict[str, Any]]:
    """What a configuration says of them; their keys are written to the folder."""
    said = []
    for number, (host, simulator) in enumerate(simulators.items()):
        key = simulator.credentials.ec
        (folder / f"{number}.pem").write_text(key.pem)
        who = {"id": key.id, "file": str(folder / f"{number}.pem")}
        said.append({"name": f"account-{number:03}", "url": f"http://{host}:{port}", "api_key": who})
    return said


async def main(asked: argparse.Namespace) -> None:
    """Serve until nobody holds our input open any more, or we are ended."""
    simulators = crowd(asked.accounts, asked.tokens, asked.acts)
    app = by_host({host: simulator.app for host, simulator in simulators.items()})
    async with serve(app, host="0.0.0.0") as url:
        port = int(url.rpartition(":")[2])
        (asked.folder / "crowd.json").write_text(json.dumps(sources(simulators, port, asked.folder)))
        print(READY, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.crowd", description=__doc__)
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--acts", type=float, required=True, help="of each account, in a second")
    parser.add_argument("--folder", type=Path, required=True)
    asyncio.run(main(parser.parse_args()))
