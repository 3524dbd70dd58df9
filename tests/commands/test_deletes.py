"""`streamer deletes` on a real broker: what is held is shown, and only exactly that is released."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamer.commands.deletes import command
from streamer.control import LIFE_MS, Command
from streamer.errors import CheckFailed, Misconfigured, Unready
from streamer.invocation import Invocation
from streamer.kafka.topics import partition_of
from streamer.state import Status
from tests.builders import EPOCH, NOON, row, token
from tests.commands.desk import answered, call, failure, on_terminal, ordered, run
from tests.kafka.bench import ONE, OnBroker
from tests.kafka.owner import HOLD, Owner, holding
from tests.services.kafka import Given

OTHER = "f1111111-2222-4333-8444-555555555555"
FAR = "far"  # in another partition
PARTITIONS = 4
SHA = sha256(b"a\nb\nc").hexdigest()
HELD = {
    "source": ONE,
    "hold_id": HOLD,
    "count": 3,
    "moids_sha256": SHA,
    "moids": ["a", "b", "c"],
    "since": "2025-11-25T12:00:00.000Z",
    "reason": "threshold",
}


@pytest.fixture(name="bench")
async def _bench(kafka: Given, prefix: str) -> AsyncIterator[OnBroker]:
    """The service's topics, and nothing in them."""
    made = OnBroker(kafka.bootstrap, prefix)
    await made.make_topics(state=PARTITIONS)
    yield made
    await made.close()


@pytest.fixture(name="owner")
async def _owner(bench: OnBroker) -> Owner:
    """The worker of a source that holds three tokens and knows a fourth."""
    made = Owner(bench.ledger(ONE), ONE)
    await made.write(holding(["c", "a", "b"], live=["d"]))
    return made


# list...


async def test_a_program_reads_what_is_held(bench: OnBroker, owner: Owner) -> None:
    """Every hold of every source, whatever partition it lives in, by source; sources without one are not told."""
    assert partition_of(ONE.encode(), PARTITIONS) != partition_of(FAR.encode(), PARTITIONS)
    assert owner.state.row is not None
    await Owner(bench.ledger("calm"), "calm").write(holding([], live=["a"]))
    many = [f"{number:024x}" for number in range(5000)]
    await Owner(bench.ledger(FAR), FAR).write(holding(many, hold_id=OTHER))

    told = await call(bench, "list", "--output", "json")

    lab, prod = json.loads(told.stdout)
    assert (told.exit_code, told.stderr, prod) == (0, "", HELD)
    assert (lab["source"], lab["hold_id"], lab["count"], lab["moids"]) == (FAR, OTHER, 5000, many)
    assert json.loads((await call(bench, "list", "--output", "json", "--source", ONE)).stdout) == [HELD]
    assert json.loads((await call(bench, "list", "--output", "json", "--source", "calm")).stdout) == []


async def test_lines_have_the_moids_last(bench: OnBroker, owner: Owner) -> None:
    """One line a hold, apart by tabs, below their names."""
    assert owner.state.row is not None
    told = await call(bench, "list")

    heading = "source\thold_id\tcount\treason\tsince\tmoids\n"
    assert told.stdout == f"{heading}{ONE}\t{HOLD}\t3\tthreshold\t2025-11-25T12:00:00.000Z\ta, b, c\n"


async def test_nothing_is_held(bench: OnBroker) -> None:
    """An empty list, and no line; neither is an error."""
    assert (await call(bench, "list", "--output", "json")).stdout == "[]\n"
    assert (await call(bench, "list")).stdout == ""


async def test_a_row_of_another_hold_is_not_shown(bench: OnBroker, owner: Owner) -> None:
    """Nor one that returned since: what is counted is what stands in the hold now."""
    await owner.write(replace(owner.state, tokens=holding(["b"], hold_id=OTHER, live=["c"]).tokens))

    (held,) = json.loads((await call(bench, "list", "--output", "json")).stdout)

    assert (held["count"], held["moids"]) == (1, ["a"])


