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
from streamer.demo.sight import Sight
from streamer.demo.world import World


@dataclass(frozen=True, slots=True)
class _Resource:
    """One object type: how its properties compare, and its rows as a request sees them."""

    object_type: str
    kind: Nested
    table: Callable[[World, Sight], Table]


def _audit(world: World, sight: Sight) -> Table:
    return Table.of(kinds.AUDIT, world.records(sight.audit_late_ms))


_TOKENS: Final = "iam/OAuthTokens"
_RESOURCES: Final[Mapping[str, _Resource]] = {
    _TOKENS: _Resource("iam.OAuthToken", kinds.TOKEN, lambda w, sight: sight.tokens(w)),
    "iam/Accounts": _Resource(
        "iam.Account", kinds.ACCOUNT, lambda w, sight: Table.of(kinds.ACCOUNT, sight.account_rows(w))
    ),
    "iam/Users": _Resource("iam.User", kinds.USER, lambda w, _: Table.of(kinds.USER, w.people())),
    "iam/AppRegistrations": _Resource(
        "iam.AppRegistration", kinds.APP, lambda w, _: Table.of(kinds.APP, w.applications())
    ),
    "aaa/AuditRecords": _Resource("aaa.AuditRecord", kinds.AUDIT, _audit),
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
        sight = Sight.of(request.scope)
        query = read_query(sight.asked(request.query_params), resource.kind, self._world.clock())
        table = resource.table(self._world, sight)
        count, page = query.run(table)
        if query.count_only:
            return count_reply(count)
        if sight.again:
            _, page = query.before(table).run(table)
        look_up = self._look_up(sight)
        rows = [self._noise.on(query.view.of(row, look_up)) for row in page]
        return list_reply(resource.object_type, rows, count if query.inline_count else None)

    def _object(self, resource: _Resource, moid: str, request: Request) -> Response:
        view = read_view(request.query_params, resource.kind)
        sight = Sight.of(request.scope)
        if resource is _RESOURCES[_TOKENS]:
            sight = sight.alone(moid, request.url.path)
        row = resource.table(self._world, sight).rows.get(moid)
        if row is None:
            raise not_found(resource.object_type, moid)
        return reply(self._noise.on(view.of(row, self._look_up(sight))))

    def _delete(self, moid: str) -> Response:
        if moid not in self._world.tokens:
            raise not_found("iam.OAuthToken", moid)
        self._world.remove(moid)
        return Response()

    def _look_up(self, sight: Sight) -> Expand:
        """For `$expand`: any object by its type and Moid, one table a type."""
        tables: dict[str, Mapping[str, Row]] = {}

        def look_up(object_type: str, moid: str) -> Row | None:
            if object_type not in tables:
                resource = _BY_TYPE.get(object_type)
                tables[object_type] = resource.table(self._world, sight).rows if resource else {}
            return tables[object_type].get(moid)

        return look_up
