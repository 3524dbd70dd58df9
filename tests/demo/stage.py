"""What the simulator's tests share: a clock that is told, a caller that signs by the draft, and a served simulator."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from streamer.demo.credentials import ApiKey
from streamer.demo.life import Life, Rates
from streamer.demo.simulator import Simulator
from streamer.serving import serve

START = 1_760_000_000_000  # Thu, 09 Oct 2025 08:53:20 GMT
TOKENS = "/api/v1/iam/OAuthTokens"


class Clock:
    """UTC ms, as told."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        """The moment."""
        return self.now


def still(tokens: int = 0, *, clock: Clock | None = None, **options: Any) -> Life:
    """A world in which nothing happens by chance."""
    return Life(clock or Clock(), rates=Rates(per_second=0), tokens=tokens, **options)


def signature(key: ApiKey, text: str) -> str:
    """Base64 of the key's signature of `text`: RSA by PKCS#1 v1.5, EC as DER."""
    if isinstance(key.private, rsa.RSAPrivateKey):
        signed = key.private.sign(text.encode(), padding.PKCS1v15(), SHA256())
    else:
        signed = key.private.sign(text.encode(), ec.ECDSA(SHA256()))
    return base64.b64encode(signed).decode()


def signed_headers(  # every part of the draft's example can be spoilt
    key: ApiKey,
    method: str,
    target: str,
    host: str,
    *,
    now: int,
    body: bytes = b"",
    names: str = "(request-target) host date digest",
    parameters: Mapping[str, str] | None = None,
    spoil: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a signed request, written from draft-cavage-http-signatures alone.

    `parameters` stand in `Authorization` beside (or, if named alike, instead of) the usual ones; `spoil` replaces
    headers after the signature was made.
    """
    values = {
        "host": host,
        "date": formatdate(now / 1000, usegmt=True),
        "digest": f"SHA-256={base64.b64encode(hashlib.sha256(body).digest()).decode()}",
        "content-type": "application/json",
    }
    given = {"keyId": key.id, "algorithm": "hs2019", "headers": names, **(parameters or {})}
    special = {"(request-target)": f"{method.lower()} {target}"}
    special |= {f"({name})": given[name] for name in ("created", "expires") if name in given}
    text = "\n".join(f"{name}: {special.get(name) or values.get(name, '')}" for name in names.split())
    given.setdefault("signature", signature(key, text))
    bare = {"created", "expires"}
    listed = ",".join(f"{name}={value}" if name in bare else f'{name}="{value}"' for name, value in given.items())
    return {**values, "authorization": f"Signature {listed}", **(spoil or {})}


class Signed(httpx.Auth):
    """Signs what httpx is about to send."""

    def __init__(self, key: ApiKey, clock: Clock) -> None:
        self.key, self.clock = key, clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The hook of httpx."""
        target, host = request.url.raw_path.decode(), request.headers["host"]
        request.headers.update(
            signed_headers(self.key, request.method, target, host, now=self.clock.now, body=request.content)
        )
        yield request


@asynccontextmanager
async def served(simulator: Simulator, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the served simulator that signs with its version 3 key."""
    auth = Signed(simulator.credentials.ec, clock)
    async with serve(simulator.app) as url, httpx.AsyncClient(base_url=url, auth=auth, timeout=30) as client:
        yield client
