"""One partition number on its way: read it in every input, pass it on, move the group's offsets, in one transaction.

The order is fixed, and each step is there for the one after it: open the writer (whoever relayed this number before us
is fenced, what it left open is aborted, what it committed is visible), then ask for the group's offsets, then read from
there, then commit records and offsets together. So a record is passed on by the one transaction that also says it was.
Whatever goes wrong, the lane drops all it has and begins at the first step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from streamer.errors import Fenced, Misconfigured, Transient, Unready
from streamer.kafka.connection import Connection
from streamer.kafka.fences import Fences
from streamer.kafka.relay.reader import Reader
from streamer.kafka.relay.told import Told
from streamer.kafka.relay.topics import Plumbing
from streamer.kafka.writer import Offsets, Outgoing, Writer
from streamer.siem import relay as form
from streamer.siem.relay import Convert, Origin, Undeliverable
from streamer.stop import Stop, Stopped

FINISH_S: Final = 20.0  # after a request to stop, for what is in hand
BREATH_RECORDS: Final = 50  # between two looks at the rest of the process, such as heartbeats; some 10 ms


@dataclass(frozen=True, slots=True)
class Route:
    """What all lanes of one relay have in common.

    Attributes:
        name: such as `json`, for a person.
        group: the consumer group, and the beginning of the transactional ids.
        plumbing: its topics.
        convert: from a value to a line of JSON; see `streamer.siem.relay.converter`.
        from_beginning: begin anew although the output holds records.
        compression, timeout_s: as of `Writer`.
        records, size: the bounds of one transaction.
    """

    name: str
    group: str
    plumbing: Plumbing
    convert: Convert
    from_beginning: bool
    compression: str
    timeout_s: float
    records: int
    size: int


class Group(Protocol):
    """What a lane asks its group."""

    async def committed(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int | None]:
        """Its offsets."""


@dataclass(slots=True)
class _Chunk:
    """One transaction in the making."""

    outgoing: list[Outgoing] = field(default_factory=list)
    next: dict[TopicPartition, int] = field(default_factory=dict)
    size: int = 0

    def add(self, record: ConsumerRecord, made: Outgoing) -> None:
        self.outgoing.append(made)
        self.next[TopicPartition(record.topic, record.partition)] = record.offset + 1
        self.size += made.size


class Lane:
    """One number of a route, as long as the group gives it to us.

    Args:
        connection: where Kafka is.
        route: where records go.
        partitions: the input partitions of one number.
        group: tells the offsets.
        told: hears what is amiss.
    """

    def __init__(
        self, connection: Connection, route: Route, partitions: Sequence[TopicPartition], group: Group, told: Told
    ) -> None:
        self._connection = connection
        self._route = route
        self._partitions = tuple(partitions)
        self._number = partitions[0].partition
        self._group = group
        self._told = told
        self._name = f"{route.name}-{self._number}"
        plumbing = route.plumbing
        self._writer = Writer(
            connection,
            f"{route.group}-{self._number}",
            compression=route.compression,
            timeout_s=route.timeout_s,
            topics=(plumbing.output.topic, plumbing.dead.topic),
        )
        self._reader: Reader | None = None
        self._fences = Fences(
            f"partition {self._number} of {plumbing.output.topic}",
            f"find the other process with the transactional id {self._writer.transactional_id}",
        )

    async def run(self, over: Stop) -> None:
        """Until the share is over.

        Raises:
            Misconfigured: for a person.
            Fenced: three times within a minute another process took the transactional id from us.
        """
        failures = 0
        try:
            while not over.requested:
                try:
                    async with over.allows(0):
                        reader = await self._open()
                    self._told.fine(self._name)
                    while not over.requested:
                        await self._turn(reader, over)
                        failures = 0
                except Stopped:
                    return
                except (Transient, Fenced) as error:
                    failures += 1
                    await self._close()
                    self._told.amiss(self._name, error)
                    await over.sleep(self._pause_s(error, failures))
        finally:
            await self._close()
            self._told.fine(self._name)

    async def _turn(self, reader: Reader, over: Stop) -> None:
        async with over.allows(0):
            records = await reader.read()
        async with over.allows(FINISH_S):
            await self._pass_on(records)

    # Beginning...

    async def _open(self) -> Reader:
        """Fence, then ask for the offsets, then go there."""
        self._check_room()
        await self._writer.open()
        known = await self._group.committed(self._partitions)
        output = TopicPartition(self._route.plumbing.output.topic, self._number)
        self._reader = Reader(self._connection, self._route.group, self._partitions, output, self._told)
        await self._reader.open(known, from_beginning=self._route.from_beginning)
        return self._reader

    def _check_room(self) -> None:
        output = self._route.plumbing.output
        if self._number >= output.partitions:  # the inputs have grown since we started
            raise Misconfigured(
                f"topic {output.topic} has {output.partitions} partitions, there is none with number {self._number}",
                hint=f"kafka-topics --alter --topic {output.topic} --partitions ..., as many as its inputs have",
            )

    async def _close(self) -> None:
        reader, self._reader = self._reader, None
        await self._writer.close()
        if reader is not None:
            await reader.close()

    # Passing on...

    async def _pass_on(self, records: Sequence[ConsumerRecord]) -> None:
        """As many transactions as their bounds ask for; records and offsets go together, or not at all."""
        chunk = _Chunk()
        for count, record in enumerate(records, 1):
            try:
                made = await self._made(record)
            except Unready:
                await self._commit(chunk)  # what stands before it need not wait with it
                raise
            if len(chunk.outgoing) >= self._route.records or chunk.size + made.size > self._route.size:
                await self._commit(chunk)
                chunk = _Chunk()
            chunk.add(record, made)
            if count % BREATH_RECORDS == 0:
                await asyncio.sleep(0)
        await self._commit(chunk)

    async def _commit(self, chunk: _Chunk) -> None:
        if chunk.outgoing:
            await self._writer.commit(chunk.outgoing, Offsets(self._route.group, chunk.next))
            self._told.passed(made.topic for made in chunk.outgoing)

    async def _made(self, record: ConsumerRecord) -> Outgoing:
        """What a record becomes: always one record."""
        output, headers = self._route.plumbing.output, tuple(record.headers)
        try:
            line = await self._route.convert(record.value)
        except Undeliverable as fault:
            return self._dead_letter(record, headers, fault)
        made = Outgoing(output.topic, self._number, record.key, line, record.timestamp, form.passed_on(headers))
        if made.size > output.largest:
            large = Undeliverable("too_large", f"it has {made.size} bytes, {output.topic} takes {output.largest}")
            return self._dead_letter(record, headers, large)
        return made

    def _dead_letter(self, record: ConsumerRecord, headers: form.Headers, fault: Undeliverable) -> Outgoing:
        dead = self._route.plumbing.dead
        origin = Origin(record.topic, record.partition, record.offset, self._route.group)
        self._told.dead_letter(origin, fault)
        made = [
            Outgoing(dead.topic, self._number % dead.partitions, key, value, record.timestamp, named)
            for key, value, named in form.letters(record.key, record.value, headers, origin, fault)
        ]
        return next((letter for letter in made if letter.size <= dead.largest), made[-1])

    # What went wrong...

    def _pause_s(self, error: Exception, failures: int) -> float:
        if not isinstance(error, Fenced):
            return self._told.pause_s(failures)
        return self._fences.pause_s(error)
