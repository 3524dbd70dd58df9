"""A ledger that leaves its marks on the board: what was committed, how transactions ended, how long restores took.

It stands between a cycle and the log and changes nothing of what passes. After a commit it adds some integers and keeps
a handful of events; before and during it does nothing, so that the data path is not slowed by being looked at.

Question: why here and not where polls end? Choice: every report goes through a commit, those that close a snapshot of a
crashed process too, and what is counted here was really committed. Rejected: counting in the cycle and in the writer,
which are two places and know either the source or the outcome.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamer.batch import Batch
from streamer.cycle import Ledger
from streamer.errors import Fenced, StreamerError
from streamer.health import Board
from streamer.state import SourceState
from streamer.status.tally import TYPES, Tally


class Observed:
    """A `cycle.Ledger` over another one; `monotonic` is seconds."""

    def __init__(self, ledger: Ledger, board: Board, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._board = board
        self._monotonic = monotonic

    async def restore(self, source: str) -> SourceState:
        """See `cycle.Ledger`."""
        tally = self._board.tallies[source]
        began = self._monotonic()
        with _fences(tally):
            restored = await self._ledger.restore(source)
        tally.restore_s.add(self._monotonic() - began)
        return restored

    async def commit(self, source: str, written: Batch) -> None:
        """See `cycle.Ledger`."""
        tally = self._board.tallies[source]
        with _fences(tally, otherwise="doubt"):
            await self._ledger.commit(source, written)
        tally.transactions["committed"] += 1
        tally.published(record.topic for record in written.records if record.topic in TYPES)
        self._board.recent.published(written.last)
        if written.report is not None:
            tally.ended(written.report)
            self._board.recent.ended(written.report)

    async def commands(self, source: str, after: int | None) -> tuple[tuple[int, bytes], ...]:
        """See `cycle.Ledger`."""
        return await self._ledger.commands(source, after)


@contextmanager
def _fences(tally: Tally, otherwise: str | None = None) -> Iterator[None]:
    """Count what ends the block with an error: a fence, or what it is otherwise."""
    try:
        yield
    except StreamerError as error:
        fenced = isinstance(error, Fenced) or isinstance(error.__cause__, Fenced)
        if outcome := "fenced" if fenced else otherwise:
            tally.transactions[outcome] += 1
        raise
