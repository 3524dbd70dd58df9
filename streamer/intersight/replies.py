"""What a reply says beside its rows: its date, its trace id, its error, and how long it asks to wait.

Nothing here sends, waits or logs. Whatever a server puts into an error reaches a log and a Kafka record, so it is cut,
brought onto one line, and never trusted to be of the type it should be.

Sources of the facts: the API's error body is `{code, message, messageId, messageParams, traceId}`, the token
endpoint's `{error, error_description}`; every reply carries `X-Starship-Traceid`; gateways in front answer with HTML.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self

import httpx
import msgspec

from streamer.errors import ApiError, Rejected
from streamer.tokens import ServerClock

OK: Final = 200
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
SMALL: Final = 64 * 1024  # bytes on the wire; unpacked at gzip's best ratio these are still under 66 MiB
SKEW_MS: Final = 30_000  # how wrong a clock must be to be named as a suspect
_SERVER_FAULT: Final = 500
_QUOTED: Final = 300  # characters of any text of the server's in a message of ours
_REASONS: Final = {401: "unauthorized", 403: "forbidden", 429: "throttled"}
_HINTS: Final = {
    401: "the credential is unknown, expired or revoked, its key file is not that of its id, or it belongs to an "
    "account of another region than `url`",
    403: "give the identity a role that may read iam.OAuthToken; a wrong path in `url` is answered so, too",
    407: "the proxy wants a user and a password: http://user:password@host:port",
    429: "raise `interval`, or spread the load over fewer pollers",
}
_DELAY: Final = re.compile(r"\d{1,9}")


class Failed(Exception):
    """A try that came to nothing.

    Attributes:
        error: what to raise if there is no further try.
        again: whether another try may go better.
        after: the seconds the server asks to wait before it; None where it did not say.
    """

    def __init__(self, error: Rejected, *, again: bool = True, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.again = again
        self.after = after


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, read to its end.

    Attributes:
        request: method and URL without its query; for messages.
        status, headers, body: as they came, the body unpacked.
        sent_at, received_at: our time (ms) before the try began and after its last byte was taken from the socket. It
            may have lain there while we read the page before: bounds made of these are wider then, and as true.
    """

    request: str
    status: int
    headers: httpx.Headers
    body: bytes
    sent_at: int
    received_at: int

    @property
    def date(self) -> int | None:
        """The `Date` header in ms; None if there is none that can be read."""
        return _http_date(self.headers.get("Date", ""))

    @property
    def trace_id(self) -> str | None:
        """Intersight's trace id, from the header."""
        return _line(self.headers.get("X-Starship-Traceid")) or None

    @property
    def clock(self) -> ServerClock | None:
        """What this reply proves about the server's clock."""
        return None if self.date is None else ServerClock.of_reply(self.date, self.sent_at, self.received_at)

    def retry_after(self) -> float | None:
        """The seconds that `Retry-After` asks for: a number, or a date by the server's own clock; None without one."""
        text = self.headers.get("Retry-After", "").strip()
        if _DELAY.fullmatch(text):
            return float(text)
        until = _http_date(text)
        if until is None:
            return None
        return max(0.0, (until - (self.date or self.received_at)) / 1000)

    def said(self) -> dict[str, Any]:
        """The error body as an object; empty if the body is none: a gateway's page, or cut off."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (ValueError, RecursionError):
            return {}

    def error(self) -> ApiError:
        """The error that this reply is."""
        said = {name: _line(value) for name, value in self.said().items()}
        code, message_id = said.get("code"), said.get("messageId")
        trace_id = said.get("traceId") or self.trace_id
        words = [said.get(name) for name in ("code", "messageId", "error", "message", "error_description")]
        told = ", ".join(word for word in words if word) or self._unknown_body()
        wait = self.retry_after()
        told += "" if wait is None else f", retry after {wait:g} s"
        return ApiError(
            _REASONS.get(self.status) or ("unavailable" if self.status >= _SERVER_FAULT else f"http_{self.status}"),
            f"{self.request} answered {self.status}: {told}{f' (trace {trace_id})' if trace_id else ''}",
            status=self.status,
            code=code or None,
            message_id=message_id or None,
            trace_id=trace_id,
            hint=self._hint(),
        )

    def raise_for_status(self) -> Self:
        """The same reply, if its status is 200; else its `error` is raised."""
        if self.status != OK:
            raise self.error()
        return self

    def _unknown_body(self) -> str:
        kind = _line(self.headers.get("Content-Type")) or "no content type"
        return f"not the API's own error, but {len(self.body)} bytes ({kind})"

    def _hint(self) -> str:
        if httpx.codes.is_redirect(self.status):
            target = _line(self.headers.get("Location")) or "nowhere"
            return f"redirects are never followed: name the host that answers in `url` (this one leads to {target})"
        offset = self.clock.offset if self.clock else 0
        if self.status == httpx.codes.UNAUTHORIZED and abs(offset) > SKEW_MS:
            return f"this machine's clock is {abs(offset) // 1000} s {'slow' if offset > 0 else 'fast'}: set it by NTP"
        if self.status == NOT_FOUND and not self.said():
            return "is `url` that of an Intersight? what answered knows none of its paths"
        return _HINTS.get(self.status, "")


@dataclass(slots=True)
class Journal:
    """What the replies of one reading told on the side, in the order they came, also where the reading failed."""

    server_date: int | None = None
    clock: ServerClock | None = None
    trace_ids: list[str] = field(default_factory=list)

    def note(self, reply: Reply) -> None:
        """Take over what this reply says of the server's clock, and its trace id."""
        if reply.clock:
            self.server_date = reply.date
            self.clock = self.clock.narrowed(reply.clock) if self.clock else reply.clock
        if reply.trace_id:
            self.trace_ids.append(reply.trace_id)


async def read_small(response: httpx.Response) -> bytes:
    """Read a response that is no data, such as a token or a refusal.

    Raises:
        Rejected: `too_large`, over 64 KiB on the wire.
    """
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _Bounded(response.stream, f"{response.request.method} {response.request.url}")
    return await response.aread()


class _Bounded(httpx.AsyncByteStream):
    """A stream that ends in an error where a small reply would have ended by itself."""

    def __init__(self, stream: httpx.AsyncByteStream, request: str) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for chunk in self._stream:
            seen += len(chunk)
            if seen > SMALL:
                raise Rejected("too_large", f"{self._request}: over {SMALL} bytes where a short answer was due")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _http_date(text: str) -> int | None:
    """An HTTP date in ms."""
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def _line(value: object) -> str:
    """A server's text on one line and of bounded length; nothing for what is no text."""
    if not isinstance(value, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in value[:_QUOTED]).strip()
