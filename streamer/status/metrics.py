"""The board as Prometheus reads it: families of numbers, made anew for every scrape, in a registry of our own.

Names are a promise: alerts and dashboards of other people hang on them. What the library brings for the process
(memory, files, CPU, garbage collection) stands beside them. Nothing of a token is ever a label: labels are names of
the configuration, short stable codes and HTTP statuses.

Question: OpenMetrics or the older text? Choice: what the scraper asks for; Prometheus asks for OpenMetrics.

Question: what of a source that another worker has now? Choice: what is true at this moment (age, tokens, held) is told
by its owner alone; what was counted stays, as counters must. Rejected: to tell the last known age, which would grow
for ever here and alarm for a source that is read elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from streamer import __version__
from streamer.health import Board, SourceHealth
from streamer.status.tally import Durations, Tally

Labelled = Iterable[tuple[tuple[str, ...], float]]

_OF_SOURCES: Final[tuple[tuple[str, str, Callable[[SourceHealth, int], float | None]], ...]] = (
    (
        "streamer_snapshot_age_seconds",
        "Age of the last accepted snapshot; of a source never read, since this worker took it.",
        lambda one, now: one.age_s(now),
    ),
    ("streamer_interval_seconds", "How often it is polled.", lambda one, _: one.interval_s),
    ("streamer_tokens", "Tokens that are known.", lambda one, _: one.tokens),
    ("streamer_deletes_held", "Deletions that wait for a person.", lambda one, _: one.held),
)


class Metrics:
    """What a scraper is answered; `clock` is ms UTC."""

    def __init__(self, board: Board, clock: Callable[[], int]) -> None:
        self._board = board
        self._clock = clock
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """All of them, and the content type; `accept` is the request's header.

        Numbers are taken here and written as text elsewhere: with 200 sources that takes longer than polls should wait.
        """
        encode, content_type = choose_encoder(accept)
        registry = CollectorRegistry()
        registry.register(_Taken(tuple(self._families()), self._process))
        return await asyncio.to_thread(encode, registry), content_type

    def _families(self) -> Iterator[Metric]:
        yield _gauge("streamer_build_info", "The version that runs.", ("version",), [((__version__,), 1)])
        yield _gauge(
            "streamer_ready",
            "1 once all that a start needs is there and every state is restored.",
            (),
            [((), not self._board.missing)],
        )
        if self._board.sources:  # a relay has none
            yield from self._owned()
            yield from self._counted()
            yield from self._lasting()

    def _owned(self) -> Iterator[Metric]:
        """What only a source's owner knows."""
        now, sources, tallies = self._clock(), self._board.sources, self._board.tallies
        for name, text, value in _OF_SOURCES:
            known = [((one.source,), value(one, now)) for one in sources.values()]
            yield _gauge(name, text, ("source",), [(labels, v) for labels, v in known if v is not None])
        outlived = [((name,), tally.outlived) for name, tally in tallies.items() if name in sources]
        yield _gauge(
            "streamer_tokens_outlived", "Tokens that are listed past their expiration time.", ("source",), outlived
        )
        for name, text, counted in (
            ("streamer_unknown_properties", "Properties met that this version does not know.", "unknown"),
            ("streamer_damaged_values", "Values that were cut, repaired or left out.", "damaged"),
        ):
            yield _counter(name, text, ("source",), [((n,), getattr(one, counted)) for n, one in sources.items()])

    def _counted(self) -> Iterator[Metric]:
        tallies, statuses = self._board.tallies, self._board.statuses
        yield _counter(
            "streamer_events",
            "Events committed.",
            ("source", "type"),
            [((name, kind), n) for name, one in tallies.items() for kind, n in one.events.items()],
        )
        yield _counter(
            "streamer_polls",
            "Polls by the verdict and the reason of their reports.",
            ("source", "verdict", "reason"),
            [((name, *why), n) for name, one in tallies.items() for why, n in one.polls.items()],
        )
        yield _counter(
            "streamer_api_requests",
            "Requests to Intersight by HTTP status; none: no reply.",
            ("source", "status"),
            [((name, status), n) for name, counts in statuses.items() for status, n in counts.items()],
        )
        yield _counter(
            "streamer_transactions",
            "Transactions by outcome; fenced counts the opening of a writer too.",
            ("source", "outcome"),
            [((name, outcome), n) for name, one in tallies.items() for outcome, n in one.transactions.items()],
        )

    def _lasting(self) -> Iterator[Metric]:
        tallies = self._board.tallies
        yield _histogram("streamer_poll_seconds", "From a poll's first request to its verdict.", tallies, "poll_s")
        yield _histogram(
            "streamer_restore_seconds", "From fencing other writers to a restored state.", tallies, "restore_s"
        )


class _Taken(Collector):
    """What was taken of ours, then what the process is asked for."""

    def __init__(self, ours: tuple[Metric, ...], process: CollectorRegistry) -> None:
        self._ours = ours
        self._process = process

    def collect(self) -> Iterator[Metric]:
        """Every family, ours first."""
        yield from self._ours
        yield from self._process.collect()


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for labelled, value in values:
        family.add_metric(labelled, value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    """`_total` is added by the library."""
    family = CounterMetricFamily(name, text, labels=labels)
    for labelled, value in values:
        family.add_metric(labelled, value)
    return family


def _histogram(name: str, text: str, tallies: dict[str, Tally], which: str) -> Metric:
    family = HistogramMetricFamily(name, text, labels=("source",))
    for source, tally in tallies.items():
        lasted: Durations = getattr(tally, which)
        names = (*map(str, lasted.bounds), "+Inf")
        buckets = [(bound, float(n)) for bound, n in zip(names, accumulate(lasted.counts), strict=True)]
        family.add_metric((source,), buckets=buckets, sum_value=lasted.total)
    return family
