"""The Kafka cluster: how to reach it, what we create there, and how we write."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import model_validator

from streamer.settings.section import Section, key, listed, refuse, section
from streamer.settings.values import Address, Duration, File, HostsAndPorts, Number, Secret, Size, Text

_MINUTE: Final = 60.0
_DAY: Final = 86400.0
_USER: Final = ("sasl_username", "sasl_password")
_NEEDED: Final = {
    "PLAIN": _USER,
    "SCRAM-SHA-256": _USER,
    "SCRAM-SHA-512": _USER,
    "OAUTHBEARER": ("sasl_oauth_token_url", "sasl_oauth_client_id", "sasl_oauth_client_secret"),
}


class Transaction(Section):
    """The bounds of one Kafka transaction.

    Measured (`python -m tests.bench --only transactions`), CPU of a token that changed: 131 us in transactions of 500
    records, 126 of 2,000, 122 of 5,000, 120 of 10,000, 122 of 20,000, 119 of 50,000. Larger ones than 10,000 gain
    nothing, and whatever is open hides the end of the log from every reader for as long.
    """

    records: Number = key(10000, "Kafka records of all topics in it", ge=10, le=1_000_000)
    bytes: Size = key(16 * 2**20, "their size", ge=4 * 2**20, le=2**30)  # one change may have 3.7 MiB
    timeout: Duration = key(20.0, "after it the broker aborts; our own waits end at 0.8 of it", ge=5, le=15 * _MINUTE)


class KafkaSettings(Section):
    """The Kafka cluster, how to reach it, and what is written there."""

    bootstrap_servers: HostsAndPorts = key(("localhost:9092",), "brokers to begin with", min_length=1)
    topic_prefix: str = key(
        "cisco.intersight.oauth-token", "`P`, the beginning of every topic's name", pattern=r"^[A-Za-z0-9._-]{1,200}$"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = key("PLAINTEXT", "as Kafka names it")
    ssl_ca_file: File = key(None, "certificates to trust instead of the system's, PEM")
    ssl_cert_file: File = key(None, "our certificate and its chain, PEM")
    ssl_key_file: File = key(None, "our certificate's private key, PEM")
    ssl_key_password_file: File = key(None, "file with the password of `ssl_key_file`")
    ssl_key_password: Secret = key(None, "the password of `ssl_key_file` itself; from the environment only")
    ssl_check_hostname: bool = key(True, "whether a broker's certificate must carry its name")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = key(
        None, "`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`"
    )
    sasl_username: Text | None = key(None, "user, for `PLAIN` and `SCRAM`")
    sasl_password_file: File = key(None, "file with the user's password")
    sasl_password: Secret = key(None, "the user's password itself; from the environment only")
    sasl_oauth_token_url: Address | None = key(None, "where `OAUTHBEARER` gets its tokens")
    sasl_oauth_client_id: Text | None = key(None, "client id, for `OAUTHBEARER`")
    sasl_oauth_client_secret_file: File = key(None, "file with the client's secret")
    sasl_oauth_client_secret: Secret = key(None, "the client's secret itself; from the environment only")
    sasl_oauth_scope: Text | None = key(None, "scope to ask for, if the token server wants one")
    create_topics: bool = key(True, "existing topics are compared and reported, never altered")
    event_partitions: Number = key(3, "partitions of each event topic we create", ge=1, le=10_000)
    state_partitions: Number = key(
        16, "partitions of `P.state`, the unit of scale-out; fixed once the topic exists", ge=1, le=10_000
    )
    replication_factor: Number | None = key(
        None, "null: 3, or the number of brokers if fewer; a number is never lowered", ge=1, le=32767
    )
    retention: Duration = key(30 * _DAY, "of the event topics we create", ge=_MINUTE)
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = key("zstd", "of all we write")
    value_format: Literal["confluent", "avro", "json"] = key(
        "confluent", "confluent: Avro with a registry; avro: bare datum; json: neither calls a registry"
    )
    all_topic: bool = key(False, "every event also to `P.all`, in the same transaction")
    group: Text = key("intersight-streamer", "workers that share it share the sources")
    transaction: Transaction = section(Transaction, "bounds of a transaction")
    cloudevents_headers: bool = key(True, "CloudEvents 1.0 attributes as record headers")

    @model_validator(mode="after")
    def _tls_agrees(self) -> Self:
        unused = [] if self.security_protocol.endswith("SSL") else self.differing("ssl_")
        half = bool(self.ssl_cert_file) != bool(self.ssl_key_file)
        password = self.ssl_key_password_file or self.ssl_key_password
        refuse(
            (unused, f"{listed(unused)} given, but security_protocol {self.security_protocol} has no TLS"),
            (half, "ssl_cert_file and ssl_key_file go together, but only one is given"),
            (password and not self.ssl_key_file, "a password of ssl_key_file is given, but no ssl_key_file"),
        )
        return self

    @model_validator(mode="after")
    def _sasl_agrees(self) -> Self:
        wanted, mechanism = self.security_protocol.startswith("SASL"), self.sasl_mechanism
        unused = [] if wanted else self.differing("sasl_")
        refuse(
            (unused, f"{listed(unused)} given, but security_protocol {self.security_protocol} has no SASL"),
            (wanted and not mechanism, f"security_protocol {self.security_protocol} without sasl_mechanism"),
        )
        if mechanism:
            missing = [name for name in _NEEDED[mechanism] if not self.differing(name)]
            foreign = self.differing("sasl_oauth_")
            if mechanism == "OAUTHBEARER":
                foreign = self.differing("sasl_username") + self.differing("sasl_password")
            refuse(
                (missing, f"sasl_mechanism {mechanism} without {listed(missing)}"),
                (foreign, f"{listed(foreign)} given, but sasl_mechanism {mechanism} does not use it"),
            )
        return self
