"""`streamer verify` on real topics, a real registry and a simulated Intersight, beside the service and after it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from confluent_kafka import TopicPartition

from streamer.commands import verify
from streamer.commands.verify import command
from streamer.demo.acts import Refresh
from streamer.demo.faults import Status
from streamer.errors import CheckFailed, Misconfigured
from streamer.invocation import Invocation
from streamer.kafka.connection import Connection
from streamer.kafka.topics import Names
from streamer.kafka.writer import Outgoing, Writer
from streamer.state import token_key
from tests.commands.desk import screen
from tests.installation import ACCEPTED, QUIET_POLLS, UNHELD, Around, Installation, installed
from tests.services.kafka import Given, admin
from tests.services.reader import Message, read_all


async def verified(folder: Path, *arguments: str) -> tuple[Result, dict[str, Any]]:
    """What the command says as a program reads it."""
    call = ["-c", str(folder / "streamer.yaml"), "--output", "json", *arguments]
    told = await asyncio.to_thread(CliRunner().invoke, command, call, obj=Invocation({}))
    return told, json.loads(told.stdout or "{}")


def kinds(said: dict[str, Any]) -> list[tuple[str, str]]:
    """Of each difference what it is and of which token."""
    return [(one["kind"], one["moid"]) for one in said["differences"]]


@pytest.fixture(name="here")
async def _here(kafka: Given, registry: Any, prefix: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An account, and a service that was never started."""
    async with installed(
        Around.of(kafka, registry, prefix), tmp_path, tokens=60, acts_per_second=20, environ=UNHELD
    ) as made:
        yield made


async def lived(here: Installation) -> str:
    """The service has seen some life, and is stopped in the quiet after it; a token of which one event tells."""
    await here.process.start()
    await here.process.says(ACCEPTED, 3)
    here.life.vanish(next(iter(here.life.tokens)))
    here.life.settle()
    new = here.life.login(here.life.users[0])
    await here.quiet()
    assert await here.process.stop() == 0
    return new


async def plant(here: Installation, *records: Outgoing) -> None:
    """Write what the service never would."""
    topics = sorted({record.topic for record in records})
    connection = Connection((here.around.bootstrap,))
    writer = Writer(connection, f"{here.around.prefix}-test", compression="none", timeout_s=20, topics=topics)
    await writer.open()
    await writer.commit(records)
    await writer.close()


def again(message: Message, **changes: Any) -> Outgoing:
    """The record of a message once more, but for these changes."""
    same = {name: getattr(message, name) for name in ("topic", "partition", "key", "value", "timestamp")}
    return Outgoing(**{**same, **changes})


def drop(bootstrap: str, until: TopicPartition) -> None:
    """Take the first records of a partition away."""
    client = admin(bootstrap)
    for done in client.delete_records([until]).values():
        done.result(30)


