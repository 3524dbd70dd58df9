"""Reads one partition of `P.state` from its beginning to its end: all that a worker knows comes from here.

A worker must call it only after it opened the partition's writer: a commit returns before read_committed readers see
it, and only the next start of the same transactional id makes sure that they do. It decodes no token and no user: of a
row only the version and the status are looked at, and that it is of the token of its key.

Question: what if a row cannot be read? Choice: its source is damaged, with the row's key and what is wrong, and is not
known until a person has repaired it; all others are. A key that names no source at all is nobody's: it is said, and
passed over. Rejected: to refuse the partition for it; one bad row would silence every account in it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from aiokafka import TopicPartition

from streamer import log
from streamer.errors import Damaged, Misconfigured
from streamer.kafka import fetching
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.fetching import SILENCE_LIMIT_S, Fetched
from streamer.kafka.hanging import settled
from streamer.kafka.span import hold
from streamer.known import Known, checked, packed
from streamer.log import say
from streamer.state import SourceRow, SourceState, UserRow
from streamer.underway import Underway

READERS: Final = 8  # of partitions at a time, where all are wanted: each waits for the broker most of the time
BREATH_ROWS: Final = 5_000  # between two looks at the rest of the process, such as heartbeats; some 10 ms
_OF_A_TOKEN: Final = b"/t/"
HINT: Final = "repair the row, or write a record without a value under its key, as one who knows what it held"


@dataclass(frozen=True, slots=True)
class Restored:
    """What the log says of one source; `own` is the value of its own row, which every commit writes again.

    `damage`: why that cannot be known; then there is nothing else.
    """

    own: bytes = b""
    state: SourceState = field(default_factory=SourceState)
    damage: Damaged | None = None

    @property
    def is_source(self) -> bool:
        """Whether the log knows it, readable or not; rows without their source's own are no source."""
        return bool(self.own) or self.damage is not None

    def known(self) -> SourceState:
        """What it says; raises `Damaged`."""
        if self.damage is not None:
            raise self.damage
        return self.state


class _Found:
    """The rows of one source, as they come."""

    def __init__(self) -> None:
        self._own: tuple[bytes, SourceRow] | None = None
        self._tokens: list[bytes] = []
        self._users: dict[str, UserRow] = {}
        self._damage: Damaged | None = None

    def add(self, kind: str, moid: str, value: bytes | Misconfigured, place: tuple[TopicPartition, bytes]) -> None:
        """One more, and the partition and key it stands at."""
        try:
            if isinstance(value, Misconfigured):
                raise value
            if not kind:
                self._own = value, SourceRow.from_bytes(value)
            elif kind == "t":
                self._tokens.append(checked(value, moid))
            elif kind == "u":
                self._users[moid] = UserRow.from_bytes(value)
        except Misconfigured as error:
            at, key = place
            self._damage = Damaged(f"{at.topic}-{at.partition}, key {key!r:.200}: {error}", hint=error.hint or HINT)

    def restored(self) -> Restored:
        """What they say together; nothing, without the source's own."""
        if self._damage is not None:
            return Restored(damage=self._damage)
        if self._own is None:
            return Restored()
        own, row = self._own
        return Restored(own, SourceState(row, Known(self._tokens), self._users))


async def restore(connection: Connection, topic: str, partition: int, *, owned: bool = True) -> dict[str, Restored]:
    """By name, every source that the partition has a row of.

    Args:
        connection: where Kafka is.
        topic: `P.state`.
        partition: which one.
        owned: the partition's writer was opened by us, so nothing may be open; if not, what is open is left out.

    Raises:
        Unready: Kafka does not answer.
    """
    at = TopicPartition(topic, partition)
    rows = await _rows(connection, at, owned=owned)
    found: defaultdict[str, _Found] = defaultdict(_Found)
    nobodys: list[bytes] = []
    while rows:
        key, value = rows.popitem()  # a row is in memory once
        if len(rows) % BREATH_ROWS == 0:
            await asyncio.sleep(0)
        source, kind, moid = _parted(key)
        if source:
            found[source].add(kind, moid, value, (at, key))
        else:
            nobodys.append(key)
    if nobodys:
        hint = "another program writes to this topic: give every deployment its own kafka.topic_prefix"
        told = {**at._asdict(), "rows": len(nobodys), "key": f"{nobodys[-1]!r:.200}", "hint": hint}
        say("state.foreign", level=log.WARNING, **told)
    return {source: one.restored() for source, one in found.items()}


async def known(connection: Connection, topic: str, partitions: Iterable[int]) -> dict[str, SourceState]:
    """By name, all sources that have a row of their own in these partitions, which stay whosever they are.

    Raises:
        Unready: as `restore`.
        Damaged: one of them cannot be known.
    """
    places = asyncio.Semaphore(READERS)

    async def read(number: int) -> dict[str, Restored]:
        async with places:
            return await restore(connection, topic, number, owned=False)

    restored = await asyncio.gather(*map(read, partitions))
    return {name: one.known() for sources in restored for name, one in sources.items() if one.is_source}


def _parted(key: bytes) -> tuple[str, str, str]:
    """`source` or `source/<kind>/<moid>`; a kind of a later version is passed over. No streamer's key has no source."""
    source, _, rest = key.decode(errors="replace").partition("/")
    if "\ufffd" in source:
        return "", "", ""
    kind, _, moid = rest.partition("/")
    return source, kind, moid


async def _rows(connection: Connection, at: TopicPartition, *, owned: bool) -> dict[bytes, bytes | Misconfigured]:
    """The last value of every key that was not deleted since; of a token the row as it is kept in memory."""
    consumer = connection.consumer(auto_offset_reset="earliest")
    try:
        with connection.reaching(f"restore {at.topic}-{at.partition}"):
            async with asyncio.timeout(SILENCE_LIMIT_S):
                await hold(consumer, at)
                if owned:
                    await settled(connection, consumer, at, "nobody will end, so its state cannot be known")
                first = (await consumer.beginning_offsets([at]))[at]
                end = (await consumer.end_offsets([at]))[at]
            what, place = f"reading {at.topic}-{at.partition}", at._asdict()
            with Underway("state.reading", what, ("offset", "end"), **place, end=end) as underway:
                rows = _Rows(at, underway, check=not connection.embedded)
                await fetching.read(consumer._client, at, range(first, end), rows.take)  # noqa: SLF001 - no other way
            return rows.last
    finally:
        await close(consumer)


class _Rows:
    """The last value of each key of what was taken so far.

    A token's is packed when it is read, not in the end: so all that stay in memory lie there side by side. What cannot
    be packed stands as the error, which is one only if nothing comes after it.
    """

    def __init__(self, at: TopicPartition, underway: Underway, *, check: bool) -> None:
        self.last: dict[bytes, bytes | Misconfigured] = {}
        self._at = at
        self._check = check
        self._underway = underway

    def take(self, fetched: Fetched) -> None:
        last = self.last
        for given, value in fetched.pairs(self._at, check=self._check):
            key = given or b""  # without a key, as compacted topics take none, it is nobody's
            if value is None:
                last.pop(key, None)
                continue
            try:
                last[key] = packed(value) if _OF_A_TOKEN in key else value
            except Misconfigured as error:
                last[key] = error
        self._underway.tell(offset=fetched.behind, rows=len(last))
