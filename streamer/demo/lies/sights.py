"""Lies of what the server knows or lets one see: old replicas, rights that shrink, another account, and a moving set.

Each lets the application answer from another sight of the world, so its answers are consistent in themselves: nothing
about the reply is wrong but that it is not the truth.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Final, Literal

import msgspec
from starlette.types import Scope

from streamer.demo.acts import Act
from streamer.demo.acts import Unknown as Undoable
from streamer.demo.lies.fault import API, TOKENS, Call, Fault, Share, Span, options_of
from streamer.demo.replies import forbidden
from streamer.demo.sight import Accounts as Shown
from streamer.demo.sight import Unseen

_LATER: Final = re.compile(r"\s*Moid\s+gt\s+'((?:[^']|'')+)'")


class _Sight(Fault, frozen=True, kw_only=True):
    layer: ClassVar[int] = 2

    path: str = TOKENS

    async def strike(self, call: Call) -> None:
        """Let the application see what the lie says."""
        call.show(**self.shown(call))
        await call.go_on()

    def shown(self, call: Call) -> dict[str, object]:
        """The parts of `Sight` that are otherwise."""
        raise NotImplementedError


class Lag(_Sight, frozen=True, kw_only=True, tag="lag"):
    """A replica answers that is behind `by` seconds; of several `replicas` each `request` or `connection` gets one.

    The first of several is not behind, the last by all, and those between evenly.
    """

    main: ClassVar = "by"
    strikes: ClassVar[str] = "tokens, listed and by Moid"
    variants: ClassVar = ({}, {"replicas": 3})

    by: Span = 3.0
    replicas: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    each: Literal["request", "connection"] = "request"

    def shown(self, call: Call) -> dict[str, object]:
        """The past."""
        number = self._replica(call) if self.replicas > 1 else 0
        share = number / (self.replicas - 1) if self.replicas > 1 else 1.0
        return {"lag_ms": round(self.by * 1000 * share)}

    def _replica(self, call: Call) -> int:
        if self.each == "request":
            return call.random.randrange(self.replicas)
        return int(_fraction(f"{call.seed}/{call.line.number}") * self.replicas)


class Hidden(_Sight, frozen=True, kw_only=True, tag="hidden"):
    """A lost privilege: a `share` of tokens, always the same, is not listed; `by_moid` they are 404, 403 or visible."""

    main: ClassVar = "share"
    strikes: ClassVar[str] = "tokens, listed and by Moid"
    variants: ClassVar = ({}, {"by_moid": 403}, {"by_moid": "visible"}, {"share": 1.0}, {"share": 1.0, "by_moid": 403})

    share: Share = 0.5
    by_moid: Unseen = 404

    def shown(self, call: Call) -> dict[str, object]:
        """Less."""
        return {"hidden": _chosen(call.seed, self.share), "unseen": self.by_moid}


class Account(_Sight, frozen=True, kw_only=True, tag="account"):
    """A `share` of tokens is another account's, under the `same` or `other` Moids; if all are, so is the account."""

    main: ClassVar = "share"
    strikes: ClassVar[str] = "tokens and accounts"
    variants: ClassVar = ({}, {"share": 0.1}, {"moids": "same"})

    path: str = API
    share: Share = 1.0
    moids: Literal["other", "same"] = "other"

    def shown(self, call: Call) -> dict[str, object]:
        """Somebody else's."""
        accounts: Shown = "other" if self.share == 1 else "right"
        return {"foreign": _chosen(call.seed, self.share), "foreign_moids": self.moids, "accounts": accounts}


class Accounts(_Sight, frozen=True, kw_only=True, tag="accounts"):
    """The list of accounts has one `more`, has `none`, or only an `other`; tokens are ours as ever."""

    main: ClassVar = "how"
    strikes: ClassVar[str] = "accounts"
    variants: ClassVar = ({}, {"how": "none"}, {"how": "other"})

    path: str = f"{API}iam/Accounts"
    how: Literal["more", "none", "other"] = "more"

    def shown(self, call: Call) -> dict[str, object]:
        """Others."""
        del call
        return {"accounts": self.how}


