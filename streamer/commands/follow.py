"""`streamer follow`: what a SIEM would see, on standard output.

A line is written and flushed before its offset may be committed; everything else (gaps, records that are no events,
how lines are ordered) goes to standard error, so that what is piped on is events and nothing else.

Question: what does a record that is no event do to the exit status? Choice: reading goes on, its place is said on
standard error, and a run that ends by itself (`--until-end`) ends with status 1; one that was told to stop has done
what it was told, and ends with 0. Rejected: to end at the first one: a single foreign record would stop the feed.

Question: who writes? Choice: a thread: a reader that does not read (a pager, a stuck pipe) must stop neither the
group's heartbeats nor the second Ctrl-C. It is given what is ready, up to a batch, and flushes once: behind a backlog
a flush and a change of threads for every line would cost more than all the rest, and at the end of a quiet feed a batch
is one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from streamer.config import Settings
from streamer.intersight.canonical import MOID
from streamer.invocation import Invocation, read_by, takes_config
from streamer.kafka.choice import choose
from streamer.kafka.connection import Connection
from streamer.kafka.follow import WINDOW_S, Followed, Skipped, batches
from streamer.kafka.rights import needed
from streamer.kafka.topics import EVENTS, Names
from streamer.ordering import FIRST
from streamer.output import lines, table
from streamer.output.printable import printable
from streamer.output.progress import Progress, shown
from streamer.output.stdout import put, until_nobody_reads
from streamer.registry import Registry
from streamer.settings import quantities
from streamer.siem.forms import FORMS
from streamer.stop import Stop
from streamer.wire.decoding import Decoder, Undecodable

FORM_OF: Final[Mapping[str, str]] = {"ndjson": "json", "ocsf": "ocsf", "ecs": "ecs"}
COLLECT_AFTER: Final = 50_000  # by default 700 new objects, and a fifth of the time goes into looking for cycles
ROOMY: Final = 110  # letters of a line that has a place for seconds
SOURCE: Final = 9  # letters of a source's name, at least
SHARES: Final = (3, 2, 5)  # of who, client and what happened, in the rest of a line
COLOURS: Final = {"created": "green", "modified": "yellow", "deleted": "red"}

EXAMPLES = """\b
Examples:
  streamer follow --from-beginning --type deleted
  streamer follow --group siem --output ecs >> tokens.ndjson
"""

Event = dict[str, Any]
Write = Callable[[Sequence[Event]], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown: all whose Moid and type are among these, where any are given."""

    moids: Collection[str] = ()
    types: Collection[str] = ()

    def __contains__(self, event: Event) -> bool:
        return (not self.moids or event["moid"] in self.moids) and (not self.types or event["event_type"] in self.types)


def instant(text: str) -> int:
    """The time that is meant (ms UTC): an age such as `15m`, or RFC 3339; else a `ValueError` says what is wanted."""
    with contextlib.suppress(ValueError):
        return round((time.time() - quantities.seconds(text)) * 1000)
    with contextlib.suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return round(moment.timestamp() * 1000)
    raise ValueError("wanted an age such as 15m or 7d, or a time with its zone such as 2026-11-25T08:00:00Z")


