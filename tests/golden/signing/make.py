"""Makes this folder anew with Cisco's official SDK; run by hand, never by the tests.

::

    python3 -m venv /tmp/sdk && /tmp/sdk/bin/pip install intersight cryptography
    /tmp/sdk/bin/python tests/golden/signing/make.py

The SDK weighs 600 MB installed, so it is no dependency. The keys made here sign nothing but these vectors; they are
kept if they are there. `v3.pem` is labelled as Intersight labels v3 keys: `EC PRIVATE KEY` over PKCS#8.
The SDK signs EC deterministically (RFC 6979), so the same key gives the same file again.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

HERE = Path(__file__).parent
KEY_ID = "5f3a1c9e7564612d30c1a2b0/60a4d7f27564612d3192e4c5/64be0c217564613001a7d3e9"
NOW_S = 1_763_626_445  # 2025-11-20T08:14:05Z
CASES: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "list": (
        "https://intersight.com/api/v1",
        "/iam/OAuthTokens",
        [("$top", "1000"), ("$skip", "0"), ("$orderby", "Moid"), ("$inlinecount", "allpages")],
    ),
    "by_moid": ("https://eu-central-1.intersight.com/api/v1", "/iam/OAuthTokens/6b00014d7564613301d4f7aa", []),
    "port": ("https://appliance.example.com:8443/api/v1", "/iam/OAuthTokens", [("$top", "1")]),
    "filter": (
        "https://intersight.com/api/v1",
        "/iam/OAuthTokens",
        [("$filter", "ClientName eq 'a+b & c/d: \"é\" 100%' and ModTime gt 2026-11-20T08:14:05.117Z")],
    ),
}


def make_keys() -> None:
    """A v2 and a v3 key, unless they are there."""
    pem, plain = Encoding.PEM, NoEncryption()
    if not (HERE / "v2.pem").exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (HERE / "v2.pem").write_bytes(key.private_bytes(pem, PrivateFormat.TraditionalOpenSSL, plain))
    if not (HERE / "v3.pem").exists():
        text = ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, PrivateFormat.PKCS8, plain)
        (HERE / "v3.pem").write_bytes(text.replace(b"PRIVATE KEY", b"EC PRIVATE KEY"))


def vectors(version: str) -> dict[str, Any]:
    """What the SDK's own helper makes of each case, at a clock that stands."""
    intersight: Any = importlib.import_module("intersight")
    importlib.import_module("intersight.authentication")
    intersight.signing.time = lambda: NOW_S
    made = {}
    for name, (host, path, query) in CASES.items():
        client = intersight.authentication.get_api_client(KEY_ID, str(HERE / f"{version}.pem"), endpoint=host)
        signing = client.configuration.signing_info
        signing.host = host
        headers = signing.get_http_signature_headers(path, "GET", {}, None, query)
        target = signing._get_signed_header_info(path, "GET", {}, None, query)[0][0][1]
        url = host[: host.index("/", 8)] + target.removeprefix("get ")
        made[name] = {"url": url, "headers": headers}
    return made


def main() -> None:
    """Write the keys and the vectors."""
    make_keys()
    made = {
        "made_with": f"intersight {importlib.metadata.version('intersight')}",
        "key_id": KEY_ID,
        "now_ms": NOW_S * 1000,
        "v2": vectors("v2"),
        "v3": vectors("v3"),
    }
    (HERE / "vectors.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
