"""Every command works with exactly the rights of README's table, and names the one that is missing.

On a broker that asks for rights, with the real commands as processes. The cases are the rows of the table: who adds a
row gets its case.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.config import KafkaSettings
from streamer.errors import Misconfigured
from streamer.kafka import restore as restoring
from streamer.kafka import rights
from streamer.kafka.connection import Connection
from streamer.kafka.control import Homes, homes
from streamer.kafka.restore import restore
from streamer.kafka.rights import TABLE, Denied, Right
from streamer.kafka.topics import Names
from streamer.kafka.writer import Writer
from tests.installation import ACCEPTED
from tests.kafka.bench import ONE
from tests.kafka.conftest import USERS
from tests.kafka.granted import CALLS, FORM, USER, Deployment, granted, status
from tests.kafka.stage import make, record
from tests.process import Process
from tests.services.kafka import Broker, remove_topics
from tests.services.reader import read_all

ROOT = Path(__file__).parents[2]
P = "P"


def cases() -> Iterator[tuple[str, Deployment, int]]:
    """Of each command, every right of its deployments, by its index; each once."""
    for command in TABLE:
        seen: set[Right] = set()
        for all_topic, create in ((False, False), (True, False), (False, True)):
            deployment = Deployment(None, P, all_topic, create)  # type: ignore[arg-type]
            for index, right in enumerate(deployment.needs(command)):
                if right not in seen:
                    yield command, deployment, index
                seen.add(right)


CASES = list(cases())
REPORTS = Right(rights.READ, rights.TOPIC, f"{P}.snapshots")
OUTPUTS = [Right(rights.READ, rights.TOPIC, f"{P}.{suffix}") for suffix in (FORM, "snapshots.json")]


def name_of(command: str, deployment: Deployment, index: int) -> str:
    """Such as `run-Write-topic-P.created`."""
    right = deployment.needs(command)[index]
    return "-".join((command.replace(" ", "-"), right.operation, right.kind, right.name))


@pytest.fixture(scope="module", name="deployed")
def _deployed(guarded: Broker) -> Iterator[dict[tuple[str, Deployment], Deployment]]:
    """The deployments made so far, by command and how they are laid out; their topics go in the end."""
    made: dict[tuple[str, Deployment], Deployment] = {}
    yield made
    for deployment in made.values():
        remove_topics(guarded.bootstrap, deployment.prefix)


async def deployment_of(
    deployed: dict[tuple[str, Deployment], Deployment], broker: Broker, command: str, layout: Deployment
) -> Deployment:
    """One that is laid out so; a command that makes topics gets a new one each time, and a relay, for its group."""
    key = (command, layout)
    new = layout.create or command == "relay"
    if key not in deployed or new:
        made = replace(layout, broker=broker, prefix=f"t-{uuid.uuid4().hex[:12]}")
        await made.prepare(command)
        deployed[(command, made) if new else key] = made
        return made
    return deployed[key]


async def works(process: Process, command: str, deployment: Deployment) -> None:
    """The command does what it is for, and ends well."""
    if command == "run":
        await process.says(ACCEPTED)
        assert await process.stop() == 0
    elif command == "relay":
        await comes(deployment, FORM)
        await comes(deployment, "snapshots.json")
        assert await process.stop() == 0
    else:
        assert await status(process) == (3 if command == "verify" else 0), process.said()
        told = {
            "follow": '"event_type"',
            "verify": "differences",  # nobody has polled the account yet
            "sources list": ONE,
            "deletes list": "threshold",
            "deletes release": "queued: ",
        }
        assert told[command] in process.said()


async def comes(deployment: Deployment, suffix: str) -> None:
    """Wait until a record is there."""
    async with asyncio.timeout(60):
        while not await read_all(  # noqa: ASYNC110 - Kafka has no call that waits
            deployment.broker.bootstrap, [f"{deployment.prefix}.{suffix}"]
        ):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("all_topic", [False, True])
@pytest.mark.parametrize("command", TABLE)
async def test_the_rights_of_the_table_suffice(
    guarded: Broker, tmp_path: Path, command: str, *, all_topic: bool
) -> None:
    """With all of them, and no others, a command works, whether it reads three topics or one."""
    deployment = Deployment(guarded, f"t-{uuid.uuid4().hex[:12]}", all_topic)
    await deployment.prepare(command)
    with granted(guarded, USER, deployment.needs(command)):
        async with deployment.process(command, tmp_path) as process:
            await works(process, command, deployment)
            said = process.said()
    remove_topics(guarded.bootstrap, deployment.prefix)

    assert "lacks" not in said


async def test_a_follower_without_a_group_needs_none(guarded: Broker, tmp_path: Path, prefix: str) -> None:
    """Read on the three topics is all that it takes to look."""
    deployment = Deployment(guarded, prefix)
    await deployment.prepare("follow")
    alone = Process(*CALLS["follow"][:-2], folder=tmp_path, environ=deployment.environ())
    with granted(guarded, USER, rights.needed("follow", deployment.settings)):
        await alone.start()
        await works(alone, "follow", deployment)
    remove_topics(guarded.bootstrap, prefix)

    assert {right.kind for right in rights.needed("follow", deployment.settings)} == {rights.TOPIC}


@pytest.mark.parametrize("case", CASES, ids=[name_of(*case) for case in CASES])
async def test_a_right_that_is_missing_is_named(
    guarded: Broker,
    deployed: dict[tuple[str, Deployment], Deployment],
    tmp_path: Path,
    case: tuple[str, Deployment, int],
) -> None:
    """Without any one of them the command ends with 2, or says what it does without; never a traceback, never silence.

    Said are the user, the operation, the resource, and the command that grants it.
    """
    command, layout, index = case
    lacking = layout.needs(command)[index]
    if command == "relay" and lacking in OUTPUTS:
        layout = replace(layout, relayed=lacking.name.removeprefix(f"{P}."))
    if command == "run" and lacking == REPORTS:
        layout = replace(layout, new=True)
    deployment = await deployment_of(deployed, guarded, command, layout)
    needs = deployment.needs(command)
    lacking = needs[index]
    with granted(guarded, USER, [right for right in needs if right != lacking]):
        async with deployment.process(command, tmp_path) as process:
            if not lacking.vital or (lacking.operation == rights.CONFIGS and not lacking.name.endswith(".state")):
                await process.says("lacks")
                await works(process, command, deployment)
            else:
                assert await status(process) == 2, process.said()
            said = process.said()

    assert f"User:{USER} lacks {rights.told([lacking])}" in said
    assert lacking.granted_by(f"User:{USER}", guarded.at("SASL_PLAINTEXT")) in said
    assert "Traceback" not in said
    assert "uthorized" not in said  # the client library's own words for it


async def test_an_empty_partition_is_not_taken_for_one_that_may_be_read(guarded: Broker, prefix: str) -> None:
    """A worker that may write the state but not read it hears so at its first start, not after the second."""
    await make(guarded.bootstrap, f"{prefix}.state")
    given = [Right(rights.WRITE, rights.TOPIC, f"{prefix}.state")]
    lacking = pytest.raises(Misconfigured, match=f"User:{USER} lacks Read on topic {prefix}.state")
    with granted(guarded, USER, given), lacking:
        await restore(way(guarded), f"{prefix}.state", 0, owned=False)
    remove_topics(guarded.bootstrap, prefix)


async def test_a_right_that_is_taken_away_is_no_silence(
    guarded: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader whose client asks for ever, because even looking is denied, is told so when the limit is over."""
    monkeypatch.setattr(restoring, "SILENCE_LIMIT_S", 1.0)
    await make(guarded.bootstrap, f"{prefix}.state")

    with pytest.raises(Misconfigured, match=f"User:{USER} lacks Describe on topic {prefix}.state"):
        await restore(way(guarded), f"{prefix}.state", 0, owned=False)
    remove_topics(guarded.bootstrap, prefix)


