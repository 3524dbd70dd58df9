"""`streamer tokens`: the Terraform data source `intersight_iam_o_auth_token` as a command.

It asks Intersight itself, and needs neither Kafka nor a registry. What it prints is all there is or an error says so.

Question: which sources are asked, and where does an answer tell them apart? Choice: all that are configured, and a
column (or key) `source` stands first as soon as more than one is asked; with one `--source` a token's form is the
contract's and nothing else. Rejected: to ask for a source by name always, where most deployments have one.

Question: what is wrong usage, and what a service that does not answer? Choice: a filter that the API refuses, and a
credential that it does not accept, cannot be helped by asking again: status 2, as for every wrong key.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final
from urllib.parse import quote

import click

from streamer.clock import utc_ms
from streamer.config import Settings, SourceSettings
from streamer.errors import ApiError, Misconfigured, Rejected, StreamerError
from streamer.intersight import question
from streamer.intersight.question import ARGUMENTS, Question
from streamer.intersight.replies import BAD_REQUEST
from streamer.intersight.search import Portion
from streamer.intersight.source import IntersightSource
from streamer.invocation import Invocation, read_by, takes_config
from streamer.output.asking import ask, unanswered
from streamer.output.differences import Answered
from streamer.output.listing import OUTPUTS, json_line, listing
from streamer.output.printable import printable
from streamer.output.progress import Progress, shown
from streamer.output.stdout import put, until_nobody_reads
from streamer.settings import quantities
from streamer.stop import Stop, Stopped

LONGEST: Final = 8192  # bytes of a filter, encoded: common gateways take no longer URL
API_NAMES: Final = (
    *(argument.name for argument in ARGUMENTS.values()),
    *(
        "User.Moid",
        "AppRegistration.Moid",
        "Permission.Moid",
        "Parent.Moid",
        "UserMeta.UserAgent",
        "UserMeta.DeviceModel",
    ),
)
REFUSED: Final = frozenset({"unauthorized", "forbidden"})
EXAMPLES = """\b
Examples:
  streamer tokens --client-name terraform-runner --create-time '>-7d'
  streamer tokens --filter "User.Moid eq '60a4d7f27564612d3192e4c5'" --output ndjson
"""


def _text(context: click.Context, option: click.Parameter, given: Sequence[str]) -> Sequence[str]:
    """The one text that an option may be given, if it is given."""
    if len(given) > 1:
        told = "is given twice, wanted once: all arguments must hold, and --filter can say `or`"
        raise click.BadParameter(told, context, option)
    for text in given:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise click.BadParameter(f"{text!r} is given, wanted UTF-8", context, option) from error
    return given


def _times(context: click.Context, option: click.Parameter, given: Sequence[str]) -> Sequence[question.Bound]:
    """What an option asks of a time; each of several must hold."""
    return [bound for text in given for bound in read_by(question.bounds)(context, option, text) or ()]


def _filter(context: click.Context, option: click.Parameter, given: Sequence[str]) -> str | None:
    return next((read_by(question.balanced)(context, option, text) for text in _text(context, option, given)), None)


def _interval(text: str) -> float:
    seconds = quantities.seconds(text)
    if seconds < 1:
        raise ValueError("wanted at least 1s")
    return seconds


def _takes_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command an option for each of the 14 arguments."""
    for name, argument in reversed(list(ARGUMENTS.items())):
        function = click.option(
            f"--{name.replace('_', '-')}",
            name,
            multiple=True,
            metavar="TIME" if argument.is_time else "TEXT",
            callback=_times if argument.is_time else _text,
            help=f"{argument.meaning[0].upper()}{argument.meaning[1:]}.",
        )(function)
    return function


@click.command("tokens", short_help="Ask Intersight for tokens.", epilog=EXAMPLES)
@_takes_arguments
@click.option(
    "--filter",
    "raw",
    multiple=True,
    callback=_filter,
    help=f"A $filter as the API takes it, beside the above, in its own names: {', '.join(API_NAMES)}.",
)
@click.option("--source", "names", multiple=True, help="Ask this source; may be given again.  [default: all]")
@click.option("--output", type=click.Choice(OUTPUTS), default="table", show_default=True, help="JSON and CSV tell all.")
@click.option("--limit", type=click.IntRange(min=1), help="No more than so many.")
@click.option(
    "--watch",
    "watch_s",
    is_flag=False,
    flag_value="60s",
    metavar="[INTERVAL]",
    callback=read_by(_interval),
    help="Ask again every minute, or as often as given, and print what is different.",
)
@takes_config
def command(
    invocation: Invocation,
    *,
    raw: str | None,
    names: Sequence[str],
    output: str,
    limit: int | None,
    watch_s: float | None,
    **given: Any,
) -> None:
    """List the tokens for which everything given holds, all of them, by Moid.

    A TIME is such as 2026-11-25T08:00:00Z, 2026-11-25 (that day, UTC), now or none, with >, >=, < or <= before it as
    need be, or a distance from now such as '>-7d' or '<+1h'; it may be given several times, and all must hold. Where
    a time is not set it is earlier than any other.

    With more than one source each token's source stands first. --watch begins with all tokens as listed, then
    prints each that is listed, changed or unlisted; a token that is unlisted may be deleted, or no longer match.
    """
    if sys.stdout is None:  # closed by whoever started us
        raise click.UsageError("standard output is closed; tokens need somewhere to go")
    if watch_s is not None and (limit is not None or output not in {"table", "ndjson"}):
        raise click.UsageError("--watch goes with --output table or ndjson, and without --limit")
    settings = invocation.begin()
    asked = Question(
        [(name, text) for name in ARGUMENTS if not ARGUMENTS[name].is_time for text in given[name]],
        [(name, bound) for name in ARGUMENTS if ARGUMENTS[name].is_time for bound in given[name]],
        raw,
    )
    size = len(quote(question.all_of(asked.conditions(utc_ms()))))
    if size > LONGEST:
        raise click.UsageError(f"a filter of {size} bytes is given, wanted at most {LONGEST}: no URL may be longer")
    chosen = _chosen(settings, names)
    with until_nobody_reads():
        if watch_s is None:
            asyncio.run(_list(chosen, asked, output, limit))
        else:
            asyncio.run(_watch(chosen, asked, output, watch_s))


