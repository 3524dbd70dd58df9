"""The acts of the world as JSON, for whoever wants one on cue: `{"act": "logout", "user": "user3@example.com"}`.

A token is named by its Moid, a person by Moid or e-mail, an application by Moid, ClientId or name. What is left out is
chosen by the world's own chance.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from streamer.demo.kinds import TOKEN, Scalar
from streamer.demo.shapes import Client, User, instant
from streamer.demo.world import World


class Unknown(LookupError):
    """What an act names does not exist: says what."""


class _Act(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="act"):
    def on(self, world: World, at: int) -> None:
        """Do it to `world` at `at` (ms), which the world has lived up to."""
        raise NotImplementedError


class _OnToken(_Act, frozen=True, kw_only=True):
    moid: str | None = None

    def chosen(self, world: World) -> str:
        """The Moid of the token this is about."""
        if self.moid is None and world.tokens:
            return world.random.choice(world.moids)
        if self.moid is None or self.moid not in world.tokens:
            raise Unknown(f"there is no token {self.moid or 'at all'}")
        return self.moid


class Login(_Act, frozen=True, kw_only=True, tag="login"):
    """A token is created. `client: ""` makes the sparse kind; `session_ms` is its time to live, 0 for ever."""

    user: str | None = None
    client: str | None = None
    ip: str | None = None
    session_ms: int | None = None

    def on(self, world: World, at: int) -> None:
        """`World.login`."""
        client = None if self.client == "" else _client(world, self.client)
        world.login(_user(world, self.user), client, self.ip, session_ms=self.session_ms, at=at)


class Refresh(_OnToken, frozen=True, kw_only=True, tag="refresh"):
    """The access token is renewed."""

    def on(self, world: World, at: int) -> None:
        """`World.refresh`."""
        world.refresh(self.chosen(world), at=at)


class Relogin(_Act, frozen=True, kw_only=True, tag="relogin"):
    """A person logs in elsewhere: all of their tokens show it."""

    user: str | None = None
    ip: str | None = None

    def on(self, world: World, at: int) -> None:
        """`World.relogin`."""
        world.relogin(_user(world, self.user), self.ip, at=at)


class Widen(_OnToken, frozen=True, kw_only=True, tag="widen"):
    """The token's privileges grow."""

    def on(self, world: World, at: int) -> None:
        """`World.widen`."""
        world.widen(self.chosen(world), at=at)


class Rename(_Act, frozen=True, kw_only=True, tag="rename"):
    """An application gets another name: all of its tokens show it."""

    name: str
    client: str | None = None

    def on(self, world: World, at: int) -> None:
        """`World.rename`."""
        world.rename(_client(world, self.client), self.name, at=at)


class Tag(_OnToken, frozen=True, kw_only=True, tag="tag"):
    """A tag is set; without a value it is taken away."""

    key: str
    value: str | None = None

    def on(self, world: World, at: int) -> None:
        """`World.tag`."""
        world.tag(self.chosen(world), self.key, self.value, at=at)


class Edit(_OnToken, frozen=True, kw_only=True, tag="edit"):
    """Any properties are set, by their API names."""

    set: dict[str, Any]

    def on(self, world: World, at: int) -> None:
        """`World.edit`."""
        moid = self.chosen(world)
        wrong = sorted(name for name, value in self.set.items() if not _settable(name, value))
        if wrong:
            raise Unknown(f"{', '.join(wrong)} cannot be set, or not to that")
        world.edit(moid, "edit", at=at, **self.set)


class Logout(_Act, frozen=True, kw_only=True, tag="logout"):
    """A person logs out, of one application or of all; an audit record says so."""

    user: str | None = None
    client: str | None = None

    def on(self, world: World, at: int) -> None:
        """`World.logout`."""
        client = None if self.client is None else _client(world, self.client)
        world.logout(_user(world, self.user), client, at=at)


class Remove(_OnToken, frozen=True, kw_only=True, tag="remove"):
    """An administrator deletes a token; an audit record names it."""

    def on(self, world: World, at: int) -> None:
        """`World.remove`."""
        world.remove(self.chosen(world), at=at)


class Vanish(_OnToken, frozen=True, kw_only=True, tag="vanish"):
    """A token goes and nothing says why."""

    def on(self, world: World, at: int) -> None:
        """`World.vanish`."""
        world.vanish(self.chosen(world), at=at)


Act = Login | Refresh | Relogin | Widen | Rename | Tag | Edit | Logout | Remove | Vanish


def manual() -> dict[str, str]:
    """Each act by name: what it does, and what may be said with it."""
    return {kind.__struct_config__.tag: _line(kind) for kind in get_args(Act)}


def _line(kind: type[_Act]) -> str:
    said = ", ".join(field.name + (" (wanted)" if field.required else "") for field in msgspec.structs.fields(kind))
    return f"{(kind.__doc__ or '').partition(chr(10))[0]} [{said}]"


def _settable(name: str, value: Any) -> bool:
    """Whether a token's property is the caller's to set: not those the world finds its tokens by; times as times."""
    kind = TOKEN.properties.get(name)
    if kind is None or name in {"Moid", "ModTime", "User", "ClientId"}:
        return False
    return kind is not Scalar.TIME or (isinstance(value, str) and instant(value) is not None)


def _user(world: World, name: str | None) -> User:
    if name is None:
        return world.random.choice(world.users)
    for user in (world.admin, *world.users):
        if name in {user.moid, user.email}:
            return user
    raise Unknown(f"there is no user {name}")


def _client(world: World, name: str | None) -> Client:
    clients = world.clients
    if name is None:
        return world.random.choice(clients)
    for client in clients:
        if name in {client.moid, client.client_id, client.name}:
            return client
    raise Unknown(f"there is no application {name}")
