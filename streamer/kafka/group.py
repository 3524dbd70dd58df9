"""Who has which partition number: the members of one consumer group share the numbers out among them.

Workers share `P.state`, relays share their inputs. A number is that of a partition in every topic of the group at once,
because its transactional id is one. This room must never read a record, and never take membership for safety: a member
that was frozen believes for a while that it still owns what another one has by now. Membership says who should try; the
fence of the transactional id says who may.

Question: why an assignor of our own? Kafka's range assignor gives same-numbered partitions to one member only as long
as all topics have as many; while an operator adds partitions, topic after topic, it would not, and two members would
fence each other. Choice: numbers are shared out, not partitions, and separately among the members that read the same
topics: so deployments with different prefixes may have one group. As its name is its own, no consumer of another kind
can join the group.

Question: what happens to a number that its owner keeps in a rebalance? Choice: it is taken and given like all others,
and whoever has it begins anew: opens, reads, goes on. It costs some 50 ms and leaves one way to begin.

Question: who has what while the group has not spoken yet? Brokers let an empty group wait some seconds for more members
before they share out (`group.initial.rebalance.delay.ms`, 3 s by default), so a lone worker would poll nobody at every
start. Choice: whoever finds no member at all may begin with `meanwhile`, a provisional share. When the group has
spoken, that is either confirmed or taken like any other. Two that start together fence each other at most once: a
provisional share ends with the first fence.

Question: who waits for a member that was killed? Choice: nobody on its own machine (`members`), all others until its
session is over. While the group gathers it is asked every half second who is in it; while there is a share that cannot
change, so it is asked once, and from then on the machine. Rejected: static members; see there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from streamer.errors import StreamerError, Unready
from streamer.kafka import members
from streamer.kafka.closing import close
from streamer.kafka.connection import Connection
from streamer.kafka.share import HEARTBEAT_MS, SESSION_S, Share
from streamer.stop import Stop, Stopped

REBALANCE_MS: Final = 40_000  # for all to end what they have in hand
RELEASE_LIMIT_S: Final = 30.0  # of it, for us; who takes longer is fenced
METADATA_AGE_MS: Final = 30_000  # how late a new partition is found
CALL_LIMIT_S: Final = 10.0
TURN_MS: Final = 200  # one look at the group
LOOK_S: Final = 0.5  # between two looks whether somebody is dead


def worker_name() -> str:
    """What this process is called for people, such as `host-4711`."""
    return f"{platform.node()}-{os.getpid()}"


class ByNumber(AbstractPartitionAssignor):  # type: ignore[misc]  # untyped there
    """Every partition number, with all the topics that have it, goes to one member."""

    name = "streamer-by-number"
    version = 0

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """What each member gets."""
        alike: defaultdict[frozenset[str], list[str]] = defaultdict(list)
        for member in sorted(members):
            alike[frozenset(members[member].subscription)].append(member)
        given: dict[str, Mapping[str, list[int]]] = {}
        for topics, peers in alike.items():
            there = {topic: cluster.partitions_for_topic(topic) or frozenset() for topic in topics}
            given |= dict(zip(peers, shared_out(there, len(peers)), strict=True))
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, sorted(given[member].items()), b"")
            for member in members
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """What a member says of itself: what it reads, and what it is called on the pages."""
        return ConsumerProtocolMemberMetadata(cls.version, sorted(topics), worker_name().encode())

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing is remembered."""


def shared_out(partitions: Mapping[str, Iterable[int]], members: int) -> list[dict[str, list[int]]]:
    """The partitions, by topic, of each of so many members: numbers take turns, and a number is never split."""
    numbers = sorted({number for there in partitions.values() for number in there})
    shares = [set(numbers[member::members]) for member in range(members)]
    return [{topic: sorted(share & set(there)) for topic, there in partitions.items()} for share in shares]


