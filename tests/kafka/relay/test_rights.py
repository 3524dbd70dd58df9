"""What a relay must be allowed to, on a broker that asks: so much and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from streamer.errors import Misconfigured
from tests.kafka.relay.stage import Bench, as_json, many, shown
from tests.kafka.stage import alice, let_alice, make
from tests.services.kafka import Broker, remove_topics

READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE


@pytest.fixture(name="bench")
def _bench(guarded: Broker, prefix: str) -> Iterator[Bench]:
    """On the broker that asks; topics are an administrator's to make."""
    yield Bench(guarded.bootstrap, prefix, keys={"create_topics": False})
    remove_topics(guarded.bootstrap, prefix)


async def test_the_least_rights(guarded: Broker, bench: Bench) -> None:
    """Read on inputs and group, Read and Write on the output, Write on dead letters and transactional ids."""
    await bench.make_inputs()
    await make(bench.bootstrap, bench.names.of("json"), bench.names.of("dead-letter"), partitions=3)
    await bench.write(*many(9))
    for topic in bench.names.events:
        let_alice(guarded, ResourceType.TOPIC, topic, READ)
    let_alice(guarded, ResourceType.TOPIC, bench.names.of("json"), READ, WRITE)
    let_alice(guarded, ResourceType.TOPIC, bench.names.of("dead-letter"), WRITE)
    let_alice(guarded, ResourceType.TRANSACTIONAL_ID, bench.names.of("relay-json"), WRITE, DESCRIBE, beginning=True)

    with pytest.raises(ExceptionGroup) as raised:
        async with bench.relaying(connection=alice(guarded)):
            await asyncio.Event().wait()
    assert raised.group_contains(Misconfigured, match="GroupAuthorizationFailed|Group")

    let_alice(guarded, ResourceType.GROUP, bench.names.of("relay-json"), READ)
    async with bench.relaying(connection=alice(guarded)):
        found = await bench.comes("json", 9)

    assert shown(found) == sorted(map(as_json, many(9)))
