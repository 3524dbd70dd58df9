"""`streamer sources` beside real workers: what it lists is what they tell, and what is forgotten is gone for good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from streamer.commands.sources import command
from streamer.errors import CheckFailed
from streamer.invocation import Invocation
from streamer.kafka.topics import Names, partition_of
from tests.installation import ACCEPTED, Around, Installation, health, installed
from tests.services.kafka import Given
from tests.services.reader import read_all

OTHERS = {
    "in its partition": next(
        n for n in map("lab{}".format, range(99)) if partition_of(n.encode(), 2) == partition_of(b"prod", 2)
    ),
    "in another one": next(
        n for n in map("lab{}".format, range(99)) if partition_of(n.encode(), 2) != partition_of(b"prod", 2)
    ),
}


async def call(folder: Path, *arguments: str) -> Result:
    """Call it beside the test's own loop."""
    named = (*arguments, "-c", str(folder / "streamer.yaml"))
    return await asyncio.to_thread(CliRunner().invoke, command, list(named), obj=Invocation({"USER": "ada"}))


async def listed(folder: Path) -> list[dict[str, Any]]:
    """As a program reads it."""
    told = await call(folder, "--output", "json")
    assert told.exit_code == 0, told
    return list(json.loads(told.stdout))


def change(folder: Path, **keys: str) -> None:
    """Another configuration of the source; another name is another source for the same account."""
    written = folder / "streamer.yaml"
    settings = yaml.safe_load(written.read_text())
    settings["sources"][0] |= keys
    written.write_text(yaml.safe_dump(settings))


@pytest.fixture(name="here")
async def _here(kafka: Given, registry: Any, prefix: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An account whose service was never started."""
    around = Around.of(kafka, registry, prefix)
    group = {"STREAMER_KAFKA__GROUP": f"{prefix}-workers"}
    written = tmp_path / "streamer.yaml"
    async with installed(around, tmp_path, tokens=30, acts_per_second=0, environ=group) as made:
        settings = yaml.safe_load(written.read_text())
        settings["kafka"]["group"] = group["STREAMER_KAFKA__GROUP"]
        written.write_text(yaml.safe_dump(settings))
        yield made


async def rows_of(here: Installation, source: str) -> dict[bytes, bytes | None]:
    """The last value of each of its keys in the state."""
    found = await read_all(here.around.bootstrap, [Names(here.around.prefix).state])
    return {m.key or b"": m.value for m in found if (m.key or b"").partition(b"/")[0] == source.encode()}


async def test_it_lists_what_the_page_tells(here: Installation, tmp_path: Path) -> None:
    """Every field is that of /sources, the owner too; a configured source that was never polled is told as well."""
    change(tmp_path, interval="1h")  # so that both are asked between the same two polls, and the source is fresh
    await here.process.start()
    await here.process.says(ACCEPTED)
    while (ours := (await listed(tmp_path))[0])["owner"] is None:
        """A lone worker polls before the group has spoken."""
    (theirs,) = (await health(here.process, "/sources")).json()
    text = await call(tmp_path, "list")
    change(tmp_path, name="new")
    both = await listed(tmp_path)
    assert await here.process.stop() == 0
    (after, _) = await listed(tmp_path)

    assert list(ours) == list(theirs)
    assert {**ours, "age_s": None} == {**theirs, "age_s": None}
    assert 0 <= ours["age_s"] <= theirs["age_s"]
    heading, line = (line.split("\t") for line in text.stdout.splitlines())
    assert (heading[:2], line[:2]) == (["source", "owner"], ["prod", theirs["owner"]])
    new, prod = both
    assert (new["source"], new["epoch"], new["tokens"], new["healthy"]) == ("new", None, None, False)
    assert (prod["source"], prod["owner"], prod["interval_s"], prod["healthy"]) == (
        "prod",
        theirs["owner"],
        None,
        False,
    )
    assert after["owner"] is None


@pytest.mark.parametrize("where", list(OTHERS))
async def test_a_removed_source_is_forgotten(here: Installation, tmp_path: Path, where: str) -> None:
    """Refused while it is polled; once it is removed all its rows end, in one go, and no event tells of it."""
    await here.process.start()
    await here.process.says(ACCEPTED, 2)
    refused = await call(tmp_path, "forget", "prod")
    assert await here.process.stop() == 0
    before = await here.around.log()
    change(tmp_path, name=OTHERS[where])
    await here.process.start()
    await here.process.says(ACCEPTED, 2)
    told = await call(tmp_path, "forget", "prod", "--wait", "60s")
    await here.process.says("its state is forgotten")
    await here.process.says(ACCEPTED, here.process.said().count(ACCEPTED) + 2)
    again = await call(tmp_path, "forget", "prod")
    left = await listed(tmp_path)
    assert await here.process.stop() == 0
    after = await here.around.log()

    assert isinstance(refused.exception, CheckFailed)
    assert "a worker still polls this source" in str(refused.exception)
    assert (told.exit_code, told.stdout) == (0, "done: its state is forgotten\n"), told
    rows = await rows_of(here, "prod")
    assert len(rows) > 30
    assert set(rows.values()) == {None}
    assert [e for e in after.events if e["source"] == "prod"] == before.events
    assert isinstance(again.exception, CheckFailed)
    assert "the state knows no source 'prod'" in str(again.exception)
    assert [row["source"] for row in left] == [OTHERS[where]]
    assert "turn.failed" not in here.process.said()


async def test_without_a_worker_it_is_queued(here: Installation, tmp_path: Path) -> None:
    """The order waits for whoever owns the partition next, and acts then; a source that comes back begins anew."""
    await here.process.start()
    await here.process.says(ACCEPTED)
    assert await here.process.stop() == 0
    (first,) = await listed(tmp_path)
    told = await call(tmp_path, "forget", "prod", "--wait", "200ms")
    change(tmp_path, name=OTHERS["in another one"])
    await here.process.start()
    await here.process.says("its state is forgotten")
    assert await here.process.stop() == 0
    gone = set((await rows_of(here, "prod")).values())
    change(tmp_path, name="prod")
    await here.process.start()
    await here.process.says(ACCEPTED)
    assert await here.process.stop() == 0
    second = next(row for row in await listed(tmp_path) if row["source"] == "prod")

    assert (told.exit_code, told.stdout.startswith("queued: no worker has answered within 0.2 s")) == (0, True), told
    assert gone == {None}
    assert second["epoch"] not in (None, first["epoch"])
    assert second["last_sequence"] == first["last_sequence"] == 30
