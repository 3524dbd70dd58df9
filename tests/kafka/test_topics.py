"""Topics: what is missing is created as promised, what is there is compared and never altered."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AclOperation, ConfigResource, ResourceType

from streamer.config import KafkaSettings
from streamer.demo.broker import embedded_broker
from streamer.errors import Misconfigured, Unready
from streamer.kafka import topics as topics_module
from streamer.kafka.connection import Connection
from streamer.kafka.topics import Layout, Names, ensure, partition_of
from streamer.kafka.writer import LARGEST_RECORD, Outgoing
from tests.kafka.stage import ANSWER_LIMIT_S, alice, let_alice, make, writer
from tests.services.kafka import Broker, Given, admin, remove_topics
from tests.services.reader import read_all

DAY_MS = 86_400_000
ONE_BROKER = "new topics got a replication factor of 1, as many as there are brokers; 3 is wanted"
COMMON = {
    "min.insync.replicas": "1",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.after.max.ms": "9223372036854775807",
}


def settings(bootstrap: str, prefix: str, **keys: Any) -> KafkaSettings:
    """A configuration with 2 event and 4 state partitions."""
    return KafkaSettings(
        **{
            "bootstrap_servers": (bootstrap,),
            "topic_prefix": prefix,
            "event_partitions": 2,
            "state_partitions": 4,
            **keys,
        }
    )


async def look_after(bootstrap: str, prefix: str, **keys: Any) -> Layout:
    """`ensure` for a configuration."""
    return await ensure(Connection((bootstrap,)), settings(bootstrap, prefix, **keys))


def effective(bootstrap: str, topic: str) -> dict[str, str]:
    """A topic's settings as another client reads them."""
    client, resource = admin(bootstrap), ConfigResource(ConfigResource.Type.TOPIC, topic)
    return {name: entry.value for name, entry in client.describe_configs([resource])[resource].result(30).items()}


def existing(bootstrap: str, prefix: str) -> dict[str, int]:
    """The topics of a prefix, by what stands behind it, with their partition counts."""
    topics = admin(bootstrap).list_topics(timeout=ANSWER_LIMIT_S).topics
    return {
        name.removeprefix(f"{prefix}."): len(found.partitions)
        for name, found in topics.items()
        if name.startswith(f"{prefix}.")
    }


# Names and partitions...


@pytest.mark.parametrize("prefix", ["", "a b", "ü", "a/b", "a\n", ".", "..", "a" * 250, "a" * 240])
def test_a_prefix_kafka_cannot_have_is_refused(prefix: str) -> None:
    """A prefix that makes an illegal topic name is named, with what is wanted."""
    with pytest.raises(Misconfigured, match=r"kafka.topic_prefix .* are wanted"):
        Names(prefix)


def test_a_topic_is_called_by_the_prefix_and_what_it_holds() -> None:
    """Those of the contract; each event goes to one of three."""
    names = Names("cisco.intersight.oauth-token")

    for suffix in ("created", "modified", "deleted", "all", "snapshots", "state", "control"):
        assert getattr(names, suffix) == names.of(suffix) == f"cisco.intersight.oauth-token.{suffix}"
    assert names.events == (names.created, names.modified, names.deleted)


async def test_partitions_are_those_of_another_client(kafka: Given, prefix: str) -> None:
    """Who looks a Moid up by Kafka's default partitioner finds it: librdkafka's murmur2 agrees with ours."""
    await make(kafka.bootstrap, prefix, partitions=7)
    keys = [os.urandom(length) for length in range(1, 40)] + [b"5dee1d736972652d321d26b5"]
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2", "log_level": 0})
    for key in keys:
        producer.produce(prefix, b"", key)
    await asyncio.to_thread(producer.flush, ANSWER_LIMIT_S)

    found = {m.key: m.partition for m in await read_all(kafka.bootstrap, [prefix])}
    assert found == {key: partition_of(key, 7) for key in keys}


# Creating...


async def test_missing_topics_are_created_as_promised(kafka: Given, prefix: str) -> None:
    """All six topics, with partitions and settings of the contract; a second look finds nothing odd."""
    first = await look_after(kafka.bootstrap, prefix, retention="30d")
    second = await look_after(kafka.bootstrap, prefix, retention="30d")

    assert first == Layout(events=2, state=4, snapshots=1, warnings=(ONE_BROKER,), control=4)
    assert second == Layout(events=2, state=4, snapshots=1, control=4)
    assert existing(kafka.bootstrap, prefix) == {
        "created": 2,
        "modified": 2,
        "deleted": 2,
        "snapshots": 1,
        "state": 4,
        "control": 4,
    }
    kept = {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)}
    large = {"max.message.bytes": str(2 * 2**20)}
    state = {"cleanup.policy": "compact", "segment.bytes": str(64 * 2**20), "segment.ms": str(3_600_000)}
    wanted = {
        **dict.fromkeys(("created", "modified", "deleted"), COMMON | kept | large),
        "snapshots": COMMON | kept,
        "state": COMMON | large | state | {"min.cleanable.dirty.ratio": "0.1"},
        "control": COMMON | {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS)},
    }
    found = {suffix: effective(kafka.bootstrap, f"{prefix}.{suffix}") for suffix in wanted}
    assert {suffix: {key: found[suffix][key] for key in keys} for suffix, keys in wanted.items()} == wanted


