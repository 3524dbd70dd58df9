"""Reads one partition of `P.state` from its beginning to its end: all that a worker knows comes from here.

A worker must call it only after it opened the partition's writer: a commit returns before read_committed readers see
it, and only the next start of the same transactional id makes sure that they do. It decodes no token and no user.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streamer.errors import Misconfigured
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.hanging import settled
from streamer.kafka.span import enter, hold
from streamer.state import SourceRow, SourceState, TokenRow, UserRow
from streamer.underway import Underway

SILENCE_LIMIT_S: Final = 30.0  # without any progress while the end is known to be further on
BREATH_ROWS: Final = 5_000  # between two looks at the rest of the process, such as heartbeats; some 10 ms
FETCH_MS: Final = 200
FETCH_BYTES: Final = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Restored:
    """What the log says of one source; `own` is the value of its own row, which every commit writes again."""

    own: bytes = b""
    state: SourceState = field(default_factory=SourceState)


async def restore(
    connection: Connection, topic: str, partition: int, sources: Collection[str] | None, *, owned: bool = True
) -> dict[str, Restored]:
    """The state of the sources named, whether the log knows them or not; rows of others are passed over.

    Args:
        connection: where Kafka is.
        topic: `P.state`.
        partition: which one.
        sources: None names all that the log knows.
        owned: the partition's writer was opened by us, so nothing may be open; if not, what is open is left out.

    Raises:
        Unready: Kafka does not answer.
        Misconfigured: a row is not one of ours, or of a newer version.
    """
    rows = await _rows(connection, TopicPartition(topic, partition), owned=owned)
    owns: dict[str, tuple[bytes, SourceRow]] = {}
    tokens: defaultdict[str, dict[str, TokenRow]] = defaultdict(dict)
    users: defaultdict[str, dict[str, UserRow]] = defaultdict(dict)
    key = b""
    try:
        for count, key in enumerate(list(rows), 1):
            value = rows.pop(key)  # a row is in memory once
            if count % BREATH_ROWS == 0:
                await asyncio.sleep(0)
            source, kind, moid = _parted(key)
            if sources is not None and source not in sources:
                continue
            if not kind:
                owns[source] = value, SourceRow.from_bytes(value)
            elif kind == "t":
                tokens[source][moid] = TokenRow.from_bytes(value)
            elif kind == "u":
                users[source][moid] = UserRow.from_bytes(value)
    except Misconfigured as error:
        raise Misconfigured(f"{topic}-{partition}, key {key!r:.200}: {error}", hint=error.hint) from error
    named = owns.keys() | tokens.keys() | users.keys() if sources is None else sources
    return {source: _restored(owns.get(source), tokens[source], users[source]) for source in named}


async def known(connection: Connection, topic: str, partitions: Iterable[int]) -> dict[str, SourceState]:
    """By name, all sources that have a row of their own in these partitions, which stay whosever they are.

    Raises:
        Unready, Misconfigured: as `restore`.
    """
    found: dict[str, SourceState] = {}
    for number in partitions:
        restored = await restore(connection, topic, number, None, owned=False)
        found |= {name: one.state for name, one in restored.items() if one.state.row is not None}
    return found


def _restored(own: tuple[bytes, SourceRow] | None, tokens: dict[str, TokenRow], users: dict[str, UserRow]) -> Restored:
    return Restored(own[0], SourceState(own[1], tokens, users)) if own else Restored()


def _parted(key: bytes) -> tuple[str, str, str]:
    """`source` or `source/<kind>/<moid>`; a kind of a later version is passed over."""
    try:
        source, _, rest = key.decode().partition("/")
    except UnicodeDecodeError as error:
        raise Misconfigured(
            "no streamer writes such a key", hint="give every deployment its own kafka.topic_prefix"
        ) from error
    kind, _, moid = rest.partition("/")
    return source, kind, moid


async def _rows(connection: Connection, at: TopicPartition, *, owned: bool) -> dict[bytes, bytes]:
    """The last value of every key that was not deleted since."""
    consumer = connection.consumer(max_partition_fetch_bytes=FETCH_BYTES, auto_offset_reset="earliest")
    try:
        with connection.reaching(f"restore {at.topic}-{at.partition}"):
            async with asyncio.timeout(SILENCE_LIMIT_S):
                if owned:
                    await _settled(connection, at)
                end = await enter(consumer, at)
            rows = await _read_to(consumer, at, end)
            async with asyncio.timeout(SILENCE_LIMIT_S):
                while consumer.last_poll_timestamp(at) is None:  # who may not read hears it also of an empty partition
                    await consumer.getmany(at, timeout_ms=FETCH_MS)
            return rows
    finally:
        await close(consumer)


async def _settled(connection: Connection, at: TopicPartition) -> None:
    """Return once what is committed is all there is; see `hanging`."""
    committed = connection.consumer()
    try:
        await hold(committed, at)
        await settled(connection, committed, at, "nobody will end, so its state cannot be known")
    finally:
        await close(committed)


async def _read_to(consumer: AIOKafkaConsumer, at: TopicPartition, end: int) -> dict[bytes, bytes]:
    """Read until the position, which also moves past what is not shown (aborted, compacted), is at the end."""
    rows: dict[bytes, bytes] = {}
    position, underway = -1, Underway("state.reading", topic=at.topic, partition=at.partition, end=end)
    while position < end:
        async with asyncio.timeout(SILENCE_LIMIT_S):
            position = await _read_on(consumer, at, position, rows)
        underway.tell(offset=position, rows=len(rows))
    return rows


async def _read_on(consumer: AIOKafkaConsumer, at: TopicPartition, position: int, rows: dict[bytes, bytes]) -> int:
    """Read until the position is another one, and return that."""
    while (reached := int(await consumer.position(at))) == position:
        for record in (await consumer.getmany(at, timeout_ms=FETCH_MS)).get(at, ()):
            if record.value is None:
                rows.pop(record.key, None)
            else:
                rows[record.key or b""] = record.value  # without a key, as compacted topics take none, it is nobody's
    return reached
