"""The controls of a poll: what cannot be saved, and what one would write in an afternoon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Any

import httpx
import msgspec
import orjson
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

SIZE = 1000
PATH = "/api/v1/iam/OAuthTokens"


class _List(msgspec.Struct, rename="pascal"):
    results: list[msgspec.Raw]


_SPLIT = msgspec.json.Decoder(_List)
_MOID = msgspec.json.Decoder(dict[str, msgspec.Raw])


def client(url: str) -> httpx.AsyncClient:
    """A client whose connection is kept from poll to poll, as ours is."""
    return httpx.AsyncClient(base_url=url, trust_env=False)


async def _pages(http: httpx.AsyncClient) -> AsyncIterator[tuple[bytes, list[str]]]:
    """The pages of the list by Moid, each with a list to put its last Moid into."""
    last: list[str] = []
    while True:
        after = [("$filter", f"Moid gt '{last[0]}'")] if last else []
        query: list[tuple[str, str | int | float | None]] = [
            ("$top", str(SIZE)),
            *after,
            ("$orderby", "Moid"),
            ("$inlinecount", "allpages"),
        ]
        answer = await http.get(PATH, params=query)
        last.clear()
        yield answer.content, last
        if not last:
            return


async def floor(http: httpx.AsyncClient) -> None:
    """Read all pages, split them into raw rows, digest each: nothing else, and nothing is kept."""
    async for page, last in _pages(http):
        rows = _SPLIT.decode(page).results
        for row in rows:
            blake2b(row, digest_size=24).digest()
        if len(rows) == SIZE:
            last.append(msgspec.json.decode(_MOID.decode(rows[-1])["Moid"], type=str))


class Relation(BaseModel):
    """A reference."""

    model_config = ConfigDict(alias_generator=to_pascal)
    moid: str | None = None


class PlainToken(BaseModel):
    """A token, the way one writes it first."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="ignore")
    moid: str
    token_id: str | None = None
    client_id: str | None = None
    client_name: str | None = None
    client_ip_address: str | None = None
    last_login_client: str | None = None
    last_login_time: str | None = None
    access_expiration_time: str | None = None
    expiration_time: str | None = None
    create_time: str | None = None
    mod_time: str | None = None
    account_moid: str | None = None
    domain_group_moid: str | None = None
    shared_scope: str | None = None
    user: Relation | None = None
    app_registration: Relation | None = None
    permission: Relation | None = None
    user_meta: dict[str, Any] | None = None
    parent: Relation | None = None
    owners: list[str] | None = None
    permission_resources: list[Relation] | None = None
    tags: list[dict[str, Any]] | None = None


class Plain:
    """All tokens as models in a dict; those that differ from the dict before.

    Attributes:
        known: by Moid.
        changed: in the last poll.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.known: dict[str, PlainToken] = {}
        self.changed: list[str] = []

    async def poll(self) -> None:
        """Read, parse, compare, remember."""
        seen: dict[str, PlainToken] = {}
        async for page, last in _pages(self._http):
            rows = orjson.loads(page)["Results"]
            for row in rows:
                token = PlainToken.model_validate(row)
                seen[token.moid] = token
            if len(rows) == SIZE:
                last.append(rows[-1]["Moid"])
        self.changed = [moid for moid, token in seen.items() if self.known.get(moid) != token]
        self.known = seen
