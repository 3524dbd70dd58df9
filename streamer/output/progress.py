"""How far long work is, on standard error: a bar for a person who waits, else a line now and then.

Question: when does a bar stand in the way? Choice: when something else writes on its terminal: what we print there
ourselves before all is done (then that is the progress), or whoever reads our pipe, such as a pager. So a bar is for
what is printed later, and for what goes into a file. Rejected: a bar wherever standard error is a terminal.

Question: what does a log of standard error want? Choice: nothing of what is over within seconds, then a line every few;
a command of several steps also names each when it begins.
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


@contextlib.contextmanager
def _bars() -> Iterator[Progress]:
    """A bar for each thing; all are wiped away in the end."""
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    tasks: dict[str, TaskID] = {}
    console = Console(stderr=True)
    with Bars(*columns, TimeElapsedColumn(), console=console, transient=True, redirect_stdout=False) as bars:

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(printable(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _is_file(stream: TextIO | None) -> bool:
    return stream is not None and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
