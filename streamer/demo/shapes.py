"""The shapes of Intersight's objects as JSON, and its way to write a time; nothing here knows what happens to them.

Everything is a plain `dict` with keys in alphabetical order, as the API sends them (308 of 308 recorded objects).
A row is never changed after it was made: a new version is a new dict, so that whoever kept the old one still has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Row = dict[str, Any]

ZERO_TIME: Final = "0001-01-01T00:00:00Z"  # how the API writes "no time"
ACCESS_MS: Final = 600_000  # how long an access token of a `generic` application lives
LINK_HOST: Final = "https://www.intersight.com"  # in 3100 of 3100 recorded references, whatever host was asked

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class User:
    """A person of the account (`iam.User`)."""

    moid: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Client:
    """A registered application (`iam.AppRegistration`).

    `access_ms` is how long its access tokens live: 10 minutes for `generic`, a year for `longLived`. An `infinite`
    client's tokens never end.
    """

    moid: str
    client_id: str
    name: str
    access_ms: int = ACCESS_MS
    infinite: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """What all rows of one account have in common."""

    moid: str
    domain_group: str
    permission: str
    name: str = "demo-account"


def rfc3339(ms: int) -> str:
    """An instant as the API writes it: UTC with `Z`, the fraction without trailing zeros, none if it is zero."""
    seconds = datetime.fromtimestamp(ms // 1000, UTC).isoformat()[:19]
    fraction = f"{ms % 1000:03d}".rstrip("0")
    return f"{seconds}.{fraction}Z" if fraction else f"{seconds}Z"


def instant(text: str) -> int | None:
    """The ms since 1970 of an RFC 3339 time, or None if `text` is none; finer digits are cut."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _MS
    except (ValueError, OverflowError):  # the 31st of June
        return None


def reference(object_type: str, moid: str) -> Row:
    """A relationship as returned: a `mo.MoRef` with its lower-case `link`."""
    path = object_type.replace(".", "/", 1)
    link = f"{LINK_HOST}/api/v1/{path}s/{moid}"
    return {"ClassId": "mo.MoRef", "Moid": moid, "ObjectType": object_type, "link": link}


def token(
    account: Account, user: User, client: Client | None, *, moid: str, token_id: str, ip: str, agent: str, at: int
) -> Row:
    """A new `iam.OAuthToken` with all its 27 properties, as it stands at its creation at `at` (ms).

    The expiry and the last login are unset: they depend on the world. Without a client the row is the sparse one
    that the API also sends: empty strings, null relations. ModTime was later than CreateTime in all 161 objects seen.
    """
    of_user = reference("iam.User", user.moid)
    return {
        "AccessExpirationTime": rfc3339(at + (client.access_ms if client else ACCESS_MS)),
        "AccountMoid": account.moid,
        "Ancestors": [of_user] if client else [],
        "AppRegistration": reference("iam.AppRegistration", client.moid) if client else None,
        "ClassId": "iam.OAuthToken",
        "ClientId": client.client_id if client else "",
        "ClientIpAddress": ip,
        "ClientName": client.name if client else "",
        "CreateTime": rfc3339(at),
        "DisplayNames": None,
        "DomainGroupMoid": account.domain_group,
        "ExpirationTime": ZERO_TIME,
        "LastLoginClient": "",
        "LastLoginTime": ZERO_TIME,
        "ModTime": rfc3339(at + 1),
        "Moid": moid,
        "ObjectType": "iam.OAuthToken",
        "Owners": [account.moid, user.moid],
        "Parent": of_user if client else None,
        "Permission": reference("iam.Permission", account.permission),
        "PermissionResources": [],
        "SharedScope": "",
        "Tags": [],
        "TokenId": token_id,
        "User": of_user,
        "UserMeta": _client_meta(agent) if client else None,
        "VersionContext": None,
    }


def _client_meta(agent: str) -> Row:
    return {"ClassId": "iam.ClientMeta", "DeviceModel": "", "ObjectType": "iam.ClientMeta", "UserAgent": agent}


def account_row(account: Account, at: int) -> Row:
    """An `iam.Account`."""
    return {
        "AccountMoid": account.moid,
        "ClassId": "iam.Account",
        "CreateTime": rfc3339(at),
        "ModTime": rfc3339(at + 1),
        "Moid": account.moid,
        "Name": account.name,
        "ObjectType": "iam.Account",
        "Status": "Active",
    }


def app_row(account: Account, client: Client, at: int) -> Row:
    """An `iam.AppRegistration`, registered at `at` (ms)."""
    lifetime = "infinite" if client.infinite else "generic" if client.access_ms == ACCESS_MS else "longLived"
    return {
        "AccountMoid": account.moid,
        "AdminStatus": "enable",
        "ClassId": "iam.AppRegistration",
        "ClientId": client.client_id,
        "ClientName": client.name,
        "ClientType": "confidential",
        "CreateTime": rfc3339(at),
        "ExpiryDateTime": ZERO_TIME,
        "GrantTypes": ["authorization_code", "refresh_token"],
        "IsNeverExpiring": True,
        "ModTime": rfc3339(at + 1),
        "Moid": client.moid,
        "ObjectType": "iam.AppRegistration",
        "OperStatus": "enabled",
        "TokenExpiry": lifetime,
    }


def user_row(account: Account, user: User, last_login: str, at: int) -> Row:
    """An `iam.User`, there since `at` (ms); `last_login` as the API writes times."""
    return {
        "AccountMoid": account.moid,
        "ClassId": "iam.User",
        "CreateTime": rfc3339(at),
        "Email": user.email,
        "LastLoginTime": last_login,
        "ModTime": rfc3339(at + 1),
        "Moid": user.moid,
        "Name": user.name,
        "ObjectType": "iam.User",
        "UserIdOrEmail": user.email,
    }


def audit_row(
    account: Account,
    actor: User,
    *,
    moid: str,
    event: str,
    object_type: str,
    object_moid: str,
    ip: str,
    at: int,
    recorded_at: int,
) -> Row:
    """An `aaa.AuditRecord`: at `at` (ms) `actor` did `event` to an object; the API shows it from `recorded_at` on.

    A `Logout` has no REST operation and response code 0, as recorded; the text of other events is not known and
    stands here as operation and type.
    """
    by_rest = event != "Logout"
    return {
        "Account": reference("iam.Account", account.moid),
        "AccountMoid": account.moid,
        "AffectedObjectTypeLabel": "OAuth Token" if by_rest else "User",
        "ClassId": "aaa.AuditRecord",
        "CreateTime": rfc3339(recorded_at),
        "Email": actor.email,
        "Event": event,
        "HttpOperation": f"/api/v1/iam/OAuthTokens/{object_moid}" if by_rest else "",
        "HttpResponseCode": 200 if by_rest else 0,
        "InstId": moid,
        "MoDisplayNames": {},
        "MoType": object_type,
        "ModTime": rfc3339(recorded_at + 1),
        "Moid": moid,
        "ObjectMoid": object_moid,
        "ObjectType": "aaa.AuditRecord",
        "SessionId": moid[::-1],
        "SourceIp": ip,
        "Timestamp": rfc3339(at),
        "User": reference("iam.User", actor.moid),
        "UserIdOrEmail": actor.email,
    }
