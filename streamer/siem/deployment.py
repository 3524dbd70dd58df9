"""What a collector must know of this deployment: brokers, topics, registry, and how it is let in.

It is made of the configuration alone: no file is opened and no secret is read here, so no rendering can hold one. Where
a collector needs a secret, it gets the name under which it finds it itself (`KAFKA_PASSWORD`, ...), the same name for
every collector.

Question: paths of certificates are those of this machine; what of the collector's? Choice: they are rendered as they
stand: they are no secrets, and a path that must be changed is better than a hole. Rejected: names of variables for
paths too, for then nothing would run as it is.

Question: which topics does a collector read that cannot decode what is on the wire? Choice: those that
`streamer relay` writes (`P.json`, `P.ocsf`, `P.ecs`, `P.snapshots.json`), and the rendering says which command must
run. Where the wire is JSON already, the topics themselves.

Question: when does a collector read `P.all`? Choice: when the configuration says that the service writes it
(`kafka.all_topic`). Rejected: to ask Kafka; a rendering is made where Kafka may not be reached, and that the topic is
there is no sign (`streamer.kafka.choice`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from streamer import avro
from streamer.config import KafkaSettings, RegistrySettings, Settings
from streamer.errors import Misconfigured
from streamer.kafka.topics import EVENTS, Names

Encoding = Literal["confluent", "avro", "json"]

# Under these names a collector finds what must not stand in its configuration.
KAFKA_PASSWORD: Final = "KAFKA_PASSWORD"  # noqa: S105 - a name, as all of these
KAFKA_CLIENT_SECRET: Final = "KAFKA_CLIENT_SECRET"  # noqa: S105
KAFKA_KEY_PASSWORD: Final = "KAFKA_KEY_PASSWORD"  # noqa: S105
REGISTRY_PASSWORD: Final = "REGISTRY_PASSWORD"  # noqa: S105
REGISTRY_TOKEN: Final = "REGISTRY_TOKEN"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust and who we are, as PEM files. `key_password`: the key is encrypted."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password: bool = False
    check_hostname: bool = True


@dataclass(frozen=True, slots=True)
class Sasl:
    """How Kafka is told who we are: a user with a password, or a client with a secret (`OAUTHBEARER`)."""

    mechanism: str
    username: str = ""
    token_url: str = ""
    client_id: str = ""
    scope: str = ""

    @property
    def bearer(self) -> bool:
        """Whether tokens are fetched from a token server."""
        return self.mechanism == "OAUTHBEARER"


@dataclass(frozen=True, slots=True)
class Registry:
    """The schema registry. `bearer`: it wants a token instead of a user's password."""

    url: str
    username: str | None = None
    bearer: bool = False
    tls: Tls = Tls()


@dataclass(frozen=True, slots=True)
class Form:
    """Where a form of an event holds its time and its identity, and how the time is written."""

    time: str
    identity: str
    time_is_text: bool = True


FORMS: Final = {
    "json": Form("event_time", "event_id"),
    "ecs": Form("@timestamp", "event.id"),
    "ocsf": Form("time", "metadata.uid", time_is_text=False),
}
REPORT: Final = Form("finished_at", "snapshot_id")
SCHEMAS: Final = {"events": avro.EVENT, "snapshots": avro.REPORT}  # by what a topic holds


