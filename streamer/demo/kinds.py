"""Which properties each object type has, and of what kind their values are: what a query may name, and how it compares.

The names are the API's; what can be asked of a relationship is what a reference carries (`User.Moid`), as no client is
known that filters on a property of the object behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Scalar(Enum):
    """A value that can be compared and sorted by."""

    TEXT = "string"
    TIME = "date-time"
    NUMBER = "number"
    FLAG = "boolean"


@dataclass(frozen=True, slots=True)
class Nested:
    """An object inside the row, or null."""

    properties: Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Many:
    """A list; asked with `any`."""

    of: Kind


Kind = Scalar | Nested | Many

_TEXT, _TIME, _NUMBER, _FLAG = Scalar.TEXT, Scalar.TIME, Scalar.NUMBER, Scalar.FLAG
REFERENCE: Final = Nested({"ClassId": _TEXT, "Moid": _TEXT, "ObjectType": _TEXT, "link": _TEXT})
_COMMON: Final[dict[str, Kind]] = {
    "AccountMoid": _TEXT,
    "ClassId": _TEXT,
    "CreateTime": _TIME,
    "ModTime": _TIME,
    "Moid": _TEXT,
    "ObjectType": _TEXT,
}

TOKEN: Final = Nested({
    **_COMMON,
    "AccessExpirationTime": _TIME,
    "Ancestors": Many(REFERENCE),
    "AppRegistration": REFERENCE,
    "ClientId": _TEXT,
    "ClientIpAddress": _TEXT,
    "ClientName": _TEXT,
    "DisplayNames": Nested({}),
    "DomainGroupMoid": _TEXT,
    "ExpirationTime": _TIME,
    "LastLoginClient": _TEXT,
    "LastLoginTime": _TIME,
    "Owners": Many(_TEXT),
    "Parent": REFERENCE,
    "Permission": REFERENCE,
    "PermissionResources": Many(REFERENCE),
    "SharedScope": _TEXT,
    "Tags": Many(Nested({"Key": _TEXT, "Value": _TEXT})),
    "TokenId": _TEXT,
    "User": REFERENCE,
    "UserMeta": Nested({"ClassId": _TEXT, "DeviceModel": _TEXT, "ObjectType": _TEXT, "UserAgent": _TEXT}),
    "VersionContext": Nested({}),
})  # fmt: skip

ACCOUNT: Final = Nested({**_COMMON, "Name": _TEXT, "Status": _TEXT})

USER: Final = Nested({**_COMMON, "Email": _TEXT, "LastLoginTime": _TIME, "Name": _TEXT, "UserIdOrEmail": _TEXT})

APP: Final = Nested({
    **_COMMON,
    "AdminStatus": _TEXT,
    "ClientId": _TEXT,
    "ClientName": _TEXT,
    "ClientType": _TEXT,
    "ExpiryDateTime": _TIME,
    "GrantTypes": Many(_TEXT),
    "IsNeverExpiring": _FLAG,
    "OperStatus": _TEXT,
    "TokenExpiry": _TEXT,
})  # fmt: skip

AUDIT: Final = Nested({
    **_COMMON,
    "Account": REFERENCE,
    "AffectedObjectTypeLabel": _TEXT,
    "Email": _TEXT,
    "Event": _TEXT,
    "HttpOperation": _TEXT,
    "HttpResponseCode": _NUMBER,
    "InstId": _TEXT,
    "MoDisplayNames": Nested({}),
    "MoType": _TEXT,
    "ObjectMoid": _TEXT,
    "SessionId": _TEXT,
    "SourceIp": _TEXT,
    "Timestamp": _TIME,
    "User": REFERENCE,
    "UserIdOrEmail": _TEXT,
})  # fmt: skip
