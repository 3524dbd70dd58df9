"""Kafka's own Java client and Confluent's registry client, as Logstash, Kafka Connect and Flink configure them.

Question: certificates are PEM files here; what do Java clients read? Choice: the authorities as PEM
(`ssl.truststore.type=PEM`); the client's certificate and key as one PKCS#12 file, whose place and password the
collector finds under names, with the command that makes it in the comments: Kafka's PEM key store wants both in one
file and the key as PKCS#8, which ours need not be. The registry's client reads no PEM: PKCS#12 for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote
from typing import Final

from streamer.siem.deployment import (
    KAFKA_CLIENT_SECRET,
    KAFKA_PASSWORD,
    REGISTRY_PASSWORD,
    REGISTRY_TOKEN,
    Deployment,
    Registry,
    Sasl,
)
from streamer.siem.pipelines.writing import literal

Reference = Callable[[str], str]  # a name -> how the collector refers to it

_SECURITY: Final = "org.apache.kafka.common.security"
_SCRAM: Final = f"{_SECURITY}.scram.ScramLoginModule"
MODULES: Final = {
    "PLAIN": f"{_SECURITY}.plain.PlainLoginModule",
    "SCRAM-SHA-256": _SCRAM,
    "SCRAM-SHA-512": _SCRAM,
    "OAUTHBEARER": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule",
}
COLLECTOR: Final = "a collector in Java"
CALLBACK: Final = f"{_SECURITY}.oauthbearer.OAuthBearerLoginCallbackHandler"


def client(deployment: Deployment, refer: Reference, *, shaded: str = "") -> dict[str, str]:
    """The security settings of a Kafka client; empty for PLAINTEXT.

    Args:
        deployment: this one.
        refer: how the collector refers to a secret.
        shaded: what stands before Kafka's class names where the collector has renamed them.
    """
    if deployment.protocol == "PLAINTEXT":
        return {}
    found = {"security.protocol": deployment.protocol}
    if (tls := deployment.tls) is not None:
        if tls.ca:
            found |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": literal(tls.ca, COLLECTOR)}
        if tls.cert:
            found |= {
                "ssl.keystore.type": "PKCS12",
                "ssl.keystore.location": refer("KAFKA_KEYSTORE"),
                "ssl.keystore.password": refer("KAFKA_KEYSTORE_PASSWORD"),
            }
        if not tls.check_hostname:
            found["ssl.endpoint.identification.algorithm"] = ""
    if (sasl := deployment.sasl) is not None:
        found |= {"sasl.mechanism": sasl.mechanism, "sasl.jaas.config": jaas(sasl, refer, shaded)}
        if sasl.bearer:
            found |= {
                "sasl.login.callback.handler.class": f"{shaded}{CALLBACK}",
                "sasl.oauthbearer.token.endpoint.url": sasl.token_url,
            }
    return found


def jaas(sasl: Sasl, refer: Reference, shaded: str = "") -> str:
    """One line of JAAS: the login module with who we are, and a reference where the secret goes."""
    told = {"username": literal(sasl.username, COLLECTOR), "password": refer(KAFKA_PASSWORD)}
    if sasl.bearer:
        told = {"clientId": literal(sasl.client_id, COLLECTOR), "clientSecret": refer(KAFKA_CLIENT_SECRET)}
        told |= {"scope": literal(sasl.scope, COLLECTOR)} if sasl.scope else {}
    options = " ".join(f'{name}="{_escaped(value)}"' for name, value in told.items())
    return f"{shaded}{MODULES[sasl.mechanism]} required {options};"


def registry_client(registry: Registry, refer: Reference) -> dict[str, str]:
    """The settings of Confluent's registry client beside its URL."""
    found: dict[str, str] = {}
    if registry.username:
        found = {
            "basic.auth.credentials.source": "USER_INFO",
            "basic.auth.user.info": f"{literal(registry.username, COLLECTOR)}:{refer(REGISTRY_PASSWORD)}",
        }
    if registry.bearer:
        found = {"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": refer(REGISTRY_TOKEN)}
    for store, place, password in registry_stores(registry, refer):
        found |= {
            f"schema.registry.ssl.{store}.type": "PKCS12",
            f"schema.registry.ssl.{store}.location": place,
            f"schema.registry.ssl.{store}.password": password,
        }
    return found


def registry_stores(registry: Registry, refer: Reference) -> Iterator[tuple[str, str, str]]:
    """`truststore` and `keystore` of a registry's client, where it has one: how its place and password are found."""
    for there, store in ((registry.tls.ca, "truststore"), (registry.tls.cert, "keystore")):
        if there:
            yield store, refer(f"REGISTRY_{store.upper()}"), refer(f"REGISTRY_{store.upper()}_PASSWORD")


def stores(deployment: Deployment) -> Iterator[str]:
    """Comment lines: the commands that make the key stores which the settings above refer to."""
    tls, registry = deployment.tls, deployment.registry
    if tls and tls.cert and tls.key:
        yield "The client certificate as PKCS#12, made once:"
        yield _pkcs12(tls.cert, tls.key, "KAFKA_KEYSTORE")
    if registry and registry.tls.ca:
        yield "The registry's authorities as PKCS#12, made once:"
        yield (
            f"  keytool -importcert -noprompt -alias ca -file {quote(registry.tls.ca)} -storetype PKCS12"
            ' -keystore "$REGISTRY_TRUSTSTORE" -storepass:env REGISTRY_TRUSTSTORE_PASSWORD'
        )
    if registry and registry.tls.cert and registry.tls.key:
        yield "The registry's client certificate as PKCS#12, made once:"
        yield _pkcs12(registry.tls.cert, registry.tls.key, "REGISTRY_KEYSTORE")


def allowed_urls(deployment: Deployment) -> Iterator[str]:
    """Comment line: what Kafka's client of version 4 wants beside its settings before it fetches a token."""
    if deployment.sasl and deployment.sasl.bearer:
        yield (
            "Kafka's client 3.9.1, 4.0 and newer asks for the JVM option "
            f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={deployment.sasl.token_url}"
        )


def _pkcs12(cert: str, key: str, name: str) -> str:
    return f'  openssl pkcs12 -export -in {quote(cert)} -inkey {quote(key)} -out "${name}" -passout env:{name}_PASSWORD'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
