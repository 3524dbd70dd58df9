"""What `streamer check` says of rights in Kafka, on a broker that enforces them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AclOperation, ResourceType

from streamer.checks.checklist import Checklist, Line
from streamer.checks.log import KafkaChecks
from streamer.config import KafkaSettings
from streamer.kafka import rights
from streamer.kafka.connection import Connection
from streamer.kafka.rights import Right
from streamer.kafka.topics import Names, ensure
from tests.kafka.granted import USER, Deployment, granted, status
from tests.kafka.stage import alice, let_alice, seen_within
from tests.services.kafka import Broker, remove_topics
from tests.services.reader import ends

READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
CONFIGS = AclOperation.DESCRIBE_CONFIGS


async def asked(broker: Broker, prefix: str) -> Mapping[str, Line]:
    """What Alice is told, by question."""
    lines: list[Line] = []
    settings = KafkaSettings(
        bootstrap_servers=(broker.at("SASL_PLAINTEXT"),),
        topic_prefix=prefix,
        state_partitions=1,
        group=f"{prefix}-workers",
    )
    checks = KafkaChecks(Checklist(lines.append, asyncio.get_running_loop().time), settings)
    await checks.offline()
    checks._made = alice(broker)  # her password is the test's, and in no file
    await checks.online()
    return {line.name: line for line in lines}


@pytest.fixture(name="topics")
async def _topics(guarded: Broker, prefix: str) -> tuple[str, ...]:
    """The service's topics, made by somebody who may."""
    settings = KafkaSettings(bootstrap_servers=(guarded.bootstrap,), topic_prefix=prefix, state_partitions=1)
    await ensure(Connection.of(settings), settings)
    names = Names(prefix)
    topics = (*names.events, names.snapshots, names.state, names.control)
    assert await seen_within(200, lambda: _have_leaders(guarded, topics))
    return topics


async def _have_leaders(broker: Broker, topics: tuple[str, ...]) -> bool:
    """Whether the broker answers for topics that were just made."""
    try:
        await asyncio.to_thread(ends, broker.bootstrap, topics)
    except KafkaException:
        return False
    return True


async def test_topics_that_may_not_be_made(guarded: Broker, prefix: str) -> None:
    """Without Create the topics fail, and nothing is made by asking."""
    let_alice(guarded, ResourceType.TOPIC, prefix, DESCRIBE, beginning=True)
    told = await asked(guarded, prefix)

    assert told["topics"].outcome == "failed"
    assert "--operation Create" in told["topics"].hint
    assert told["right to write"].outcome == "not tried"


async def test_one_right_after_another(guarded: Broker, prefix: str, topics: tuple[str, ...]) -> None:
    """Each lack is told, by topic, until all is granted; and no topic grows by any of it, seen or unseen."""
    before = await asyncio.to_thread(ends, guarded.bootstrap, topics, "read_uncommitted")
    nothing = await asked(guarded, prefix)
    let_alice(guarded, ResourceType.TOPIC, prefix, DESCRIBE, CONFIGS, beginning=True)
    let_alice(guarded, ResourceType.TRANSACTIONAL_ID, f"{prefix}.", WRITE, DESCRIBE, beginning=True)
    let_alice(guarded, ResourceType.GROUP, f"{prefix}-workers", READ)
    looks = await asked(guarded, prefix)
    for topic in topics[:1] + topics[2:-1]:
        let_alice(guarded, ResourceType.TOPIC, topic, WRITE)
    let_alice(guarded, ResourceType.TOPIC, topics[-2], READ)
    lacks_one = await asked(guarded, prefix)
    let_alice(guarded, ResourceType.TOPIC, topics[1], WRITE)
    let_alice(guarded, ResourceType.TOPIC, topics[-1], READ)
    all_granted = await asked(guarded, prefix)

    assert (nothing["topics"].outcome, nothing["transactions"].outcome) == ("failed", "failed")
    assert (nothing["group"].outcome, looks["group"].outcome) == ("failed", "unproven")
    assert looks["right to write"].detail == f"this user may not write to {', '.join(sorted(topics[:-1]))}"
    assert looks["right to read"].outcome == "failed"
    assert lacks_one["right to write"].detail == f"this user may not write to {topics[1]}"
    assert topics[-1] in lacks_one["right to read"].detail
    assert [(line.name, line.outcome) for line in all_granted.values() if line.outcome not in ("ok", "warning")] == [
        ("transactional ids", "unproven"),
        ("group", "unproven"),
    ]
    assert await asyncio.to_thread(ends, guarded.bootstrap, topics, "read_uncommitted") == before


@pytest.mark.parametrize("create", [False, True])
async def test_it_needs_what_run_needs_and_ids_of_its_own(guarded: Broker, tmp_path: Path, *, create: bool) -> None:
    """As README says, and no other right: the command itself finds no fault, whether the topics are there or not."""
    ended, said = await checked(Deployment(guarded, f"t-{uuid.uuid4().hex[:12]}", create=create), tmp_path)

    assert ended == 0, said
    assert not any(line.startswith(("failed", "not tried")) for line in said.splitlines()), said
    assert "lacks" not in said


async def test_reports_that_may_not_be_read_are_a_loss(guarded: Broker, tmp_path: Path, prefix: str) -> None:
    """The service can do without, so it is no failure; what goes with it is said, and how the right is granted."""
    reports = Right(rights.READ, rights.TOPIC, f"{prefix}.snapshots")
    ended, said = await checked(Deployment(guarded, prefix), tmp_path, reports)

    assert ended == 0, said
    (line,) = [line for line in said.splitlines() if "right to read" in line]
    assert line.startswith("warning")
    assert f"User:{USER} lacks Read on topic {prefix}.snapshots" in line
    assert "a state that was lost would look like one that begins" in line
    assert reports.granted_by(f"User:{USER}", guarded.at("SASL_PLAINTEXT")) in said


async def checked(deployment: Deployment, folder: Path, lacking: Right | None = None) -> tuple[int, str]:
    """How the command ends, and what it says, with the rights that README gives it but for one."""
    await deployment.prepare("run")
    own = Right(rights.WRITE, rights.TRANSACTIONS, f"{deployment.prefix}.check-", beginning=True)
    given = [right for right in (*deployment.needs("run"), own) if right != lacking]
    with granted(deployment.broker, USER, given):
        async with deployment.process("check", folder) as process:
            ended = await status(process)
            said = process.said()
    remove_topics(deployment.broker.bootstrap, deployment.prefix)
    return ended, said
