"""The paths below `/api/v1`: lists, single objects, the deletion of a token, and an error for everything else.

A path is case-sensitive: one that is right but for its case is forbidden (403), an unknown one is not found (404, with
another `code` than the 404 of an object that does not exist; only the latter proves a deletion).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from streamer.demo import kinds
from streamer.demo.filters import BadQuery
from streamer.demo.gate import Gate
from streamer.demo.kinds import Nested
from streamer.demo.noise import Noise
from streamer.demo.query import Expand, Table, read_query, read_view
from streamer.demo.replies import count_reply, forbidden, invalid, list_reply, no_such_path, not_found, reply
from streamer.demo.shapes import Row
from streamer.demo.world import World


@dataclass(frozen=True, slots=True)
class _Resource:
    """One object type: how its properties compare, and its rows as they are now."""

    object_type: str
    kind: Nested
    table: Callable[[World], Table]


def _tokens(world: World) -> Table:
    """Tokens are many and asked for all the time: theirs is not a copy."""
    return Table(kinds.TOKEN, world.tokens, world.moids)


_TOKENS: Final = "iam/OAuthTokens"
_RESOURCES: Final[Mapping[str, _Resource]] = {
    _TOKENS: _Resource("iam.OAuthToken", kinds.TOKEN, _tokens),
    "iam/Accounts": _Resource("iam.Account", kinds.ACCOUNT, lambda w: Table.of(kinds.ACCOUNT, w.accounts())),
    "iam/Users": _Resource("iam.User", kinds.USER, lambda w: Table.of(kinds.USER, w.people())),
    "iam/AppRegistrations": _Resource(
        "iam.AppRegistration", kinds.APP, lambda w: Table.of(kinds.APP, w.applications())
    ),
    "aaa/AuditRecords": _Resource("aaa.AuditRecord", kinds.AUDIT, lambda w: Table.of(kinds.AUDIT, w.records())),
}
_BY_TYPE: Final = {resource.object_type: resource for resource in _RESOURCES.values()}
_LOWERED: Final = frozenset(path.lower() for path in _RESOURCES)


class Api:
    """Answers for `world` whomever `gate` admits; rows leave through `noise`."""

    def __init__(self, world: World, gate: Gate, noise: Noise) -> None:
        self._world, self._gate, self._noise = world, gate, noise

    async def answer(self, request: Request) -> Response:
        """Any method on any path below `/api/v1`."""
        await self._gate.admit(request)
        path, method = request.path_params["path"], request.method
        family, _, rest = path.partition("/")
        plural, slash, moid = rest.partition("/")
        resource = _RESOURCES.get(f"{family}/{plural}")
        if resource is None and f"{family}/{plural}".lower() in _LOWERED:
            raise forbidden(method, path)
        if resource is None or "/" in moid or (slash and not moid):
            raise no_such_path(path)
        try:
            if method == "GET":
                return self._object(resource, moid, request) if moid else self._list(resource, request)
        except BadQuery as error:
            raise invalid(str(error)) from error
        if method == "DELETE" and moid and resource is _RESOURCES[_TOKENS]:
            return self._delete(moid)
        raise forbidden(method, path)

    def _list(self, resource: _Resource, request: Request) -> Response:
        query = read_query(request.query_params, resource.kind, self._world.clock())
        count, page = query.run(resource.table(self._world))
        if query.count_only:
            return count_reply(count)
        look_up = self._look_up()
        rows = [self._noise.on(query.view.of(row, look_up)) for row in page]
        return list_reply(resource.object_type, rows, count if query.inline_count else None)

    def _object(self, resource: _Resource, moid: str, request: Request) -> Response:
        view = read_view(request.query_params, resource.kind)
        row = resource.table(self._world).rows.get(moid)
        if row is None:
            raise not_found(resource.object_type, moid)
        return reply(self._noise.on(view.of(row, self._look_up())))

    def _delete(self, moid: str) -> Response:
        if moid not in self._world.tokens:
            raise not_found("iam.OAuthToken", moid)
        self._world.remove(moid)
        return Response()

    def _look_up(self) -> Expand:
        """For `$expand`: any object by its type and Moid, one table a type."""
        tables: dict[str, Mapping[str, Row]] = {}

        def look_up(object_type: str, moid: str) -> Row | None:
            if object_type not in tables:
                resource = _BY_TYPE.get(object_type)
                tables[object_type] = resource.table(self._world).rows if resource else {}
            return tables[object_type].get(moid)

        return look_up