def _chosen(settings: Settings, names: Sequence[str]) -> Sequence[SourceSettings]:
    """The sources that are meant, in the order of the configuration."""
    there = [source.name for source in settings.sources]
    for name in names:
        if name not in there:
            raise Misconfigured(f"--source {printable(name)} is given, wanted one of {', '.join(there)}")
    return [source for source in settings.sources if not names or source.name in names]


def _opened(chosen: Sequence[SourceSettings], opened: AsyncExitStack) -> list[IntersightSource]:
    """The sources, until `opened` is closed."""
    made = []
    for settings in chosen:
        made.append(IntersightSource(settings))
        opened.push_async_callback(made[-1].aclose)
    return made


# Once...


class _Taker:
    """Lists what comes, until there is enough of it, and tells `progress` how many of how many are here."""

    def __init__(self, output: str, limit: int | None, *, several: bool, progress: Progress) -> None:
        self._listing = listing(output, several=several)
        self._limit = limit
        self._progress = progress
        self._totals: dict[str, int] = {}
        self.number = 0

    def take(self, source: str, found: Portion) -> bool:
        """List these; whether more are wanted."""
        left = None if self._limit is None else self._limit - self.number
        tokens = found.tokens[:left]
        self._listing.take(source, tokens)
        self.number += len(tokens)
        self._totals[source] = found.total
        self._progress("tokens", self.number, sum(self._totals.values()))
        return self._limit is None or self.number < self._limit

    def end(self, *, whole: bool) -> None:
        """No more come."""
        self._listing.end(whole=whole)

    @property
    def told(self) -> str:
        """How many there were, for a person."""
        if not self.number:
            return "no token matches"
        if self.number == self._limit:
            return f"{self.number} of at least {sum(self._totals.values())} tokens (--limit)"
        return f"{self.number} token{'s' * (self.number > 1)}"


async def _list(chosen: Sequence[SourceSettings], asked: Question, output: str, limit: int | None) -> None:
    """Ask once, and print all."""
    async with AsyncExitStack() as opened:
        sources = _opened(chosen, opened)
        progress = opened.enter_context(shown(later=output == "table"))
        taker = _Taker(output, limit, several=len(sources) > 1, progress=progress)
        where = asked.conditions(utc_ms())
        answers = {source.name: _explained(source.find(where, limit=limit), where) for source in sources}
        failed = await ask(answers, taker.take)
    taker.end(whole=not failed)
    if failed:
        raise unanswered(failed, len(sources))
    if output == "table":
        click.echo(f"streamer: {taker.told}", err=True)


async def _explained(answer: AsyncGenerator[Any, None], where: Sequence[str]) -> AsyncGenerator[Any, None]:
    """The same, with errors that say what to change."""
    async with aclosing(answer) as parts:
        try:
            async for part in parts:
                yield part
        except Rejected as error:
            raise _explanation(error, where) from error


def _explanation(error: Rejected, where: Sequence[str]) -> StreamerError:
    status = error.status if isinstance(error, ApiError) else None
    if status == BAD_REQUEST and where:
        hint = "--filter takes the API's own names, which stand in `streamer tokens --help`"
        return Misconfigured(f"the filter {printable(question.all_of(where))} is refused: {error}", hint=hint)
    if error.reason in REFUSED:
        return Misconfigured(str(error), hint=error.hint)
    if error.reason in {"unavailable", "timeout"}:
        error.hint = error.hint or "can its `url` be reached from here, or is a `proxy` needed?"
    return error


# Again and again...


async def _watch(chosen: Sequence[SourceSettings], asked: Question, output: str, every_s: float) -> None:
    """Ask until told to stop, and print what is different."""
    stop = Stop()

    def take(_: str, made: list[bytes]) -> bool:
        put(made)
        return True

    async with AsyncExitStack() as opened:
        opened.enter_context(stop.on_signals())
        sources = [(source, Answered(source.name)) for source in _opened(chosen, opened)]
        first = True
        while not stop.requested:
            begun = time.monotonic()
            where = asked.conditions(utc_ms())
            answers = {
                source.name: _explained(_round(source, answered, where, output), where) for source, answered in sources
            }
            try:
                async with stop.allows(0):
                    failed = await ask(answers, take)
            except Stopped:
                return
            if failed and first:
                raise unanswered(failed, len(sources))
            for name, error in failed.items():
                click.echo(f"streamer: {name}: {error}; it is asked again", err=True)
            first = False
            await stop.sleep(max(0.0, begun + every_s - time.monotonic()))


async def _round(
    source: IntersightSource, answered: Answered, where: Sequence[str], output: str
) -> AsyncGenerator[list[bytes], None]:
    """One answer's differences, as lines."""
    differences = answered.next(await source.snapshot(answered.known, where))
    yield [json_line(one.form()) if output == "ndjson" else one.text().encode() for one in differences]
