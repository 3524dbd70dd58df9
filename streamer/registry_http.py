"""One call to a schema registry: sent with our credentials, tried again while that may help, its errors renamed.

It knows HTTP, TLS and the registry's way to say no; `registry` knows what the calls mean. It must never print a
credential, and never try again what time does not heal.

Question: which failures are tried again here? Choice: no connection, a broken one, and the statuses of `BUSY`; every
call may be repeated, for registering the same schema twice makes one version. A refused certificate, a wrong address
and a refused credential are the operator's. Rejected: to wait here until the registry is back; the service waits, and
says so.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from streamer.causes import causes, why
from streamer.config import RegistrySettings
from streamer.errors import Misconfigured, StreamerError, Unready

MEDIA: Final = "application/vnd.schemaregistry.v1+json"
PAUSES_S: Final = (0.25, 1.0, 3.0)  # between the tries of one call
BUSY: Final = frozenset({429, 500, 502, 503, 504})
ABSENT: Final = frozenset({40401, 40402, 40403, 40408})  # no such subject, version, schema, level
WRONG_ADDRESS: Final = (
    "registry.url must name the registry's interface with its path, as in http://registry:8080/apis/ccompat/v7"
)
UNREACHED: Final = "check registry.url; where there is no registry, set kafka.value_format: json"
_HINTS: Final = {
    401: "check registry.username and registry.password_file, or registry.bearer_token_file",
    403: "give this user the right to read, write and configure our subjects",
    404: WRONG_ADDRESS,
}
_BROKEN: Final = (httpx.RequestError, ssl.SSLError)  # httpx lets a TLS alert after the handshake through as it is

Sleep = Callable[[float], Awaitable[object]]


class Incompatible(Misconfigured):
    """Status 409: a schema may not stand beside those before it. The text is the registry's own."""


class RegistryHttp:
    """The connection to the registry of `settings`. `name` is its address, without what might be a secret in it.

    Raises:
        Misconfigured: a certificate or key file cannot be used.
    """

    def __init__(self, settings: RegistrySettings, sleep: Sleep = asyncio.sleep) -> None:
        self.name = str(httpx.URL(settings.url).copy_with(userinfo=b"", query=None))
        self._sleep = sleep
        self._timeout_s = settings.timeout
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            auth=_Credentials(settings),
            verify=_trust(settings),
            timeout=settings.timeout,
            headers={"Accept": f"{MEDIA}, application/json", "Content-Type": MEDIA},
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The JSON of the reply; None where the registry says that there is no such thing (and not: no such page).

        Args:
            method: of HTTP.
            path: below the registry's address, quoted.
            body: sent as JSON; None for no body.
            query: parameters of the address.

        Raises:
            Incompatible: 409.
            Misconfigured: any other refusal, or an answer that no registry gives.
            Unready: not reached, or `BUSY`, at the last try.
        """
        for pause_s in PAUSES_S:
            try:
                return await self._ask_once(method, path, body, query)
            except Unready:
                await self._sleep(pause_s)
        return await self._ask_once(method, path, body, query)

    async def _ask_once(self, method: str, path: str, body: Any, query: dict[str, str]) -> Any:
        content = None if body is None else json.dumps(body).encode()
        try:
            reply = await self._client.request(method, path, content=content, params=query)
        except _BROKEN as error:
            raise self._unreached(error) from error
        if reply.status_code in BUSY:
            raise Unready(self._told(reply))
        if reply.status_code == httpx.codes.CONFLICT:
            raise Incompatible(_refusal(reply)[1])
        if reply.status_code == httpx.codes.NOT_FOUND and _refusal(reply)[0] in ABSENT:
            return None
        if not reply.is_success:
            raise Misconfigured(self._told(reply), hint=_HINTS.get(reply.status_code, ""))
        return self._json(reply)

    def _json(self, reply: httpx.Response) -> Any:
        try:
            return reply.json()
        except (ValueError, RecursionError) as error:
            raise self.strange(reply.text) from error

    def strange(self, body: Any) -> Misconfigured:
        """The error for an answer that no registry gives."""
        return Misconfigured(
            f"{self.name} does not answer like a schema registry: {str(body)[:80]!r}", hint=WRONG_ADDRESS
        )

    def _unreached(self, error: httpx.RequestError | ssl.SSLError) -> StreamerError:
        if isinstance(error, httpx.TimeoutException):  # its causes are those of a library that was interrupted
            told = f"the schema registry {self.name} cannot be reached: no answer within {self._timeout_s:g} s"
            return Unready(told, hint=UNREACHED)
        told = f"the schema registry {self.name} cannot be reached: {why(error)}"
        if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            return Misconfigured(told, hint="check registry.url")
        if "WRONG_VERSION_NUMBER" in told:
            return Misconfigured(told, hint="no TLS is spoken there: check registry.url, which begins with https:")
        if any(_refuses_tls(cause) for cause in causes(error)):
            return Misconfigured(told, hint="check registry.ca_file, and registry.cert_file with registry.key_file")
        return Unready(told, hint=UNREACHED)

    def _told(self, reply: httpx.Response) -> str:
        code, message = _refusal(reply)
        told = "" if code is None else f" ({code})"
        request = f"{reply.request.method} {reply.request.url.path}"
        return f"the schema registry {self.name} answered {reply.status_code} to {request}: {message}{told}"


def _refusal(reply: httpx.Response) -> tuple[int | None, str]:
    """Code and message of an error, in one line; of a reply that is not the registry's, what it says."""
    try:
        body = reply.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not body.get("message"):
        return None, " ".join(reply.text.split())[:200] or reply.reason_phrase
    code = body.get("error_code")
    return code if isinstance(code, int) else None, " ".join(str(body["message"]).split())


class _Credentials(httpx.Auth):
    """Basic or bearer, whichever is configured; read anew for each request, for files are renewed under our feet."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._settings.secret("bearer_token", "registry.")
        if self._settings.username is not None:
            basic = httpx.BasicAuth(self._settings.username, self._settings.secret("password", "registry.") or "")
            request = next(basic.auth_flow(request))
        elif token is not None:
            if not (token.isascii() and token.isprintable()):  # the HTTP library's own error would show it
                raise Misconfigured("registry.bearer_token holds more than one line of plain text")
            request.headers["Authorization"] = f"Bearer {token}"
        yield request


# TLS ...


def _trust(settings: RegistrySettings) -> ssl.SSLContext:
    """Whom we trust, and our own certificate; nobody where there is no TLS (reading the authorities takes 0.2 s)."""
    if not settings.url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if settings.ca_file is None:
        context = httpx.create_ssl_context(trust_env=False)
    else:
        with _usable("registry.ca_file", settings.ca_file):
            context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.cert_file is not None:
        with _usable("registry.cert_file or key_file", settings.cert_file, settings.key_file):
            context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
    return context


@contextmanager
def _usable(key: str, *files: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # an SSLError is one
        named = " with ".join(str(file) for file in files)
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise Misconfigured(f"{key}: cannot use {named}: {why}", hint="wanted PEM files this user can read") from error


def _no_password() -> str:
    """Asked for when a key is encrypted; without an answer OpenSSL would ask the terminal, and wait."""
    raise Misconfigured(
        "registry.key_file is encrypted", hint="wanted a key without a password: openssl pkey -in ... -out ..."
    )


def _refuses_tls(cause: BaseException) -> bool:
    """One side does not accept the other; a connection that merely ended (EOF) may be better next time."""
    ended = isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in str(cause)
    return isinstance(cause, ssl.SSLError) and not ended
