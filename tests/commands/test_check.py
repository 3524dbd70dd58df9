"""`streamer check` on real edges: all of them well, each of them broken, and beside the service that runs."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from streamer import cli
from streamer.commands.check import command
from streamer.config import RegistrySettings
from streamer.demo.credentials import Credentials
from streamer.demo.faults import AnyFault
from streamer.demo.lies.sights import Audit, Keyset
from streamer.demo.lies.wire import Skew, Status
from streamer.demo.simulator import Simulator
from streamer.errors import CheckFailed
from streamer.invocation import Invocation
from streamer.registry import Registry
from tests.installation import ACCEPTED, Around, Installation, installed
from tests.services.kafka import Given, admin
from tests.services.reader import ends

TOKENS = "/api/v1/iam/OAuthTokens"
USERS = "/api/v1/iam/Users"
OTHERS = '{"type": "record", "name": "Other", "fields": [{"name": "other", "type": "long"}]}'
Lines = dict[tuple[str, str], dict[str, Any]]


async def checked(folder: Path, *arguments: str) -> tuple[Result, Lines]:
    """What the command says, and its lines by edge and name; whatever is not well comes with what to change."""
    call = ["-c", str(folder / "streamer.yaml"), "--output", "json", *arguments]
    told = await asyncio.to_thread(CliRunner().invoke, command, call, obj=Invocation({}))
    lines = json.loads(told.stdout or "[]")
    assert [line for line in lines if line["outcome"] in ("failed", "warning", "unproven") and not line["hint"]] == []
    return told, {(line["edge"], line["name"]): line for line in lines}


def of(lines: Lines, outcome: str) -> list[str]:
    """The questions with this outcome, in order."""
    return [f"{edge}: {name}" for (edge, name), line in lines.items() if line["outcome"] == outcome]


def change(folder: Path, change_it: Callable[[dict[str, Any]], object]) -> None:
    """Another configuration."""
    written = folder / "streamer.yaml"
    read = yaml.safe_load(written.read_text())
    change_it(read)
    written.write_text(yaml.safe_dump(read))


@pytest.fixture(name="here")
async def _here(kafka: Given, registry: Any, prefix: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An account with some tokens, and a service that was never started."""
    around = Around.of(kafka, registry, prefix)
    async with installed(around, tmp_path, tokens=20, acts_per_second=0) as made:
        yield made


async def test_nothing_is_made_before_the_first_start(here: Installation, tmp_path: Path) -> None:
    """All is well, topics and schemas would be made, and afterwards there are still none; what is unproven is said."""
    told, lines = await checked(tmp_path)
    topics = await asyncio.to_thread(admin(here.around.bootstrap).list_topics, timeout=10)
    async with Registry(RegistrySettings(url=here.around.registry)) as registry:
        subjects = await registry.subjects()

    assert (told.exit_code, of(lines, "failed"), of(lines, "not tried")) == (0, [], [])
    assert [name for name in (*topics.topics, *subjects) if name.startswith(here.around.prefix)] == []
    topics_line, prefix = lines["kafka", "topics"], here.around.prefix
    assert "6 would be made" in topics_line["detail"]
    assert "new topics would get a replication factor of 1" in topics_line["detail"]
    assert topics_line["hint"] == "set kafka.replication_factor before the first start, or add brokers"
    ids = f"grant Write on transactional-ids beginning with {prefix}.state-"
    assert lines["kafka", "transactional ids"]["hint"] == ids
    assert lines["kafka", "group"]["hint"].startswith("grant Read on group ")
    assert lines["registry", "schemas"]["detail"].count(" is new") == 4
    assert of(lines, "unproven") == [
        "registry: right to register",
        "kafka: right to write",
        "kafka: right to read",
        "kafka: transactional ids",
        "kafka: group",
    ]
    assert all(line["took_ms"] >= 0 for line in lines.values())


def groups_of(bootstrap: str, prefix: str) -> set[str]:
    """The groups of a deployment; those of other tests come and go."""
    client = admin(bootstrap)  # kept until it has answered
    found = client.list_consumer_groups().result(10)
    assert not found.errors
    return {group.group_id for group in found.valid if group.group_id.startswith(prefix)}


async def test_the_live_service_is_not_disturbed(here: Installation, tmp_path: Path) -> None:
    """Beside a running service all is proven; no event topic grows, not even by what nobody sees, nobody is fenced."""
    await here.process.start()
    await here.process.says(ACCEPTED, 2)
    prefix, bootstrap = here.around.prefix, here.around.bootstrap
    still = [f"{prefix}.{name}" for name in ("created", "modified", "deleted", "control")]
    before = await asyncio.to_thread(ends, bootstrap, still, "read_uncommitted")
    groups = await asyncio.to_thread(groups_of, bootstrap, prefix)

    told, lines = await checked(tmp_path)
    await here.process.says(ACCEPTED, here.process.said().count(ACCEPTED) + 2)

    assert (told.exit_code, of(lines, "failed"), of(lines, "not tried")) == (0, [], []), told.stdout
    assert of(lines, "unproven") == ["kafka: transactional ids", "kafka: group"]
    assert lines["kafka", "right to write"]["detail"] == "to 5 topics, proven without a record"
    assert await asyncio.to_thread(ends, bootstrap, still, "read_uncommitted") == before
    assert await asyncio.to_thread(groups_of, bootstrap, prefix) == groups != set()
    assert {"turn.failed", "poll.rejected"} & set(here.process.said().split()) == set()
    assert await here.process.stop() == 0
    assert await here.verdict() == []