class Membership:
    """A member of a group; an asynchronous context manager that has left when the block ends.

    Args:
        connection: where Kafka is.
        group: its name.
        topics: what it reads; all must exist.
        session_s: a member that is silent for so long is out.
        meanwhile: topics with their partitions, all of which are ours until the group has spoken, if nobody else is
            in it.

    Raises:
        Misconfigured: this user may not use the group; by any call.
        Unready: Kafka does not answer, or another kind of consumer has the group; by any call.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        topics: Sequence[str],
        *,
        session_s: float = SESSION_S,
        meanwhile: Mapping[str, int] | None = None,
    ) -> None:
        self._connection = connection
        self._group = group
        self._topics = tuple(topics)
        self._session_s = session_s
        self._meanwhile = [TopicPartition(topic, n) for topic, count in (meanwhile or {}).items() for n in range(count)]
        self._consumer: AIOKafkaConsumer = connection.consumer(
            group_id=group,
            auto_offset_reset="latest",  # it never reads
            partition_assignment_strategy=(ByNumber,),
            session_timeout_ms=round(session_s * 1000),
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            metadata_max_age_ms=METADATA_AGE_MS,
            client_id=members.client_id(),
        )
        self._share: Share | None = None
        self._given = Stop()  # requested once there is one
        self._failure: StreamerError | None = None

    async def __aenter__(self) -> Self:
        try:
            with self._connection.reaching(f"join group {self._group}"):
                async with asyncio.timeout(2 * CALL_LIMIT_S):
                    await self._consumer.start()
        except BaseException:
            await close(self._consumer)
            raise
        if self._meanwhile and await self._nobody_there():
            self._share = self._of(self._meanwhile, provisional=True)
        self._consumer.subscribe(self._topics, listener=_Listener(self))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._share is not None:
            self._share.take()
            self._share.released.set()
        await close(self._consumer)

    async def share(self) -> Share:
        """What the group gives us next; wait for it."""
        while self._share is None or self._share.over.requested:
            await self._shared_out()
        share = self._share
        if await self._missing() and (missing := await self._missing(after_s=LOOK_S)):  # it may just have been made
            raise Unready(f"these topics do not exist any more: {', '.join(sorted(missing))}")
        return share

    async def attend(self, share: Share, stop: Stop) -> None:
        """Stay a member until the share is taken, the stop is asked for, or Kafka says no; then the share is over.

        It never raises: the lanes that work on the share are let finish first, then `check` says what happened.
        """
        with contextlib.suppress(Stopped):
            async with stop.allows(0), share.over.allows(0), self._ushering(once=True):
                await self._polls(share)
        share.over.request()

    def check(self) -> None:
        """Raise what the client met in `attend` or while there was no share."""
        if self._failure is not None:
            raise self._failure

    def partitions(self, topic: str) -> int:
        """How many a topic has by now; 0 while that is not known."""
        return len(self._consumer.partitions_for_topic(topic) or ())

    async def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        """The group's offsets, as Kafka has them now; None where there is none."""
        with self._connection.reaching(f"ask for the offsets of group {self._group}"):
            async with asyncio.timeout(CALL_LIMIT_S):
                return {at: await self._consumer.committed(at) for at in partitions}

    async def _missing(self, after_s: float = 0.0) -> set[str]:
        """Those of the topics that a broker does not know."""
        await asyncio.sleep(after_s)
        with self._connection.reaching(f"see the topics of group {self._group}"):
            async with asyncio.timeout(CALL_LIMIT_S):
                return set(self._topics).difference(await self._consumer.topics())

    async def _shared_out(self) -> None:
        """Until there is a share. A look lasts as long as others are waited for, so those are seen to beside it."""
        self._given = Stop()
        with contextlib.suppress(Stopped):
            async with self._given.allows(0), self._ushering(once=False):
                await self._polls()
        self.check()

    async def _polls(self, share: Share | None = None) -> None:
        """Until it is cancelled, or the client has met something."""
        try:
            while True:
                await self._poll()
                if share is not None:
                    share.beat()
        except StreamerError as error:
            self._failure = error

    @contextlib.asynccontextmanager
    async def _ushering(self, *, once: bool) -> AsyncIterator[None]:
        """Beside the block, show those out who are dead."""
        async with asyncio.TaskGroup() as beside:
            usher = beside.create_task(self._show_out(once=once))
            try:
                yield
            finally:
                usher.cancel()

    async def _show_out(self, *, once: bool) -> None:
        """Again and again; with `once`, the group is asked again only after somebody of it has died."""
        known: Collection[str] = ()
        while not self._connection.embedded:
            await asyncio.sleep(LOOK_S)
            if not (known and once) or any(map(members.is_gone, known)):
                with contextlib.suppress(StreamerError):  # then all wait for the session
                    known = await members.show_out(self._connection, self._group)

    async def _poll(self) -> None:
        """One look: it keeps the membership alive, and raises what the client has met in the background."""
        with self._connection.reaching(f"stay in group {self._group}"):
            await self._consumer.getmany(timeout_ms=TURN_MS)

    # What the group decides...

    async def given(self, partitions: Iterable[TopicPartition]) -> None:
        """These are ours, and nothing of them is read through this consumer."""
        share = self._of(partitions)
        self._consumer.pause(*(at for lane in share.lanes.values() for at in lane))
        before = self._share
        if before is not None and before.provisional:
            if before.confirmed_by(share):
                return
            await self.taken()
        self._share = share
        self._given.request()

    async def revoked(self) -> None:
        """All gather anew. What is provisional was not given by the group, so it is not taken back by this."""
        if self._share is not None and not self._share.provisional:
            await self.taken()

    async def taken(self) -> None:
        """They are not ours any more: wait, within limits, until what is in hand is done."""
        if self._share is not None:
            self._share.take()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RELEASE_LIMIT_S):
                    await self._share.released.wait()

    def _of(self, partitions: Iterable[TopicPartition], *, provisional: bool = False) -> Share:
        lanes: defaultdict[int, list[TopicPartition]] = defaultdict(list)
        for at in sorted(partitions):
            lanes[at.partition].append(at)
        return Share(dict(lanes), session_s=self._session_s, provisional=provisional)

    async def _nobody_there(self) -> bool:
        if self._connection.embedded:
            return False
        with contextlib.suppress(Unready):  # then the group's word is waited for
            return not (await members.roster(self._connection, self._group)).members
        return False


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # untyped there
    """Hears what the group decides; whatever is raised here is logged by the client and lost."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - the client's signature
        await self._membership.revoked()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        await self._membership.given(assigned)
