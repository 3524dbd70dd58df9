"""What a person may order: commands about held deletions as bytes and back, and whether one may act. Pure.

A command says what the person saw: the history, the hold, how many tokens, and a hash of which. It acts on exactly
that or not at all, because between the look and the order tokens come back, others vanish, and holds end. This room
must never let a command act on what its sender did not see, and no bytes in the topic may stop a worker.

Question: how is a command kept from acting twice? Choice: the offset of the next one is committed together with the
effect, and a hold that was dealt with is gone, so even a topic that is read again changes nothing. Rejected: a list of
the commands that were seen, which would have to be kept for ever.

Question: must a discard name number and hash? Choice: what it names must match; what it leaves out is not compared. It
publishes nothing, so to discard "whatever is held there" is safe, which can never be said of a release. What was
released may still be discarded, as far as it is not published: that is how a release is called off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from streamer import avro
from streamer.absence import in_hold, is_discarded, moids_sha256
from streamer.errors import Misconfigured, StreamerError
from streamer.known import Known
from streamer.state import Answer, SourceRow, SourceState
from streamer.wire.jsonform import rfc3339

SCHEMA: Final = "control_command"
VERSION: Final = 1
LIFE_MS: Final = 3_600_000  # what was true an hour ago is for a person to look at again
LARGEST: Final = 1024  # bytes of a command; its words may come to stand in the state
RELEASE, DISCARD, FORGET = "release", "discard", "forget"
DONE, REFUSED = "done", "refused"
FORGOTTEN: Final = "its state is forgotten"


class NoCommand(StreamerError):
    """A record that is no command, or one of a later version: it can only be passed over."""


@dataclass(frozen=True, slots=True)
class Command:
    """One order; the fields of `schemas/control_command.avsc`, instants in ms UTC of the issuer's clock.

    Attributes:
        command_id: UUID; the answer names it.
        source: whose state it is about.
        epoch: the history it was given in.
        action: `release`, `discard` or `forget`.
        hold_id: the hold that is meant; None for `forget`.
        expect: how many tokens were seen held.
        moids_sha256: hex, over their sorted Moids joined by newlines.
        issued_at: when it was given.
        issued_by: who says to have given it; Kafka's ACLs say who may.
        expires_at: after this it does not act.
    """

    command_id: str
    source: str
    epoch: str
    action: str
    hold_id: str | None
    expect: int | None
    moids_sha256: str | None
    issued_at: int
    issued_by: str
    expires_at: int

    def to_bytes(self) -> bytes:
        """The record's value in `P.control`: one version byte and a bare Avro datum."""
        return bytes((VERSION,)) + avro.encode(SCHEMA, asdict(self))

    @classmethod
    def from_bytes(cls, value: bytes) -> Command:
        """The command of a value, whatever it orders.

        Raises:
            NoCommand: it is none; says what was found instead.
        """
        if len(value) > LARGEST:
            raise NoCommand(f"a record of {len(value)} bytes is no command: at most {LARGEST} are wanted")
        if value[:1] != bytes((VERSION,)):
            raise NoCommand(
                f"a record that begins with byte {value[:1].hex() or 'nothing'} is no command: {VERSION:02x} is "
                "wanted; another program, or a newer streamer, writes to this topic"
            )
        try:
            return cls(**avro.decode(SCHEMA, value[1:]))
        except Misconfigured as error:
            raise NoCommand(f"a record of {len(value)} bytes is no command: {error}") from error


