"""`streamer verify`: do the topics, the state and Intersight itself say the same.

Question: Intersight is read later than the state, so tokens differ that the next poll will tell of; when is a
difference a fault? Choice: when it stands for longer than one poll and `replica_lag`. What does not prove its own age
is looked at a second time, after that long, and what is still the same then is a fault. So a run without differences
takes no longer than reading, and one with some waits for once. Rejected: to believe ModTime or CreateTime; a token that
was there for long may have come into sight just now.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from streamer import log
from streamer.clock import utc_ms
from streamer.commands.follow import instant
from streamer.config import Settings
from streamer.errors import CheckFailed
from streamer.invocation import OUTPUT, Invocation, read_by, takes_config
from streamer.output.printable import printable
from streamer.output.progress import Progress, shown
from streamer.verify.findings import UNKNOWN_MS, Difference, standing
from streamer.verify.look import Looker, Seen, Wanted

SLACK_S: Final = 2.0  # for a poll to read, judge and commit, beside what it took us to read
TURN_S: Final = 0.2
MOST: Final = 1_000  # differences that are printed for a person

EXAMPLES = """\b
Examples:
  streamer verify
  streamer verify --source prod-us --since 7d --output json
"""


@click.command("verify", short_help="Do topics, state and Intersight say the same?", epilog=EXAMPLES)
@click.option("--source", "sources", multiple=True, help="Only this source; may be given again.  [default: all]")
@click.option(
    "--since", callback=read_by(instant), help="Only events detected since then: 15m, 7d, 2026-11-25T08:00:00Z."
)
@OUTPUT
@takes_config
def command(invocation: Invocation, *, sources: tuple[str, ...], since: int | None, output: str) -> None:
    """Read the event topics, the state and the live API, and print every difference, field by field.

    Gaps and repetitions in sequences, events that do not follow one another, reports that do not tile them, and tokens
    of which the three do not say the same, each with the last event that told of it. It writes nothing and may run
    beside the service. What events would be older than the topics keep, refreshes that are suppressed, and tokens of a
    silent first run are no differences. Others that may be younger than one poll and replica_lag are looked at again
    after that time. Exit status 3 if one stands.
    """
    settings = invocation.settings(reader=True)
    with shown(later=True, steps=True) as progress:
        log.setup(settings.log.beside_output, settings.log.format)  # above its bars
        seen, old, young = asyncio.run(_verify(settings, Wanted(sources, since), progress))
    if output == "json":
        told = {"sources": seen.sources, "events": seen.events, "reports": seen.reports}
        click.echo(json.dumps({**told, "differences": [one.told() for one in old], "young": len(young)}))
    else:
        _print(seen, old, young)
    if old:
        raise CheckFailed(
            f"{len(old)} differences",
            hint="`streamer follow --from-beginning --moid M` shows a token's events; README explains the kinds",
        )


async def _verify(
    settings: Settings, wanted: Wanted, progress: Progress
) -> tuple[Seen, list[Difference], list[Difference]]:
    """What was seen last; the differences that stand, and those that may be too young."""
    looker, began = Looker(settings, wanted, progress), time.monotonic()
    patience = {source.name: round((source.interval + source.replica_lag) * 1000) for source in settings.sources}
    first = await looker.look()
    old, young = standing({}, first.differences, utc_ms(), patience)
    if not young:
        return first, old, young
    longest_ms = max(patience.get(one.source, UNKNOWN_MS) for one in young)
    await _wait(longest_ms / 1000 + SLACK_S + (time.monotonic() - began), len(young), progress)
    second = await looker.look()
    return second, *standing({one.key: one for one in first.differences}, second.differences, utc_ms(), patience)


async def _wait(seconds: float, count: int, progress: Progress) -> None:
    """Until differences are as old as they must be."""
    began, told = time.monotonic(), f"waiting to see whether {count} of them stand, seconds"
    while (waited := time.monotonic() - began) < seconds:
        progress(told, round(waited), round(seconds))
        await asyncio.sleep(min(TURN_S, seconds - waited))


# Telling...


def _print(seen: Seen, old: Sequence[Difference], young: Sequence[Difference]) -> None:
    """A line a difference, its fields and its event below; then a line a source."""
    console = Console(highlight=False)
    for found in old[:MOST]:
        console.print(Text("\n".join(_lines(found))), soft_wrap=True)
    if len(old) > MOST:
        console.print(f"... and {len(old) - MOST} more: --output json has all", soft_wrap=True)
    for source, facts in seen.sources.items():
        console.print(Text(f"{printable(source)}: {_summary(facts)}"), soft_wrap=True)
    told = f"{seen.events} events and {seen.reports} reports were read: {len(old)} differences"
    console.print(told + (f", {len(young)} that may settle" if young else ""), soft_wrap=True)


def _lines(found: Difference) -> Iterator[str]:
    about = f"{found.source} {found.moid}" if found.moid else found.source
    one, other = found.between
    yield f"{found.kind}: {printable(about)}: {printable(found.detail)}"
    for field in found.fields:
        yield f"    {field.name}: {one} {printable(field.one)}, {other} {printable(field.other)}"
    if found.event:
        yield f"    last event: {found.event}"


def _summary(facts: dict[str, Any]) -> str:
    known = "no state" if facts["tokens"] is None else f"{facts['tokens']} tokens, sequence {facts['sequence']}"
    listed = f", Intersight lists {facts['listed']}" if "listed" in facts else ""
    asked = "" if facts["configured"] else ", not configured here: Intersight was not asked"
    names = {"suppressed": "suppressed refreshes", "waiting": "missing and waiting or held", "silent": "kept silent"}
    names["expired"] = "last told of before what the topics keep"
    rest = "".join(f", {facts[key]} {name}" for key, name in names.items() if facts.get(key))
    return f"{known}{listed}{rest}{asked}"
