"""Commands: what was written is read, no bytes stop a worker, and none acts on what its sender did not see."""

from contextlib import suppress
from dataclasses import astuple, fields, replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer import avro
from streamer.control import LARGEST, LIFE_MS, VERSION, Command, Held, NoCommand, held_moids, verdict
from streamer.state import Answer, Hold, SourceRow, SourceState, Status
from tests.builders import EPOCH, NOON, row, token
from tests.golden import kept, make

HOLD, OTHER = "9c0a2f8e-7d41-4b9e-8a55-1f2e3d4c5b6a", "11111111-2222-4333-8444-555555555555"
MOIDS = ("a", "b", "c")
SHA = sha256(b"a\nb\nc").hexdigest()
HELD = Hold(HOLD, NOON, "threshold", 3, SHA)
ROW = SourceRow(EPOCH, hold=HELD)
RELEASE = Command("id", "prod", EPOCH, "release", HOLD, 3, SHA, NOON, "ada@soc-7", NOON + LIFE_MS)
DISCARD = replace(RELEASE, action="discard")
FORGET = replace(RELEASE, action="forget", hold_id=None, expect=None, moids_sha256=None)

INT64 = st.integers(-(2**63), 2**63 - 1)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COMMANDS = st.builds(
    Command,
    command_id=WORDS,
    source=WORDS,
    epoch=WORDS,
    action=WORDS,
    hold_id=st.none() | WORDS,
    expect=st.none() | INT64,
    moids_sha256=st.none() | WORDS,
    issued_at=INT64,
    issued_by=WORDS,
    expires_at=INT64,
)


def refusal(
    command: Command,
    known: SourceRow = ROW,
    moids: tuple[str, ...] = MOIDS,
    *,
    now: int = NOON,
    configured: bool = True,
) -> str | None:
    """Why a command may not act; None: it may."""
    answer = verdict(command, known, moids, now, source="prod", configured=configured)
    if answer is None:
        return None
    assert (answer.command_id, answer.outcome) == ("id", "refused")
    return answer.detail


# Bytes...


@given(COMMANDS)
def test_a_command_comes_back(command: Command) -> None:
    """Every field, whatever its words are."""
    assert Command.from_bytes(command.to_bytes()) == command


def test_a_command_is_avro_behind_a_version_byte() -> None:
    """The bytes are those of the schema, so that other tools may write them."""
    value = RELEASE.to_bytes()
    named = {field.name: getattr(RELEASE, field.name) for field in fields(Command)}
    assert (value[0], avro.decode("control_command", value[1:])) == (VERSION, named)


@pytest.mark.parametrize(("name", "told"), kept.COMMANDS.items())
def test_golden_commands_are_read(name: str, told: dict[str, Any]) -> None:
    """For every version ever written."""
    for folder in make.versions("control_command"):
        version = bytes((int(folder.name),))
        assert Command.from_bytes(version + (folder / f"{name}.avro").read_bytes()) == Command(**told)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"", "begins with byte nothing"),
        (b"\x02" + RELEASE.to_bytes()[1:], "begins with byte 02 is no command: 01 is wanted"),
        (b'{"action": "release"}', "begins with byte 7b"),
        (RELEASE.to_bytes()[:-1], "bytes is no command"),
        (RELEASE.to_bytes() + b"\x00", "bytes is no command"),
        (b"\x01\x02\xff" + RELEASE.to_bytes()[1:], "bytes is no command"),  # no UTF-8
        (replace(RELEASE, issued_by="x" * LARGEST).to_bytes(), "at most 1024 are wanted"),
    ],
)
def test_what_is_no_command_is_named(value: bytes, said: str) -> None:
    """The record can be passed over, and the reason told."""
    with pytest.raises(NoCommand, match=said):
        Command.from_bytes(value)


@given(st.sampled_from([b"", bytes((VERSION,))]), st.binary(max_size=200))
@example(bytes((VERSION,)), b"\x03" * 50)
def test_no_bytes_raise_anything_else(version: bytes, rest: bytes) -> None:
    """Behind our version byte or not: a topic that others write to never stops a worker."""
    with suppress(NoCommand):
        Command.from_bytes(version + rest)


@given(COMMANDS, INT64)
def test_no_command_makes_a_judge_stumble(command: Command, now: int) -> None:
    """Any words, numbers and instants; what is not exactly right is refused, in words that fit a state row."""
    answer = verdict(command, ROW, MOIDS, now, source="prod")
    assert answer is not None
    assert len(SourceRow(EPOCH, answer=answer).to_bytes()) < 64 * LARGEST


# Whether one may act...


@pytest.mark.parametrize("command", [RELEASE, DISCARD, replace(DISCARD, expect=None, moids_sha256=None)])
def test_what_matches_may_act(command: Command) -> None:
    """A release and a discard of exactly what is held; a discard may leave number and hash out."""
    assert refusal(command) is None
    assert refusal(command, now=command.expires_at) is None


