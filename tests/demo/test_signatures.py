"""Signatures are checked from the bytes that arrived: every good form passes, every spoilt part is found.

The signing side is written in `stage` from the draft, with `cryptography`; nothing of the streamer's takes part.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from streamer.demo.credentials import ApiKey, Credentials
from streamer.demo.signatures import BadSignature, Wire, verify
from streamer.demo.simulator import Simulator
from streamer.serving import serve
from tests.demo.stage import START, TOKENS, Clock, signature, signed_headers, still

TARGET = f"{TOKENS}?%24orderby=Moid+asc&$top=1000&%24filter=Moid%20gt%20%27a%27"
HOST = "intersight.example.com:8443"
SECOND = START // 1000
BOTH = pytest.mark.parametrize("version", [2, 3])


def _key(credentials: Credentials, version: int) -> ApiKey:
    return credentials.rsa if version == 2 else credentials.ec


def _verify(credentials: Credentials, headers: Mapping[str, str], *, target: str = TARGET, body: bytes = b"") -> str:
    return verify(Wire("GET", target, headers, body), credentials.keys, START)


@BOTH
@pytest.mark.parametrize(
    ("names", "parameters"),
    [
        ("(request-target) host date digest", {}),
        ("(request-target) date host content-type digest", {}),
        (
            "(request-target) (created) (expires) host date digest content-type",
            {"created": f"{SECOND}", "expires": f"{SECOND + 600}.000"},
        ),
        ("digest date host (request-target)", {"created": f"{SECOND + 60}"}),
    ],
)
def test_good_signatures_pass(credentials: Credentials, version: int, names: str, parameters: dict[str, str]) -> None:
    """What production clients are known to send is accepted: any order, with and without `(created)` and others."""
    key = _key(credentials, version)

    headers = signed_headers(key, "GET", TARGET, HOST, now=START, names=names, parameters=parameters)

    assert _verify(credentials, headers) == key.id


def test_the_older_name_of_rsa_passes(credentials: Credentials) -> None:
    """`rsa-sha256` and `hs2019` are both accepted for a version 2 key; the former not for one of version 3."""
    named = {"algorithm": "rsa-sha256"}
    assert _verify(credentials, signed_headers(credentials.rsa, "GET", TARGET, HOST, now=START, parameters=named))
    with pytest.raises(BadSignature, match="algorithm 'rsa-sha256' is not hs2019"):
        _verify(credentials, signed_headers(credentials.ec, "GET", TARGET, HOST, now=START, parameters=named))


@BOTH
def test_a_body_is_covered_by_its_digest(credentials: Credentials, version: int) -> None:
    """SHA-256 and SHA-512 digests are checked against the body that came."""
    headers = signed_headers(_key(credentials, version), "GET", TARGET, HOST, now=START, body=b"{}")
    assert _verify(credentials, headers, body=b"{}")
    with pytest.raises(BadSignature, match="not that of the body"):
        _verify(credentials, headers, body=b"{ }")

    longer = f"SHA-512={base64.b64encode(hashlib.sha512(b'{}').digest()).decode()}"
    with pytest.raises(BadSignature, match="is not that of"):  # a good digest, but not the one that was signed
        _verify(credentials, {**headers, "digest": longer}, body=b"{}")


@BOTH
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ({"host": "intersight.example.com"}, "the signature is not that of"),
        ({"date": "Thu, 09 Oct 2025 08:53:21 GMT"}, "the signature is not that of"),
        ({"date": "Thu, 09 Oct 2025 08:58:21 GMT"}, "+301 s off, more than 300"),
        ({"date": "Thu, 09 Oct 2025 08:48:19 GMT"}, "-301 s off, more than 300"),
        ({"date": "2025-10-09T08:53:20Z"}, "is not of the form"),
        ({"date": "Thu, 99 Oct 2025 08:53:20 GMT"}, "is no date"),
        ({"date": ""}, "is not of the form"),
        ({"digest": "SHA-256=" + "A" * 43 + "="}, "is not that of the body"),
        ({"digest": "MD5=1B2M2Y8AsgTpgAmY7PhCfg=="}, "neither SHA-256= nor SHA-512="),
        ({"authorization": "Bearer x"}, "is no Signature"),
        ({"authorization": "Signature"}, "has no "),
        ({"authorization": 'Signature keyId="a"'}, "has no signature"),
        ({"authorization": 'Signature keyId="a",keyId="a"'}, "cannot be read at"),
        ({"authorization": "Signature keyId=a"}, "cannot be read at"),
        ({"authorization": 'Signature keyId="a",headers="date",signature="%"'}, "is not base64"),
    ],
)
def test_what_was_changed_after_signing_is_found(
    credentials: Credentials, version: int, spoil: dict[str, str], says: str
) -> None:
    """Each header that is signed, or that carries the signature, is checked; the reason is told."""
    headers = signed_headers(_key(credentials, version), "GET", TARGET, HOST, now=START, spoil=spoil)

    with pytest.raises(BadSignature) as caught:
        _verify(credentials, headers)

    assert says in str(caught.value)


@BOTH
@pytest.mark.parametrize(
    ("names", "parameters", "says"),
    [
        ("(request-target) host date", {}, "not signed: digest"),
        ("host date digest", {}, "not signed: (request-target)"),
        ("(request-target) digest", {}, "not signed: host date"),
        ("(request-target) host date digest", {"keyId": "a/b/c"}, "no API key has the id 'a/b/c'"),
        ("(request-target) host date digest", {"algorithm": "hmac-sha256"}, "algorithm 'hmac-sha256' is not"),
        ("(request-target) host date digest", {"algorithm": ""}, "algorithm '' is not"),
        ("(request-target) host date digest", {"created": f"{SECOND + 301}"}, "is in the future"),
        ("(request-target) host date digest", {"expires": f"{SECOND}"}, "is over"),
        ("(request-target) host date digest", {"signature": "QUFBQQ=="}, "the signature is not that of"),
        ("(request-target) host date digest (created)", {}, "(created) is said to be signed and is not there"),
        ("(request-target) host date digest x-other", {}, "x-other is said to be signed and is not there"),
    ],
)
def test_what_was_signed_wrongly_is_found(
    credentials: Credentials, version: int, names: str, parameters: dict[str, str], says: str
) -> None:
    """Too little signed, an unknown key, another algorithm, times that do not hold: refused, each for its reason."""
    key = _key(credentials, version)

    with pytest.raises(BadSignature) as caught:
        _verify(credentials, signed_headers(key, "GET", TARGET, HOST, now=START, names=names, parameters=parameters))

    assert says in str(caught.value)


@BOTH
@pytest.mark.parametrize(
    "other",
    [
        TARGET.replace("+", "%20"),
        TARGET.replace("%24", "$"),
        TARGET.replace("%27", "'"),
        TARGET.replace("iam", "%69am"),
        TARGET.split("?", maxsplit=1)[0],
    ],
)
def test_the_target_is_signed_as_it_is_sent(credentials: Credentials, version: int, other: str) -> None:
    """Another spelling of the same URL is another target: what is not on the wire cannot be what was signed."""
    headers = signed_headers(_key(credentials, version), "GET", other, HOST, now=START)

    with pytest.raises(BadSignature, match="the signature is not that of"):
        _verify(credentials, headers)
    assert _verify(credentials, headers, target=other)


@BOTH
def test_the_method_is_signed(credentials: Credentials, version: int) -> None:
    """A signature for GET does not delete."""
    headers = signed_headers(_key(credentials, version), "GET", TARGET, HOST, now=START)

    with pytest.raises(BadSignature, match="the signature is not that of"):
        verify(Wire("DELETE", TARGET, headers, b""), credentials.keys, START)


def test_another_key_is_found_out(credentials: Credentials) -> None:
    """The other key's signature, or that of a stranger under a known id, does not pass."""
    stranger = ApiKey(credentials.ec.id, Credentials.new().ec.private)

    with pytest.raises(BadSignature, match="the signature is not that of"):
        _verify(credentials, signed_headers(stranger, "GET", TARGET, HOST, now=START))
    swapped = {"keyId": credentials.rsa.id}
    with pytest.raises(BadSignature, match="the signature is not that of"):
        _verify(credentials, signed_headers(credentials.ec, "GET", TARGET, HOST, now=START, parameters=swapped))


