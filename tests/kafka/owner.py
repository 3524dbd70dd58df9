"""A worker that polls nothing and only obeys: it owns a source's state on a real broker, and answers its commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from streamer import batch
from streamer.absence import moids_sha256
from streamer.batch import STATE, Batch, Record
from streamer.control import LIFE_MS, Command, held_moids, verdict
from streamer.kafka.ledger import Ledger
from streamer.state import Answer, Hold, SourceRow, SourceState, Status, TokenRow, token_key
from tests.builders import EPOCH, NOON, fold, row, token
from tests.kafka.bench import ONE

HOLD = "9c0a2f8e-7d41-4b9e-8a55-1f2e3d4c5b6a"
RELEASE = Command("id", ONE, EPOCH, "release", HOLD, 0, "00", NOON, "ada@soc-7", NOON + LIFE_MS)


def holding(moids: Iterable[str], *, hold_id: str = HOLD, live: Iterable[str] = ()) -> SourceState:
    """A state whose tokens are held, and some that are not."""
    moids = tuple(moids)
    hold = Hold(hold_id, NOON, "threshold", len(moids), moids_sha256(moids)) if moids else None
    tokens = {moid: row(token(moid), Status.HELD, absent_since=NOON - 1000, hold_id=hold_id) for moid in moids}
    return SourceState(SourceRow(EPOCH, hold=hold), tokens | {moid: row(token(moid)) for moid in live})


class Owner:
    """One source's; `state` is what it wrote last.

    Args:
        ledger: it alone writes to the source's partition.
        source: its name.
    """

    def __init__(self, ledger: Ledger, source: str) -> None:
        self.state = SourceState()
        self._ledger = ledger
        self._source = source

    async def write(self, state: SourceState) -> None:
        """Restore, and commit a whole state."""
        await self._ledger.restore(self._source)
        assert state.row is not None
        await self._commit(state.row, state.tokens)

    async def obey(self, answers: int = 1) -> list[Command]:
        """Judge commands by the rule of the service, until so many are answered."""
        seen: list[Command] = []
        while len(seen) < answers:
            assert self.state.row is not None
            for offset, value in await self._ledger.commands(self._source, self.state.row.control_offset):
                seen.append(command := Command.from_bytes(value))
                known = self.state.row
                refused = verdict(command, known, held_moids(self.state), command.issued_at, source=self._source)
                answer = refused or Answer(command.command_id, "done", f"{command.action}: {known.last_sequence}")
                hold = known.hold if refused else None
                await self._commit(replace(known, answer=answer, hold=hold, control_offset=offset + 1), {})
        return seen

    async def _commit(self, after: SourceRow, tokens: Mapping[str, TokenRow]) -> None:
        own = batch.obeyed(self._source, after, NOON)
        rows = tuple(Record(STATE, token_key(self._source, moid), one.to_bytes()) for moid, one in tokens.items())
        written = Batch((*rows, *own.records), own.timestamp, after, tokens)
        await self._ledger.commit(self._source, written)
        self.state = fold(self.state, written)