class Claims(_Sight, frozen=True, kw_only=True, tag="claims"):
    """New OAuth tokens claim other `roles` and `role_ids` (shortly: A+B), or another `account`."""

    main: ClassVar = "roles"
    strikes: ClassVar[str] = "new access tokens"

    path: str = "/iam/token"
    roles: tuple[str, ...] = ("Read-Only",)
    role_ids: tuple[str, ...] = ("5f3a1ca07564612d30c1ffff",)
    account: str | None = None

    def shown(self, call: Call) -> dict[str, object]:
        """Other claims."""
        del call
        account = {"account_id": self.account} if self.account else {}
        return {"claims": {"roles": self.roles, "role_ids": self.role_ids, **account}}


class Audit(_Sight, frozen=True, kw_only=True, tag="audit"):
    """Audit records can be read so many seconds `late`, or are `forbidden` (403)."""

    main: ClassVar = "late"
    strikes: ClassVar[str] = "audit records"
    variants: ClassVar = ({}, {"forbidden": True})

    path: str = f"{API}aaa/"
    late: Span = 5.0
    forbidden: bool = False

    async def strike(self, call: Call) -> None:
        """Refuse, or let the application see what could be read then."""
        if self.forbidden:
            await call.refuse(forbidden(call.scope["method"], call.scope["path"]))
        else:
            await super().strike(call)

    def shown(self, call: Call) -> dict[str, object]:
        """Fewer."""
        del call
        return {"audit_late_ms": round(self.late * 1000)}


class Keyset(_Sight, frozen=True, kw_only=True, tag="keyset"):
    """`Moid gt` in a filter is `refused` (400), `ignored`, or taken for `ge`."""

    main: ClassVar = "how"
    strikes: ClassVar[str] = "lists filtered so"
    variants: ClassVar = ({}, {"how": "ignored"}, {"how": "ge"})

    path: str = API
    how: Literal["refused", "ignored", "ge"] = "refused"

    def shown(self, call: Call) -> dict[str, object]:
        """Another language."""
        del call
        return {"keyset": self.how}


class Between(Fault, frozen=True, kw_only=True, tag="between"):
    """Acts between two pages, real ones: so many `deletes` among tokens `shown`, `coming` or `any`, and `inserts`.

    They are in the ledger like any other. `acts` are done too, each as of `POST /-/act`; what cannot be done (the token
    is gone) is left out.
    """

    layer: ClassVar[int] = 2
    strikes: ClassVar[str] = "pages behind the first, before they are read"
    main: ClassVar = "deletes"

    path: str = TOKENS
    deletes: Annotated[int, msgspec.Meta(ge=0)] = 1
    inserts: Annotated[int, msgspec.Meta(ge=0)] = 1
    where: Literal["shown", "coming", "any"] = "shown"
    acts: tuple[Act, ...] = ()

    def could_strike(self, scope: Scope) -> bool:
        """A page behind the first."""
        return super().could_strike(scope) and _shown_before(options_of(scope)) is not None

    async def strike(self, call: Call) -> None:
        """Act, then let the application answer."""
        self._change(call)
        await call.go_on()

    def _change(self, call: Call) -> None:
        world, now = call.world, call.world.clock()
        for moid in call.random.sample(moids := self._deletable(call), min(self.deletes, len(moids))):
            world.remove(moid, at=now)
        for _ in range(self.inserts):
            world.login(call.random.choice(world.users), call.random.choice(world.clients), at=now)
        for act in self.acts:
            with contextlib.suppress(Undoable):
                act.on(world, now)

    def _deletable(self, call: Call) -> Sequence[str]:
        """The Moids to choose from."""
        moids, shown = call.world.moids, _shown_before(call.options())
        at = bisect_right(moids, shown) if isinstance(shown, str) else shown or 0
        return list({"shown": moids[:at], "coming": moids[at:], "any": moids}[self.where])


def _shown_before(options: dict[str, str]) -> str | int | None:
    """What came before a page: up to this Moid, or so many rows; None if it is the first."""
    if match := _LATER.match(options.get("$filter", "")):
        return match[1]
    skip = options.get("$skip", "")
    return int(skip) if skip.isdecimal() and skip.isascii() and int(skip[:20]) else None


def _chosen(seed: str, share: float) -> Callable[[str], bool]:
    """Whether a Moid is of the share that this seed chooses."""
    return lambda moid: _fraction(f"{seed}/{moid}") < share


def _fraction(text: str) -> float:
    """A number from 0 to under 1, always the same for the same text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48