@pytest.mark.parametrize("suffix", ["control", "state"])
async def test_who_may_only_read_can_neither_order_nor_rewrite(guarded: Broker, prefix: str, suffix: str) -> None:
    """With a follower's rights and a transactional id of his own, nothing gets into these topics."""
    topic = f"{prefix}.{suffix}"
    await make(guarded.bootstrap, topic)
    own = Right(rights.WRITE, rights.TRANSACTIONS, "his", beginning=True)
    with granted(guarded, USER, [own, Right(rights.READ, rights.TOPIC, topic)]):
        his = Writer(way(guarded), "his", compression="zstd", timeout_s=20.0, topics=[topic])
        await his.open()
        with pytest.raises(Misconfigured, match=f"User:{USER} lacks Write on topic {topic}"):
            await his.commit([record(topic)])
        await his.open()  # what was begun is aborted
        await his.close()

    assert await read_all(guarded.bootstrap, [topic]) == []
    remove_topics(guarded.bootstrap, prefix)


def way(broker: Broker) -> Connection:
    """How `USER` goes in."""
    keys = {
        "bootstrap_servers": (broker.at("SASL_PLAINTEXT"),),
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": USER,
        "sasl_password": USERS[USER],
    }
    return Connection.of(KafkaSettings.model_validate(keys))


