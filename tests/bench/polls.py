"""What a poll costs: the whole turn of the wheel, from the first request to the state after it, without a log."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count, cycle

import httpx

from streamer.batch import Batch
from streamer.clock import utc_ms
from streamer.config import ApiKey, SourceSettings
from streamer.cycle import Cycle, Ledger
from streamer.intersight.source import IntersightSource
from streamer.judging.judgement import Policy
from streamer.report import Report
from streamer.state import SourceState
from streamer.tokens import Rights
from tests.bench.account import ACCOUNT
from tests.bench.measure import Figure, Way, interleaved
from tests.bench.ways import Plain, client, floor
from tests.builders import FORM
from tests.intersight.stage import GOLDEN, KEY_ID
from tests.services.jvm import die_with_parent

SOURCE = "prod"
POLICY = Policy(SOURCE, FORM, configuration="c")


class Nowhere:
    """A ledger that keeps nothing: what is written costs what it costs to make."""

    async def restore(self, _: str) -> SourceState:
        """See `streamer.cycle.Ledger`."""
        return SourceState()

    async def commit(self, source: str, written: Batch) -> None:
        """See `streamer.cycle.Ledger`."""

    async def commands(self, _: str, after: int | None) -> tuple[tuple[int, bytes], ...]:  # noqa: ARG002 - there are none
        """See `streamer.cycle.Ledger`."""
        return ()


class Source(IntersightSource):
    """The real border; only what we may see is known without asking."""

    async def rights(self, known: str | None = None) -> Rights:  # noqa: ARG002 - it never changes
        """See `IntersightSource`."""
        return Rights(ACCOUNT, "all")


class Service:
    """The service as far as one source needs it, on a ledger."""

    def __init__(self, url: str, ledger: Ledger, policy: Policy = POLICY) -> None:
        settings = SourceSettings(name=policy.source, url=url, api_key=ApiKey(id=KEY_ID, file=GOLDEN / "v3.pem"))
        self.source = Source(settings)
        self.cycle = Cycle(policy, self.source, ledger, utc_ms)

    async def turn(self) -> Report:
        """One turn of the wheel; it must be accepted."""
        await self.cycle.prepare()
        await self.cycle.obey()
        report = await self.cycle.settle(await self.cycle.look())
        assert report.verdict == "accepted", report
        return report


def changing(service: Service, *, changes: bool = True) -> Way:
    """A turn, held to what its figure is called: something changed, or nothing did."""

    async def turn() -> None:
        report = await service.turn()
        assert bool(report.modified) == changes, f"{report.modified} of {report.rows} tokens changed"

    return turn


class Shown:
    """The account that is polled: where it is, and which variant of its rows it shows."""

    def __init__(self, url: str, tokens: int) -> None:
        self.url = url
        self.tokens = tokens

    def show(self, variant: str) -> None:
        """From now on it shows this one."""
        httpx.get(f"{self.url}/show/{variant}", timeout=600, trust_env=False)


@asynccontextmanager
async def account(tokens: int) -> AsyncIterator[Shown]:
    """An account of so many tokens in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.account", str(tokens)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        assert url, "the account did not start"
        shown = Shown(url, tokens)
        shown.show("plain")
        yield shown
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


MODELS = 100_000  # more of them than this, twice, do not fit into the memory of a usual machine
UNCHANGED = "poll, unchanged"  # the SDK reads all alike, slowly
NOISE, NEW_NOISE = "poll, all noise seen before", "poll, all noise never seen"
QUIET = (UNCHANGED, NOISE, NEW_NOISE)
GROWTH = (UNCHANGED, NOISE, "poll, 100 % changed")
POLLS: dict[str, Callable[[], Iterator[str]]] = {  # a poll, and what the account shows round by round
    UNCHANGED: lambda: cycle(("plain",)),
    NOISE: lambda: cycle(("noise-0", "noise-1")),
    NEW_NOISE: lambda: (f"noise-{n}" for n in count(2)),
    "poll, 0.1 % changed": lambda: cycle(("one", "plain")),
    "poll, 1 % changed": lambda: cycle(("ten", "plain")),
    "poll, 100 % changed": lambda: cycle(("all", "plain")),
}


async def polls(
    shown: Shown, rounds: int, names: Sequence[str] = tuple(POLLS), sdk: Mapping[str, Way] | None = None
) -> AsyncIterator[list[Figure]]:
    """Every kind of poll, beside the floor and the plain way, as they come; one kind beside the official SDK too."""
    service = Service(shown.url, Nowhere())
    async with service.source, client(shown.url) as one, client(shown.url) as other:
        plain = Plain(other)
        beside: dict[str, Way] = {"plain way": plain.poll} if shown.tokens <= MODELS else {}
        noise = ("noise-0", "noise-1") if NOISE in names else ()
        for variant in ("plain", *noise):
            shown.show(variant)
            await service.turn()
        for name in names:
            shown.show("plain")
            await service.turn()
            variants = POLLS[name]()
            ours = changing(service, changes=name not in QUIET)
            ways: dict[str, Way] = {"floor": lambda: floor(one), "streamer": ours, **beside}
            yield await interleaved(
                name,
                {**ways, **(sdk or {})} if name == UNCHANGED else ways,
                shown.tokens,
                rounds,
                before=lambda: shown.show(next(variants)),  # noqa: B023 - called within this turn of the loop
            )
