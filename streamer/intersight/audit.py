"""Reads audit records: what was done to certain tokens, and which of certain users logged out, between two instants.

It reads and never judges. A record tells of one who tried and was refused, too: those are no deeds and left out, so
that nobody is named for what did not happen.

Question: which of a record's times to ask by. Choice: ask for `CreateTime` (when the record was written) from the
beginning of the interval on, since it never lies before the deed, and judge by `Timestamp` (when the object changed)
here. Rejected: an upper bound in the filter, for which a late record would be too late.

Question: how much may be asked at once. Choice: 10,000 tokens and as many users, a hundred a request; of what is beyond
that nothing is found. An answer is complete or it is none.

Sources of the facts: fields as of `aaa.AuditRecord`; a logout has `Event` `Logout`, `MoType` `iam.User`, and 0 for its
`HttpResponseCode`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Final

from streamer.errors import ApiError, Rejected
from streamer.intersight.canonical import instant
from streamer.intersight.client import Client
from streamer.intersight.lists import Row, among, batches, is_damaged, read_list, short
from streamer.intersight.replies import FORBIDDEN
from streamer.tokens import Audit, AuditRecord
from streamer.wire.jsonform import rfc3339

PATH: Final = "aaa/AuditRecords"
MOST: Final = 100  # requests for tokens, and for users
ASKED: Final = 3  # times, until a refusal is believed
_TOKENS: Final = "MoType eq 'iam.OAuthToken'"
_LOGOUTS: Final = "Event eq 'Logout' and MoType eq 'iam.User'"
_TEXTS: Final = ("Event", "MoType", "Email", "UserIdOrEmail", "SourceIp")
_FAILED: Final = 400  # response codes from here on


class AuditReader:
    """Reads the audit records of one account; `damaged` counts the values that had to be cut or left out."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._refused = False
        self.damaged = 0

    async def read(self, moids: Collection[str], users: Collection[str], since: int, until: int) -> Audit:
        """The records, by time.

        Args:
            moids: of tokens.
            users: Moids of users, whose logouts are wanted.
            since: ms of the server's clock; belongs to the interval.
            until: likewise.

        Raises:
            Rejected: whatever hinders, but for the API's own word that we may not read them. `wrong_moid` if it
                answers with records of other objects.
        """
        for _ in range(1 if self._refused else ASKED):  # one refusal among answers is a fault, not a right
            try:
                records = await self._records(moids, users, since, until)
            except ApiError as error:
                if error.status != FORBIDDEN or not error.code:
                    raise
            else:
                self._refused = False
                return Audit(records, readable=True)
        self._refused = True
        return Audit((), readable=False)

    async def _records(
        self, moids: Collection[str], users: Collection[str], since: int, until: int
    ) -> tuple[AuditRecord, ...]:
        found: dict[str, AuditRecord] = {}
        for condition, objects in ((_TOKENS, moids), (_LOGOUTS, users)):
            for batch in islice(batches(objects), MOST):
                text = f"{condition} and {among('ObjectMoid', batch)} and CreateTime ge {rfc3339(since)}"
                rows = await read_list(self._client, PATH, (("$filter", text),), "aaa.AuditRecord")
                found.update((record.moid, record) for record in _deeds(rows, batch))
                self.damaged += sum(is_damaged(row.get(name)) for row in rows for name in _TEXTS)
        within = [record for record in found.values() if since <= record.timestamp <= until]
        return tuple(sorted(within, key=lambda record: (record.timestamp, record.moid)))


def _deeds(rows: Collection[Row], asked: Collection[str]) -> Iterator[AuditRecord]:
    """The records of what was done; one without a readable time cannot be placed and is left out."""
    for row in rows:
        target = str(row.get("ObjectMoid"))
        if target not in asked:
            raise Rejected("wrong_moid", f"audit records of named objects tell of {target[:80]!r}")
        code = row.get("HttpResponseCode")
        failed = isinstance(code, int) and code >= _FAILED
        timestamp = _time(row.get("Timestamp")) or _time(row.get("CreateTime"))
        if timestamp is not None and not failed:
            yield _record(row, target, timestamp)


def _record(row: Row, target: str, timestamp: int) -> AuditRecord:
    user = row.get("User")
    return AuditRecord(
        moid=row["Moid"],
        event=short(row.get("Event")) or "",
        object_type=short(row.get("MoType")) or "",
        object_moid=target,
        user_moid=short(user.get("Moid")) if isinstance(user, dict) else None,
        actor=short(row.get("Email")) or short(row.get("UserIdOrEmail")),
        actor_ip=short(row.get("SourceIp")),
        timestamp=timestamp,
    )


def _time(value: object) -> int | None:
    try:
        return instant(value) if isinstance(value, str) else None
    except ValueError:
        return None