@dataclass(frozen=True, slots=True)
class Feed:
    """Topics that a collector reads.

    Attributes:
        topics: each event (or report) stands in exactly one of them, once.
        encoding: of their values.
        form: where time and identity are.
        relay: the command that must run for them to be filled; empty if the service fills them.
    """

    topics: tuple[str, ...]
    encoding: Encoding
    form: Form
    relay: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment of the service, as its readers see it. `registry` is None unless values carry its ids."""

    brokers: tuple[str, ...]
    protocol: str
    tls: Tls | None
    sasl: Sasl | None
    registry: Registry | None
    encoding: Encoding
    names: Names
    all_topic: bool

    @classmethod
    def of(cls, settings: Settings) -> Deployment:
        """The deployment that a configuration describes.

        Raises:
            Misconfigured: Kafka cannot have topics of this prefix.
        """
        kafka = settings.kafka
        return cls(
            brokers=kafka.bootstrap_servers,
            protocol=kafka.security_protocol,
            tls=_tls(kafka) if kafka.security_protocol.endswith("SSL") else None,
            sasl=_sasl(kafka) if kafka.sasl_mechanism else None,
            registry=_registry(settings.registry) if kafka.value_format == "confluent" else None,
            encoding=kafka.value_format,
            names=Names(kafka.topic_prefix),
            all_topic=kafka.all_topic,
        )

    @property
    def events(self) -> Feed:
        """The events as the service writes them: `P.all` where it is written, else one topic for each type."""
        suffixes: Sequence[str] = ("all",) if self.all_topic else EVENTS
        return Feed(tuple(map(self.names.of, suffixes)), self.encoding, FORMS["json"])

    @property
    def reports(self) -> Feed:
        """The reports as the service writes them."""
        return Feed((self.names.snapshots,), self.encoding, REPORT)

    def events_as(self, form: str) -> Feed:
        """The events as JSON of a form: the topics themselves where they are that already, else the relay's."""
        if form == self.encoding:
            return self.events
        return Feed((self.names.of(form),), "json", FORMS[form], f"streamer relay --format {form}")

    def reports_as_json(self, form: str) -> Feed:
        """The reports as JSON; the relay that turns events into `form` writes them too."""
        if self.encoding == "json":
            return self.reports
        return Feed((self.names.of("snapshots.json"),), "json", REPORT, f"streamer relay --format {form}")

    def group(self, collector: str) -> str:
        """A consumer group of the collector's own."""
        return f"{collector}-{self.names.prefix}"

    def index(self, kind: str) -> str:
        """The Elasticsearch index of `events` or `snapshots`: the prefix, in small letters as it must be."""
        return f"{self.names.prefix}.{kind}".lower()

    def without_bearer(self, collector: str, reason: str) -> None:
        """Refuse where a collector cannot fetch tokens.

        Raises:
            Misconfigured: this deployment wants OAUTHBEARER.
        """
        if self.sasl and self.sasl.bearer:
            raise Misconfigured(
                f"{collector} cannot use kafka.sasl_mechanism OAUTHBEARER: {reason}",
                hint="give the collector a listener with SCRAM or mTLS, or use a collector that can "
                "(logstash, kafka-connect-*, otel, flink-sql)",
            )

    def with_hostnames(self, collector: str) -> None:
        """Refuse where a collector can trust an authority only together with the broker's name.

        Raises:
            Misconfigured: this deployment has `ssl_check_hostname` off.
        """
        if self.tls and not self.tls.check_hostname:
            raise Misconfigured(
                f"kafka.ssl_check_hostname false is given; {collector} checks authority and name, or neither",
                hint="give the brokers certificates with their names; no configuration that trusts anybody is rendered",
            )


def _tls(kafka: KafkaSettings) -> Tls:
    return Tls(
        ca=_path(kafka.ssl_ca_file),
        cert=_path(kafka.ssl_cert_file),
        key=_path(kafka.ssl_key_file),
        key_password=bool(kafka.ssl_key_password_file or kafka.ssl_key_password),
        check_hostname=kafka.ssl_check_hostname,
    )


def _sasl(kafka: KafkaSettings) -> Sasl:
    return Sasl(
        mechanism=kafka.sasl_mechanism or "",
        username=kafka.sasl_username or "",
        token_url=kafka.sasl_oauth_token_url or "",
        client_id=kafka.sasl_oauth_client_id or "",
        scope=kafka.sasl_oauth_scope or "",
    )


def _registry(registry: RegistrySettings) -> Registry:
    return Registry(
        url=registry.url,
        username=registry.username,
        bearer=bool(registry.bearer_token_file or registry.bearer_token),
        tls=Tls(ca=_path(registry.ca_file), cert=_path(registry.cert_file), key=_path(registry.key_file)),
    )


def _path(path: object) -> str | None:
    return None if path is None else str(path)
