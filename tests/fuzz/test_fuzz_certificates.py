"""PEM files that an operator names: authorities, certificates and keys for Kafka, the registry and Intersight.

API keys are in `test_fuzz_intersight`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from streamer.config import KafkaSettings, RegistrySettings
from streamer.errors import Misconfigured
from streamer.intersight import client
from streamer.kafka.security import known_as, security
from streamer.registry_http import _trust
from tests.fuzz.spoiling import spoilt, tries
from tests.services.tls import self_signed

GOOD = self_signed("127.0.0.1")  # key and certificate; its own authority


def kafka(authority: Path, certificate: Path, key: Path) -> None:
    """Read them as a client of Kafka does, and tell the name in the certificate."""
    files = {"ssl_ca_file": authority, "ssl_cert_file": certificate, "ssl_key_file": key}
    settings = KafkaSettings.model_validate({"security_protocol": "SSL", **files})
    options, renewed = security(settings)
    assert known_as(settings, options)()
    renewed["ssl_context"]()


def registry(authority: Path, certificate: Path, key: Path) -> None:
    """The same for the registry."""
    files = {"ca_file": authority, "cert_file": certificate, "key_file": key}
    _trust(RegistrySettings.model_validate({"url": "https://x", **files}))


def account(authority: Path, _: Path, __: Path) -> None:
    """Intersight is never shown a certificate."""
    client._trust(authority, verify_tls=True, where="sources.prod")


@given(spoilt(GOOD) | st.binary(max_size=200), st.integers(0, 2), st.sampled_from([kafka, registry, account]))
@tries(400)
def test_any_pem(tmp_path: Path, content: bytes, place: int, read: Callable[[Path, Path, Path], None]) -> None:
    """It can be used, or one error of a line says which key of the configuration names a file that cannot be used."""
    (tmp_path / "good.pem").write_bytes(GOOD)
    (tmp_path / "spoilt.pem").write_bytes(content)
    files = [tmp_path / "good.pem"] * 3
    files[place] = tmp_path / "spoilt.pem"
    told = ""
    try:
        read(*files)
    except Misconfigured as error:
        told = str(error)
    assert told.isprintable()
    assert not told or "_file" in told
    assert not any(line in told for line in GOOD.decode().splitlines() if len(line) > 30)  # nothing of a key
