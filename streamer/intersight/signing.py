"""Signs requests with an API key: draft-cavage HTTP signatures, as Intersight's v2 (RSA) and v3 (EC) keys want them.

Pure: no network, and the clock is an argument, so that a signature can be compared byte for byte with the official
SDK's (`tests/golden/signing`). It must never sign anything but what is sent: a proxy, a port or a percent-encoding
seen differently by the two sides is a 401 that nobody can explain.

Question: what is signed. Choice: `(request-target) host date digest`, in this order, read from the request that is
about to be sent (`raw_path`, its `Host` header). Rejected: `(created)` and `(expires)`, which the service's prose asks
for and its own SDK leaves out; rebuilding the target from the query's parts, which encodes it a second time.

Question: which name for the algorithm. Choice: `hs2019` for both key types, as the SDK's own helper sends; what is
computed follows from the key: RSASSA-PKCS1-v1_5 or ECDSA P-256 in DER, over SHA-256.

Question: v3 keys are handed out labelled `EC PRIVATE KEY` while they hold PKCS#8. Choice: read the text as it is, then
once more relabelled. Rejected: always relabelling, which breaks a genuine SEC1 key.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Generator
from email.utils import formatdate
from functools import partial
from typing import Final

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streamer.errors import Misconfigured
from streamer.renewed import Renewed

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

SIGNED: Final = "(request-target) host date digest"
WANTED: Final = "an unencrypted PEM with an RSA (v2) or EC P-256 (v3) private key, as Intersight hands it out"
_LABEL: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_KEY_ID: Final = re.compile(r"[!#-\[\]-~]+")  # printable ASCII without space, quote and backslash


class Signature(httpx.Auth):
    """Signs every request anew, so a retry carries its own date.

    Args:
        key: its id, `<account moid>/<user moid>/<key moid>`, and the private key's text, as they are now; new ones sign
            from the next request on.
        clock: ms UTC; the service refuses a date too far from its own.
        where: the configuration key that errors name, such as `sources.prod-us.api_key`.

    Raises:
        Misconfigured: the id cannot stand in a header, or the text is no key this service can use.
    """

    requires_request_body = True

    def __init__(self, key: Callable[[], tuple[str, str]], *, clock: Callable[[], int], where: str = "api_key") -> None:
        self._key = Renewed(where, key, partial(_usable_pair, where=where))
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Date, digest and sign the request; whatever is answered is somebody else's concern."""
        request.headers["Date"] = formatdate(self._clock() // 1000, usegmt=True)
        request.headers["Digest"] = "SHA-256=" + _b64(hashlib.sha256(request.content).digest())
        key_id, key = self._key()
        signature = _b64(_signed(key, signing_string(request)))
        request.headers["Authorization"] = (
            f'Signature keyId="{key_id}",algorithm="hs2019",headers="{SIGNED}",signature="{signature}"'
        )
        yield request


def signing_string(request: httpx.Request) -> bytes:
    """What is signed: one line an item, of a request that carries its `Date` and `Digest` already."""
    lines = (
        b"(request-target): " + request.method.lower().encode() + b" " + request.url.raw_path,
        b"host: " + request.headers["Host"].encode(),
        b"date: " + request.headers["Date"].encode(),
        b"digest: " + request.headers["Digest"].encode(),
    )
    return b"\n".join(lines)


def _usable_pair(told: tuple[str, str], *, where: str) -> tuple[str, PrivateKey]:
    key_id, pem = told
    if not _KEY_ID.fullmatch(key_id):
        raise Misconfigured(f"{where}.id is {key_id!r}, wanted the three ids of the key joined by slashes")
    return key_id, load_key(pem, where=where)


def load_key(pem: str, *, where: str) -> PrivateKey:
    """The private key of a PEM text.

    Raises:
        Misconfigured: names what the text holds instead, never any of its content.
    """
    label = _label(pem, where)
    texts = [pem, pem.replace("EC PRIVATE KEY-----", "PRIVATE KEY-----")] if label == "EC PRIVATE KEY" else [pem]
    for text in texts:
        try:
            key = load_pem_private_key(text.encode(), password=None)
        except TypeError as error:
            raise _unusable(where, "holds an encrypted key") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            last = error
        else:
            return _usable(key, where)
    raise _unusable(where, f"holds a broken {label}: cut, or not what its label says") from last


def _label(pem: str, where: str) -> str:
    """What the text says that it is; `openssl` writes the parameters of an EC key before the key."""
    labels = _LABEL.findall(pem)
    keys = [label for label in labels if label.endswith("PRIVATE KEY")]
    if not labels:
        raise _unusable(where, "holds no PEM" if pem.strip() else "is empty")
    if not keys:
        raise _unusable(where, f"holds a {labels[0]}")
    if "\\n" in pem:
        raise _unusable(where, r"holds a PEM whose line ends are written as \n")
    return str(keys[0])


def _usable(key: object, where: str) -> PrivateKey:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if isinstance(key.curve, ec.SECP256R1):
            return key
        raise _unusable(where, f"holds an EC key on the curve {key.curve.name}")
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    raise _unusable(where, f"holds a key of type {type(key).__name__.removesuffix('PrivateKey')}")


def _unusable(where: str, what: str) -> Misconfigured:
    return Misconfigured(f"{where} {what}, wanted {WANTED}", hint="download the key again, or create a new one")


def _signed(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), SHA256())
    return key.sign(message, ec.ECDSA(SHA256()))


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
