"""The relay: turns topics of Avro into a topic of JSON, each record exactly once, for as long as it runs.

Consume, transform and produce are one Kafka transaction, together with the offsets of the consumer group. What the
client cannot do is ours: it sends no group metadata with transactional offsets, so Kafka would take those of a member
that is none any more. The fence is one transactional id for each input partition number, `<group>-<number>`, and the
order of `streamer.kafka.relay.lane`: open, then read the offsets. Whoever has the id is the only one that can commit.

Partition number, key, timestamp and headers are kept. The order across input topics is not: `epoch` and `sequence`
restore it.

Question: who relays the reports, when relays of several formats run? Choice: all of them together, as members of one
group that has nothing to do with the format: `P.snapshots.json` is the same for all, and is written once. Rejected:
only `--format json` (who runs `ecs` alone wants reports too), a topic of reports for each format.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from streamer import log
from streamer.config import KafkaSettings
from streamer.errors import Transient
from streamer.kafka.connection import Connection
from streamer.kafka.group import Membership
from streamer.kafka.relay import topics
from streamer.kafka.relay.lane import Lane, Route
from streamer.kafka.relay.told import PASSED_EVERY_S, Told
from streamer.kafka.share import Share
from streamer.log import say
from streamer.siem.relay import Convert
from streamer.stop import Stop, Stopped


@dataclass(frozen=True, slots=True)
class Job:
    """One output topic to be written.

    Attributes:
        name: for a person, such as `json`.
        group: the consumer group; it is also the beginning of the transactional ids.
        output: the suffix of the topic, such as `json` or `snapshots.json`.
        convert: from a record's value to its line of JSON; see `streamer.siem.relay.converter`.
        reports: its input is `P.snapshots`; else the events.
        from_beginning: begin with the oldest record although the output holds some and the group has no offsets.
    """

    name: str
    group: str
    output: str
    convert: Convert
    reports: bool = False
    from_beginning: bool = False


async def relay(
    connection: Connection, settings: KafkaSettings, jobs: Sequence[Job], *, stop: Stop, told: Told
) -> None:
    """Relay until a stop is requested; what is in hand then is finished, and the groups are left.

    Args:
        connection: where Kafka is.
        settings: prefix, how topics are made, and the bounds of a transaction.
        jobs: all of them, at once.
        stop: ends it.
        told: hears what is amiss.

    Raises:
        Misconfigured: something a person must change; the message says what.
        Fenced: another process has a transactional id of ours, and takes it again and again.
    """
    for job in jobs:
        told.waiting(job.name, "the relay is starting")
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(_Relay(connection, settings, job, told).run(stop))
        group.create_task(_say_passed(told, stop))
    told.say_passed()


async def _say_passed(told: Told, stop: Stop) -> None:
    while not stop.requested:
        await stop.sleep(PASSED_EVERY_S)
        told.say_passed()


class _Relay:
    """One job."""

    def __init__(self, connection: Connection, settings: KafkaSettings, job: Job, told: Told) -> None:
        self._connection = connection
        self._settings = settings
        self._job = job
        self._told = told

    async def run(self, stop: Stop) -> None:
        """Find the topics, join the group, work on what it gives; from the top again where Kafka goes away."""
        failures = 0
        while not stop.requested:
            try:
                async with AsyncExitStack() as opened:
                    async with stop.allows(0):
                        route = await self._route()
                        joining = Membership(self._connection, route.group, route.plumbing.inputs)
                        membership = await opened.enter_async_context(joining)
                    failures = 0
                    await self._work(route, membership, stop)
            except Stopped:
                return
            except Transient as error:
                failures += 1
                self._told.amiss(self._job.name, error)
                await stop.sleep(self._told.pause_s(failures))

    async def _route(self) -> Route:
        job, settings = self._job, self._settings
        plumbing = await topics.ensure(
            self._connection, settings, group=job.group, output=job.output, reports=job.reports
        )
        for warning in plumbing.warnings:
            say("topics.differ", level=log.WARNING, warning=warning)
        return Route(
            job.name,
            job.group,
            plumbing,
            job.convert,
            job.from_beginning,
            compression=settings.compression,
            timeout_s=settings.transaction.timeout,
            records=settings.transaction.records,
            size=settings.transaction.bytes,
        )

    async def _work(self, route: Route, membership: Membership, stop: Stop) -> None:
        while not stop.requested:
            self._told.waiting(self._job.name, f"group {route.group} has not given it its share yet")
            async with stop.allows(0):
                share = await membership.share()
            self._told.fine(self._job.name)
            say("relay.share", relay=route.name, output=route.plumbing.output.topic, partitions=sorted(share.lanes))
            try:
                await self._pass_on(route, membership, share, stop)
            finally:
                share.released.set()
            membership.check()

    async def _pass_on(self, route: Route, membership: Membership, share: Share, stop: Stop) -> None:
        lanes = {n: Lane(self._connection, route, at, membership, self._told) for n, at in share.lanes.items()}
        for number in lanes:
            self._told.waiting(f"{route.name}-{number}", "it is being opened")
        async with asyncio.TaskGroup() as group:
            group.create_task(membership.attend(share, stop))
            for lane in lanes.values():
                group.create_task(lane.run(share.over))