async def test_beside_the_live_service(here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While everything changes: differences come and go with the polls, and none of them is a fault."""

    async def polled(*_: object) -> None:
        """What it waits for, on a machine that is as busy as it may be."""
        await here.process.says(ACCEPTED, here.process.said().count(ACCEPTED) + QUIET_POLLS)

    monkeypatch.setattr(verify, "_wait", polled)
    await here.process.start()
    await here.process.says(ACCEPTED, 2)
    told, said = await verified(tmp_path)
    await here.quiet()
    calm, quiet = await verified(tmp_path)
    assert await here.process.stop() == 0

    assert (told.exit_code, kinds(said)) == (0, [])
    assert (calm.exit_code, kinds(quiet), quiet["young"]) == (0, [], 0)
    assert quiet["events"] == quiet["sources"]["prod"]["sequence"]
    assert quiet["sources"]["prod"]["tokens"] == quiet["sources"]["prod"]["listed"] == len(here.life.tokens)
    assert quiet["reports"] >= 4
    assert await here.verdict() == []


async def test_what_nobody_told(here: Installation, tmp_path: Path) -> None:
    """With the service stopped: gone, new and changed tokens stand at the second look, with the event before."""
    await lived(here)
    gone, changed, *_ = here.life.tokens
    here.life.vanish(gone)
    here.life.edit(changed, "by hand", ClientName="<script>")
    new = here.life.login(here.life.user(here.life.people()[0]["Moid"]))
    call = ["-c", str(tmp_path / "streamer.yaml")]
    text = await asyncio.to_thread(CliRunner().invoke, command, call, obj=Invocation({}))
    told, said = await verified(tmp_path, "--source", "prod")

    assert isinstance(told.exception, CheckFailed)
    assert sorted(kinds(said)) == sorted([("gone", gone), ("differs", changed), ("unknown", new)])
    by_kind = {one["kind"]: one for one in said["differences"]}
    fields = {field["name"]: (field["state"], field["Intersight"]) for field in by_kind["differs"]["fields"]}
    assert fields["client_name"][1] == "'<script>'"
    last = {event["moid"]: event for event in (await here.around.log()).events}
    assert by_kind["gone"]["event_id"] == last[gone]["event_id"]
    assert by_kind["unknown"]["event_id"] is None
    assert "client_name: state '" in text.stdout
    assert f"last event: {last[gone]['event_type']} {last[gone]['event_id']}" in text.stdout
    assert "waiting to see whether 3 of them stand" in text.stderr


async def test_tampered_topics(here: Installation, tmp_path: Path) -> None:
    """An event twice, a record that is none, rows lost: each is found; a loss by retention is none, one by hand is."""
    new = await lived(here)
    names, bootstrap = Names(here.around.prefix), here.around.bootstrap
    message = next(m for m in await read_all(bootstrap, [names.created]))
    lost = next(iter(here.life.tokens))
    *_, row = (m for m in await read_all(bootstrap, [names.state]) if m.key == token_key("prod", lost))
    await plant(here, again(message), again(message, value=b"foreign"), again(row, value=None))
    told, said = await verified(tmp_path)

    assert isinstance(told.exception, CheckFailed)
    moid = (message.key or b"").decode()
    expected = [("undecodable", None), ("repeated", moid), ("unknown", lost), ("unknown", lost)]
    assert sorted(kinds(said), key=str) == sorted(expected, key=str)

    await plant(here, again(row))
    (last,) = (m for m in await read_all(bootstrap, [names.created]) if m.key == new.encode())
    await asyncio.to_thread(drop, bootstrap, TopicPartition(names.created, last.partition, last.offset + 1))
    by_hand, gaps = await verified(tmp_path)
    since, calm = await verified(tmp_path, "--since", "1s")

    assert isinstance(by_hand.exception, CheckFailed)
    assert "gap" in {kind for kind, _ in kinds(gaps)}
    assert ("untold", new) in kinds(gaps)
    assert {kind for kind, _ in kinds(calm)} <= {"undecodable"}, since


async def test_silent_and_suppressed(here: Installation, tmp_path: Path) -> None:
    """Tokens of a silent first run and refreshes that are suppressed are counted, and no differences; with a bar."""
    written = tmp_path / "streamer.yaml"
    settings = yaml.safe_load(written.read_text())
    settings["sources"][0] |= {"first_run": "silent", "refresh_events": "suppress"}
    written.write_text(yaml.safe_dump(settings))
    here.life.settle()
    await here.process.start()
    await here.process.says(ACCEPTED, 2)
    refreshed = list(here.life.tokens)[:3]
    for moid in refreshed:
        Refresh(moid=moid).on(here.life, here.life.clock())
    await here.process.says(ACCEPTED, here.process.said().count(ACCEPTED) + 2)
    assert await here.process.stop() == 0
    told, said = await verified(tmp_path)

    assert (told.exit_code, kinds(said), said["young"]) == (0, [], 0)
    status, shown = await screen((sys.executable, "-m", "streamer", "verify"), tmp_path, {}, term="xterm")
    assert (status, "reading events" in shown, "0 differences" in shown) == (0, True, True), shown
    facts = said["sources"]["prod"]
    assert (facts["silent"], facts["suppressed"], said["events"]) == (len(here.life.tokens), 3, 0)


async def test_what_cannot_be_compared(here: Installation, tmp_path: Path) -> None:
    """An API that refuses is told as that; a source that nobody knows is a wrong call, one without a state is told."""
    await lived(here)
    here.simulator.faults.arm(Status(status=403))
    refused, said = await verified(tmp_path)
    unknown, _ = await verified(tmp_path, "--source", "nobody")

    assert isinstance(refused.exception, CheckFailed)
    assert [one["kind"] for one in said["differences"]] == ["unread"]
    assert "answered 403" in said["differences"][0]["detail"]
    assert isinstance(unknown.exception, Misconfigured)
