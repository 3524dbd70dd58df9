"""A real Apache Kafka broker: one KRaft node, jars from Maven, data in the test's own folder.

Every broker lives on a loopback address of its own with fixed ports, so nothing is raced for and a restart comes back
where its clients look for it. Topics are never made by a typo: auto-creation is off.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.services import jvm
from tests.services.tls import self_signed

KAFKA = "4.3.1"
LOG4J = "2.25.4"  # Kafka ships log4j-core without a binding: without this nothing is logged
JAVA_AT_LEAST = 17
FIRST_PORT = 19092  # below the ephemeral range
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
LISTENERS = ("PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "SSL", "CONTROLLER", "BEHIND")  # one port each, in this order

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{LOG4J}</version></dependency>
  </dependencies>
</project>
"""

LOG4J2 = """<Configuration>
  <Appenders><Console name="C"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="C"/></Root></Loggers>
</Configuration>
"""


def installed() -> Path:
    """The folder of the broker's jars, fetched once; `Missing` if this machine cannot have or run them."""
    jvm.java(JAVA_AT_LEAST)
    return jvm.fetched(f"kafka-{KAFKA}", _copy_jars)


def _copy_jars(folder: Path) -> None:
    pom = folder / "pom.xml"
    pom.write_text(POM)
    jvm.maven("-f", str(pom), f"{jvm.DEPENDENCY_PLUGIN}:copy-dependencies", f"-DoutputDirectory={folder}")


@dataclass(frozen=True, slots=True)
class Options:
    """What a broker of one's own may be asked for.

    Attributes:
        authorizer: ACLs are enforced; the PLAINTEXT listener's ANONYMOUS and the user `admin` are super users.
        users: SCRAM users by name with their passwords; opens SASL_PLAINTEXT and SASL_SSL.
        tls: opens SSL with a self-signed certificate (`Broker.ca_file`).
        behind: `host:port` of a proxy; opens BEHIND, whose clients are told to come by way of it.
        beside: the broker whose cluster it joins as the second one, without a controller of its own.
        session_ms: how long the controller waits for a broker that died; a restart after SIGKILL takes that long.
        properties: further lines of server.properties, which win.
    """

    authorizer: bool = False
    users: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False
    behind: str = ""
    beside: Broker | None = None
    session_ms: int = 1500
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def listeners(self) -> tuple[str, ...]:
        """The names of the listeners to open."""
        sasl = ("SASL_PLAINTEXT", "SASL_SSL") if self.users else ()
        return ("PLAINTEXT", *sasl, *(("SSL",) if self.tls else ()), *(("BEHIND",) if self.behind else ()))


def loopback() -> tuple[str, int]:
    """An address and a first port that nobody else uses; only Linux answers on all of 127/8."""
    if sys.platform.startswith("linux"):
        a, b, c = (1 + secrets.randbelow(254) for _ in range(3))
        return f"127.{a}.{b}.{c}", FIRST_PORT
    return "127.0.0.1", FIRST_PORT + secrets.randbelow(2000) * len(LISTENERS)