async def test_what_was_discarded_is_told_beside(bench: OnBroker, owner: Owner) -> None:
    """Nothing is held, and tokens that a person called back are not out of sight; standard output has only holds."""
    assert owner.state.row is not None
    await owner.write(replace(owner.state, row=replace(owner.state.row, hold=None)))
    told = await call(bench, "list")

    assert told.stdout == ""
    assert told.stderr.startswith(f"streamer: nothing is held\nstreamer: {ONE}: 3 discarded deletions are let alone, ")
    assert (await call(bench, "list", "--output", "json")).stdout == "[]\n"


# release and discard...


async def test_a_release_says_what_became_of_it(bench: OnBroker, owner: Owner) -> None:
    """The command names all that was shown, stands where the owner looks for it, and is answered within the call."""
    told, got = await answered(bench, owner, "release", "--hold", HOLD.upper(), "--expect", "3")
    (message,) = await ordered(bench)

    assert (told.exit_code, told.stdout) == (0, "done: release: 0\n"), told
    assert got == Command.from_bytes(message.value or b"")
    assert (message.key, message.partition) == (ONE.encode(), partition_of(ONE.encode(), PARTITIONS))
    assert (got.source, got.epoch, got.action, got.hold_id) == (ONE, EPOCH, "release", HOLD)
    assert (got.expect, got.moids_sha256, got.expires_at) == (3, SHA, got.issued_at + LIFE_MS)
    assert got.issued_by.startswith("ada@")
    assert got.command_id in told.stderr
    assert (await call(bench, "list")).stdout == ""


async def test_a_discard_says_what_became_of_it(bench: OnBroker, owner: Owner) -> None:
    """It too names exactly what was shown."""
    told, got = await answered(bench, owner, "discard", "--hold", HOLD, "--source", ONE)

    assert (told.exit_code, told.stdout) == (0, "done: discard: 0\n"), told
    assert (got.action, got.hold_id, got.expect, got.moids_sha256) == ("discard", HOLD, 3, SHA)


@pytest.mark.parametrize("action", [("release", "--expect", "3"), ("discard",)])
async def test_what_changed_meanwhile_is_refused(bench: OnBroker, owner: Owner, action: tuple[str, ...]) -> None:
    """A token left the hold between the look and the order: status 3, and the owner's words."""
    owner.state = replace(owner.state, tokens={moid: row for moid, row in owner.state.tokens.items() if moid != "a"})
    told, _ = await answered(bench, owner, *action, "--hold", HOLD)

    assert isinstance(failure(told), CheckFailed)
    assert f"{ONE} refused to {action[0]} hold {HOLD}: it expects 3 deletions, 2 are held" in str(failure(told))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("release", "--hold", HOLD, "--expect", "2"), f"hold {HOLD} of {ONE} has 3 deletions, 2 are expected"),
        (("release", "--hold", OTHER, "--expect", "3"), f"no source has a hold {OTHER}"),
        (("discard", "--hold", OTHER), f"nothing was sent; held is {HOLD} ({ONE}, 3)"),
    ],
)
async def test_what_was_not_meant_is_not_sent(
    bench: OnBroker, owner: Owner, arguments: tuple[str, ...], said: str
) -> None:
    """Another number, another hold, another source: status 3, and no command."""
    assert owner.state.row is not None
    error = failure(await call(bench, *arguments))

    assert isinstance(error, CheckFailed)
    assert said in str(error)
    assert "nothing was sent" in str(error)
    assert await ordered(bench) == []


@pytest.mark.parametrize("action", [("list",), ("list", "--output", "json"), ("discard", "--hold", HOLD)])
async def test_a_source_that_is_none_is_told_with_those_that_are(
    bench: OnBroker, owner: Owner, action: tuple[str, ...]
) -> None:
    """A mistyped name is no calm source: it is wrong usage, and all known ones are named."""
    assert owner.state.row is not None
    await Owner(bench.ledger(FAR), FAR).write(holding([], live=["a"]))
    error = failure(await call(bench, *action, "--source", "prdo"))

    assert isinstance(error, Misconfigured)
    assert f"--source 'prdo' is given; {bench.names.state} knows {FAR}, {ONE}" in str(error)
    assert await ordered(bench) == []


