"""`streamer simulate`: a local Intersight, with credentials and a configuration ready to run against it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from streamer.clock import utc_ms
from streamer.demo.credentials import EC_FILE, RSA_FILE, SECRET_FILE, Credentials
from streamer.demo.faults import SETS, AnyFault
from streamer.demo.lies.sights import Lag
from streamer.demo.life import Life, Rates
from streamer.demo.noise import SHARE
from streamer.demo.shorthand import read_fault, read_set
from streamer.demo.simulator import Simulator
from streamer.errors import Misconfigured
from streamer.invocation import Invocation, read_by, takes_config
from streamer.serving import serve
from streamer.settings.values import origin
from streamer.stop import Stop

CONFIG_FILE = "streamer.yaml"
EXAMPLES = """\b
Examples:
  streamer simulate --tokens 1000 --rate 5 --faults all:0.02 --fault lag=3s:0.2
  streamer simulate --rate 0 --output json   # nothing happens but what POST /-/act asks for
"""


@dataclass(frozen=True, slots=True)
class _Face:
    """Where it is reached: `url` from outside (None: as it is served), `host` and `port` to listen on."""

    host: str
    port: int
    url: str | None
    output: str


def _short(read: Callable[[str], Sequence[AnyFault]]) -> Callable[..., list[AnyFault]]:
    """A click callback that reads all values of an option by `read`, which raises ValueError."""

    def callback(context: click.Context, option: click.Parameter, texts: Sequence[str]) -> list[AnyFault]:
        try:
            return [fault for text in texts for fault in read(text)]
        except ValueError as error:
            raise click.BadParameter(str(error), context, option) from error

    return callback


@click.command("simulate", short_help="A local Intersight for trying things.", epilog=EXAMPLES)
@takes_config
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8180, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
@click.option(
    "--url",
    callback=read_by(origin),
    help="How others reach it, for the written configuration.  [default: http://HOST:PORT]",
)
@click.option("--tokens", default=100, show_default=True, type=click.IntRange(0), help="Tokens there from the start.")
@click.option("--seed", default=7, show_default=True, help="The same seed makes the same people and the same chances.")
@click.option(
    "--rate", default=1.0, show_default=True, type=click.FloatRange(0), help="Acts by chance in a second, on average."
)
@click.option(
    "--noise",
    default=SHARE,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of rows shown in another order, with other links, without nulls: no change.",
)
@click.option(
    "--fault",
    "one_by_one",
    multiple=True,
    metavar="FAULT",
    callback=_short(lambda text: [read_fault(text)]),
    help="What goes wrong, NAME[=VALUE][,PARAMETER=VALUE...][:PROBABILITY], such as html:0.05, lag=3s:0.2 or "
    "count=-1,times=3; may be given several times. GET /-/ names and explains all faults.",
)
@click.option(
    "--faults",
    "sets",
    multiple=True,
    metavar="SET",
    callback=_short(read_set),
    help=f"Every fault of a set ({', '.join(SETS)}), such as all:0.02; may be given several times.",
)
@click.option(
    "--key-dir",
    default="streamer-simulator",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of the keys and of a ready {CONFIG_FILE}; keys that are there are used again.",
)
@click.option(
    "--output",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json"]),
    help="How it says where it is, for a person or a program.",
)
def command(
    invocation: Invocation,
    *,
    host: str,
    port: int,
    url: str | None,
    tokens: int,
    seed: int,
    rate: float,
    noise: float,
    one_by_one: Sequence[AnyFault],
    sets: Sequence[AnyFault],
    key_dir: Path,
    output: str,
) -> None:
    """Serve a local Intersight with tokens that come, change and go, until SIGINT or SIGTERM.

    It checks signatures and OAuth tokens as the real one does, and keeps a ledger of what really happened. Once it
    accepts requests it prints its URL, its credentials, and how to run against it. GET /-/ is its control face. Faults
    make it lie in what it answers, and never in its ledger. It keeps nothing but keys: started again it is the same
    account with other tokens, and a service that runs against it holds the deletions of those before.
    """
    invocation.brings_its_own("the simulator")
    credentials = _credentials(key_dir)
    world = Life(
        utc_ms,
        seed=seed,
        account=credentials.account,
        admin=credentials.admin,
        tokens=tokens,
        rates=Rates(per_second=rate),
    )
    simulator = Simulator(world, credentials, noise=noise, seed=seed)
    simulator.faults.arm(*one_by_one, *sets)
    asyncio.run(_serve(simulator, _Face(host, port, url, output), key_dir))


async def _serve(simulator: Simulator, face: _Face, folder: Path) -> None:
    stop = Stop()
    try:
        async with serve(simulator.app, host=face.host, port=face.port) as served:
            with stop.on_signals():
                facts = _facts(face.url or served, simulator.credentials, folder)
                _warn_of_the_last(folder / CONFIG_FILE)
                _write_config(facts, _lag_s(simulator), folder / CONFIG_FILE)
                click.echo(json.dumps(facts) if face.output == "json" else _told(facts, len(simulator.world.tokens)))
                await stop.wait()
    except OSError as error:
        raise Misconfigured(
            f"cannot serve on {face.host}:{face.port}: {error.strerror or error}",
            hint="--host wants an address of this machine, --port a free port, 0 for any",
        ) from error


def _warn_of_the_last(path: Path) -> None:
    """Who starts it again is told what a service makes of that."""
    if path.exists():
        click.echo(
            f"streamer: {path} of an earlier start is written anew, and the account has other tokens than then: a "
            "service that knew those holds their deletions; `streamer deletes list` shows them",
            err=True,
        )


def _credentials(folder: Path) -> Credentials:
    hint = "give another folder with --key-dir, or remove this one for new keys"
    try:
        return Credentials.kept_in(folder)
    except OSError as error:
        raise Misconfigured(f"--key-dir {folder}: {error.strerror or error}", hint=hint) from error
    except ValueError as error:
        raise Misconfigured(f"--key-dir: {error}", hint=hint) from error


def _facts(url: str, credentials: Credentials, folder: Path) -> dict[str, Any]:
    """What a caller needs to know, as `--output json` prints it."""
    folder = folder.resolve()
    return {
        "url": url,
        "control": f"{url}/-/",
        "account": credentials.account.moid,
        "api_keys": [
            {"version": 2, "id": credentials.rsa.id, "file": str(folder / RSA_FILE)},
            {"version": 3, "id": credentials.ec.id, "file": str(folder / EC_FILE)},
        ],
        "oauth": {"client_id": credentials.client_id, "client_secret_file": str(folder / SECRET_FILE)},
        "config": str(folder / CONFIG_FILE),
    }


def _told(facts: dict[str, Any], tokens: int) -> str:
    lines = [f"Intersight, simulated: {facts['url']}", f"  {tokens} tokens in account {facts['account']}"]
    lines += [f"  API key v{key['version']}: {key['id']}  {key['file']}" for key in facts["api_keys"]]
    lines += [f"  OAuth client: {facts['oauth']['client_id']}  {facts['oauth']['client_secret_file']}"]
    lines += [f"  control: {facts['control']}", f"Run against it: streamer run -c {facts['config']}"]
    return "\n".join(lines)


def _lag_s(simulator: Simulator) -> int:
    """How far a reply may be behind the world, and a second for the resolution of `Date`: what a reader allows for."""
    lags = [fault.by for fault in simulator.faults.armed() if isinstance(fault, Lag)]
    return math.ceil(max(lags)) + 1 if lags else 0


def _write_config(facts: dict[str, Any], lag_s: int, path: Path) -> None:
    """A configuration for one source, with the key of version 3, beside a Kafka and a registry on this machine."""
    key = facts["api_keys"][1]
    source = {
        "name": "simulator",
        "url": facts["url"],
        "api_key": {"id": key["id"], "file": key["file"]},
        "interval": "5s",
        "replica_lag": f"{lag_s}s",
        "deletes": {"hold_above": {"window": "30s"}},  # life is short here: in ten minutes half of an account may go
    }
    settings = {
        "sources": [source],
        "kafka": {"bootstrap_servers": ["localhost:9092"], "topic_prefix": "simulator.oauth-token"},
        "registry": {"url": "http://localhost:8081"},
    }
    written = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    path.write_text(f"# Written by `streamer simulate` at its every start.\n{written}")
