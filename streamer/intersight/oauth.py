"""OAuth2 client credentials: one access token for all requests of a source, renewed before it ends.

A flow without I/O of its own: it yields the token request and then the real one, and whoever drives it sends both, so
proxy, trust and the deadline of a try hold for both. It must never fetch two tokens where one would do, never renew
twice for one request, and never let an answer of the token endpoint pass for an answer of the API: a 404 from here
would read as "that token does not exist".

Question: how long does a token live. Choice: what `expires_in` says, less a tenth, at most a minute. Rejected: the
usual ten minutes, because an app registration may say a year; waiting for the 401, which every request in flight
would then see at once.

Source of the facts: `POST <url>/iam/token`, outside `/api/v1`, with id and secret in the form; no scope, no refresh
token; errors are `{error, error_description}`.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

import httpx
import msgspec

from streamer.errors import Rejected
from streamer.intersight.replies import OK, Failed, Reply, read_small

LEAD_MS: Final = 60_000
_BEARER: Final = re.compile(r"[!-~]+")  # what may stand in a header, RFC 6750's alphabet and a little more


class _Granted(msgspec.Struct):
    """The token endpoint's answer."""

    access_token: str
    expires_in: float | None = None
    token_type: str = "Bearer"  # noqa: S105 - a kind of token, not one


class ClientCredentials(httpx.Auth):
    """Sends `Authorization: Bearer`, fetching and renewing the token as needed.

    Args:
        url: of the account, without a path.
        client_id: of an app registration with the grant `client_credentials`.
        client_secret: its secret as it is now, asked for with each token.
        clock: ms UTC.
    """

    def __init__(self, url: str, client_id: str, client_secret: Callable[[], str], *, clock: Callable[[], int]) -> None:
        self._url = f"{url.rstrip('/')}/iam/token"
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at: float = 0

    @property
    def claims(self) -> dict[str, Any]:
        """What the present token says of itself, unverified: to compare, never to trust; {} if it is no JWT."""
        _, _, rest = (self._token or "").partition(".")
        payload = rest.partition(".")[0].encode()
        try:
            return msgspec.json.decode(
                base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), type=dict[str, Any]
            )
        except (ValueError, RecursionError):  # binascii.Error and DecodeError are ValueErrors
            return {}

    def renew(self) -> None:
        """Let the next request fetch a new token, which says of itself what is true now."""
        self._renew_at = 0

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send `request` with the token, and once more with another one if this one is refused.

        Raises:
            Failed: the token endpoint granted nothing.
        """
        refused = None
        for _ in range(2):
            async with self._lock:  # who comes while a token is fetched waits, and takes that one
                if self._token in {None, refused} or self._clock() >= self._renew_at:
                    asked_at = self._clock()
                    granted = yield self._token_request(request)
                    self._take(await self._read(granted, asked_at), asked_at)
                token = self._token
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return
            refused = token
            await read_small(response)

    def _token_request(self, request: httpx.Request) -> httpx.Request:
        """Asks as `request` does: same client name, same limits."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret(),
        }
        headers = {"Accept": "application/json", "User-Agent": request.headers.get("User-Agent", "")}
        return httpx.Request("POST", self._url, data=form, headers=headers, extensions=request.extensions)

    async def _read(self, response: httpx.Response, asked_at: int) -> Reply:
        body = await read_small(response)
        return Reply(f"POST {self._url}", response.status_code, response.headers, body, asked_at, self._clock())

    def _take(self, reply: Reply, asked_at: int) -> None:
        """Keep the token of an answer; `Failed` if there is none in it."""
        self._token = None
        if reply.status != OK:
            raise _refusal(reply)
        try:
            granted = msgspec.json.decode(reply.body, type=_Granted, strict=False)
        except ValueError as error:
            message = f"{reply.request} answered 200 without a token: {error}"
            raise Failed(Rejected("not_json", message), again=False) from error
        if granted.token_type.lower() != "bearer" or not _BEARER.fullmatch(granted.access_token):
            message = f"{reply.request} granted what is no bearer token"
            raise Failed(Rejected("unauthorized", message), again=False)
        self._token, self._renew_at = granted.access_token, _renewal(asked_at, granted.expires_in)


def _renewal(asked_at: int, expires_in: float | None) -> float:
    """When to fetch the next token, in ms; never, where the server did not say (a 401 will)."""
    if expires_in is None:
        return float("inf")
    lifetime = expires_in * 1000
    return asked_at + lifetime - min(LEAD_MS, lifetime / 10)


def _refusal(reply: Reply) -> Failed:
    """What a refusal of the token endpoint means: `invalid_client` comes with 400 or 401."""
    error: Rejected = reply.error()
    if reply.status == httpx.codes.BAD_REQUEST:
        error = Rejected("unauthorized", str(error), trace_id=error.trace_id)
    again = reply.status == httpx.codes.TOO_MANY_REQUESTS or httpx.codes.is_server_error(reply.status)
    return Failed(error, again=again, after=reply.retry_after())