async def test_without_a_worker_it_is_queued(bench: OnBroker, owner: Owner) -> None:
    """Status 0; the command waits in the log, and acts once when a worker comes."""
    told = await call(bench, "release", "--hold", HOLD, "--expect", "3", "--wait", "200ms")
    (got,) = await owner.obey()

    assert (told.exit_code, told.stdout.startswith("queued: no worker has answered within 0.2 s")) == (0, True), told
    assert got.command_id in told.stdout
    assert "See that its worker runs" in told.stdout
    assert owner.state.row is not None
    assert (owner.state.row.hold, owner.state.row.answer and owner.state.row.answer.outcome) == (None, "done")


async def test_a_second_release_finds_no_hold(bench: OnBroker, owner: Owner, tmp_path: Path) -> None:
    """Two people at once: one acts, the other is told why not."""
    arguments = ("release", "--hold", HOLD, "--expect", "3")
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(run(bench, tmp_path, *arguments)) for _ in range(2)]
        while len(await ordered(bench)) < 2:
            """Both have seen the hold."""
        group.create_task(owner.obey(2))
    done, refused = sorted((task.result() for task in calls), key=lambda told: told.returncode)

    assert (done.returncode, done.stdout) == (0, "done: release: 0\n")
    assert (refused.returncode, refused.stdout, "nothing is held" in refused.stderr) == (3, "", True)


async def test_a_later_release_is_told_how_far_the_first_one_is(bench: OnBroker, owner: Owner) -> None:
    """Whatever number it expects, it learns since when they are let go, and that some are still being verified."""
    assert owner.state.row is not None
    assert owner.state.row.hold is not None
    released = replace(owner.state.row.hold, released_at=NOON + 60_000)
    await owner.write(replace(owner.state, row=replace(owner.state.row, hold=released)))
    error = failure(await call(bench, "release", "--hold", HOLD, "--expect", "64"))

    assert isinstance(error, CheckFailed)
    assert "was released at 2025-11-25T12:01:00.000Z, and 3 deletions are still being verified: nothing was" in str(
        error
    )
    assert await ordered(bench) == []


# On a terminal...


async def test_a_person_sees_a_table(bench: OnBroker, owner: Owner, tmp_path: Path) -> None:
    """The hold in columns, below each token with what is known of it; a hold's id can be copied, whatever is long."""
    seen = token("b", user_moid="u1", client_name="x\n" * 60, expiration_time=NOON + 3_600_000)
    known = row(seen, Status.HELD, absent_since=NOON - 1000, hold_id=HOLD)
    await owner.write(replace(owner.state, tokens={**owner.state.tokens, "b": known}))
    status, shown = await on_terminal(bench, tmp_path, "list")
    name = "s" * 63
    await Owner(bench.ledger(name), name).write(holding(["a"], hold_id=OTHER))
    _, narrow = await on_terminal(bench, tmp_path, "list")

    words = shown.split()
    assert status == 0
    assert max(map(len, shown.splitlines())) <= 80
    assert {HOLD, OTHER} <= set(narrow.split())
    assert words[:4] == ["source", "hold_id", "count", "reason"]
    assert words[4:8] == [ONE, HOLD, "3", "threshold"]
    assert " ".join(words[8:]).startswith(f"Held in {ONE} since 2025-11-25T12:00:00.000Z, 3 tokens: moid client user ")
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.strip()}
    assert rows["a"] == rows["c"] == ["portal", "never"]
    assert rows["b"][1:] == ["u1", "2025-11-25", "13:00:00Z"]


