"""One look at all three: the state, then the topics, then Intersight, in this order.

The state is read first, and says up to which sequence events belong to it; what the service writes while we read is
left out by that number. Events, state and report are one transaction, so up to there they must agree exactly.
Intersight is asked last, as the service asks it: one complete list of each source, and what it lacks by Moid.

It must never write, join a group, or open a transactional id.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from streamer.clock import utc_ms
from streamer.config import Settings, SourceSettings
from streamer.errors import Misconfigured, Rejected
from streamer.intersight.source import IntersightSource
from streamer.kafka.connection import Connection
from streamer.kafka.control import homes
from streamer.kafka.follow import Followed, batches
from streamer.kafka.restore import known
from streamer.kafka.rights import needed
from streamer.kafka.scan import extent, records
from streamer.kafka.topics import Names
from streamer.known import Known
from streamer.output.progress import Progress
from streamer.registry import Registry
from streamer.state import SourceState
from streamer.verify.compare import Comparison, Shown
from streamer.verify.findings import API, STATE, TOPICS, Difference
from streamer.verify.told import REPORTS, Tiles, Topics
from streamer.wire.decoding import Decoder, Undecodable

ASKED: Final = 500  # tokens that are asked for by Moid, of those that a list lacks


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked at: these sources (empty: all), events since then (ms UTC; None: all that are there)."""

    sources: tuple[str, ...] = ()
    since: int | None = None

    def __contains__(self, source: str) -> bool:
        return not self.sources or source in self.sources


@dataclass(slots=True)
class Seen:
    """What one look found: the differences, and for each source what was counted."""

    differences: list[Difference] = field(default_factory=list)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: int = 0
    reports: int = 0


class Looker:
    """Looks, as often as it is asked to.

    Args:
        settings: the whole configuration.
        wanted: what of it.
        progress: hears how far it is.
    """

    def __init__(self, settings: Settings, wanted: Wanted, progress: Progress) -> None:
        self._settings = settings
        self._wanted = wanted
        self._progress = progress
        self._connection = Connection.of(settings.kafka, needed("verify", settings.kafka))
        self._names = Names(settings.kafka.topic_prefix)
        self._sources = {source.name: source for source in settings.sources if source.name in wanted}

    async def look(self) -> Seen:
        """Read all three and compare them.

        Raises:
            Unready, Misconfigured: Kafka or the registry cannot be read.
        """
        seen = Seen()
        states = await self._states()
        if unknown := [name for name in self._wanted.sources if name not in states and name not in self._sources]:
            raise Misconfigured(
                f"--source {', '.join(unknown)}: neither the configuration nor {self._names.state} knows it",
                hint="see `streamer sources`",
            )
        async with Registry(self._settings.registry) as registry:
            decoder = Decoder(registry)
            topics = await self._topics(decoder, states, seen)
            await self._tiles(decoder, states, seen)
        seen.differences += [*topics.differences, *topics.gaps()]
        for source in sorted(states.keys() | self._sources.keys()):
            await self._compare(source, states.get(source, SourceState()), topics, seen)
        return seen

    async def _states(self) -> dict[str, SourceState]:
        """By source, all that the state knows."""
        there = await homes(self._connection, self._names, ordering=False)
        found: dict[str, SourceState] = {}
        for number in range(there.state):
            self._progress("reading state partitions", number, there.state)
            states = await known(self._connection, self._names.state, (number,))
            found |= {name: state for name, state in states.items() if name in self._wanted}
        self._progress("reading state partitions", there.state, there.state)
        return found

    async def _topics(self, decoder: Decoder, states: Mapping[str, SourceState], seen: Seen) -> Topics:
        """Hear all events."""
        held, now = await extent(self._connection, self._names.events), utc_ms()
        dropped = {lane: None if age is None else now - age for lane, age in held.dropped.items()}
        silent = {name: source.first_run == "silent" for name, source in self._sources.items()}
        wanted, since = self._wanted.sources or None, self._wanted.since
        topics = Topics(states, dropped, silent=silent, sources=wanted, since=since)
        following = batches(
            self._connection,
            self._names,
            decode=decoder.event,
            from_beginning=since is None,
            since=since,
            until_end=True,
        )
        read = 0
        self._progress("reading events", 0, None if since else held.records)
        async with aclosing(following) as events:
            async for batch in events:
                for found in batch:
                    if isinstance(found, Followed):
                        topics.add(found.event, (found.topic, found.partition))
                    else:
                        text = f"{found.topic}-{found.partition} at offset {found.offset} is no event: {found.why}"
                        seen.differences.append(Difference("-", "undecodable", (TOPICS, TOPICS), text, at=0))
                read += len(batch)
                self._progress("reading events", read, None if since else max(held.records, read))
        self._progress("reading events", read, read)  # marks of transactions are no events
        seen.events = topics.count
        return topics

    async def _tiles(self, decoder: Decoder, states: Mapping[str, SourceState], seen: Seen) -> None:
        """Hear all reports."""
        topic = self._names.snapshots
        held, since = await extent(self._connection, (topic,)), self._wanted.since
        tiles, read = Tiles(states, dropped=bool(held.dropped) or since is not None), 0
        async with aclosing(records(self._connection, (topic,), since=since)) as found:
            async for record in found:
                read += 1
                self._progress("reading reports", read, None if since else max(held.records, read))
                try:
                    report = await decoder.report(record.value)
                except Undecodable as error:
                    text = f"{record.topic}-{record.partition} at offset {record.offset} is no report: {error}"
                    seen.differences.append(Difference("-", "undecodable", (REPORTS, REPORTS), text, at=0))
                    continue
                if report["source"] in self._wanted:
                    tiles.add(report)
        self._progress("reading reports", read, read)
        seen.reports = tiles.count
        seen.differences += [*tiles.differences, *tiles.ends()]

    async def _compare(self, source: str, state: SourceState, topics: Topics, seen: Seen) -> None:
        """One source, beside the topics and beside Intersight."""
        row, settings = state.row, self._sources.get(source)
        facts: dict[str, Any] = {"configured": settings is not None, "tokens": None, "sequence": None}
        seen.sources[source] = facts
        if row is None:
            text = "it is configured, and there is no state of it: the service has never polled it"
            seen.differences.append(Difference(source, "unknown", (STATE, API), text))
            return
        facts |= {"tokens": Known.of(state.tokens).existing(), "sequence": row.last_sequence}
        comparison = Comparison(source, state, topics)
        seen.differences += comparison.with_topics()
        if settings is not None:
            shown = await self._shown(settings, state, seen)
            if shown is not None:
                facts["listed"] = len(shown.snapshot)
                suppress = settings.refresh_events == "suppress"
                seen.differences += comparison.with_api(shown, suppress=suppress)
        facts |= asdict(comparison.counts)

    async def _shown(self, settings: SourceSettings, state: SourceState, seen: Seen) -> Shown | None:
        """What Intersight shows; None where it cannot be read, which is told as a difference."""
        self._progress(f"reading tokens of {settings.name}", 0, None)
        async with AsyncExitStack() as opened:
            border = await opened.enter_async_context(IntersightSource(settings))
            try:
                snapshot = await border.snapshot(Known.of(state.tokens))
            except Rejected as error:
                text = f"Intersight cannot be read: {error}"
                seen.differences.append(Difference(settings.name, "unread", (STATE, API), text, at=0))
                return None
            missing = sorted(moid for moid, row in state.tokens.items() if row.known and moid not in snapshot)
            self._progress(f"reading tokens of {settings.name}", len(snapshot), len(snapshot))
            return Shown(snapshot, await border.look_up(missing[:ASKED]))