@pytest.mark.parametrize("action", ["release", "discard"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "lab"}, "it is for source 'lab', this is prod"),
        ({"epoch": OTHER}, f"it was given in epoch '{OTHER}', this is {EPOCH}"),
        ({"expires_at": NOON - 1}, "it expired at 2025-11-25T11:59:59.999Z, now it is 2025-11-25T12:00:00.000Z"),
        ({"hold_id": OTHER}, f"it names hold '{OTHER}', the present one is {HOLD}"),
        ({"hold_id": None}, f"it names hold None, the present one is {HOLD}"),
        ({"expect": 2}, "it expects 2 deletions, 3 are held"),
        ({"expect": 4}, "it expects 4 deletions, 3 are held"),
        ({"moids_sha256": "00"}, f"the tokens that were shown have the hash '00', those held {SHA}"),
        ({"moids_sha256": SHA.upper()}, f"the tokens that were shown have the hash '{SHA.upper()}', those held {SHA}"),
    ],
)
def test_every_mismatch_refuses_and_is_named(action: str, change: dict[str, Any], said: str) -> None:
    """One thing that differs is enough, and it alone is named."""
    assert refusal(replace(RELEASE, action=action, **change)) == said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expect": None}, "it expects None deletions, 3 are held"),
        ({"moids_sha256": None}, f"the tokens that were shown have the hash None, those held {SHA}"),
    ],
)
def test_a_release_must_name_number_and_hash(change: dict[str, Any], said: str) -> None:
    """What publishes never acts on "whatever is held there"."""
    assert refusal(replace(RELEASE, **change)) == said


def test_a_hold_that_changed_since_refuses() -> None:
    """A token joined, one left, one was exchanged for another, all came back, another history began."""
    assert "expects 3 deletions, 4 are held" in str(refusal(RELEASE, moids=(*MOIDS, "d")))
    assert "expects 3 deletions, 2 are held" in str(refusal(RELEASE, moids=("a", "b")))
    assert str(refusal(RELEASE, moids=("a", "b", "d"))).startswith("the tokens that were shown have the hash")
    assert refusal(RELEASE, replace(ROW, hold=None), ()) == "nothing is held"
    assert "epoch" in str(refusal(RELEASE, replace(ROW, epoch=OTHER)))


def test_what_was_released_is_not_released_again() -> None:
    """It says since when, and how many are still to be verified; to let the rest be is another matter."""
    row_ = replace(ROW, hold=replace(HELD, released_at=NOON - 60_000))
    told = "it was released at 2025-11-25T11:59:00.000Z, and 3 deletions are still being verified"

    assert refusal(RELEASE, row_) == refusal(replace(RELEASE, expect=5, moids_sha256="00"), row_, now=NOON) == told
    assert str(refusal(replace(RELEASE, hold_id=OTHER), row_)).startswith("it names hold")
    assert refusal(DISCARD, row_) is None


def test_all_that_differs_is_named() -> None:
    """A person need not ask twice."""
    told = str(refusal(replace(RELEASE, epoch=OTHER, hold_id=OTHER, expect=1)))
    assert told.count("; ") == 2
    assert all(word in told for word in ("epoch", "hold", "expects 1"))


def test_nobody_forgets_what_is_polled() -> None:
    """The state of a source ends only when no worker polls it, and in its own history."""
    assert refusal(FORGET) == "a worker still polls this source: take it out of the configuration first"
    assert refusal(FORGET, configured=False) is None
    assert refusal(FORGET, replace(ROW, hold=None), (), configured=False) is None
    assert "epoch" in str(refusal(replace(FORGET, epoch=OTHER), configured=False))


def test_an_order_of_a_later_version_is_refused_by_name() -> None:
    """It is answered, and the next one is read."""
    assert refusal(replace(RELEASE, action="pause")) == "it orders 'pause', wanted release, discard or forget"


def test_a_command_cannot_forge_a_line() -> None:
    """What it says is quoted in the answer with its line ends and escapes visible."""
    assert refusal(replace(RELEASE, source="lab\n\x1b[2J")) == "it is for source 'lab\\n\\x1b[2J', this is prod"


# What is held...


def held_state(**tokens: str | None) -> SourceState:
    """A state with `ROW` and tokens that are held in the hold given, or live."""
    rows = {moid: row(token(moid), Status.HELD if hold else Status.LIVE, hold_id=hold) for moid, hold in tokens.items()}
    return SourceState(ROW, rows)


def test_only_rows_of_the_present_hold_are_held() -> None:
    """Sorted; rows that are not held, or in another hold, are none of it."""
    state = held_state(c=HOLD, a=HOLD, b=HOLD, d=None, e=OTHER)
    waiting = replace(state, tokens={**state.tokens, "f": row(token("f"), Status.WAITING, hold_id=HOLD)})
    assert held_moids(waiting) == MOIDS


@pytest.mark.parametrize("state", [SourceState(), SourceState(replace(ROW, hold=None), held_state(a=HOLD).tokens)])
def test_where_there_is_no_hold_nothing_is_held(state: SourceState) -> None:
    """Before a history, and after a hold."""
    assert (held_moids(state), Held.of("prod", state)) == ((), None)


def test_what_is_held_is_told_as_programs_expect_it() -> None:
    """The form of `deletes list --output json`; number and hash are those of the Moids shown."""
    held = Held.of("prod", held_state(c=HOLD, a=HOLD, b=HOLD, d=None))
    assert held is not None
    assert held.told() == {
        "source": "prod",
        "hold_id": HOLD,
        "count": 3,
        "moids_sha256": SHA,
        "moids": ["a", "b", "c"],
        "since": "2025-11-25T12:00:00.000Z",
        "reason": "threshold",
    }
    assert astuple(held)[:2] == ("prod", EPOCH)


def test_what_is_shown_may_be_released() -> None:
    """The number and hash of what is told are the ones that a release needs."""
    state = held_state(a=HOLD, b=HOLD)
    held = Held.of("prod", state)
    assert held is not None
    command = replace(RELEASE, expect=len(held.moids), moids_sha256=held.moids_sha256)
    assert verdict(command, ROW, held_moids(state), NOON, source="prod") is None
    assert verdict(command, ROW, (), NOON, source="prod") == Answer(
        "id",
        "refused",
        f"it expects 2 deletions, 0 are held; the tokens that were shown have the hash '{held.moids_sha256}', "
        f"those held {sha256(b'').hexdigest()}",
    )
