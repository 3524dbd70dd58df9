"""librdkafka's settings, as Fluent Bit and rsyslog pass them through, one `name=value` each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from streamer.siem.deployment import KAFKA_CLIENT_SECRET, KAFKA_KEY_PASSWORD, KAFKA_PASSWORD, Deployment, Sasl, Tls


class Reference(str):
    """How a collector refers to a secret; no text of an operator is one, whatever it looks like."""

    __slots__ = ()


Refer = Callable[[str], Reference]


def settings(deployment: Deployment, refer: Refer) -> dict[str, str]:
    """What a consumer needs beside brokers, topics and group; `refer` says how the collector refers to a secret."""
    found = {"isolation.level": "read_committed", "auto.offset.reset": "earliest"}
    if deployment.protocol != "PLAINTEXT":
        found["security.protocol"] = deployment.protocol.lower()
    if deployment.tls:
        found |= _tls(deployment.tls, refer)
    if deployment.sasl:
        found |= _sasl(deployment.sasl, refer)
    return found


def notes(deployment: Deployment) -> Iterator[str]:
    """Comment lines: what an old librdkafka, or one built without something, cannot do."""
    if deployment.sasl and deployment.sasl.mechanism.startswith("SCRAM"):
        yield (
            "SCRAM with Kafka 4 needs librdkafka 2.6.1 or newer: an older one (Debian 12 has 2.0.2) is told "
            '"invalid credentials", whatever the password. mTLS and PLAIN work with it.'
        )
    if deployment.sasl and deployment.sasl.bearer:
        yield (
            "OAUTHBEARER needs a librdkafka built with libcurl; Debian's is not, and says so when it starts: "
            '"OAuth/OIDC depends on libcurl".'
        )


def _tls(tls: Tls, refer: Refer) -> dict[str, str]:
    found = {}
    if tls.ca:
        found["ssl.ca.location"] = tls.ca
    if tls.cert and tls.key:
        found |= {"ssl.certificate.location": tls.cert, "ssl.key.location": tls.key}
    if tls.key_password:
        found["ssl.key.password"] = refer(KAFKA_KEY_PASSWORD)
    found["ssl.endpoint.identification.algorithm"] = "https" if tls.check_hostname else "none"
    return found


def _sasl(sasl: Sasl, refer: Refer) -> dict[str, str]:
    found = {"sasl.mechanism": sasl.mechanism}
    if not sasl.bearer:
        return found | {"sasl.username": sasl.username, "sasl.password": refer(KAFKA_PASSWORD)}
    found |= {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": sasl.client_id,
        "sasl.oauthbearer.client.secret": refer(KAFKA_CLIENT_SECRET),
        "sasl.oauthbearer.token.endpoint.url": sasl.token_url,
    }
    return found | ({"sasl.oauthbearer.scope": sasl.scope} if sasl.scope else {})
