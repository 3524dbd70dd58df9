"""Checks HTTP signatures as a server does: from the bytes that arrived, with public keys only.

The scheme is draft-cavage-http-signatures (not RFC 9421). It shares no code with the streamer's signing, so that a
mistake there cannot cancel itself out here.

Question: how exact. Choice: the request target as it came over the wire, percent signs and all, and every header as
received; RSA only as PKCS#1 v1.5, as API keys of version 2 are, so that a client that signs with PSS (what `hs2019`
means in the draft, and one SDK's default) is found out. Minimum: `(request-target) host date digest`.

Unknown of the real API, and chosen here: how far `Date` may be off.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from streamer.demo.credentials import PublicKey

SKEW_MS: Final = 300_000
_REQUIRED: Final = ("(request-target)", "host", "date", "digest")
_PARAMETER: Final = re.compile(r'\s*(\w+)=(?:"([^"]*)"|(\d+(?:\.\d+)?))\s*(?:,|$)', re.ASCII)
_DIGESTS: Final = {"SHA-256": hashlib.sha256, "SHA-512": hashlib.sha512}
_DATE: Final = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", re.ASCII)


class BadSignature(ValueError):
    """The request is not signed as it should be: says why, as the real API does not."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A request as it arrived: `target` is the path and query, not decoded; `headers` are by lower-case name."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Signature:
    """The `Authorization` header, taken apart."""

    key_id: str
    algorithm: str
    headers: tuple[str, ...]
    signature: bytes
    created: str | None
    expires: str | None


def verify(wire: Wire, keys: Mapping[str, PublicKey], now: int, skew_ms: int = SKEW_MS) -> str:
    """The id of the key that signed `wire`; `now` is the server's ms.

    Raises:
        BadSignature: with the first reason found.
    """
    given = _taken_apart(wire.headers.get("authorization", ""))
    key = keys.get(given.key_id)
    if key is None:
        raise BadSignature(f"no API key has the id {given.key_id!r}")
    missing = [name for name in _REQUIRED if name not in given.headers]
    if missing:
        raise BadSignature(f"not signed: {' '.join(missing)}")
    _check_times(wire.headers.get("date", ""), given, now, skew_ms)
    _check_digest(wire.headers.get("digest", ""), wire.body)
    _check_signature(key, given, "\n".join(_line(name, wire, given) for name in given.headers).encode())
    return given.key_id


def _taken_apart(header: str) -> _Signature:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "signature":
        raise BadSignature("the Authorization header is no Signature")
    parts: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None or match[1] in parts:
            raise BadSignature(f"the Authorization header cannot be read at {text[at : at + 30]!r}")
        parts[match[1]] = match[2] if match[2] is not None else match[3]
        at = match.end()
    try:
        signature = base64.b64decode(parts["signature"], validate=True)
        names = tuple(parts["headers"].split(" "))
        return _Signature(
            parts["keyId"], parts.get("algorithm", ""), names, signature, parts.get("created"), parts.get("expires")
        )
    except KeyError as error:
        raise BadSignature(f"the Authorization header has no {error.args[0]}") from error
    except binascii.Error as error:
        raise BadSignature("the signature is not base64") from error


def _check_times(date: str, given: _Signature, now: int, skew_ms: int) -> None:
    if not _DATE.fullmatch(date):
        raise BadSignature(f"Date {date!r} is not of the form 'Thu, 09 Oct 2025 08:53:20 GMT'")
    try:
        signed_at = round(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError as error:
        raise BadSignature(f"Date {date!r} is no date") from error
    if abs(signed_at - now) > skew_ms:
        raise BadSignature(f"Date {date!r} is {(signed_at - now) / 1000:+.0f} s off, more than {skew_ms / 1000:.0f}")
    if given.created is not None and float(given.created) * 1000 > now + skew_ms:
        raise BadSignature(f"created={given.created} is in the future")
    if given.expires is not None and float(given.expires) * 1000 <= now:
        raise BadSignature(f"expires={given.expires} is over")


def _check_digest(header: str, body: bytes) -> None:
    name, _, value = header.partition("=")
    function = _DIGESTS.get(name.upper())
    if function is None:
        raise BadSignature(f"Digest {header!r} is neither SHA-256= nor SHA-512=")
    if value != base64.b64encode(function(body).digest()).decode():
        raise BadSignature(f"Digest {header!r} is not that of the body")


def _line(name: str, wire: Wire, given: _Signature) -> str:
    """One line of what is signed."""
    if name == "(request-target)":
        value: str | None = f"{wire.method.lower()} {wire.target}"
    elif name in {"(created)", "(expires)"}:
        value = given.created if name == "(created)" else given.expires
        if given.algorithm.startswith("rsa"):  # the draft, sections 2.3.3 and 2.3.4
            raise BadSignature(f"{name} must not be signed with {given.algorithm}")
    else:
        value = wire.headers.get(name)
    if value is None:
        raise BadSignature(f"{name} is said to be signed and is not there")
    return f"{name}: {value}"


def _check_signature(key: PublicKey, given: _Signature, text: bytes) -> None:
    algorithms = {"rsa-sha256", "hs2019"} if isinstance(key, rsa.RSAPublicKey) else {"hs2019"}
    if given.algorithm not in algorithms:
        raise BadSignature(f"algorithm {given.algorithm!r} is not {' or '.join(sorted(algorithms))}")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(given.signature, text, padding.PKCS1v15(), SHA256())
        else:
            key.verify(given.signature, text, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise BadSignature(
            f"the signature is not that of key {given.key_id!r} over {' '.join(given.headers)}"
        ) from error
