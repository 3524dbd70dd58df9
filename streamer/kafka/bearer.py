"""Tokens for SASL OAUTHBEARER: client credentials of RFC 6749, fetched once and renewed before they expire.

Question: by which HTTP client? Choice: `urllib` of the standard library, in a thread, under a limit. It is one small
POST an hour, and every command that opens a connection gets it without being handed a client. Rejected: httpx, which
belongs to the rooms that talk to Intersight and to the registry; a token source that the caller must pass in, because
each new command would have to remember it.

Question: a redirect? Choice: refused, like any answer but a token: `urllib` would send the client's secret along to
wherever the answer points.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import http.client
import json
import math
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from aiokafka.abc import AbstractTokenProvider

from streamer.errors import Misconfigured

LIMIT_S: Final = 10.0
RENEW_AFTER: Final = 0.8  # of the lifetime, as Kafka's own clients do
UNKNOWN_LIFETIME_S: Final = 60.0  # RFC 6749 only recommends `expires_in`
LARGEST: Final = 256 * 1024  # bytes of a token endpoint's answer
_TOKEN: Final = re.compile(r"[!-~]+")  # it stands between control characters on the wire
_NO_RESPONSE: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Lets a redirect be the error that it is."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Nowhere."""


_opener: Final = urllib.request.build_opener(_NoRedirect)


class Bearer(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is half typed
    """What aiokafka asks for a token whenever it opens a connection; one token serves them all.

    Args:
        url: the token endpoint, http or https; verified against the system's authorities.
        client_id, client_secret: sent as HTTP basic authentication; the secret as it is when a token is fetched.
        scope: sent if given.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        client_secret: Callable[[], str],
        scope: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise Misconfigured(f"kafka.sasl_oauth_token_url: {url!r} is given, an http or https URL is wanted")
        self._url = url
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope
        self._clock = clock
        self._turn = asyncio.Lock()
        self._token = ""
        self._renew_at = float("-inf")

    @property
    def subject(self) -> str:
        """Whom Kafka takes us for, as it is by default: the `sub` of the last token, unverified; else the client id."""
        payload = self._token.split(".")[1:2] or [""]
        try:
            claims = json.loads(base64.urlsafe_b64decode(payload[0] + "=" * (-len(payload[0]) % 4)))
            return str(claims["sub"])
        except (*_NO_RESPONSE, binascii.Error):
            return self._client_id

    async def token(self) -> str:
        """A token that is good for a while.

        Raises:
            OSError: the endpoint cannot be reached or gives none; aiokafka takes it for a failed connection.
        """
        async with self._turn:
            asked_at = self._clock()
            if asked_at >= self._renew_at:
                self._token, lifetime_s = await asyncio.to_thread(self._fetch)
                self._renew_at = asked_at + lifetime_s * RENEW_AFTER
            return self._token

    def _fetch(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        credentials = base64.b64encode(f"{self._client_id}:{self._client_secret()}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - http or https, see above
            self._url,
            data=urllib.parse.urlencode(form).encode(),
            headers={"Authorization": f"Basic {credentials}", "Accept": "application/json"},
        )
        try:
            with _opener.open(request, timeout=LIMIT_S) as reply:
                body = reply.read(LARGEST)
        except (OSError, http.client.HTTPException) as error:
            raise OSError(f"no token from {self._url}: {str(error) or type(error).__name__}") from error
        try:
            return granted(body)
        except _NO_RESPONSE as error:
            raise OSError(f"no token from {self._url}: the reply is no OAuth token response") from error


def granted(body: bytes) -> tuple[str, float]:
    """The token of a token endpoint's answer, and for how many seconds it is good.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, RecursionError: it is none.
    """
    answer = json.loads(body)
    token, lifetime_s = answer["access_token"], float(answer.get("expires_in") or UNKNOWN_LIFETIME_S)
    if not (_TOKEN.fullmatch(token) and math.isfinite(lifetime_s)):
        raise ValueError("no token that can be sent")
    return token, lifetime_s
