"""The one place that knows every room: builds them, runs them under one TaskGroup, and takes them down again.

The order of a start: health is served first, so that a service that waits can say for what; then the schemas are
registered (no event before its schema), the topics made or compared, and the worker joins its group.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final, TypeVar

from streamer import log
from streamer.absence import Guard
from streamer.avro import Values
from streamer.batch import Form
from streamer.clock import elapsed_ms
from streamer.config import KafkaSettings, Settings, SourceSettings
from streamer.errors import StreamerError, Unready
from streamer.health import Board
from streamer.intersight.source import IntersightSource
from streamer.judging.judgement import Policy
from streamer.kafka.connection import Connection
from streamer.kafka.group import worker_name
from streamer.kafka.probe import reach
from streamer.kafka.rights import needed
from streamer.kafka.topics import Layout, Names, ensure
from streamer.log import say
from streamer.pace import Pace, Places
from streamer.registry import Registry, schemas_of, subject_of
from streamer.status.application import show
from streamer.stop import Stop, Stopped
from streamer.wire.avsc import schema_text
from streamer.worker import Account, Worker

PATIENCE_S: Final = 2.0  # between two tries of what is not there yet at the start
REPEAT_S: Final = 60.0  # how often the same lack is said

T = TypeVar("T")


async def run(settings: Settings, stop: Stop, *, connection: Connection | None = None) -> None:
    """Watch those of the sources that the group gives us, until a stop is requested.

    Args:
        settings: the whole configuration.
        stop: ends it.
        connection: to Kafka; None: the configured one.

    Raises:
        Misconfigured: something a person must change; the message says what.
        Fenced: another process writes what is ours.
    """
    owner, board = worker_name(), Board()
    connection = connection or Connection.of(settings.kafka, needed("run", settings.kafka))
    with contextlib.suppress(Stopped):
        async with AsyncExitStack() as opened:
            borders = [
                await opened.enter_async_context(IntersightSource(source, elapsed=elapsed_ms))
                for source in settings.sources
            ]
            board.statuses = {border.name: border.statuses for border in borders}
            await show(opened, board, settings.http.listen, "http.listen:", hosts=settings.http.hosts)
            form, layout = await _prepared(settings, connection, stop, board)
            accounts = {
                source.name: Account(source.interval, _policy(source, form), border)
                for source, border in zip(settings.sources, borders, strict=True)
            }
            pace = Pace(Places(settings.max_concurrent_polls))
            worker = Worker(owner, connection, settings.kafka, layout, accounts, board=board, pace=pace)
            del board.missing["start"]
            await worker.run(stop)
    say("service.stopped")


async def _prepared(settings: Settings, connection: Connection, stop: Stop, board: Board) -> tuple[Form, Layout]:
    """Wait for the registry and the topics; how records are written, and to how many partitions."""
    names, patience = Names(settings.kafka.topic_prefix), _Patience(board, stop)
    async with stop.allows(0):
        ids = await patience.until("registry", lambda: _registered(settings, names, connection))
        layout = await patience.until("topics", lambda: ensure(connection, settings.kafka))
    _warn("topics.differ", layout.warnings)
    return _form(settings.kafka, ids), layout


async def _registered(settings: Settings, names: Names, connection: Connection) -> Mapping[str, int]:
    """As `_schema_ids`; where the registry is away, so may Kafka be, and who brings up the one is told of both."""
    try:
        return await _schema_ids(settings, names)
    except Unready as unready:
        try:
            await reach(connection)
        except StreamerError as error:
            hint = "; ".join(filter(None, (unready.hint, error.hint)))
            raise Unready(f"{unready}; and {error}", hint=hint) from unready
        raise


async def _schema_ids(settings: Settings, names: Names) -> Mapping[str, int]:
    """By topic suffix, the id its values carry; none where the value format does not ask a registry."""
    if settings.kafka.value_format != "confluent":
        return {}
    schemas = schemas_of(all_topic=settings.kafka.all_topic)
    subjects = {suffix: subject_of(names.of(suffix)) for suffix in schemas}
    async with Registry(settings.registry) as registry:
        prepared = await registry.prepare({subjects[s]: schema_text(schema) for s, schema in schemas.items()})
    _warn("registry.differs", prepared.warnings)
    return {suffix: prepared.ids[subject] for suffix, subject in subjects.items()}


def _form(kafka: KafkaSettings, ids: Mapping[str, int]) -> Form:
    return Form(
        Values(kafka.value_format, ids),
        cloudevents=kafka.cloudevents_headers,
        records=kafka.transaction.records,
        size=kafka.transaction.bytes,
        all_topic=kafka.all_topic,
    )


def _policy(source: SourceSettings, form: Form) -> Policy:
    above = source.deletes.hold_above
    return Policy(
        source.name,
        form,
        guard=Guard(above.percent, above.at_least, above.at_most, round(above.window * 1000)),
        suppress=source.refresh_events == "suppress",
        silent=source.first_run == "silent",
        replica_lag_ms=round(source.replica_lag * 1000),
        audit_wait=source.audit.wait if source.audit.enabled else None,
        users=source.users,
        configuration=source.fingerprint(),
    )


def _warn(event: str, warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        say(event, level=log.WARNING, warning=warning)


class _Patience:
    """Tries what the start needs until it is there; the board tells what is missing, the log once a minute."""

    def __init__(self, board: Board, stop: Stop) -> None:
        self._board = board
        self._stop = stop
        self._said_at: float | None = None

    async def until(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                found = await attempt()
            except Unready as unready:
                self._board.missing[what] = str(unready)
                self._say(what, unready)
            else:
                self._board.missing.pop(what, None)
                self._said_at = None
                return found
            await self._stop.sleep(PATIENCE_S)

    def _say(self, what: str, unready: Unready) -> None:
        now = time.monotonic()
        if self._said_at is None or now - self._said_at >= REPEAT_S:
            self._said_at = now
            say("start.waiting", level=log.WARNING, what=what, reason=str(unready), hint=unready.hint)
