"""How a client reaches Kafka: addresses, TLS, who we are, and what aiokafka only tells its log when that fails.

Every client of this service is built here, so that none forgets the security settings, `read_committed`, or the one
profile that configuration cannot select. This room must never print a secret and never read or write a record.

Question: where does a wrong password show? aiokafka raises the same `KafkaConnectionError` for a closed port, a wrong
CA and a wrong password, and says the cause to its logger only. Choice: while we connect, the lines it logs for *this*
client are gathered (a context variable tells clients apart, tasks inherit it) and become part of our error instead of
lines of the log; `causes` says which key to look at. Where all went well in the end, the log gets them after all.
Rejected: to take a failed login for a misconfiguration by the words of such a line; a broker that is just loading its
users says the same, so it is `Unready`: said, and tried again.

Question: what is told where a right is missing? Choice: who we are to Kafka, which of the command's own rights
(`rights`) is missing, and the command that grants it. A connection carries the rights of the command it was made for.

Question: a password or certificate is replaced while clients live. Choice: new ones are built with what the files hold
then (`renewed`); those that live on are given it before each read and each transaction, for the connections that they
still will open. Left alone, aiokafka tries the old password for ever and tells its log only: a member of a group was
gone for the broker and did not know it. Rejected: to build them anew, which is a restore for each lane.

Question: which profile has the demo's embedded broker? Choice: `to_embedded`. It has no topic administration (topics
come by themselves, with 4 partitions) and writes control batches without a checksum, so checking them is off there and
only there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from streamer.config import KafkaSettings
from streamer.errors import Misconfigured, StreamerError, Unready
from streamer.kafka import causes, rights
from streamer.kafka.rights import Denied, Right
from streamer.kafka.security import ANONYMOUS, Renewals, known_as, security

CLIENT_ID: Final = "streamer"
EMBEDDED_PARTITIONS: Final = 4  # of every topic the embedded broker makes
FORBIDDEN: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
DENIED_OPERATION: Final = {  # what a denial is about, where it tells no topic
    GroupAuthorizationFailedError: (rights.READ, rights.GROUP),
    TransactionalIdAuthorizationFailed: (rights.WRITE, rights.TRANSACTIONS),
    ClusterAuthorizationFailedError: (rights.CREATE, rights.CLUSTER),
}

_aiokafka: Final = logging.getLogger("aiokafka")
_aiokafka.setLevel(logging.WARNING)  # whatever the log's level is: causes are told nowhere else
_gathered: ContextVar[list[logging.LogRecord] | None] = ContextVar("_gathered", default=None)


@dataclass(frozen=True, slots=True)
class Connection:
    """Where Kafka is and how to be let in.

    Attributes:
        bootstrap: `host:port` of one or more brokers.
        options: what every aiokafka client takes for security; may hold secrets, so it is not printed.
        renewed: more of them, made of files, which each new client takes as they are then, and one that lives on too.
        embedded: the demo's broker; see the module.
        user: who we are to Kafka, as far as we know; asked when a right is missing.
        needs: the rights of the command it was made for.
    """

    bootstrap: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    renewed: Renewals = field(default_factory=dict, repr=False)
    embedded: bool = False
    user: Callable[[], str] = field(default=lambda: ANONYMOUS, repr=False)
    needs: tuple[Right, ...] = ()

    @classmethod
    def of(cls, settings: KafkaSettings, needed: tuple[Right, ...] = ()) -> Connection:
        """The connection of a configuration, for a command that needs these rights.

        Raises:
            Misconfigured: a certificate, key or password file cannot be read or used; the message names its key.
        """
        options, renewed = security(settings)
        return cls(settings.bootstrap_servers, options, renewed, user=known_as(settings, options), needs=needed)

    @classmethod
    def to_embedded(cls, bootstrap: str) -> Connection:
        """The connection to the demo's own broker at `host:port`."""
        return cls((bootstrap,), embedded=True)

    def producer(self, **options: Any) -> AIOKafkaProducer:
        """A producer that is not started; only `streamer.kafka.writer` may ask for one."""
        return _Producer(self.renewed, **self._client, **options)

    def consumer(self, *topics: str, **options: Any) -> AIOKafkaConsumer:
        """A consumer that is not started: read_committed, and offsets are committed only when we say so."""
        defaults = {
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "check_crcs": not self.embedded,
        }
        return _Consumer(self.renewed, *topics, **self._client | defaults | options)

    def admin(self, **options: Any) -> AIOKafkaAdminClient:
        """An administrator that is not started."""
        return AIOKafkaAdminClient(**self._client, **options)

    def client(self) -> AIOKafkaClient:
        """What the others are built on, not yet connected: for a request that none of them has."""
        return AIOKafkaClient(**self._client)

    @contextmanager
    def reaching(self, purpose: str, doing: str = rights.READ) -> Iterator[None]:
        """While something is asked of Kafka: renames what aiokafka raises, and tells what it only logged.

        Args:
            purpose: what is being done, as the message goes on after "Kafka at ...: cannot".
            doing: the operation that is missing where Kafka only says that a topic is forbidden.

        Raises:
            Misconfigured: Kafka knows who we are and says no.
            Unready: anything else that Kafka, the network or a limit of ours says.
        """
        with _listening() as records:
            try:
                yield
            except (Denied, KafkaError, OSError, TimeoutError) as error:
                renamed = self.renamed(purpose, error, records, doing)
                records.clear()
                raise renamed from error

    def lacks(self, purpose: str, denied: Denied) -> Misconfigured:
        """The error for a right that is missing: who, which, and how it is granted."""
        lacking = rights.missing(self.needs, denied)
        principal = f"User:{self.user()}"
        grants = [right.granted_by(principal, self.bootstrap[0]) for right in lacking]
        return Misconfigured(
            f"Kafka at {self._where}: cannot {purpose}: {principal} lacks {rights.told(lacking)}",
            hint=f"{'; '.join(grants)} (all that each command needs: README, Rights)",
        )

    def renamed(
        self, purpose: str, error: Exception, records: Sequence[logging.LogRecord] = (), doing: str = rights.READ
    ) -> StreamerError:
        """What an error of Kafka's means to us; the arguments are as of `reaching`."""
        denied = denial(error, doing) or causes.denied(records)
        if denied is not None:
            return self.lacks(purpose, denied)
        why = causes.told(records) or str(error) or causes.SLOW
        return Unready(f"Kafka at {self._where}: cannot {purpose}: {why}", hint=causes.hint(why, self._protocol))

    @property
    def _client(self) -> dict[str, Any]:
        renewed = {name: value() for name, value in self.renewed.items()}
        return {"bootstrap_servers": list(self.bootstrap), "client_id": CLIENT_ID, **self.options, **renewed}

    @property
    def _protocol(self) -> str:
        return str(self.options.get("security_protocol", "PLAINTEXT"))

    @property
    def _where(self) -> str:
        return ", ".join(self.bootstrap)