def test_pss_and_raw_ec_signatures_are_found_out(credentials: Credentials) -> None:
    """RSA-PSS (a tempting reading of hs2019) and an EC signature as r||s (not DER) are refused."""
    headers = signed_headers(credentials.rsa, "GET", TARGET, HOST, now=START)
    text = f"(request-target): get {TARGET}\nhost: {HOST}\ndate: {headers['date']}\ndigest: {headers['digest']}"
    private = credentials.rsa.private
    assert isinstance(private, rsa.RSAPrivateKey)
    pss = private.sign(text.encode(), padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    r, s = decode_dss_signature(base64.b64decode(signature(credentials.ec, text)))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")

    for key, forged in ((credentials.rsa, pss), (credentials.ec, raw)):
        parameters = {"signature": base64.b64encode(forged).decode()}
        with pytest.raises(BadSignature, match="the signature is not that of"):
            _verify(credentials, signed_headers(key, "GET", TARGET, HOST, now=START, parameters=parameters))


def test_created_is_not_for_rsa_sha256(credentials: Credentials) -> None:
    """The draft forbids `(created)` with an algorithm that begins with rsa."""
    parameters = {"algorithm": "rsa-sha256", "created": str(SECOND)}
    names = "(request-target) (created) host date digest"

    with pytest.raises(BadSignature, match="must not be signed with rsa-sha256"):
        _verify(
            credentials,
            signed_headers(credentials.rsa, "GET", TARGET, HOST, now=START, names=names, parameters=parameters),
        )


@BOTH
async def test_the_raw_path_of_a_real_request_is_checked(credentials: Credentials, version: int, clock: Clock) -> None:
    """Over a socket too, the target is taken as it came: mixed and needless percent signs, plus signs, all of it."""
    target = f"{TOKENS.replace('iam', '%69am')}?%24top=1&$filter=Moid+gt+%27%27&x=%7e~"
    simulator = Simulator(still(3, clock=clock), credentials)
    async with serve(simulator.app) as url:
        host = urlsplit(url).netloc
        headers = signed_headers(_key(credentials, version), "GET", target, host, now=START)
        good = await _raw(host, target, headers)
        bad = await _raw(host, target.replace("%7e", "~"), headers)

    assert good.startswith(b"HTTP/1.1 200 ")
    assert bad.startswith(b"HTTP/1.1 401 ")
    assert b'"messageId":"iam_api_key_is_invalid"' in bad


async def _raw(netloc: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The whole reply to a request written byte by byte, so that no client tidies its target."""
    host, _, port = netloc.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    reply = await reader.read()
    writer.close()
    await writer.wait_closed()
    return reply