async def test_a_certificate_is_named_as_kafka_names_it(guarded: Broker, prefix: str) -> None:
    """Who logs in by certificate is told the very name that an administrator has to grant to."""
    await make(guarded.bootstrap, f"{prefix}.state")
    keys = {"ssl_ca_file": guarded.ca_file, "ssl_cert_file": guarded.ca_file, "ssl_key_file": guarded.ca_file}
    known = {"bootstrap_servers": (guarded.at("SSL"),), "security_protocol": "SSL"}
    connection = Connection.of(KafkaSettings.model_validate(known | keys))

    with pytest.raises(Misconfigured, match="User:CN=a broker of the tests lacks Describe on topic"):
        await homes(connection, Names(prefix), ordering=False)
    with granted(guarded, "CN=a broker of the tests", [Right(rights.READ, rights.TOPIC, f"{prefix}.state")]):
        assert await homes(connection, Names(prefix), ordering=False) == Homes(1)
    remove_topics(guarded.bootstrap, prefix)


# The table...


def test_readme_has_the_table() -> None:
    """To renew it, paste what `streamer.kafka.rights.table()` returns."""
    readme = (ROOT / "README.md").read_text()

    assert readme.partition("tests/kafka/test_rights.py compares -->\n")[2].startswith(rights.table())


def test_what_is_denied_is_found_in_the_table() -> None:
    """Where even looking is denied, all rights that include it are missing; what no row has is named as denied."""
    needs = Deployment(None, P).needs("run")  # type: ignore[arg-type]
    state = [Right(operation, rights.TOPIC, "P.state") for operation in (rights.READ, rights.WRITE)]
    foreign = Right(rights.DESCRIBE, rights.TOPIC, "Q")

    found = rights.missing(needs, Denied(rights.DESCRIBE, rights.TOPIC, ["P.state", "Q"]))
    assert found == (*state, foreign)
    assert rights.missing(needs, Denied(rights.WRITE, rights.TRANSACTIONS, ["P.state-7"])) == (
        Right(rights.WRITE, rights.TRANSACTIONS, "P.state-", beginning=True),
    )


def test_a_denial_without_a_name_may_be_about_any() -> None:
    """Some of the client's errors name nothing: then all rights of that kind are told."""
    needs = Deployment(None, P).needs("run")  # type: ignore[arg-type]
    group = Right(rights.READ, rights.GROUP, "intersight-streamer")

    assert rights.missing(needs, Denied(rights.READ, rights.GROUP, ())) == (group,)
    assert rights.told(rights.missing(needs, Denied(rights.CREATE, rights.CLUSTER, ()))) == (
        "Create on cluster kafka-cluster"
    )


def test_a_grant_can_be_pasted_into_a_shell() -> None:
    """A principal with spaces is quoted; a beginning is a prefixed pattern; the cluster has no name."""
    one = Right(rights.WRITE, rights.TRANSACTIONS, "P.state-", beginning=True)
    told = one.granted_by("User:CN=a b,O=c", "kafka:9092")

    assert told == (
        "kafka-acls --bootstrap-server kafka:9092 --add --allow-principal 'User:CN=a b,O=c' --operation Write "
        "--transactional-id P.state- --resource-pattern-type prefixed"
    )
    assert Right(rights.CREATE, rights.CLUSTER, "kafka-cluster").granted_by("User:a", "k:1").endswith(" --cluster")
