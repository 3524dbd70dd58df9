"""HTTP to one Intersight: one request in, one reply read to its end out, or an error with a stable reason.

Retries live here, around one request, and nowhere else: each try is authorised anew, has one deadline from the
connection to the last byte, and a body of bounded size. It must never follow a redirect (the host is signed), never
read the environment (no proxy, no trust and no `.netrc` but what the configuration says), and never wait for a server
longer than a poll can bear: if it asks for more, the poll ends, and so does every other one until that time is over.

Question: how long to wait between tries. Choice: what `Retry-After` says, else a random time up to 1, 2, 4 s, so that
many pollers of one service do not come back together. Rejected: a fixed ladder; retrying 4xx, which only repeats a
mistake.

Question: keep cookies. Choice: yes, for the life of the client: the service's load balancer sets one to bring all
pages of a walk to the same backend. Rejected: a fresh jar per request, which walks over replicas of different age.

Question: packed pages? Choice: gzip, which the HTTP library asks for by itself. A page of 1000 tokens is 124 kB instead
of 1.9 MB for the same CPU: to unpack it costs 1.4 us a token, and two reads of the socket cost that much less than 29.
Rejected: zstd, 0.9 us a token less, for one more library that the service is not known to speak with.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from streamer import __version__
from streamer.causes import causes, why
from streamer.errors import Misconfigured, Rejected
from streamer.intersight.replies import Failed, Journal, Reply

TRIES: Final = 4
MAX_WAIT_S: Final = 60.0  # all waits of one request together
MAX_QUIET_S: Final = 600.0  # a `Retry-After` that goes beyond the request is kept to, but not for ever
MAX_BODY: Final = 64 * 1024 * 1024  # unpacked; a page of 1000 rows has about 2 MiB
CONNECT_S: Final = 10.0  # a host that does not even answer the knock
KEEP_S: Final = 120.0  # a connection outlives the usual interval
CONNECTIONS: Final = 16
HEADERS: Final = {"Accept": "application/json", "User-Agent": f"streamer/{__version__}"}
_AGAIN: Final = frozenset({408, 425, 429})


class Client:
    """Requests to one account's API.

    Args:
        url: such as `https://intersight.com`; the API stands under `/api/v1/` of it.
        auth: signs each try, or adds a token to it.
        timeout: seconds for one try, from the connection to the last byte.
        ca_file: PEM of the authorities to trust instead of the usual ones.
        verify_tls: False trusts anybody.
        proxy: URL of an HTTP proxy.
        clock: ms UTC.
        elapsed: ms that nobody sets, for waiting; None: `clock`.
        sleep: waits that many seconds.
        jitter: a random number from 0 to 1.
        where: the configuration key that errors name.

    Attributes:
        requests: how many were sent so far, whatever for: repeated ones and those for access tokens too.
        statuses: of the replies so far; `none` stands for requests without one, but for those that were called off.

    Raises:
        Misconfigured: `ca_file` or `proxy` cannot be used.
    """

    def __init__(
        self,
        url: str,
        auth: httpx.Auth,
        *,
        clock: Callable[[], int],
        elapsed: Callable[[], int] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        timeout: float = 30.0,
        ca_file: Path | None = None,
        verify_tls: bool = True,
        proxy: str | None = None,
        where: str = "sources",
    ) -> None:
        self._api = f"{url.rstrip('/')}/api/v1/"
        self._auth = auth
        self._clock = clock
        self._elapsed = elapsed or clock
        self._sleep = sleep
        self._jitter = jitter
        self._timeout = timeout
        self._quiet_until = self._elapsed()
        self.requests = 0
        self.statuses = Counter[str]()
        limits = httpx.Limits(
            max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEEP_S
        )
        try:
            self._http = httpx.AsyncClient(
                headers=HEADERS,
                verify=_trust(ca_file, verify_tls=verify_tls, where=where),
                proxy=proxy,
                timeout=httpx.Timeout(None, connect=min(CONNECT_S, timeout)),  # the rest has one deadline for all
                limits=limits,
                trust_env=False,
                follow_redirects=False,
                event_hooks={"request": [self._count], "response": [self._answered]},
            )
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            raise Misconfigured(f"{where}.proxy cannot be used, wanted http://[user:password@]host:port") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def get(
        self,
        path: str,
        query: Sequence[tuple[str, str]],
        *,
        journal: Journal | None = None,
        tries: int = TRIES,
        meanwhile: Callable[[], object] | None = None,
    ) -> Reply:
        """The reply to `GET /api/v1/<path>?<query>`, whatever its status, once retrying cannot better it.

        Args:
            path: such as `iam/OAuthTokens`.
            query: names and values, unencoded.
            journal: told of every reply, also of those after which it is tried again.
            tries: at most.
            meanwhile: called whenever a request is on its way, maybe never, and counts against the deadline; what it
                raises calls the request off.

        Raises:
            ApiError: the API (429, 5xx) or the token endpoint (any status) refused until the end.
            Rejected: `unavailable`, `timeout`, `too_large`, `not_json` for a body that cannot be unpacked, `throttled`
                without a request while the silence lasts that the server asked for.
        """
        quiet = self._quiet_until - self._elapsed()
        if quiet > 0:
            raise Rejected("throttled", f"not asked: the server wants {quiet / 1000:g} s more of silence")
        waited = 0.0
        for tried in range(1, tries + 1):
            try:
                return await self._try(path, query, journal, meanwhile)
            except Failed as failed:
                wait = self._jitter() * 2 ** (tried - 1) if failed.after is None else failed.after
                if not failed.again or tried == tries or waited + wait > MAX_WAIT_S:
                    self._quiet_until = self._elapsed() + int(min(failed.after or 0, MAX_QUIET_S) * 1000)
                    raise failed.error from failed
            waited += wait
            await self._sleep(wait)
        raise AssertionError  # the last try returned or raised

    async def _count(self, _: httpx.Request) -> None:
        self.requests += 1

    async def _answered(self, response: httpx.Response) -> None:
        self.statuses[str(response.status_code)] += 1

    async def _try(
        self,
        path: str,
        query: Sequence[tuple[str, str]],
        journal: Journal | None,
        meanwhile: Callable[[], object] | None,
    ) -> Reply:
        """One try; `Failed` if another may go better, or if there is no reply at all."""
        told = {} if meanwhile is None else {"trace": _once_sent(meanwhile)}
        request = self._http.build_request("GET", self._api + path, params=list(query), extensions=told)
        reply = await self._exchange(request)
        if journal is not None:
            journal.note(reply)
        if reply.status in _AGAIN or httpx.codes.is_server_error(reply.status):
            raise Failed(reply.error(), after=reply.retry_after())
        return reply

    async def _exchange(self, request: httpx.Request) -> Reply:
        """Send, and read to the end. Every error of the HTTP library gets one of our names here."""
        name = f"{request.method} {request.url.copy_with(query=None)}"
        sent_at, response = self._clock(), None
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._http.send(request, auth=self._auth, stream=True)
                try:
                    body = await _body(response, name)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException) as error:
            self.statuses["none"] += response is None
            raise Failed(Rejected("timeout", f"{name}: no whole answer within {self._timeout:g} s")) from error
        except httpx.DecodingError as error:
            raise Failed(Rejected("not_json", f"{name}: the body cannot be unpacked: {error}")) from error
        except httpx.TransportError as error:
            self.statuses["none"] += response is None
            raise _unreachable(name, error) from error
        return Reply(name, response.status_code, response.headers, body, sent_at, self._clock())


def _once_sent(do: Callable[[], object]) -> Callable[[str, object], Awaitable[None]]:
    """Is told each step of the HTTP library, and does this when the last byte of a request was given to the socket."""

    async def trace(step: str, _: object) -> None:
        if step.endswith("send_request_body.complete"):
            do()

    return trace


async def _body(response: httpx.Response, name: str) -> bytes:
    """The whole body, unpacked as it comes, so that a small bomb cannot fill the memory."""
    chunks, size = [], 0
    async for chunk in response.aiter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise Rejected("too_large", f"{name}: the body exceeds {MAX_BODY} bytes", hint="lower `page_size`")
    return b"".join(chunks)


def _unreachable(name: str, error: httpx.TransportError) -> Failed:
    """No reply at all: worth another try, unless it is the certificate that is wrong, or nobody speaks TLS there."""
    message = f"{name}: {why(error)}"
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error)):
        hint = "name the PEM of the authority that signed the server's certificate in `ca_file`"
        return Failed(Rejected("unavailable", message, hint=hint), again=False)
    if "WRONG_VERSION_NUMBER" in message:
        hint = (
            "no TLS is spoken there: let `url` (or `proxy`, if that has https:) begin with http:, or name another port"
        )
        return Failed(Rejected("unavailable", message, hint=hint), again=False)
    return Failed(Rejected("unavailable", message))


def _trust(ca_file: Path | None, *, verify_tls: bool, where: str) -> ssl.SSLContext:
    """Whom to trust: nobody but the file's authorities if there is one, else the usual ones.

    Sources that trust alike share one context: it takes up to a megabyte, and there may be hundreds of them.
    """
    if ca_file is None:
        return _usual_trust(verify_tls=verify_tls)
    try:
        return _trust_in(ca_file, ca_file.read_bytes())
    except OSError as error:  # an SSLError is one too
        raise Misconfigured(
            f"{where}.ca_file is {ca_file}, wanted a readable PEM with certificates: {error}"
        ) from error


@cache
def _usual_trust(*, verify_tls: bool) -> ssl.SSLContext:
    """The public authorities, or anybody."""
    return httpx.create_ssl_context(verify=verify_tls, trust_env=False)


@cache
def _trust_in(ca_file: Path, _: bytes) -> ssl.SSLContext:
    """The authorities of a file with this content."""
    return ssl.create_default_context(cafile=str(ca_file))