async def test_lines_for_a_person(here: Installation, tmp_path: Path) -> None:
    """One line a question with outcome and time, its hint below; a failure ends with status 3 and names what failed."""
    here.simulator.faults.arm(Status(status=403, path=TOKENS))
    call = ["-c", str(tmp_path / "streamer.yaml")]
    told = await asyncio.to_thread(CliRunner().invoke, command, call, obj=Invocation({}))

    assert isinstance(told.exception, CheckFailed)
    assert str(told.exception) == "1 of 22 checks failed: prod: tokens"
    (line, hint) = told.stdout.split("prod: tokens: ")[1].splitlines()[:2]
    assert "answered 403" in line
    assert hint.strip().startswith("hint: give the identity a role that may read iam.OAuthToken")
    assert "not tried            prod: Moid gt: it needs what failed: tokens" in told.stdout


BEHIND = ("tokens", "Moid gt", "quotes", "audit", "users")


@pytest.mark.parametrize(
    ("fault", "failed", "untried"),
    [
        (Status(status=403, path=TOKENS), "tokens", BEHIND[1:3]),
        (Status(status=401), "authentication", BEHIND),
        (Status(status=503), "authentication", BEHIND),
    ],
)
async def test_a_refusing_account(
    here: Installation, tmp_path: Path, fault: Status, failed: str, untried: tuple[str, ...]
) -> None:
    """What is refused fails with the API's words; what depends on it is not tried; all other edges are."""
    here.simulator.faults.arm(fault)
    told, lines = await checked(tmp_path)

    assert isinstance(told.exception, CheckFailed)
    assert of(lines, "failed") == [f"prod: {failed}"]
    assert of(lines, "not tried") == [f"prod: {name}" for name in untried]
    assert f"answered {fault.status}" in lines["prod", failed]["detail"]
    assert lines["kafka", "connection"]["outcome"] == "ok"


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (Keyset(), "Moid gt"),
        (Keyset(how="ignored"), "Moid gt"),
        (Keyset(how="ge"), "Moid gt"),
        (Audit(forbidden=True), "audit"),
        (Status(status=403, path=USERS), "users"),
        (Skew(by=90), "clock"),
    ],
)
async def test_what_the_service_can_live_with(here: Installation, tmp_path: Path, fault: AnyFault, name: str) -> None:
    """It is a warning that says what to do or what is lost, and no failure."""
    here.simulator.faults.arm(fault)
    told, lines = await checked(tmp_path)

    assert told.exit_code == 0
    assert f"prod: {name}" in of(lines, "warning")
    assert lines["prod", name]["hint"] or "instead" in lines["prod", name]["detail"]


async def test_a_key_that_is_not_the_accounts(here: Installation, tmp_path: Path) -> None:
    """It authenticates nobody."""
    assert here.simulator.credentials.ec.pem != Credentials.new().ec.pem
    (tmp_path / "secret").write_text(Credentials.new().ec.pem)
    told, lines = await checked(tmp_path)

    assert isinstance(told.exception, CheckFailed)
    assert of(lines, "failed") == ["prod: authentication"]
    assert "iam_api_key_is_invalid" in lines["prod", "authentication"]["detail"]


async def test_an_oauth_client_that_is_unknown(kafka: Given, registry: Any, prefix: str, tmp_path: Path) -> None:
    """The token endpoint's word is told as it is; with the right secret all is well."""
    async with installed(Around.of(kafka, registry, prefix), tmp_path, tokens=5, acts_per_second=0, how="oauth"):
        fine, _ = await checked(tmp_path)
        (tmp_path / "secret").write_text("wrong-secret")
        told, lines = await checked(tmp_path)

    assert fine.exit_code == 0
    assert of(lines, "failed") == ["prod: authentication"]
    assert "invalid_client" in lines["prod", "authentication"]["detail"]
    assert "wrong-secret" not in told.stdout


