"""By what we prove who we are to Kafka, and whom we believe: a configuration in, what aiokafka's clients take out.

It must never print a secret. What stands in files is `Renewed`: read anew for each use, so a rotation needs no restart.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from streamer.config import KafkaSettings
from streamer.errors import Misconfigured
from streamer.kafka.bearer import Bearer
from streamer.renewed import Renewed

ANONYMOUS: Final = "ANONYMOUS"  # as Kafka calls who did not say

Renewals = Mapping[str, Callable[[], Any]]


def security(settings: KafkaSettings) -> tuple[dict[str, Any], Renewals]:
    """What every client takes for security, and what of it is to be asked for again.

    Raises:
        Misconfigured: a certificate, key or password file cannot be read or used; the message names its key.
    """
    options: dict[str, Any] = {"security_protocol": settings.security_protocol}
    renewed: dict[str, Callable[[], Any]] = {}
    if settings.security_protocol in ("SSL", "SASL_SSL"):
        renewed["ssl_context"] = Renewed("kafka.ssl", partial(_tls_files, settings), lambda _: _tls(settings))
    if settings.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
        options |= _sasl(settings)
    if settings.sasl_username is not None:
        renewed["sasl_plain_password"] = _secret(settings, "sasl_password")
    return options, renewed


def known_as(settings: KafkaSettings, options: Mapping[str, Any]) -> Callable[[], str]:
    """Who we are to Kafka, unless its `principal.builder.class` or mapping rules say otherwise."""
    if settings.security_protocol == "SSL" and settings.ssl_cert_file is not None:
        certificate = settings.ssl_cert_file
        return lambda: _subject(certificate)
    bearer = options.get("sasl_oauth_token_provider")
    if isinstance(bearer, Bearer):
        return lambda: bearer.subject
    return lambda: settings.sasl_username or ANONYMOUS


def _subject(certificate: Path) -> str:
    """The name in a certificate, as Kafka's default has it."""
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).subject.rfc4514_string()
    except (OSError, ValueError):
        return f"the subject of {certificate}"


def _secret(settings: KafkaSettings, name: str) -> Renewed[str, str]:
    """A secret that the mechanism needs, so that it is given."""
    return Renewed(f"kafka.{name}", lambda: settings.secret(name, "kafka.") or "", str)


def _tls_files(settings: KafkaSettings) -> tuple[bytes | str | None, ...]:
    """What stands in all files that `_tls` uses: while it is the same, clients share one context (a megabyte)."""
    files = (settings.ssl_ca_file, settings.ssl_cert_file, settings.ssl_key_file)
    return *map(_bytes, files), settings.secret("ssl_key_password", "kafka.")


def _bytes(file: Path | None) -> bytes | None:
    """None also where it cannot be read: `_tls` says why."""
    try:
        return file.read_bytes() if file else None
    except OSError:
        return None


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
            client_secret=_secret(settings, "sasl_oauth_client_secret"),
            scope=settings.sasl_oauth_scope,
        )
        return {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": bearer}
    return {"sasl_mechanism": settings.sasl_mechanism, "sasl_plain_username": settings.sasl_username}
