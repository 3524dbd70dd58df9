"""Which event topics a reader reads: `P.all` where it is wanted and there, never where events would be missing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from streamer.demo.broker import embedded_broker
from streamer.errors import Misconfigured, Unready
from streamer.kafka.choice import Choice, choose
from streamer.kafka.connection import Connection
from streamer.kafka.follow import Followed
from streamer.kafka.topics import Names
from tests.conftest import OwnedBroker
from tests.kafka.following import following_of, numbers, settled, take, to_end
from tests.kafka.stage import alice
from tests.services.feed import MANY, events, feed
from tests.services.kafka import Broker, Given, remove_topics


async def chosen(kafka: Given | Broker, prefix: str, **options: Any) -> Choice:
    """What a reader with this configuration would read."""
    return await choose(Connection((kafka.bootstrap,)), Names(prefix), **options)


async def read_by(kafka: Given, prefix: str, group: str, **options: Any) -> None:
    """Let a group read one event, and commit that."""
    following = following_of(kafka, prefix, group=group, from_beginning=True, **options)
    await take(following, 1)
    await following.aclose()
    async for _ in following_of(kafka, prefix, group=group, until_end=True, **options):
        """To the end: then the offsets are committed."""


async def test_the_topic_of_all_is_read_where_it_is_wanted_and_there(kafka: Given, prefix: str) -> None:
    """It must be configured and exist; that it merely exists proves nothing, for nobody may write to it any more."""
    names = Names(prefix)
    async with feed(kafka.bootstrap, prefix):
        missing = await chosen(kafka, prefix, all_topic=True)
    three = f"{prefix}.{{created,modified,deleted}}"
    assert missing == Choice(names.events, f"{three} ({prefix}.all does not exist (yet))")

    async with feed(kafka.bootstrap, f"{prefix}.2", all_topic=True):
        assert await chosen(kafka, f"{prefix}.2", all_topic=True) == Choice((f"{prefix}.2.all",), f"{prefix}.2.all")
        assert (await chosen(kafka, f"{prefix}.2", all_topic=False)).topics == Names(f"{prefix}.2").events


async def test_a_group_goes_on_where_it_has_offsets(kafka: Given, prefix: str) -> None:
    """In the topics it knows it misses and repeats nothing; a new group takes what is configured."""
    async with feed(kafka.bootstrap, prefix, all_topic=True) as writer:
        await writer.write(*events(range(1, 20)))
        await settled(kafka, writer.names)
        await read_by(kafka, prefix, f"{prefix}-three")
        await read_by(kafka, prefix, f"{prefix}-all", topics=(writer.names.all,))
        kept = await chosen(kafka, prefix, all_topic=True, group=f"{prefix}-three")

        assert kept.topics == writer.names.events
        assert kept.told.endswith(f"(group {prefix}-three has its offsets there; another group reads {prefix}.all)")
        for group in (f"{prefix}-all", f"{prefix}-new"):
            assert (await chosen(kafka, prefix, all_topic=True, group=group)).topics == (writer.names.all,)
        for group in (f"{prefix}-three", f"{prefix}-new"):
            assert (await chosen(kafka, prefix, all_topic=False, group=group)).topics == writer.names.events


async def test_a_group_whose_topic_is_left_is_told_so(kafka: Given, prefix: str) -> None:
    """It cannot go on there, and elsewhere it would begin anew: a person says where."""
    async with feed(kafka.bootstrap, prefix, all_topic=True) as writer:
        await writer.write(*events(range(1, 20)))
        await settled(kafka, writer.names)
        await read_by(kafka, prefix, f"{prefix}-all", topics=(writer.names.all,))
        with pytest.raises(Misconfigured, match=re.escape(f"group {prefix}-all has read {prefix}.all")) as told:
            await chosen(kafka, prefix, all_topic=False, group=f"{prefix}-all")

    assert "--since" in told.value.hint


async def test_nobody_is_asked_who_need_not_be() -> None:
    """Without a group, the three topics are read whether Kafka answers or not; else it is named."""
    nowhere, names = Connection(("127.1.2.3:19099",)), Names("p")

    assert (await choose(nowhere, names, all_topic=False)).topics == names.events
    with pytest.raises(Unready, match=r"127.1.2.3:19099: cannot ask which event topics to read"):
        await choose(nowhere, names, all_topic=True)


async def test_a_reader_without_rights_is_told_which(guarded: Broker, prefix: str) -> None:
    """Not to see `P.all` is no reason to read other topics than configured."""
    async with feed(guarded.bootstrap, prefix, all_topic=True):
        with pytest.raises(Misconfigured, match=f"lacks Describe on topic {prefix}.all"):
            await choose(alice(guarded), Names(prefix), all_topic=True)
        with pytest.raises(Misconfigured, match="cannot ask which event topics to read"):
            await choose(alice(guarded), Names(prefix), all_topic=False, group=prefix)
    remove_topics(guarded.bootstrap, prefix)


async def test_the_embedded_broker_keeps_nothing() -> None:
    """There what is configured is what is there."""
    async with embedded_broker() as bootstrap:
        connection, names = Connection.to_embedded(bootstrap), Names("demo")
        assert (await choose(connection, names, all_topic=True, group="g")).topics == (names.all,)
        assert (await choose(connection, names, all_topic=False, group="g")).topics == names.events


async def test_one_topic_gives_each_event_once_in_order(kafka: Given, prefix: str) -> None:
    """Its partitions interleave, and come out by sequence; none twice, though each stands in another topic too."""
    async with feed(kafka.bootstrap, prefix, all_topic=True) as writer:
        for first in range(1, 301, 60):
            await writer.write(*events(range(first, first + 60)))
        await settled(kafka, writer.names)
        found = await to_end(kafka, prefix, topics=(writer.names.all,))

    assert numbers(found) == list(range(1, 301))
    assert {item.topic for item in found} == {f"{prefix}.all"}
    assert len({item.partition for item in found}) == MANY
    assert not any(item.missing or item.late for item in found if isinstance(item, Followed))


async def test_the_first_group_of_a_cluster_is_waited_for(owned_broker: OwnedBroker, prefix: str) -> None:
    """A broker that never had a group makes the topic of offsets first, and answers with an error until it is there."""
    broker = owned_broker()
    async with feed(broker.bootstrap, prefix):
        assert (await chosen(broker, prefix, all_topic=False, group="first")).topics == Names(prefix).events