async def test_a_person_sees_what_is_released_already(bench: OnBroker, owner: Owner, tmp_path: Path) -> None:
    """So that nobody wonders why it is still there."""
    assert owner.state.row is not None
    assert owner.state.row.hold is not None
    released = replace(owner.state.row.hold, released_at=NOON + 60_000)
    await owner.write(replace(owner.state, row=replace(owner.state.row, hold=released)))
    _, shown = await on_terminal(bench, tmp_path, "list")

    assert f"Held in {ONE} since {HELD['since']}, released at 2025-11-25T12:01:00.000Z, 3 tokens:" in " ".join(
        shown.split()
    )


@pytest.mark.parametrize(("types", "status"), [("y\n", 0), ("n\n", 130), ("\n", 130), ("\x04", 130)])
async def test_a_person_is_asked(bench: OnBroker, owner: Owner, tmp_path: Path, types: str, status: int) -> None:
    """What would be released is shown; only a yes sends it."""
    assert owner.state.row is not None
    arguments = ("release", "--hold", HOLD, "--expect", "3", "--wait", "0s")
    ended, shown = await on_terminal(bench, tmp_path, *arguments, types=types)

    assert f"Held in {ONE} since " in shown
    assert f"release these 3 deletions of {ONE}? [y/N]:" in shown
    assert (ended, len(await ordered(bench))) == (status, 1 if types == "y\n" else 0), shown


async def test_yes_is_not_asked(bench: OnBroker, owner: Owner, tmp_path: Path) -> None:
    """For those who are sure."""
    assert owner.state.row is not None
    ended, shown = await on_terminal(bench, tmp_path, "discard", "--hold", HOLD, "--yes", "--wait", "0s")

    assert (ended, "[y/N]" in shown, len(await ordered(bench))) == (0, False, 1), shown


# Trouble...


async def test_refusals_end_with_status_3(bench: OnBroker, owner: Owner, tmp_path: Path) -> None:
    """As a process: the reason and a hint on stderr, nothing on stdout."""
    assert owner.state.row is not None
    done = await run(bench, tmp_path, "release", "--hold", HOLD, "--expect", "9")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[0].endswith("has 3 deletions, 9 are expected: nothing was sent")
    assert done.stderr.splitlines()[1].startswith("  hint: ")


@pytest.mark.parametrize(
    "arguments", [("list",), ("release", "--hold", HOLD, "--expect", "3"), ("discard", "--hold", HOLD)]
)
async def test_a_prefix_without_a_service_is_told(kafka: Given, prefix: str, arguments: tuple[str, ...]) -> None:
    """The usual cause is a wrong prefix."""
    error = failure(await call(OnBroker(kafka.bootstrap, prefix), *arguments))

    assert isinstance(error, Unready)
    looked_for = f"{prefix}.state" if arguments == ("list",) else f"{prefix}.control, {prefix}.state"
    assert str(error) == f"these topics do not exist: {looked_for}"
    assert "kafka.topic_prefix" in error.hint


async def test_kafka_is_away(prefix: str) -> None:
    """Said at once, with where it was looked for."""
    error = failure(await call(OnBroker("127.0.0.1:1", prefix), "list"))

    assert isinstance(error, Unready)
    assert "Kafka at 127.0.0.1:1: cannot look for the state" in str(error)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("release", "--hold", HOLD), "Missing option '--expect'"),
        (("release", "--expect", "3"), "Missing option '--hold'"),
        (("release", "--hold", "latest", "--expect", "3"), "'latest' is not a valid UUID"),
        (("release", "--hold", HOLD, "--expect", "-1"), "-1 is not in the range"),
        (("discard", "--hold", HOLD, "--wait", "30"), "'30' is given, wanted a duration such as 60s"),
        (("discard", "--hold", HOLD, "--expect", "3"), "No such option"),
    ],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...], said: str) -> None:
    """Before anything is asked of Kafka; the message names what was given and what is wanted."""
    told = CliRunner().invoke(command, list(arguments), obj=Invocation({}))
    assert (told.exit_code, said in told.stderr) == (2, True), told.stderr