@dataclass(frozen=True, slots=True)
class Held:
    """The deletions of one source that wait for a person, as the log has them; `moids` are sorted, instants ms UTC.

    What it counts and hashes are the rows themselves, so a person orders about nothing but what can be shown.
    """

    source: str
    epoch: str
    hold_id: str
    since: int
    reason: str
    moids: tuple[str, ...]
    released_at: int | None = None
    datums: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)  # Moid -> the token's Avro

    @classmethod
    def of(cls, source: str, state: SourceState) -> Held | None:
        """What a state holds; None: nothing."""
        row = state.row
        if row is None or row.hold is None:
            return None
        hold = row.hold
        moids = held_moids(state)
        datums = {moid: state.tokens[moid].datum for moid in moids}
        return cls(source, row.epoch, hold.hold_id, hold.since, hold.reason, moids, hold.released_at, datums)

    @property
    def moids_sha256(self) -> str:
        """The hash that a release must name."""
        return moids_sha256(self.moids)

    def told(self) -> dict[str, Any]:
        """The form for programs."""
        return {
            "source": self.source,
            "hold_id": self.hold_id,
            "count": len(self.moids),
            "moids_sha256": self.moids_sha256,
            "moids": list(self.moids),
            "since": rfc3339(self.since),
            "reason": self.reason,
        }


def discarded(state: SourceState) -> int:
    """How many tokens are missing whose deletion a person discarded: they are let alone for a while."""
    row = state.row
    return sum(is_discarded(row, token) for token in Known.of(state.tokens).absent().values()) if row else 0


def held_moids(state: SourceState) -> tuple[str, ...]:
    """The Moids that stand in the present hold, sorted."""
    row = state.row
    return tuple(sorted(m for m, t in Known.of(state.tokens).absent().items() if in_hold(row, t))) if row else ()


def verdict(
    command: Command, row: SourceRow, held: Collection[str], now: int, *, source: str, configured: bool = True
) -> Answer | None:
    """Whether a command may act: None, or the answer that refuses it and names all that differs.

    Args:
        command: what was read.
        row: the source's own row, before the command.
        held: the Moids in the present hold.
        now: the worker's clock, ms UTC.
        source: whose commands these are.
        configured: the worker that asks polls this source: then its state is not forgotten. Of one that nobody polls
            nothing can be looked up, so that is all that may be done with it.
    """
    if not configured and command.action in (RELEASE, DISCARD):
        text = "no worker polls this source: put it back into the configuration first, or forget it"
        return Answer(command.command_id, REFUSED, text)
    differences = [
        *_differences(command, row, now, source),
        *(_differences_of_hold(command, row, held) if command.action in (RELEASE, DISCARD) else ()),
    ]
    if command.action == FORGET and configured:
        differences.append("a worker still polls this source: take it out of the configuration first")
    return Answer(command.command_id, REFUSED, "; ".join(differences)) if differences else None


def _differences(command: Command, row: SourceRow, now: int, source: str) -> Iterator[str]:
    if command.source != source:
        yield f"it is for source {command.source!r}, this is {source}"
    if command.epoch != row.epoch:
        yield f"it was given in epoch {command.epoch!r}, this is {row.epoch}"
    if now > command.expires_at:
        yield f"it expired at {rfc3339(command.expires_at)}, now it is {rfc3339(now)}"
    if command.action not in (RELEASE, DISCARD, FORGET):
        yield f"it orders {command.action!r}, wanted {RELEASE}, {DISCARD} or {FORGET}"


def _differences_of_hold(command: Command, row: SourceRow, held: Collection[str]) -> Iterator[str]:
    hold, must_name = row.hold, command.action == RELEASE
    if hold is None:
        yield "nothing is held"
        return
    if command.hold_id != hold.hold_id:
        yield f"it names hold {command.hold_id!r}, the present one is {hold.hold_id}"
    elif must_name and hold.released_at is not None:
        yield f"it was released at {rfc3339(hold.released_at)}, and {len(held)} deletions are still being verified"
        return  # what differs beside that has an end by itself
    if command.expect != len(held) and (must_name or command.expect is not None):
        yield f"it expects {command.expect} deletions, {len(held)} are held"
    ours = moids_sha256(held)
    if command.moids_sha256 != ours and (must_name or command.moids_sha256 is not None):
        yield f"the tokens that were shown have the hash {command.moids_sha256!r}, those held {ours}"
