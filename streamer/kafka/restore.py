"""Reads one partition of `P.state` from its beginning to its end: all that a worker knows comes from here.

A worker must call it only after it opened the partition's writer: a commit returns before read_committed readers see
it, and only the next start of the same transactional id makes sure that they do. It decodes no token and no user: of a
row only the version and the status are looked at, and that it is of the token of its key.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from aiokafka import TopicPartition

from streamer.errors import Misconfigured
from streamer.kafka import fetching
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.fetching import SILENCE_LIMIT_S, Fetched
from streamer.kafka.hanging import settled
from streamer.kafka.span import hold
from streamer.known import Known, checked, packed
from streamer.state import SourceRow, SourceState, UserRow
from streamer.underway import Underway

BREATH_ROWS: Final = 5_000  # between two looks at the rest of the process, such as heartbeats; some 10 ms


_OF_A_TOKEN: Final = b"/t/"


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
    rows = await _rows(connection, TopicPartition(topic, partition), sources, owned=owned)
    owns: dict[str, tuple[bytes, SourceRow]] = {}
    tokens: defaultdict[str, list[bytes]] = defaultdict(list)
    users: defaultdict[str, dict[str, UserRow]] = defaultdict(dict)
    key = b""
    try:
        while rows:
            key, value = rows.popitem()  # a row is in memory once
            if len(rows) % BREATH_ROWS == 0:
                await asyncio.sleep(0)
            source, kind, moid = _parted(key)
            if not kind:
                owns[source] = value, SourceRow.from_bytes(value)
            elif kind == "t":
                tokens[source].append(checked(value, moid))
            elif kind == "u":
                users[source][moid] = UserRow.from_bytes(value)
    except Misconfigured as error:
        raise _told(error, TopicPartition(topic, partition), key) from error
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


def _restored(own: tuple[bytes, SourceRow] | None, tokens: list[bytes], users: dict[str, UserRow]) -> Restored:
    return Restored(own[0], SourceState(own[1], Known(tokens), users)) if own else Restored()


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


def _told(error: Misconfigured, at: TopicPartition, key: bytes) -> Misconfigured:
    return Misconfigured(f"{at.topic}-{at.partition}, key {key!r:.200}: {error}", hint=error.hint)


async def _rows(
    connection: Connection, at: TopicPartition, sources: Collection[str] | None, *, owned: bool
) -> dict[bytes, bytes]:
    """The last value of every key of theirs that was not deleted since; of a token the row as it is kept in memory."""
    consumer = connection.consumer(auto_offset_reset="earliest")
    try:
        with connection.reaching(f"restore {at.topic}-{at.partition}"):
            async with asyncio.timeout(SILENCE_LIMIT_S):
                await hold(consumer, at)
                if owned:
                    await settled(connection, consumer, at, "nobody will end, so its state cannot be known")
                first = (await consumer.beginning_offsets([at]))[at]
                end = (await consumer.end_offsets([at]))[at]
            rows = _Rows(at, end, sources, check=not connection.embedded)
            await fetching.read(consumer._client, at, range(first, end), rows.take)  # noqa: SLF001 - no other way
            return rows.last
    finally:
        await close(consumer)


class _Rows:
    """The last value of each key of what was taken so far.

    A token's is packed when it is read, not in the end: so all that stay in memory lie there side by side.
    """

    def __init__(self, at: TopicPartition, end: int, sources: Collection[str] | None, *, check: bool) -> None:
        self.last: dict[bytes, bytes] = {}
        self._at = at
        self._sources = None if sources is None else {source.encode() for source in sources}
        self._check = check
        self._underway = Underway("state.reading", topic=at.topic, partition=at.partition, end=end)

    def take(self, fetched: Fetched) -> None:
        last, key = self.last, b""
        try:
            for given, value in fetched.pairs(self._at, check=self._check):
                key = given or b""  # without a key, as compacted topics take none, it is nobody's
                if value is None:
                    last.pop(key, None)
                elif self._sources is None or key.partition(b"/")[0] in self._sources:
                    last[key] = packed(value) if _OF_A_TOKEN in key else value
        except Misconfigured as error:
            raise _told(error, self._at, key) from error
        self._underway.tell(offset=fetched.behind, rows=len(last))
