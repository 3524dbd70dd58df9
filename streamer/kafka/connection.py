"""How a client reaches Kafka: addresses, TLS, who we are, and what aiokafka only tells its log when that fails.

Every client of this service is built here, so that none forgets the security settings, `read_committed`, or the one
profile that configuration cannot select. This room must never print a secret and never read or write a record.

Question: where does a wrong password show? aiokafka raises the same `KafkaConnectionError` for a closed port, a wrong
CA and a wrong password, and says the cause to its logger only. Choice: while we connect, the lines it logs for *this*
client are gathered (a context variable tells clients apart, tasks inherit it) and become part of our error. Rejected:
to take a failed login for a misconfiguration by the words of such a line; a broker that is just loading its users says
the same, so it is `Unready`: said, and tried again.

Question: which profile has the demo's embedded broker? Choice: `to_embedded`. It has no topic administration (topics
come by themselves, with 4 partitions) and writes control batches without a checksum, so checking them is off there and
only there.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from streamer.config import KafkaSettings
from streamer.errors import Misconfigured, StreamerError, Unready
from streamer.kafka.bearer import Bearer

CLIENT_ID: Final = "streamer"
EMBEDDED_PARTITIONS: Final = 4  # of every topic the embedded broker makes
LINES_TOLD: Final = 3  # of what aiokafka logged; it repeats itself every 100 ms
FORBIDDEN: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
RIGHTS: Final = (
    "grant Read, Write and Describe on the prefix's topics, Write and Describe on its transactional ids, "
    "Read on its consumer groups"
)

_lines: ContextVar[list[str] | None] = ContextVar("_lines", default=None)


@dataclass(frozen=True, slots=True)
class Connection:
    """Where Kafka is and how to be let in.

    Attributes:
        bootstrap: `host:port` of one or more brokers.
        options: what every aiokafka client takes for security; holds secrets, so it is not printed.
        embedded: the demo's broker; see the module.
    """

    bootstrap: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    embedded: bool = False

    @classmethod
    def of(cls, settings: KafkaSettings) -> Connection:
        """The connection of a configuration.

        Raises:
            Misconfigured: a certificate, key or password file cannot be read or used; the message names its key.
        """
        options: dict[str, Any] = {"security_protocol": settings.security_protocol}
        if settings.security_protocol in ("SSL", "SASL_SSL"):
            options |= {"ssl_context": _tls(settings)}
        if settings.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
            options |= _sasl(settings)
        return cls(settings.bootstrap_servers, options)

    @classmethod
    def to_embedded(cls, bootstrap: str) -> Connection:
        """The connection to the demo's own broker at `host:port`."""
        return cls((bootstrap,), embedded=True)

    def producer(self, **options: Any) -> AIOKafkaProducer:
        """A producer that is not started; only `streamer.kafka.writer` may ask for one."""
        return AIOKafkaProducer(**self._client, **options)

    def consumer(self, *topics: str, **options: Any) -> AIOKafkaConsumer:
        """A consumer that is not started: read_committed, and offsets are committed only when we say so."""
        defaults = {
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "check_crcs": not self.embedded,
        }
        return AIOKafkaConsumer(*topics, **self._client | defaults | options)

    def admin(self, **options: Any) -> AIOKafkaAdminClient:
        """An administrator that is not started."""
        return AIOKafkaAdminClient(**self._client, **options)

    @contextmanager
    def reaching(self, purpose: str) -> Iterator[None]:
        """While something is asked of Kafka: renames what aiokafka raises, and tells what it only logged.

        Args:
            purpose: what is being done, as the message goes on after "Kafka at ...: cannot".

        Raises:
            Misconfigured: Kafka knows who we are and says no.
            Unready: anything else that Kafka, the network or a limit of ours says.
        """
        with _listening() as lines:
            try:
                yield
            except (KafkaError, OSError, TimeoutError) as error:
                raise self._renamed(purpose, error, lines) from error

    @property
    def _client(self) -> dict[str, Any]:
        return {"bootstrap_servers": list(self.bootstrap), "client_id": CLIENT_ID, **self.options}

    def _renamed(self, purpose: str, error: Exception, lines: Sequence[str]) -> StreamerError:
        where = f"Kafka at {', '.join(self.bootstrap)}: cannot {purpose}"
        if isinstance(error, FORBIDDEN):
            return Misconfigured(f"{where}: {error}", hint=RIGHTS)
        told = list(dict.fromkeys(lines))[-LINES_TOLD:]
        reasons = "; ".join(told) or str(error) or "no answer in time"
        return Unready(
            f"{where}: {reasons}", hint="check kafka.bootstrap_servers, kafka.security_protocol and the credentials"
        )


class _Gatherer(logging.Handler):
    """Keeps what is logged by the tasks of one `with` block."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if _lines.get() is self.lines:
            self.lines.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[list[str]]:
    """The warnings that aiokafka logs on behalf of this block, as they come."""
    lines: list[str] = []
    gatherer = _Gatherer(lines)
    logger = logging.getLogger("aiokafka")
    logger.addHandler(gatherer)
    mine = _lines.set(lines)
    try:
        yield lines
    finally:
        _lines.reset(mine)
        logger.removeHandler(gatherer)


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    """The system's authorities, or `ssl_ca_file` alone; a client certificate if one is given."""
    context = _trusting(settings.ssl_ca_file)
    context.check_hostname = settings.ssl_check_hostname
    if settings.ssl_cert_file is not None:
        # without a password OpenSSL would ask the terminal for the one of an encrypted key
        password = settings.secret("ssl_key_password", "kafka.") or ""
        try:
            context.load_cert_chain(settings.ssl_cert_file, settings.ssl_key_file, password)
        except (OSError, ValueError) as error:
            raise Misconfigured(
                f"kafka.ssl_cert_file {settings.ssl_cert_file}, kafka.ssl_key_file {settings.ssl_key_file}: {error}",
                hint="give a PEM certificate with its chain, its PEM key, and kafka.ssl_key_password_file if encrypted",
            ) from error
    return context


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"kafka.ssl_ca_file {ca_file}: {error}", hint="give a PEM file with the authorities to trust"
        ) from error


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    """Which of these are needed by which mechanism was checked when the configuration was read."""
    if settings.sasl_mechanism == "OAUTHBEARER":
        bearer = Bearer(
            url=settings.sasl_oauth_token_url or "",
            client_id=settings.sasl_oauth_client_id or "",
            client_secret=settings.secret("sasl_oauth_client_secret", "kafka.") or "",
            scope=settings.sasl_oauth_scope,
        )
        return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": bearer}
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.secret("sasl_password", "kafka."),
    }