# Clients that live long...


class _Consumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is half typed
    """Opens its later connections with the secrets of then."""

    def __init__(self, renewed: Renewals, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._renewed = renewed

    async def getmany(self, *partitions: Any, **options: Any) -> Any:
        """What every room that keeps a consumer calls all the time."""
        _renew(self._client, self._renewed)
        return await super().getmany(*partitions, **options)


class _Producer(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka is half typed
    """Opens its later connections with the secrets of then."""

    def __init__(self, renewed: Renewals, **options: Any) -> None:
        super().__init__(**options)
        self._renewed = renewed

    async def begin_transaction(self) -> None:
        """What comes before whatever is written."""
        _renew(self.client, self._renewed)
        await super().begin_transaction()


def _renew(client: AIOKafkaClient, renewed: Renewals) -> None:
    """What it was built with, as it is now; aiokafka looks at it whenever it opens a connection."""
    for name, value in renewed.items():
        setattr(client, f"_{name}", value())


# What went wrong...


def denial(error: Exception, doing: str) -> Denied | None:
    """What Kafka forbids by an error; None where it says something else."""
    if isinstance(error, Denied):
        return error
    if not isinstance(error, FORBIDDEN):
        return None
    given = error.args[0] if error.args else ()
    names = (given,) if isinstance(given, str) else given
    return Denied(*DENIED_OPERATION.get(type(error), (doing, rights.TOPIC)), names)


class _Gatherer(logging.Handler):
    """Keeps what is logged by the tasks of one `with` block, and marks it, so that the log leaves it to that block."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__(logging.WARNING)
        self.records = records

    def emit(self, record: logging.LogRecord) -> None:
        if _gathered.get() is self.records:
            record.gathered = True
            self.records.append(record)


@contextmanager
def _listening() -> Iterator[list[logging.LogRecord]]:
    """The warnings that aiokafka logs on behalf of this block, as they come; what is left of them goes to the log."""
    records: list[logging.LogRecord] = []
    gatherer = _Gatherer(records)
    _aiokafka.addHandler(gatherer)
    mine = _gathered.set(records)
    try:
        yield records
    finally:
        _gathered.reset(mine)
        _aiokafka.removeHandler(gatherer)
        for record in records:
            record.gathered = False
            logging.getLogger(record.name).handle(record)