def _moids(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """As given: one that cannot be would be waited for in vain."""
    for value in values:
        if not MOID.fullmatch(value):
            raise click.BadParameter(f"{value!r} is given, wanted a Moid, such as 5b653f937564613f0e8bec94")
    return values


@click.command("follow", short_help="Print events as they are published.", epilog=EXAMPLES)
@click.option(
    "--output",
    type=click.Choice(["table", *FORM_OF]),
    default="table",
    show_default=True,
    help="A line for a person, the one JSON form, OCSF 1.8.0 or ECS 9.4.0 (JSON, one line each).",
)
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest event.  [default: with the next]")
@click.option(
    "--since", callback=read_by(instant), help="Begin with events detected since then: 15m, 7d, 2026-11-25T08:00:00Z."
)
@click.option("--group", help="Consumer group: commit what was written, and go on from there the next time.")
@click.option("--until-end", is_flag=True, help="End with the last event that is there now.")
@click.option("--moid", "moids", multiple=True, callback=_moids, help="Only this token; may be given again.")
@click.option("--type", "types", type=click.Choice(EVENTS), multiple=True, help="Only this type; may be given again.")
@takes_config
def command(
    invocation: Invocation,
    *,
    output: str,
    from_beginning: bool,
    since: int | None,
    group: str | None,
    until_end: bool,
    moids: tuple[str, ...],
    types: tuple[str, ...],
) -> None:
    """Read the event topics and print each event, in the order of its source's sequence, until SIGTERM or SIGINT.

    Only committed events are shown. A gap in a sequence, and a record that is no event, are told on standard error;
    after such a record --until-end ends with status 1. With --group an offset is committed after its line is written,
    so a crash repeats lines and loses none; where the group has offsets, --from-beginning and --since mean nothing.
    With kafka.all_topic: true they come from P.all, if it is there, else from the three topics; which is said first.
    """
    if sys.stdout is None:  # closed by whoever started us
        raise click.UsageError("standard output is closed; events need somewhere to go")
    if from_beginning and since is not None:
        raise click.UsageError("--from-beginning and --since exclude each other")
    settings = invocation.begin(reader=True)
    write = _writer(output)
    options = {"from_beginning": from_beginning, "since": since, "group": group, "until_end": until_end}
    gc.set_threshold(COLLECT_AFTER)
    with until_nobody_reads():
        skipped = asyncio.run(_print(settings, write, Wanted(moids, types), options))
        if skipped and until_end:
            raise Undecodable(f"{skipped} records are no events; their places are told above")


async def _print(settings: Settings, write: Write, wanted: Wanted, options: dict[str, Any]) -> int:
    """Print until the end, or until asked to stop (then 0); how many records were no events."""
    stop, skipped, begun = Stop(), 0, set[tuple[str, str]]()
    names = Names(settings.kafka.topic_prefix)
    connection = Connection.of(settings.kafka, needed("follow", settings.kafka, group=options["group"]))
    with stop.on_signals():
        chosen = await choose(connection, names, all_topic=settings.kafka.all_topic, group=options["group"])
        options["topics"] = chosen.topics
        _tell(f"{chosen.told}: ordered by source and sequence, within {WINDOW_S:g} s")
        async with contextlib.AsyncExitStack() as opened:
            registry = await opened.enter_async_context(Registry(settings.registry))
            if options["until_end"]:
                options["left"] = _left(opened.enter_context(shown(later=False)))
            following = batches(connection, names, decode=Decoder(registry).event, stop=stop, **options)
            async for batch in await opened.enter_async_context(contextlib.aclosing(following)):
                for found in batch:
                    _tell_about(found)
                    if options["from_beginning"] and isinstance(found, Followed):
                        _tell_beginning(found, begun)
                skipped += sum(isinstance(found, Skipped) for found in batch)
                events = [found.event for found in batch if isinstance(found, Followed) and found.event in wanted]
                if events:
                    await asyncio.to_thread(write, events)
        return 0 if stop.requested else skipped


def _left(progress: Progress) -> Callable[[int], None]:
    """Hears how many records are left, and tells how many of how many are read."""
    most = 0

    def hear(left: int) -> None:
        nonlocal most
        most = max(most, left)
        progress("reading records", most - left, most)

    return hear


def _tell_about(found: Followed | Skipped) -> None:
    """What is odd about it; nothing, usually."""
    if isinstance(found, Skipped):
        _tell(f"skipped {found.topic}-{found.partition} at offset {found.offset}: {found.why}")
        return
    source, sequence = printable(found.event["source"]), found.event["sequence"]
    if found.missing:
        first, last = found.missing[0], found.missing[-1]
        told = f"sequence {first} is" if first == last else f"sequences {first} to {last} are"
        _tell(f"gap in {source}: {told} in no partition, before {sequence}: lost, or older than the topic's retention")
    if found.late:
        _tell(f"late in {source}: sequence {sequence} fills a gap, or is there twice")


def _tell_beginning(found: Followed, begun: set[tuple[str, str]]) -> None:
    """Where a history that is read from its beginning has none here: a topic that is younger, or was cut."""
    event = found.event
    if (history := (event["source"], event["epoch"])) in begun:
        return
    begun.add(history)
    if event["sequence"] > FIRST:
        _tell(
            f"{printable(event['source'])} begins with sequence {event['sequence']} here: those before are older than "
            f"the topic {found.topic} or its retention, or this group has read them"
        )


def _tell(text: str) -> None:
    click.echo(f"streamer: {text}", err=True)


def _writer(output: str) -> Write:
    """What writes events, and returns when their lines are out of our hands."""
    if output in FORM_OF:
        form = FORMS[FORM_OF[output]]
        return lambda events: put(map(form, events))
    if not sys.stdout.isatty():
        return lambda events: put(lines.plain(lines.of(event)).encode(errors="replace") for event in events)
    console = Console(file=sys.stdout, highlight=False)

    def show(events: Sequence[Event]) -> None:
        for event in events:
            table.put(console, _row(lines.of(event), console.width))

    return show


def _row(line: lines.Line, width: int) -> Text:
    """One event as one line, in columns that keep their places; a wide terminal is told more of each."""
    roomy = width >= ROOMY
    when = line.time[:10] + " " + (f"{line.time[11:19]}Z" if roomy else line.time[11:16])
    gap = table.GAP if roomy else " "
    left = width - len(when) - len("modified") - 5 * len(gap)
    source = max(left // 8, SOURCE) if roomy else SOURCE
    who, client = ((left - source) * share // sum(SHARES) for share in SHARES[:-1])
    colour = COLOURS.get(line.type, "")
    cells = [
        (when, "dim", len(when)),
        (line.type, colour, len("modified")),
        (line.source, "", source),
        (line.who, "", who),
        (line.client, "", client),
        (f"{line.what}  {line.moid}", colour, left - source - who - client),
    ]
    return table.fitted(cells, gap)
