"""One turn of the wheel: prepare, obey, look, settle. It sees the borders only through Protocols.

The order of a look is fixed (`gather`): a complete snapshot; look-ups of what it lacks; the rows found that way merged
in. Then it is judged (`judgement`): the diff, once; distrust, suppression, holds and verdicts as filters of its result.
Then it is written, transaction by transaction. Whatever fails, the whole turn is what is repeated, from what Kafka
holds: a snapshot never outlives the state it was compared with.

Question: what if a source's state was last written under another configuration? Its owner may have been restarted with
a new file on purpose, or two workers may have different files and hand it to and fro. Choice: it is said once, by a
report of its own that also takes the new configuration over, and polls go on. So every handover between two minds
stands in the log. Rejected: to stop polling until a person says which one is right; the feed must not fall silent.

Question: 100,000 tokens that changed take seconds to be judged; who waits? Choice: nobody but their source. A judgement
is pure, so a large one is made in a thread, and meanwhile others are polled and the group hears from us: a session need
not be as long as the largest account is. What follows is written transaction by transaction, in short stretches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final, Protocol
from uuid import uuid4

from streamer import batch, control, heap, report
from streamer.absence import RIGHTS_CHANGED
from streamer.batch import Batch
from streamer.control import Command, NoCommand
from streamer.errors import Rejected
from streamer.judging import judgement
from streamer.judging.gather import Gatherer, Source
from streamer.judging.judgement import Look, Memory, Policy
from streamer.report import Report
from streamer.state import Answer, SourceRow, SourceState
from streamer.underway import Underway

LARGE: Final = 1_000  # tokens that differ: some 30 ms; a thread costs 0.15


class Ledger(Protocol):
    """Where events and state are kept. Whatever it raises, its user must restore before it writes again."""

    async def restore(self, source: str) -> SourceState:
        """What the log says of a source, read after every other writer was fenced."""

    async def commit(self, source: str, written: Batch) -> None:
        """All of a batch or nothing, on top of what `restore` gave; `Doubt` or `Fenced` if that is not certain."""

    async def commands(self, source: str, after: int | None) -> tuple[tuple[int, bytes], ...]:
        """What people ordered for the source: (offset, value) of each command from the offset `after` on.

        Raises `Unheard` if that cannot be read; the state is as certain as before.
        """


class Cycle:
    """Turns for one source: `prepare`, `obey`, `look`, `settle`, again and again; `clock` is UTC ms of the worker.

    `source` is None for one that nobody here can look at: only `prepare` and `obey` are for it.
    """

    def __init__(self, policy: Policy, source: Source | None, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._policy = policy
        self._gatherer = None if source is None else Gatherer(policy, source, clock)
        self._ledger = ledger
        self._clock = clock
        self._state: SourceState | None = None
        self._memory = Memory()

    @property
    def state(self) -> SourceState | None:
        """What the last turn left; None while that is not certain."""
        return self._state

    def forget(self) -> None:
        """The state may no longer be the log's: the next turn restores it."""
        self._state = None

    async def prepare(self) -> Report | None:
        """Restore if need be, begin a history or close a snapshot that a crash cut off; else nothing.

        No history is begun for a source that is not configured: without rows there is nothing of it. A report is
        returned where the state was last written under another configuration: `config_mismatch`.
        """
        if self._state is not None:
            return None
        restored = await self._ledger.restore(self._policy.source)
        if len(restored.tokens) >= LARGE:
            heap.give_back()
        self._memory = replace(self._memory, proven={})  # a look-up never outlives its state either
        self._state = restored
        if restored.row is None:
            if not self._policy.configured:
                return None
            epoch = str(uuid4())
            await self._commit(batch.begin(self._policy.source, epoch, self._policy.configuration, self._clock()))
        elif restored.row.open is not None:
            await self._commit(batch.interrupted(self._policy.form, restored.row, self._clock()))
        _, row = self._known()
        return None if row.configuration in (None, self._policy.configuration) else await self._adopt(row)

    async def _adopt(self, row: SourceRow) -> Report:
        """From now on the state is written under our configuration; that it was another one is reported."""
        error = Rejected(
            "config_mismatch",
            f"last polled with configuration {row.configuration}, ours is {self._policy.configuration}",
        )
        told = self._rejected(error, row, started_at=self._clock(), requests=0)
        await self._commit(
            batch.rejected(self._policy.form, replace(row, configuration=self._policy.configuration), told)
        )
        return told

    async def obey(self) -> tuple[Answer, ...]:
        """Let the commands act that people gave since; each effect moves in one transaction with its offset.

        A release acts on the next look: what is held is looked up again then. After `forget` there is no state and no
        answer in it: its end is the answer. `Unheard`: nothing was done.
        """
        source, answers = self._policy.source, []
        _, row = self._known()
        for offset, value in await self._ledger.commands(source, row.control_offset):
            after, answer = self._obeyed(value)
            answers.append(answer)
            if after is None:
                await self._commit(batch.forgotten(source, self._known()[0], self._clock()))
                break
            await self._commit(batch.obeyed(source, replace(after, control_offset=offset + 1), self._clock()))
        return tuple(answers)

    def _obeyed(self, value: bytes) -> tuple[SourceRow | None, Answer]:
        """The source's row after one command, None if it is to be forgotten, and what became of the command."""
        state, row = self._known()
        try:
            command = Command.from_bytes(value)
        except NoCommand as error:
            return row, Answer("", control.REFUSED, str(error))
        held, policy = control.held_moids(state), self._policy
        refused = control.verdict(command, row, held, self._clock(), source=policy.source, configured=policy.configured)
        if refused is not None:
            return replace(row, answer=refused), refused
        if command.action == control.FORGET:
            return None, Answer(command.command_id, control.DONE, control.FORGOTTEN)
        if row.hold is not None and command.action == control.RELEASE:
            seen = None if row.hold.reason == RIGHTS_CHANGED else row.rights  # to be remembered anew: a person knows
            row = replace(row, hold=replace(row.hold, released_at=self._clock()), rights=seen)
            detail = f"{len(held)} deletions are let go: each is looked up again now"
        else:
            row = replace(row, hold=None)
            detail = "the hold is dropped; its tokens stay known, for seven days or until they expire or are seen again"
        answer = Answer(command.command_id, control.DONE, detail)
        return replace(row, answer=answer), answer

    async def look(self) -> Look:
        """Read a snapshot, and ask for what it lacks. Writes nothing and may be cancelled at any point."""
        state, row = self._known()
        if self._gatherer is None:
            raise ValueError(f"source {self._policy.source} cannot be looked at")
        return await self._gatherer.look(state, row, self._memory)

    async def settle(self, look: Look) -> Report:
        """Write what a look means, transaction by transaction; returns the report that ended it."""
        state, row = self._known()
        if look.rejected is None:
            return await self._accept(state, row, look)
        told = self._rejected(look.rejected, row, started_at=look.started_at, requests=look.requests)
        await self._commit(batch.rejected(self._policy.form, row, told))
        return told

    def _rejected(self, error: Rejected, row: SourceRow, *, started_at: int, requests: int) -> Report:
        return report.rejected(
            error,
            snapshot_id=str(uuid4()),
            source=self._policy.source,
            epoch=row.epoch,
            account_moid=row.account_moid,
            started_at=started_at,
            finished_at=self._clock(),
            requests=requests,
            baseline=row.complete is None,
        )

    async def _accept(self, state: SourceState, row: SourceRow, look: Look) -> Report:
        now, hold_id, seen = self._clock(), str(uuid4()), look.snapshot
        judge = partial(judgement.accept, self._policy, state, look, self._memory, now=now, hold_id=hold_id)
        is_large = seen is not None and len(seen.rows) + len(state.tokens) - len(seen.unchanged) >= LARGE
        judged = await asyncio.to_thread(judge) if is_large else judge()
        form, clock = self._policy.form, self._clock
        parts = batch.plan(form, judged.report, judged.steps, row=row, accepted=judged.accepted, clock=clock)
        told = await self._commit_all(parts)
        self._memory = judged.memory
        if is_large:
            heap.give_back()
        return told or judged.report

    async def _commit(self, written: Batch) -> None:
        await self._commit_all((written,))

    async def _commit_all(self, parts: Iterable[Batch | None]) -> Report | None:
        """Write batches, each made once the one before is committed; the report that ends them.

        The state is not certain before the last one is; of each batch only what will be known is kept until then.
        """
        state, self._state = self._state, None
        folding, made, written, source = batch.Folding(state or SourceState()), 0, 0, self._policy.source
        told = None
        with Underway("poll.writing", f"{source}: writing", ("records", "of"), source=source) as underway:
            for part in parts:
                if part is None:
                    await asyncio.sleep(0)
                    continue
                await self._ledger.commit(source, part)
                folding.add(part)
                made, written, told = made + 1, written + len(part.records), part.report
                underway.tell(transactions=made, records=written)
                del part  # before the next one is made: two of them are as much memory as 50,000 tokens
        self._state = folding.state()
        return told

    def _known(self) -> tuple[SourceState, SourceRow]:
        if self._state is None or self._state.row is None:
            raise ValueError("prepare() comes first")
        return self._state, self._state.row
