"""The token endpoint's side of OAuth2: checks a client's secret, issues bearer tokens, and knows them again.

A token is a JWT with the claims that real ones carry, so that a caller may look into it. It is signed with the client's
secret: the simulator keeps no list of tokens, and one that starts again with the same secret honours those it gave.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from streamer.demo.credentials import Credentials
from streamer.demo.shapes import Row

EXPIRES_IN_S = 600
_ISSUER = "https://www.intersight.com"
_HEADER = {"alg": "HS256", "typ": "JWT"}


class Denied(Exception):
    """The token endpoint says no, in OAuth's own words (RFC 6749, section 5.2): `error` is the code of it."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status, self.error = status, error

    def body(self) -> Row:
        """The JSON of the reply."""
        return {"error": self.error, "error_description": str(self)}


class BadToken(ValueError):
    """A bearer token that is not, or no longer, valid."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Issues tokens to the one client of `credentials`; each lives `expires_in` seconds."""

    credentials: Credentials
    expires_in: int = EXPIRES_IN_S

    def grant(
        self, form: Mapping[str, str], authorization: str, now: int, claims: Mapping[str, Any] | None = None
    ) -> Row:
        """The reply to `POST /iam/token`; `form` is its body, `now` the server's ms.

        `claims` take the place of those alike within `intersight`.

        Raises:
            Denied: the grant is another, or the client or its secret is wrong.
        """
        if form.get("grant_type") != "client_credentials":
            raise Denied(400, "unsupported_grant_type", "grant_type must be client_credentials")
        client_id, secret = _client(form, authorization)
        known = self.credentials
        if client_id != known.client_id or not secrets.compare_digest(secret.encode(), known.client_secret.encode()):
            raise Denied(401, "invalid_client", "client_id or client_secret is wrong")
        token = self._token(now // 1000, claims or {})
        return {"access_token": token, "expires_in": self.expires_in, "token_type": "Bearer"}

    def check(self, token: str, now: int) -> None:
        """Raises BadToken unless `token` is one of ours and its time is not over at `now` (ms)."""
        content, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(content).encode()):
            raise BadToken("the access token is none that was issued here")
        expires = self._claims(content)["exp"]
        if expires * 1000 <= now:
            raise BadToken(f"the access token has been over for {now / 1000 - expires:.0f} s")

    def _token(self, now_s: int, otherwise: Mapping[str, Any]) -> str:
        account = self.credentials.account
        claims = {
            "aud": _ISSUER,
            "exp": now_s + self.expires_in,
            "iat": now_s,
            "intersight": {
                "account_id": account.moid,
                "account_name": account.name,
                "domaingroup_id": account.domain_group,
                "region": "us-east-1",
                "role_ids": [account.permission],
                "roles": ["Account Administrator"],
                **otherwise,
            },
            "iss": _ISSUER,
            "jti": secrets.token_hex(8),
            "sub": self.credentials.client_id,
        }
        content = f"{_encoded(msgspec.json.encode(_HEADER))}.{_encoded(msgspec.json.encode(claims))}"
        return f"{content}.{self._sign(content)}"

    def _sign(self, content: str) -> str:
        secret = self.credentials.client_secret.encode()
        return _encoded(hmac.digest(secret, content.encode(), hashlib.sha256))

    def _claims(self, content: str) -> dict[str, Any]:
        claims: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(content.partition(".")[2] + "=="))
        return claims


def _client(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    """The client's id and secret: of the Basic header if there is one, else of the body."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Denied(401, "invalid_client", "the Basic header cannot be read") from error
    return client_id, secret


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
