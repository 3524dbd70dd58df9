"""Lets callers in or not, by whichever of the API's schemes they chose: a signature, a bearer token, or none (401).

All failed signatures get the same `messageId`, as on the real API; the message says why, for the person who wonders.
The `messageId` of a bad bearer token is not known; the one here says what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from streamer.demo.credentials import Credentials
from streamer.demo.oauth import EXPIRES_IN_S, BadToken, Denied, Issuer
from streamer.demo.replies import Refused, reply
from streamer.demo.sight import Sight
from streamer.demo.signatures import SKEW_MS, BadSignature, Wire, verify


@dataclass(frozen=True, slots=True)
class Rules:
    """What is not known of the real API, and so can be set: `skew_ms` of a signed Date, `expires_in` of a token (s)."""

    skew_ms: int = SKEW_MS
    expires_in: int = EXPIRES_IN_S


class Gate:
    """Knows one account's credentials; `clock` is the server's, ms."""

    def __init__(self, credentials: Credentials, clock: Callable[[], int], rules: Rules) -> None:
        self._keys = credentials.keys
        self._issuer = Issuer(credentials, rules.expires_in)
        self._clock, self._rules = clock, rules

    async def admit(self, request: Request) -> None:
        """Raises Refused (401) unless the caller has proven who they are."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            if scheme.lower() == "signature":
                verify(await _wire(request), self._keys, self._clock(), self._rules.skew_ms)
            elif scheme.lower() == "bearer":
                self._issuer.check(token.strip(), self._clock())
            else:
                raise Refused(401, "AuthenticationFailure", "iam_cookie_invalid", "Sign in first: no credentials")
        except BadSignature as error:
            raise Refused(401, "AuthenticationFailure", "iam_api_key_is_invalid", f"API key: {error}") from error
        except BadToken as error:
            raise Refused(401, "AuthenticationFailure", "iam_oauth_token_is_invalid", f"OAuth: {error}") from error

    async def token(self, request: Request) -> Response:
        """`POST /iam/token`."""
        form = dict(parse_qsl((await request.body()).decode("latin-1")))
        authorization, claims = request.headers.get("authorization", ""), Sight.of(request.scope).claims
        try:
            return reply(self._issuer.grant(form, authorization, self._clock(), claims))
        except Denied as error:
            return reply(error.body(), error.status)


async def _wire(request: Request) -> Wire:
    """The request as it came in; a header that came twice stands with its values joined, as the draft has it."""
    scope = request.scope
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Wire(scope["method"], target.decode("latin-1"), headers, await request.body())