async def test_the_topic_of_all_events_is_one_of_them(kafka: Given, prefix: str) -> None:
    """It comes when it is asked for, as many partitions as the others have by then, and large enough for any event."""
    await make(kafka.bootstrap, *Names(prefix).events, partitions=5, max_message_bytes=2 * 2**20)
    without = await look_after(kafka.bootstrap, prefix)
    before = existing(kafka.bootstrap, prefix)

    layout = await look_after(kafka.bootstrap, prefix, all_topic=True)

    assert (without.all_topic, layout.all_topic, layout.events) == (False, True, 5)
    assert existing(kafka.bootstrap, prefix) == before | {"all": 5}
    assert effective(kafka.bootstrap, f"{prefix}.all")["max.message.bytes"] == str(2 * 2**20)
    assert f"topic {prefix}.all has 5 partitions, 2 is wanted; used as found" in layout.warnings


async def test_a_topic_of_all_events_unlike_them_is_refused_if_it_is_used(kafka: Given, prefix: str) -> None:
    """It would have a Moid elsewhere than they have; left over from another time, it is nobody's business."""
    await make(kafka.bootstrap, f"{prefix}.all", partitions=3)

    layout = await look_after(kafka.bootstrap, prefix)
    with pytest.raises(Misconfigured, match=rf"same number of partitions: .*, {prefix}.all has 3"):
        await look_after(kafka.bootstrap, prefix, all_topic=True)

    assert not any(f"{prefix}.all" in warning for warning in layout.warnings)


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, "1"), (2, "2"), (3, "2"), (5, "2")])
def test_two_replicas_must_be_in_sync_where_there_are_two(replicas: int, in_sync: str) -> None:
    """`min.insync.replicas` is 2, or 1 where there is one replica only, on every topic."""
    names, wanted = Names("p"), settings("unused:1", "p")
    topics = (*names.events, names.snapshots, names.state, names.control)

    found = {topics_module._settings(names, wanted, topic, replicas)["min.insync.replicas"] for topic in topics}
    assert found == {in_sync}


async def test_workers_may_create_at_the_same_time(kafka: Given, prefix: str) -> None:
    """Several workers that start together all come to the same layout."""
    layouts = await asyncio.gather(*(look_after(kafka.bootstrap, prefix) for _ in range(4)))

    assert {(layout.events, layout.state, layout.snapshots) for layout in layouts} == {(2, 4, 1)}
    assert len(existing(kafka.bootstrap, prefix)) == 6


async def test_largest_event_and_a_clock_ahead_pass_our_topics(kafka: Given, prefix: str) -> None:
    """The largest record, incompressible, and a timestamp two hours ahead go through the topics that we create."""
    await look_after(kafka.bootstrap, prefix)
    names, value = Names(prefix), os.urandom(LARGEST_RECORD - 9)
    ahead = time.time_ns() // 1_000_000 + 2 * 3_600_000
    topics = [*names.events, names.state]
    one = writer(kafka.bootstrap, prefix, topics)
    await one.open()

    await one.commit([Outgoing(topic, 0, b"moid", value, ahead) for topic in topics])
    await one.close()

    found = await read_all(kafka.bootstrap, topics)
    assert [(m.topic, m.value, m.timestamp) for m in found] == [(topic, value, ahead) for topic in sorted(topics)]


async def test_a_replication_factor_given_is_never_lowered(kafka: Given, prefix: str) -> None:
    """Two replicas on one broker are refused, by the key's name, and no topic is there."""
    with pytest.raises(
        Misconfigured, match=r"refuses to create .* factor of 2 cannot be reached .*\(error 38\)$"
    ) as refused:
        await look_after(kafka.bootstrap, prefix, replication_factor=2)

    assert "kafka.replication_factor" in refused.value.hint
    assert existing(kafka.bootstrap, prefix) == {}


async def test_topics_are_left_to_others_if_so_configured(guarded: Broker, prefix: str) -> None:
    """With create_topics: false missing topics are named, and not made by asking, even where brokers auto-create."""
    await make(guarded.bootstrap, f"{prefix}.created")

    with pytest.raises(
        Unready, match=rf"do not exist: {prefix}.control, {prefix}.deleted, {prefix}.modified, "
    ) as told:
        await look_after(guarded.bootstrap, prefix, create_topics=False)

    assert told.value.hint == "create them, or set kafka.create_topics: true"
    assert existing(guarded.bootstrap, prefix) == {"created": 1}