async def test_a_clock_that_is_wrong(here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes fast, nothing that is signed is accepted: the clock is named, with how far it is off."""
    real = here.life.clock
    monkeypatch.setattr("streamer.commands.check.utc_ms", lambda: real() + 600_000)
    told, lines = await checked(tmp_path)

    assert isinstance(told.exception, CheckFailed)
    assert of(lines, "failed") == ["prod: authentication", "prod: clock"]
    assert "fast" in lines["prod", "clock"]["detail"]
    assert "NTP" in lines["prod", "clock"]["hint"]


def _nowhere(settings: dict[str, Any]) -> None:
    settings["sources"][0]["url"] = "http://127.0.0.1:1"
    settings["registry"]["url"] = "http://127.0.0.1:1"
    settings["kafka"]["bootstrap_servers"] = ["127.0.0.1:1"]


async def test_nobody_answers(here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each edge says so for itself, and nothing behind it is tried."""
    monkeypatch.setattr("streamer.registry_http.PAUSES_S", (0.0,))
    change(tmp_path, _nowhere)
    told, lines = await checked(tmp_path)

    assert isinstance(told.exception, CheckFailed)
    assert of(lines, "failed") == ["prod: connection", "registry: connection", "kafka: connection"]
    assert of(lines, "ok") == [
        "configuration: keys and values",
        "prod: credential",
        "registry: credential",
        "kafka: credential",
    ]
    assert here.simulator.replies.total() == 0


async def test_another_programs_schema(here: Installation, tmp_path: Path) -> None:
    """A subject that would not take our schema fails, with the registry's reason; it is left as it is."""
    subject = f"{here.around.prefix}.deleted-value"
    async with Registry(RegistrySettings(url=here.around.registry)) as registry:
        await registry.register(subject, OTHERS)
    told, lines = await checked(tmp_path)

    assert isinstance(told.exception, CheckFailed)
    assert of(lines, "failed") == ["registry: schemas"]
    assert f"{subject} is incompatible: " in lines["registry", "schemas"]["detail"]
    assert of(lines, "not tried") == ["registry: right to register"]


async def test_topics_that_cannot_carry_the_promises(here: Installation, tmp_path: Path) -> None:
    """A state topic that would expire fails; one more partition of an event topic is told as a warning by itself."""
    await here.process.start()
    await here.process.says(ACCEPTED)
    assert await here.process.stop() == 0
    change(tmp_path, lambda settings: settings["kafka"].update(event_partitions=7))
    fine, odd = await checked(tmp_path)
    change(tmp_path, lambda settings: settings["kafka"].update(state_partitions=3))
    told, lines = await checked(tmp_path)

    assert fine.exit_code == 0
    assert f"{here.around.prefix}.created has 3 partitions, 7 is wanted" in odd["kafka", "topics"]["detail"]
    assert isinstance(told.exception, CheckFailed)
    assert of(lines, "failed") == ["kafka: topics"]
    assert "set kafka.state_partitions: 2" in lines["kafka", "topics"]["hint"]
    assert of(lines, "not tried") == ["kafka: right to write", "kafka: right to read"]


async def test_offline(here: Installation, tmp_path: Path) -> None:
    """Nobody is asked; a key that is none, and a file that is not there, are found; several mistakes are one line."""
    before = here.simulator.replies.total()
    fine, lines = await checked(tmp_path, "--offline")
    (tmp_path / "secret").write_text("no key")
    change(tmp_path, lambda settings: settings["registry"].update(url="https://r", ca_file=str(tmp_path / "none.pem")))
    broken, found = await checked(tmp_path, "--offline")
    change(tmp_path, lambda settings: settings.pop("sources"))
    empty, none = await checked(tmp_path, "--offline")
    change(tmp_path, lambda settings: settings.update(http={"listen": "9464"}, log={"level": "loud"}))
    call = ["-c", str(tmp_path / "streamer.yaml"), "--offline"]
    text = (await asyncio.to_thread(CliRunner().invoke, command, call, obj=Invocation({}))).stdout

    assert (fine.exit_code, {line["outcome"] for line in lines.values()}) == (0, {"ok"})
    assert isinstance(broken.exception, CheckFailed)
    assert of(found, "failed") == ["prod: credential", "registry: credential"]
    assert "no key" not in broken.stdout
    assert isinstance(empty.exception, CheckFailed)
    assert of(none, "failed") == ["configuration: keys and values"]
    assert "such as 127.0.0.1:9464; log.level: given 'loud'" in text
    assert isinstance(here.simulator, Simulator)
    assert here.simulator.replies.total() == before


@pytest.mark.parametrize(("level", "least"), [("info", logging.ERROR), ("debug", logging.DEBUG)])
@pytest.mark.parametrize("call", ["check --offline", "verify"])
def test_what_is_logged_beside_the_output(tmp_path: Path, call: str, level: str, least: int) -> None:
    """Errors, since the output says it all; at `debug`, for whoever looks for what is wrong there, everything."""
    name, *arguments = call.split()
    key = {"id": "a/u/k", "file": str(tmp_path / "key")}
    given = {"kafka": {"bootstrap_servers": ["127.0.0.1:1"]}, "log": {"level": level}}
    given |= {"sources": [{"name": "prod", "url": "http://127.0.0.1:1", "api_key": key}]}
    (tmp_path / "streamer.yaml").write_text(yaml.safe_dump(given))
    called = cli.streamer.get_command(click.Context(cli.streamer), name)
    assert called is not None
    CliRunner().invoke(called, [*arguments, "-c", str(tmp_path / "streamer.yaml")], obj=Invocation({}))

    assert logging.getLogger("streamer").level == least