class Broker(jvm.Jvm):
    """A broker of our own; `bootstrap` is its PLAINTEXT listener, `at(name)` any other."""

    def __init__(self, folder: Path, options: Options | None = None) -> None:
        self.options = options or Options()
        self.folder = folder
        self.ca_file = folder / "tls.pem"
        fresh = "k" + secrets.token_urlsafe(16)[:21]  # an id that begins with "-" is taken for an option
        self.cluster: str = self.options.beside.cluster if self.options.beside else fresh
        self._host, self._port = loopback()
        self._java = jvm.java(JAVA_AT_LEAST)
        self._classpath = f"{installed()}/*"
        super().__init__(self._invocation("-Xmx256m", "kafka.Kafka", "server.properties"), folder, self._serves)
        self._prepare()

    @property
    def bootstrap(self) -> str:
        """`host:port` of the PLAINTEXT listener."""
        return self.at("PLAINTEXT")

    def at(self, listener: str) -> str:
        """`host:port` of a listener."""
        return f"{self._host}:{self._port + LISTENERS.index(listener)}"

    def remove(self) -> None:
        """End it and take its data away."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _invocation(self, heap: str, main: str, *arguments: str) -> list[str]:
        flags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.configurationFile=log4j2.xml"]
        return [self._java, heap, *flags, "-cp", self._classpath, main, *arguments]

    def _prepare(self) -> None:
        """Write the configuration and format the storage: once, a restart keeps both."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.xml").write_text(LOG4J2)
        if {"SSL", "SASL_SSL"} & set(self.options.listeners):
            self.ca_file.write_bytes(self_signed(self._host))
        lines = [f"{name}={value}" for name, value in self._properties().items()]
        (self.folder / "server.properties").write_text("\n".join(lines))
        logins = [
            f"{mechanism}=[name={name},password={word}]"
            for (name, word), mechanism in product(self.options.users.items(), SCRAM)
        ]
        added = [part for login in logins for part in ("--add-scram", login)]
        command = self._invocation(
            "-Xmx128m", "kafka.tools.StorageTool", "format", "-t", self.cluster, "-c", "server.properties", *added
        )
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _properties(self) -> dict[str, str]:
        first, opened = self.options.beside or self, self.options.listeners
        own = ["CONTROLLER"] if first is self else []
        properties = {
            "process.roles": "broker,controller" if first is self else "broker",
            "node.id": "1" if first is self else "2",
            "controller.quorum.voters": f"1@{first.at('CONTROLLER')}",
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join(f"{name}://{self.at(name)}" for name in (*opened, *own)),
            "advertised.listeners": ",".join(
                f"{name}://{self.options.behind if name == 'BEHIND' else self.at(name)}" for name in opened
            ),
            "listener.security.protocol.map": ",".join(
                f"{name}:{'PLAINTEXT' if name in ('CONTROLLER', 'BEHIND') else name}"
                for name in (*opened, "CONTROLLER")
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",  # tests use time-outs of a second
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.initial.task.delay.ms": "3600000",  # no retention: tests write with clocks of their own, long past
            "log.cleaner.backoff.ms": "200",
            "log.cleaner.dedupe.buffer.size": "8388608",
            "log.index.size.max.bytes": "1048576",
            "broker.session.timeout.ms": str(self.options.session_ms),
            "broker.heartbeat.interval.ms": "300",
        }
        if self.options.authorizer:
            properties["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            properties["super.users"] = "User:ANONYMOUS;User:admin"
        if self.options.users:
            properties["sasl.enabled.mechanisms"] = ",".join(SCRAM)
            for listener, mechanism in product(("sasl_plaintext", "sasl_ssl"), SCRAM):
                module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                properties[f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config"] = module
        if self.ca_file.exists():
            properties["ssl.keystore.type"] = "PEM"
            properties["ssl.keystore.location"] = str(self.ca_file)
            properties["ssl.truststore.type"] = "PEM"  # so that it may ask clients for a certificate
            properties["ssl.truststore.location"] = str(self.ca_file)
        return properties | dict(self.options.properties)

    def _serves(self) -> bool:
        """Whether a client that does not trust an open port alone gets a broker named."""
        host, port = self.bootstrap.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        with contextlib.suppress(KafkaException):
            return bool(admin(self.bootstrap).list_topics(timeout=2).brokers)
        return False


def admin(bootstrap: str) -> AdminClient:
    """Librdkafka's administrator: ACLs, SCRAM users and the like, which aiokafka does not have."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def remove_topics(bootstrap: str, prefix: str) -> None:
    """Delete every topic whose name starts with the prefix."""
    client = admin(bootstrap)
    names = [name for name in client.list_topics(timeout=10).topics if name.startswith(prefix)]
    for done in client.delete_topics(names).values() if names else ():
        done.result(timeout=30)


@dataclass(frozen=True, slots=True)
class Given:
    """Somebody else's broker, from `KAFKA_BOOTSTRAP_SERVERS`: it cannot be stopped."""

    bootstrap: str


def given() -> Given | None:
    """The broker the environment names, if it names one."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return Given(servers) if servers else None
