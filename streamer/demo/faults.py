"""What goes wrong on cue: the seam through which every request to the API passes before it is answered.

A fault is one request's middleware: it gets the application, and may answer in its place, change what it is asked or
what it replies, or break the connection. Several that strike the same request are wrapped around each other: those of
the connection outermost, then those of the bytes, then those of what is seen; of a kind, the one armed first outermost.
A new kind of fault is one more class in `lies` and one more name in `AnyFault`; the control face, its help and the
command line then take it as it is. The control face itself is never struck.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from streamer.demo.lies.fault import Call, Fault
from streamer.demo.lies.pages import Count, Empty, Null, Repeated, Short, Twice, Unsorted
from streamer.demo.lies.rows import BadMoid, Huge, NotANumber, Surrogate, Types, Unknown, Utf8
from streamer.demo.lies.sights import Account, Accounts, Audit, Between, Claims, Hidden, Keyset, Lag
from streamer.demo.lies.wire import Drip, Html, Redirect, Reset, Skew, Slow, Status, Throttled, Truncated
from streamer.demo.world import World

__all__ = ["CONTROL", "FAULTS", "SETS", "AnyFault", "Faults", "Status", "manual"]

CONTROL = "/-/"

Wire = Status | Throttled | Html | Redirect | Truncated | Drip | Reset | Slow | Skew
Pages = Short | Twice | Unsorted | Repeated | Count | Empty | Null
Rows = Unknown | BadMoid | Utf8 | Surrogate | Huge | NotANumber | Types
Sights = Lag | Hidden | Account | Accounts | Claims | Audit | Keyset | Between
AnyFault = Wire | Pages | Rows | Sights

FAULTS: Final[dict[str, type[Fault]]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyFault)}
SETS: Final[dict[str, tuple[type[Fault], ...]]] = {
    "all": get_args(AnyFault),
    "wire": get_args(Wire),
    "pages": get_args(Pages),
    "rows": get_args(Rows),
    "sights": get_args(Sights),
}


def manual() -> dict[str, str]:
    """Each fault by name: what it does, its own parameters with their defaults, and when it strikes."""
    return {name: _line(kind) for name, kind in FAULTS.items()}


def _line(kind: type[Fault]) -> str:
    common = {parameter.name for parameter in msgspec.structs.fields(Fault)}
    own = {p.name: _plain(p.default) for p in msgspec.structs.fields(kind) if p.name not in common | {kind.main}}
    main = {p.name: _plain(p.default) for p in msgspec.structs.fields(kind) if p.name == kind.main}
    parameters = ", ".join(f"{name}={msgspec.json.encode(value).decode()}" for name, value in {**main, **own}.items())
    path = next(p.default for p in msgspec.structs.fields(kind) if p.name == "path")
    says = (kind.__doc__ or "").partition("\n")[0]
    return f"{says} [{parameters or 'no parameters'}] Strikes {kind.strikes}; path={path}"


def _plain(default: Any) -> Any:
    return {} if default is msgspec.NODEFAULT else default


@dataclass(slots=True)
class _Armed:
    """A fault that may strike: `seen` requests it could have struck, `strikes` so far, `row` left of a burst."""

    fault: AnyFault
    seed: str
    chance: random.Random
    left: int | None
    seen: int = 0
    strikes: int = 0
    row: int = 0

    def meets(self, scope: Scope) -> bool:
        """Whether this request is struck; if so, it counts."""
        fault = self.fault
        if not fault.could_strike(scope):
            return False
        self.seen += 1
        if self.seen <= fault.after:
            return False
        if self.row == 0 and self.chance.random() >= fault.probability:
            return False
        self.row = (self.row or fault.burst) - 1
        self.strikes += 1
        self.left = None if self.left is None else self.left - 1
        return True


class Faults:
    """The faults that are armed over `world`; `seed` is of the chance in them, `sleep` waits where they wait.

    `struck` counts strikes by name, also those of faults that are cleared by now.
    """

    def __init__(
        self, world: World, *, seed: int = 7, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.struck: Counter[str] = Counter()
        self._world, self._seed, self._sleep = world, seed, sleep
        self._armed: list[_Armed] = []
        self._number = 0

    def arm(self, *faults: AnyFault) -> None:
        """Let them strike from the next request on."""
        for fault in faults:
            self._number += 1
            seed = f"{self._seed}/{self._number}"
            self._armed.append(_Armed(fault, seed, random.Random(seed), fault.times))  # noqa: S311  repeatable

    def clear(self, name: str | None = None) -> None:
        """Disarm all, or all of one name."""
        self._armed = [armed for armed in self._armed if name not in {None, _name(armed.fault)}]

    def armed(self) -> list[AnyFault]:
        """Those that may still strike, with what is left of their `times`."""
        return [msgspec.structs.replace(armed.fault, times=armed.left) for armed in self._armed]

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, spoilt by whatever is armed when a request comes."""

        async def spoilt(scope: Scope, receive: Receive, send: Send) -> None:
            wrapped = app
            for armed, number in reversed(self._striking(scope)):
                wrapped = self._struck(wrapped, armed, number)
            await wrapped(scope, receive, send)

        return spoilt

    def _struck(self, app: ASGIApp, armed: _Armed, number: int) -> ASGIApp:
        """`app`, behind one strike of a fault."""
        fault, seed = armed.fault, armed.seed
        chance = random.Random(f"{seed}/{number}")  # noqa: S311  repeatable, not secret

        async def strike(scope: Scope, receive: Receive, send: Send) -> None:
            if fault.delay:
                await self._sleep(fault.delay)
            await fault.strike(Call(app, scope, receive, send, self._world, chance, seed, self._sleep))

        return strike

    def _striking(self, scope: Scope) -> list[tuple[_Armed, int]]:
        """The faults that this request meets, the outermost first, and the how-manieth strike it is of each."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            return []
        met = [armed for armed in self._armed if armed.meets(scope)]
        self._armed = [armed for armed in self._armed if armed.left is None or armed.left > 0]
        self.struck.update(_name(armed.fault) for armed in met)
        return [(armed, armed.strikes) for armed in sorted(met, key=lambda armed: armed.fault.layer)]


def _name(fault: Fault) -> str:
    return str(fault.__struct_config__.tag)
