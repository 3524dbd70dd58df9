"""Whom the API takes us for: which account, and what of it we may see.

Two things tell: the accounts that `iam/Accounts` lists, and, for an OAuth client, the claims of its access token, which
are read without verification. Both are only ever compared, with what they were before: who could forge them could
forge the tokens' list too. Nothing here decides what a change means.

Question: one odd answer would look like a change of rights, and deletions would wait for a person. Choice: what is not
what it was is asked for again, under a new access token where there is one, and believed if three answers agree; if
they do not, nobody knows now. What it was outlives this process: the caller remembers it. Rejected: to believe the
first answer, be it the first of a process; to average; to ask on until an answer is the old one, which costs more
requests than a deletion is worth.

Question: the list names several accounts. Choice: ours is the one that the credential names (the first part of an API
key's id, or the claim `account_id`); where it names none, it stays unknown. Rejected: the first of the list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from streamer.errors import ApiError, Rejected
from streamer.intersight.client import Client
from streamer.intersight.lists import read_list
from streamer.intersight.oauth import ClientCredentials
from streamer.intersight.replies import BAD_REQUEST, FORBIDDEN, NOT_FOUND
from streamer.tokens import Rights

CLAIMS: Final = ("account_id", "domaingroup_id", "permissions", "region", "role_ids", "roles", "scope")
AGREE: Final = 3  # answers, before an unusual one is believed
TRIES: Final = 1  # of each; deletions wait for the next poll, as they do after an answer that is odd
LONGEST: Final = 4096  # characters; of more than that a digest is remembered
_QUERY: Final = (("$select", "Moid,Name"),)
_UNREADABLE: Final = frozenset({BAD_REQUEST, FORBIDDEN, NOT_FOUND})  # this role, or this appliance, has no such list
_KEY_ID: Final = re.compile(r"([0-9a-f]{24})/[^/]+/[^/]+")  # as Intersight gives them out; another id names no account


class RightsReader:
    """Reads the rights of one source's credential.

    Args:
        client: of the account.
        key_id: of the API key, `account/user/key`; None for an OAuth client.
        credential: the OAuth client; None for an API key.
    """

    def __init__(self, client: Client, key_id: str | None, credential: ClientCredentials | None) -> None:
        self._client = client
        self._key_id = key_id
        self._credential = credential
        self._last: Rights | None = None

    async def read(self, known: str | None = None) -> Rights:
        """The rights as they are now.

        Args:
            known: what they were, as far as the caller remembers: `Rights.seen`.

        Raises:
            Rejected: `rights_unsteady` if the API says several things, and what `read_list` raises, unless the list is
                not there for us (400, 403, 404): then the credential alone tells.
        """
        said = self._rights(await self._accounts())
        if said != self._last and said.seen != known:
            for _ in range(AGREE - 1):
                if self._credential is not None and known is not None:
                    self._credential.renew()  # one token always says the same
                again = self._rights(await self._accounts())
                if again != said:
                    raise Rejected("rights_unsteady", f"iam/Accounts does not answer the same {AGREE} times in a row")
        self._last = said
        return said

    async def _accounts(self) -> tuple[str, ...] | None:
        """The Moids of the accounts listed; None where we may not list them."""
        try:
            rows = await read_list(self._client, "iam/Accounts", _QUERY, "iam.Account", tries=TRIES)
        except ApiError as error:
            if error.status in _UNREADABLE:
                return None
            raise
        return tuple(sorted(row["Moid"] for row in rows))

    def _rights(self, accounts: tuple[str, ...] | None) -> Rights:
        claims = _claims(self._credential.claims if self._credential else {})
        own = claims.get("account_id") or _account_of(self._key_id)
        account = accounts[0] if accounts and len(accounts) == 1 else own
        seen = json.dumps({"accounts": accounts, "claims": claims}, sort_keys=True, separators=(",", ":"))
        return Rights(account, seen if len(seen) <= LONGEST else f"sha256 {sha256(seen.encode()).hexdigest()}")


def _account_of(key_id: str | None) -> str | None:
    """The account that an API key's id begins with."""
    found = _KEY_ID.fullmatch(key_id or "")
    return found[1] if found else None


def _claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    """What the claims say of rights, and nothing that differs from one access token to the next; lists are sorted."""
    inner = claims.get("intersight")
    flat = {**claims, **(inner if isinstance(inner, dict) else {})}
    flat |= {
        name.removeprefix("intersight."): value for name, value in claims.items() if name.startswith("intersight.")
    }
    return {name: _plain(flat[name]) for name in CLAIMS if name in flat}


def _plain(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, list) else str(value)