async def test_rights_that_lack_are_named(guarded: Broker, prefix: str) -> None:
    """Step by step: no right to look, none to create, none to read settings; each is said with the right to grant."""
    connection = alice(guarded)
    topics = [f"{prefix}.{suffix}" for suffix in ("created", "modified", "deleted", "snapshots", "state", "control")]

    with pytest.raises(Misconfigured, match=rf"User:alice lacks Describe on topic {prefix}.control; .*{prefix}.state"):
        await ensure(connection, settings("unused:1", prefix))
    for topic in topics:
        let_alice(guarded, ResourceType.TOPIC, topic, AclOperation.DESCRIBE)
    with pytest.raises(Misconfigured, match=rf"User:alice lacks Create on topic {prefix}.control; ") as refused:
        await ensure(connection, settings("unused:1", prefix))
    await look_after(guarded.bootstrap, prefix)
    with pytest.raises(Misconfigured, match=rf"User:alice lacks DescribeConfigs on topic {prefix}.state"):
        await ensure(connection, settings("unused:1", prefix))
    let_alice(guarded, ResourceType.TOPIC, f"{prefix}.state", AclOperation.DESCRIBE_CONFIGS)
    layout = await ensure(connection, settings("unused:1", prefix))

    assert "--operation Create" in refused.value.hint
    assert len([line for line in layout.warnings if "lacks DescribeConfigs" in line]) == 5
    remove_topics(guarded.bootstrap, prefix)


async def test_the_embedded_broker_has_no_administration() -> None:
    """The demo's broker makes its topics itself, with 4 partitions: nobody is asked."""
    assert await ensure(Connection.to_embedded("127.0.0.1:1"), settings("unused:1", "p")) == Layout(4, 4, 4)
    everything = settings("unused:1", "p", all_topic=True)
    assert await ensure(Connection.to_embedded("127.0.0.1:1"), everything) == Layout(4, 4, 4, all_topic=True)


async def test_a_cluster_without_a_controller_is_waited_for() -> None:
    """Only a controller makes topics; where there is none, as at the embedded broker, that is said."""
    async with embedded_broker() as bootstrap:
        with pytest.raises(Unready, match="no broker is the controller"):
            await ensure(Connection((bootstrap,)), settings(bootstrap, "p"))


# Comparing...


async def test_a_state_that_would_expire_is_refused(kafka: Given, prefix: str) -> None:
    """A state topic with another cleanup policy than compact names topic, key, value, and what to do."""
    await make(kafka.bootstrap, f"{prefix}.state", partitions=4, cleanup_policy="compact,delete")

    with pytest.raises(Misconfigured, match=rf"{prefix}.state: cleanup.policy is compact,delete, compact is") as told:
        await look_after(kafka.bootstrap, prefix)

    assert "--add-config cleanup.policy=compact" in told.value.hint
    assert effective(kafka.bootstrap, f"{prefix}.state")["cleanup.policy"] == "compact,delete"


async def test_a_state_of_other_partitions_is_refused(kafka: Given, prefix: str) -> None:
    """The number of state partitions is fixed once the topic exists: both numbers and the way out are named."""
    await make(kafka.bootstrap, f"{prefix}.state", partitions=3, cleanup_policy="compact")

    with pytest.raises(Misconfigured, match=rf"state_partitions: 4 is given, topic {prefix}.state has 3") as told:
        await look_after(kafka.bootstrap, prefix)

    assert "set kafka.state_partitions: 3" in told.value.hint


async def test_unequal_event_topics_are_refused(kafka: Given, prefix: str) -> None:
    """Event topics of unequal partition counts are refused, with each count."""
    await make(kafka.bootstrap, f"{prefix}.modified", partitions=5)

    with pytest.raises(
        Misconfigured, match=rf"{prefix}.created has 2, {prefix}.modified has 5, {prefix}.deleted has 2"
    ):
        await look_after(kafka.bootstrap, prefix)


async def test_other_event_partitions_are_used_as_found(kafka: Given, prefix: str) -> None:
    """An event count other than configured is used as found, and told."""
    await make(kafka.bootstrap, *Names(prefix).events, partitions=5, max_message_bytes=2 * 2**20)

    layout = await look_after(kafka.bootstrap, prefix)

    assert (layout.events, layout.state, layout.snapshots) == (5, 4, 1)
    assert f"topic {prefix}.deleted has 5 partitions, 2 is wanted; used as found" in layout.warnings


async def test_other_settings_are_told_and_left_alone(kafka: Given, prefix: str) -> None:
    """Every other difference is a warning that names topic, key, value and what is wanted; nothing is altered."""
    await look_after(kafka.bootstrap, prefix, retention="30d")
    before = effective(kafka.bootstrap, f"{prefix}.created")

    layout = await look_after(kafka.bootstrap, prefix, retention="10d", replication_factor=2)

    assert set(layout.warnings) == {
        *(f"topic {topic}: retention.ms is {30 * DAY_MS}, {10 * DAY_MS} is wanted" for topic in Names(prefix).events),
        f"topic {prefix}.snapshots: retention.ms is {30 * DAY_MS}, {10 * DAY_MS} is wanted",
        *(f"topic {prefix}.{suffix} has 1 replicas, 2 is wanted" for suffix in existing(kafka.bootstrap, prefix)),
    }
    assert effective(kafka.bootstrap, f"{prefix}.created") == before


async def test_no_broker_is_unready() -> None:
    """Without Kafka there is no layout, and the address is named."""
    with pytest.raises(Unready, match=r"Kafka at 127.1.2.3:19099: cannot look after the topics"):
        await look_after("127.1.2.3:19099", "p")
