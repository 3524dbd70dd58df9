"""One worker of a group: a member that polls the sources of the partitions it is given, and forgets those it loses.

One worker or ten, this is the only path: even a lone one is given all partitions by the group. A source belongs to the
partition of `P.state` that holds its rows. For every share everything is made anew, so that nothing that was read under
one ownership (a snapshot, a look-up, a verdict) can be written under another. This room must never keep a state over a
rebalance, never poll what it was not given, and leave nothing open when a share is released.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from streamer import log
from streamer.backoff import pause_s
from streamer.clock import utc_ms
from streamer.config import KafkaSettings
from streamer.cycle import Cycle
from streamer.errors import Misconfigured, Transient
from streamer.health import Board, SourceHealth
from streamer.judging.gather import Source
from streamer.judging.judgement import Policy
from streamer.kafka.connection import Connection
from streamer.kafka.group import Membership
from streamer.kafka.ledger import Ledger
from streamer.kafka.share import Share
from streamer.kafka.topics import Layout, Names, partition_of
from streamer.log import say
from streamer.pace import Pace
from streamer.status.observed import Observed
from streamer.stop import Stop, Stopped
from streamer.strangers import Strangers
from streamer.watch import LONGEST_WAIT_S, Watch

GROUP: Final = "group"  # what is missing while we have no share


@dataclass(frozen=True, slots=True)
class Account:
    """A source as it is configured: how often it is polled, how it is judged, where it is read."""

    interval_s: float
    policy: Policy
    source: Source


class Worker:
    """A member of `kafka.group`.

    Args:
        owner: what it is called on the pages, such as `host-4711`.
        connection: where Kafka is.
        settings: prefix, group, and how a transaction is written.
        layout: the topics' partition counts, as they were at the start.
        accounts: by name, all that are configured.
        board: shows those that are ours.
        pace: for all of them together.
    """

    def __init__(
        self,
        owner: str,
        connection: Connection,
        settings: KafkaSettings,
        layout: Layout,
        accounts: Mapping[str, Account],
        *,
        board: Board,
        pace: Pace,
    ) -> None:
        self._owner = owner
        self._connection = connection
        self._settings = settings
        self._names = Names(settings.topic_prefix)
        self._layout = layout
        self._accounts = accounts
        self._board = board
        self._pace = pace
        self._homes = {name: partition_of(name.encode(), layout.state) for name in accounts}

    async def run(self, stop: Stop) -> None:
        """Until a stop is requested: what is in hand then is finished, and the group is left.

        Raises:
            Fenced, Misconfigured: for a person; the process must end with that.
        """
        failures = 0
        self._board.missing[GROUP] = f"group {self._settings.group} has not given it its share yet"
        while not stop.requested:
            joining = self._membership()
            try:
                async with AsyncExitStack() as joined:
                    async with stop.allows(0):
                        membership = await joined.enter_async_context(joining)
                    failures = 0
                    await self._shares(membership, stop)
            except Stopped:
                return
            except Transient as error:
                failures += 1
                self._board.missing[GROUP] = str(error)
                say("group.waiting", level=log.WARNING, reason=str(error), hint=error.hint)
                await stop.sleep(pause_s(failures, LONGEST_WAIT_S))

    def _membership(self) -> Membership:
        """A lone worker begins at once; a broker would first give others the time to come."""
        state = self._names.state
        return Membership(self._connection, self._settings.group, [state], meanwhile={state: self._layout.state})

    async def _shares(self, membership: Membership, stop: Stop) -> None:
        while not stop.requested:
            async with stop.allows(0):
                share = await membership.share()
            self._check(membership, share)
            try:
                await self._work_on(membership, share, stop)
            finally:
                share.released.set()
            membership.check()

    def _check(self, membership: Membership, share: Share) -> None:
        """A partition more, and every source would have another home."""
        wanted, state = self._layout.state, self._names.state
        there = max((membership.partitions(state), *(number + 1 for number in share.lanes)))
        if there > wanted:
            raise Misconfigured(
                f"topic {state} has {there} partitions now, it had {wanted} when this worker started",
                hint=f"the number is fixed: make {state} anew with {wanted} partitions from a copy of its records",
            )

    async def _work_on(self, membership: Membership, share: Share, stop: Stop) -> None:
        """Poll what is ours, until it is not."""
        ours = [name for name, home in self._homes.items() if home in share.lanes]
        say("group.share", owner=self._owner, partitions=sorted(share.lanes), sources=len(ours))
        ledger = self._ledger(ours, share)
        watches = [self._watch(name, ledger, share.over) for name in ours]
        self._board.missing.pop(GROUP, None)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(membership.attend(share, stop))
                for watch in watches:
                    group.create_task(watch.run())
                group.create_task(self._strangers(ledger, share).run())
        finally:
            self._forget(ours)
            await ledger.close()

    def _watch(self, name: str, ledger: Ledger, over: Stop) -> Watch:
        """One source, from nothing."""
        account = self._accounts[name]
        health = SourceHealth(name, self._owner, account.interval_s, utc_ms())
        self._board.sources[name] = health
        self._board.missing[name] = "its state is not restored yet"
        cycle = Cycle(account.policy, account.source, Observed(ledger, self._board), utc_ms)
        return Watch(cycle, health, self._board, over, self._pace)

    def _strangers(self, ledger: Ledger, share: Share) -> Strangers:
        """What else stands in our partitions."""
        form = next(iter(self._accounts.values())).policy.form  # one for all
        return Strangers(
            self._owner, ledger, share.lanes, self._accounts.keys(), form, self._board, share.over, self._pace
        )

    def _forget(self, names: Sequence[str]) -> None:
        """They are for others to tell of; until the group has spoken we are not ready."""
        self._board.missing[GROUP] = f"group {self._settings.group} is sharing its partitions out anew"
        for name in names:
            self._board.sources.pop(name, None)
            self._board.missing.pop(name, None)

    def _ledger(self, sources: Sequence[str], share: Share) -> Ledger:
        return Ledger(
            self._connection,
            self._names,
            self._layout,
            sources,
            compression=self._settings.compression,
            timeout_s=self._settings.transaction.timeout,
            ownership=share,
        )
