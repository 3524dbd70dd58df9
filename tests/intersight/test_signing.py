"""Requests are signed as Cisco's own SDK signs them, over what is sent.

The golden vectors come from the official SDK; `tests/golden/signing/make.py` makes them anew and says how to run it.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from streamer.errors import Misconfigured
from streamer.intersight.signing import Signature, load_key, signing_string
from tests.intersight.stage import GOLDEN, KEY_ID, NOW, answering, client_of, http, listed, signature, wire

VECTORS: dict[str, Any] = json.loads((GOLDEN / "vectors.json").read_text())
CASES = sorted(VECTORS["v2"])
PEM, PLAIN = Encoding.PEM, NoEncryption()
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
PKCS8 = EC.private_bytes(PEM, PrivateFormat.PKCS8, PLAIN).decode()
SEC1 = EC.private_bytes(PEM, PrivateFormat.TraditionalOpenSSL, PLAIN).decode()
SECRET = BestAvailableEncryption(b"secret")


def _signed(version: str, url: str) -> httpx.Request:
    request = httpx.Request("GET", url)
    next(signature(version).auth_flow(request))
    return request


@pytest.mark.parametrize("case", CASES)
def test_v2_signatures_are_the_sdk_s_byte_for_byte(case: str) -> None:
    """For an RSA key all signed headers and `Authorization` equal the SDK's, whatever the query and port."""
    golden = VECTORS["v2"][case]
    request = _signed("v2", golden["url"])

    assert {name: request.headers[name] for name in golden["headers"]} == golden["headers"]
    assert golden["url"].endswith(request.url.raw_path.decode())


@pytest.mark.parametrize("case", CASES)
def test_v3_signs_what_the_sdk_signs(case: str) -> None:
    """For an EC key all but the signature equals the SDK's; ours verifies, and made deterministic it is the SDK's."""
    golden = VECTORS["v3"][case]["headers"]
    request = _signed("v3", VECTORS["v3"][case]["url"])
    key = load_key((GOLDEN / "v3.pem").read_text(), where="key")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    ours, theirs = _signature_of(request.headers["Authorization"]), _signature_of(golden["Authorization"])

    assert request.headers["Authorization"].split("signature=")[0] == golden["Authorization"].split("signature=")[0]
    for made in (ours, theirs):
        key.public_key().verify(made, signing_string(request), ec.ECDSA(SHA256()))
    assert key.sign(signing_string(request), ec.ECDSA(SHA256(), deterministic_signing=True)) == theirs


def _signature_of(authorization: str) -> bytes:
    return base64.b64decode(authorization.split('signature="')[1].rstrip('"'))


async def test_signs_the_bytes_on_the_wire() -> None:
    """The signature holds over the request line and the headers as a socket sees them, the port in Host included."""
    heads: list[bytes] = []
    query = [("$filter", "ClientName eq 'a+b & ü/ö 100%'"), ("$top", "1")]
    async with (
        wire(answering(http(listed([])), heads)) as authority,
        client_of(f"http://{authority}/", signature("v2")) as client,
    ):
        await client.get("iam/OAuthTokens", query)

    (head,) = heads
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    target = "get " + lines[0].split(" ")[1]
    message = f"(request-target): {target}\nhost: {authority}\ndate: {headers['date']}\ndigest: {headers['digest']}"
    key = load_key((GOLDEN / "v2.pem").read_text(), where="key")
    assert isinstance(key, rsa.RSAPrivateKey)

    assert headers["host"] == authority
    key.public_key().verify(
        _signature_of(headers["authorization"]), message.encode(), padding.PKCS1v15(), SHA256()
    )  # raises if it does not hold


def test_each_try_is_signed_anew() -> None:
    """A request that is sent again carries the date of that moment and a signature over it."""
    times = iter((NOW, NOW + 61_000))
    auth = Signature(lambda: (KEY_ID, (GOLDEN / "v2.pem").read_text()), clock=lambda: next(times))
    request, seen = httpx.Request("GET", "https://intersight.com/api/v1/iam/OAuthTokens"), set()
    for _ in range(2):
        next(auth.auth_flow(request))
        seen.add((request.headers["Date"], request.headers["Authorization"]))

    assert {date for date, _ in seen} == {"Thu, 20 Nov 2025 08:14:05 GMT", "Thu, 20 Nov 2025 08:15:06 GMT"}
    assert len({authorization for _, authorization in seen}) == 2


