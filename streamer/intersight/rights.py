"""Whom the API takes us for: which account, and what of it we may see.

Two things tell: the accounts that `iam/Accounts` lists, and, for an OAuth client, the claims of its access token, which
are read without verification. Both are only ever compared, with what they were before: who could forge them could
forge the tokens' list too. Nothing here decides what a change means.

Question: one odd answer would look like a change of rights, and deletions would wait for a person. Choice: what is
neither what it was nor, at first, a plain list is asked for again, until three answers in a row agree. Rejected: to
believe the first answer; to average.

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
from streamer.tokens import Rights

CLAIMS: Final = ("account_id", "domaingroup_id", "permissions", "region", "role_ids", "roles", "scope")
AGREE: Final = 3  # answers in a row, before an unusual one is believed
MOST: Final = 6  # answers asked for
TRIES: Final = 2
LONGEST: Final = 4096  # characters; of more than that a digest is remembered
_QUERY: Final = (("$select", "Moid,Name"),)
_UNREADABLE: Final = frozenset({400, 403, 404})  # this role, or this appliance, has no such list
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

    async def read(self) -> Rights:
        """The rights as they are now.

        Raises:
            Rejected: `rights_unsteady` if the API says something else each time, and what `read_list` raises, unless
                the list is not there for us (400, 403, 404): then the credential alone tells.
        """
        alike, said = 0, None
        for _ in range(MOST):
            accounts = await self._accounts()
            rights = self._rights(accounts)
            alike, said = (alike + 1 if rights == said else 1), rights
            if rights == self._last or (self._last is None and accounts) or alike == AGREE:
                self._last = rights
                return rights
        raise Rejected("rights_unsteady", f"iam/Accounts answers {MOST} times, never {AGREE} times in a row the same")

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
