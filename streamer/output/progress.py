"""How far long work is, on standard error: a bar for a person who waits, else a line now and then.

Question: when does a bar stand in the way? Choice: when something else writes on its terminal: what we print there
ourselves before all is done (then that is the progress), or whoever reads our pipe, such as a pager. So a bar is for
what is printed later, and for what goes into a file. Rejected: a bar wherever standard error is a terminal.

Question: what does a log of standard error want? Choice: nothing of what is over within seconds, then a line every few;
a command of several steps also names each when it begins.

Question: and the service, which writes its log to the terminal all the time? Choice: what is long stands in bars below
the lines, and the lines go through the console that draws them, which makes room for each; see `Beside`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from streamer.output.printable import printable

EVERY_S: Final = 5.0

Progress = Callable[[str, int, int | None], None]  # what is done, how much of it, of how much


@contextlib.contextmanager
def shown(*, later: bool, steps: bool = False) -> Iterator[Progress]:
    """What is to be told how far it is.

    Args:
        later: nothing is printed on standard output before all is done.
        steps: it is of several steps, each of which is worth a line.
    """
    watched, printed = _is_terminal(sys.stderr), _is_terminal(sys.stdout)
    if watched and (later if printed else _is_file(sys.stdout)):
        with _bars() as progress:
            yield progress
    elif watched and printed:
        yield lambda _what, _done, _total: None
    else:
        yield Lines(steps=steps).tell


class Lines:
    """Tells each thing every `EVERY_S` while it goes on; with `steps` also when it begins."""

    def __init__(self, *, steps: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._steps = steps
        self._clock = clock
        self._told_at: dict[str, float] = {}

    def tell(self, what: str, done: int, total: int | None) -> None:
        """Print a line, if it is time for one."""
        now, begins = self._clock(), what not in self._told_at
        if not begins and (now - self._told_at[what] < EVERY_S or done == total):
            return
        self._told_at[what] = now
        if not begins:
            of = "" if total is None else f" of {total}"
            click.echo(f"streamer: {printable(what)}: {done}{of}", err=True)
        elif self._steps:
            click.echo(f"streamer: {printable(what)}", err=True)


class Beside:
    """Bars below a log on the same terminal, while there is any work to be shown; see `streamer.underway.Surface`.

    It is the log's stream: a line that is written to it comes whole, at the margin, above the bars. A terminal that
    goes away takes only the bars with it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._tasks: dict[object, TaskID] = {}

    def write(self, text: str) -> None:
        """Lines of the log: nothing of them is wrapped or coloured."""
        self._console.out(text, end="", highlight=False)

    def flush(self) -> None:
        """Nothing is kept back."""

    def show(self, work: object, what: str, done: int, total: int | None) -> None:
        """How far it is."""
        with contextlib.suppress(OSError):
            if self._bars is None:
                self._bars = _made(self._console)
                self._bars.start()
            if work not in self._tasks:
                self._tasks[work] = self._bars.add_task(printable(what), total=total)
            self._bars.update(self._tasks[work], completed=done, total=total)

    def over(self, work: object) -> None:
        """Its bar goes; after the last one the terminal is as if there had been none."""
        task = self._tasks.pop(work, None)
        if self._bars is None or task is None:
            return
        self._bars.remove_task(task)
        if not self._tasks:
            bars, self._bars = self._bars, None
            with contextlib.suppress(OSError):
                bars.stop()


class _Console(Console):
    """Leaves the cursor alone: a second Ctrl-C ends the service at once, and a hidden cursor would stay hidden."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002, FBT001, FBT002 - rich's signature
        """Do nothing."""
        return False


def beside_a_log() -> Beside | None:
    """Bars for what writes its log to standard error, if that is a terminal that can draw them."""
    console = _Console(stderr=True)
    return Beside(console) if _is_terminal(sys.stderr) and not console.is_dumb_terminal else None


@contextlib.contextmanager
def _bars() -> Iterator[Progress]:
    """A bar for each thing; all are wiped away in the end."""
    tasks: dict[str, TaskID] = {}
    with _made(Console(stderr=True)) as bars:

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(printable(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _made(console: Console) -> Bars:
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    return Bars(*columns, TimeElapsedColumn(), console=console, transient=True, redirect_stdout=False)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _is_file(stream: TextIO | None) -> bool:
    return stream is not None and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