def test_a_body_is_in_the_digest() -> None:
    """The digest is that of the body that is sent."""
    request = httpx.Request("POST", "https://intersight.com/api/v1/x", content=b"{}")
    next(signature().auth_flow(request))

    assert request.headers["Digest"] == "SHA-256=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="


@pytest.mark.parametrize(
    "pem",
    [
        PKCS8,
        SEC1,
        PKCS8.replace("PRIVATE", "EC PRIVATE"),
        PKCS8.replace("\n", "\r\n"),
        "a line before\n" + PKCS8,
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + SEC1,
    ],
    ids=["PKCS8", "SEC1", "PKCS8 labelled EC", "CRLF", "text before", "openssl's two blocks"],
)
def test_reads_every_form_of_a_v3_key(pem: str) -> None:
    """PKCS#8, SEC1 and PKCS#8 labelled `EC PRIVATE KEY` are one and the same key."""
    key = load_key(pem, where="key")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.private_numbers() == EC.private_numbers()


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_reads_both_forms_of_a_v2_key(form: PrivateFormat) -> None:
    """PKCS#1 and PKCS#8 are one and the same key."""
    key = load_key(RSA.private_bytes(PEM, form, PLAIN).decode(), where="key")
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.private_numbers() == RSA.private_numbers()


def _of(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, secret: Any = PLAIN) -> str:
    return str(key.private_bytes(PEM, form, secret).decode())


BAD_PEMS: dict[str, tuple[str, str]] = {
    "empty": ("", "is empty"),
    "no PEM": ("AAAA", "holds no PEM"),
    "public key": (
        EC.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "holds a PUBLIC KEY",
    ),
    "certificate": ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a CERTIFICATE"),
    "encrypted PKCS8": (_of(EC, secret=SECRET), "holds an encrypted key"),
    "encrypted PKCS1": (_of(RSA, PrivateFormat.TraditionalOpenSSL, SECRET), "holds an encrypted key"),
    "cut before its end": (PKCS8[:90], "holds a broken PRIVATE KEY"),
    "cut inside": (PKCS8[:60] + "\n-----END PRIVATE KEY-----\n", "holds a broken PRIVATE KEY"),
    "cut, labelled EC": (SEC1[:60] + "\n-----END EC PRIVATE KEY-----\n", "holds a broken EC PRIVATE KEY"),
    "a character changed": (PKCS8.replace("M", "!", 1), "holds a broken PRIVATE KEY"),
    "line ends written out": (PKCS8.replace("\n", "\\n"), r"line ends are written as \n"),
    "other curve": (_of(ec.generate_private_key(ec.SECP384R1())), "on the curve secp384r1"),
    "Ed25519": (_of(ed25519.Ed25519PrivateKey.generate()), "of type Ed25519"),
    "DSA": (_of(dsa.generate_private_key(1024)), "of type DSA"),
    "OpenSSH": (_of(EC, PrivateFormat.OpenSSH), "holds a broken OPENSSH PRIVATE KEY"),
}


@pytest.mark.parametrize("name", BAD_PEMS)
def test_a_key_that_cannot_be_used_is_named(name: str) -> None:
    """Every unusable PEM is `Misconfigured`: which key, what it holds, what is wanted, and nothing of its content."""
    pem, told = BAD_PEMS[name]
    with pytest.raises(Misconfigured, match=re.escape(told)) as caught:
        Signature(lambda: (KEY_ID, pem), clock=lambda: NOW, where="sources.prod.api_key")

    message = str(caught.value)
    assert message.startswith("sources.prod.api_key ")
    assert "RSA (v2) or EC P-256 (v3)" in message
    assert not any(line in message for line in pem.splitlines() if line and not line.startswith("-----"))


@pytest.mark.parametrize("key_id", ["", "a b", 'a"b', "a\r\nb", "ü"])
def test_a_key_id_cannot_break_the_header(key_id: str) -> None:
    """An id that could not stand between quotes in a header is `Misconfigured`."""
    with pytest.raises(Misconfigured, match="three ids"):
        Signature(lambda: (key_id, PKCS8), clock=lambda: NOW)
