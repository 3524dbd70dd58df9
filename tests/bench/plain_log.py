"""The control of a flood: the plain way, committed. What one would write in an afternoon to publish what changed.

The plain poll, one fastavro encode of each token that changed, and two sends of it by librdkafka in one transaction:
once as an event, once as the state. No diff of fields, no sequence, no proof of anything, and nothing is restored.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Final

import fastavro
import httpx
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from tests.bench.ways import Plain, PlainToken, Relation
from tests.services.kafka import admin

LIMIT_S: Final = 300
TOPICS: Final = {"events": 3, "state": 1}  # partitions, as the bench's own topics have
SCHEMA: Final = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Plain",
        "fields": [{"name": name, "type": ["null", "string"]} for name in PlainToken.model_fields if name != "owners"]
        + [{"name": "owners", "type": {"type": "array", "items": "string"}}],
    }
)


class PlainLog:
    """A plain poll whose changes are committed, on topics of its own."""

    def __init__(self, http: httpx.AsyncClient, bootstrap: str, prefix: str) -> None:
        self._plain = Plain(http)
        self._topics = [f"{prefix}.plain-{name}" for name in TOPICS]
        wanted = [
            NewTopic(topic, partitions, 1) for topic, partitions in zip(self._topics, TOPICS.values(), strict=True)
        ]
        client = admin(bootstrap)  # which must live until all are made
        for made in client.create_topics(wanted).values():
            made.result(30)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": f"{prefix}.plain",
                "compression.type": "zstd",
                "queue.buffering.max.messages": 10_000_000,
                "queue.buffering.max.kbytes": 2_000_000,
                "log_level": 0,
            }
        )
        self._producer.init_transactions(30)

    async def turn(self) -> None:
        """Poll, and commit what changed; something must have."""
        await self._plain.poll()
        assert self._plain.changed, "nothing changed"
        await asyncio.to_thread(self._commit)

    def _commit(self) -> None:
        self._producer.begin_transaction()
        for moid in self._plain.changed:
            value = _encoded(self._plain.known[moid])
            for topic in self._topics:
                self._producer.produce(topic, value, moid)
        self._producer.commit_transaction(LIMIT_S)


def _encoded(token: PlainToken) -> bytes:
    """Its Avro; of another object the Moid, and nothing of what is a list of objects."""
    record = {name: value.moid if isinstance(value, Relation) else value for name, value in token}
    texts = {name: value for name, value in record.items() if value is None or isinstance(value, str)}
    out = BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, texts | {"owners": token.owners or []})
    return out.getvalue()
