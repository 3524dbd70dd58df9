"""What goes wrong on cue: the seam through which every request to the API passes before it is answered.

A fault is one request's middleware: it gets the application, and may answer in its place, change what it is asked or
what it replies, or break the connection. Several that strike the same request are wrapped around each other, the one
armed first outermost. A new kind of fault is one more class here and one more name in `AnyFault`; the control face then
takes it as it is. The control face itself is never struck.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from streamer.demo.replies import Refused

CONTROL = "/-/"
_CODES = {401: "AuthenticationFailure", 403: "UnauthorizedOperation", 404: "NotFound", 503: "ServiceUnavailable"}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"):
    """What all faults have: when they strike.

    Attributes:
        times: how many requests; None until it is cleared.
        probability: of striking a request that it could strike.
        path: what the request's path begins with, such as `/api/v1/iam/OAuthTokens`.
    """

    times: int | None = None
    probability: float = 1.0
    path: str = "/"

    async def strike(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request with or without `app`."""
        raise NotImplementedError


class Status(Fault, frozen=True, kw_only=True, tag="status"):
    """An error of this HTTP status with the API's own kind of body, and these headers, instead of an answer."""

    status: int = 503
    headers: dict[str, str] = {}

    async def strike(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer in the application's place."""
        code = _CODES.get(self.status, "InternalServerError" if self.status >= 500 else "InvalidRequest")  # noqa: PLR2004
        reply = Refused(self.status, code, "simulated_fault", f"a fault on cue: {self.status}").reply(Request(scope))
        reply.headers.update(self.headers)
        await reply(scope, receive, send)


AnyFault = Status


@dataclass(slots=True)
class _Armed:
    fault: AnyFault
    left: int | None


class Faults:
    """The faults that are armed; `seed` is of the chance in them."""

    def __init__(self, *, seed: int = 7) -> None:
        self._armed: list[_Armed] = []
        self._random = random.Random(seed)  # noqa: S311  repeatable, not secret

    def arm(self, fault: AnyFault) -> None:
        """Let it strike from the next request on."""
        self._armed.append(_Armed(fault, fault.times))

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def armed(self) -> list[AnyFault]:
        """Those that may still strike, with what is left of their `times`."""
        return [msgspec.structs.replace(armed.fault, times=armed.left) for armed in self._armed]

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, spoilt by whatever is armed when a request comes."""

        async def spoilt(scope: Scope, receive: Receive, send: Send) -> None:
            wrapped = app
            for fault in reversed(self._striking(scope)):
                wrapped = functools.partial(fault.strike, wrapped)
            await wrapped(scope, receive, send)

        return spoilt

    def _striking(self, scope: Scope) -> list[AnyFault]:
        """The faults that this request meets; each has one time less from now on."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            return []
        striking = []
        for armed in self._armed:
            fault = armed.fault
            if scope["path"].startswith(fault.path) and self._random.random() < fault.probability:
                striking.append(fault)
                armed.left = None if armed.left is None else armed.left - 1
        self._armed = [armed for armed in self._armed if armed.left is None or armed.left > 0]
        return striking
