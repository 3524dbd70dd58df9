"""Names and addresses of users, by Moid: a courtesy to readers of events, never worth a poll.

Nothing here raises or delays: a failure leaves names out, and then nobody is asked for a minute. What was found is
remembered for an hour, that there is no such user for five minutes (a replica may be behind), 10,000 users at most.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Final

from streamer.errors import Rejected
from streamer.events import UserInfo
from streamer.intersight.client import Client
from streamer.intersight.lists import Row, among, batches, is_damaged, read_list, short

FOUND_FOR_MS: Final = 60 * 60_000
ABSENT_FOR_MS: Final = 5 * 60_000
QUIET_FOR_MS: Final = 60_000
REMEMBERED: Final = 10_000
MOST: Final = 100  # requests in one call
_TEXTS: Final = ("Name", "Email", "UserIdOrEmail")  # in the order of `UserInfo`
_SELECT: Final = ("$select", ",".join(("Moid", *_TEXTS)))


class Directory:
    """The users of one account; `clock` is ms UTC; `damaged` counts the values that had to be cut or left out."""

    def __init__(self, client: Client, clock: Callable[[], int]) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[int, UserInfo | None]] = {}  # when it was asked, the oldest first
        self._quiet_until = 0
        self.damaged = 0

    async def users(self, moids: Collection[str]) -> Mapping[str, UserInfo]:
        """The users with these Moids, as far as they are known or can be found out; never raises `Rejected`."""
        now = self._clock()
        held = {moid: self._remembered(moid, now) for moid in set(moids)}
        unknown = [moid for moid, kept in held.items() if kept is None]
        if now >= self._quiet_until:
            for batch in islice(batches(unknown), MOST):
                try:
                    self._remember(batch, await self._ask(batch), now)
                except Rejected:
                    self._quiet_until = now + QUIET_FOR_MS
                    break
        found = {moid: self._known.get(moid, (0, None))[1] for moid in held}
        return {moid: user for moid, user in found.items() if user is not None}

    async def _ask(self, batch: Collection[str]) -> Mapping[str, UserInfo]:
        query = (("$filter", among("Moid", tuple(batch))), _SELECT)
        rows = await read_list(self._client, "iam/Users", query, "iam.User", tries=1)
        self.damaged += sum(is_damaged(row.get(name)) for row in rows for name in _TEXTS)
        return {row["Moid"]: _user(row) for row in rows}

    def _remembered(self, moid: str, now: int) -> tuple[int, UserInfo | None] | None:
        """What is known and not too old; what is too old is forgotten."""
        kept = self._known.get(moid)
        if kept and not 0 <= now - kept[0] < (FOUND_FOR_MS if kept[1] else ABSENT_FOR_MS):
            del self._known[moid]
            return None
        return kept

    def _remember(self, batch: Collection[str], found: Mapping[str, UserInfo], now: int) -> None:
        for moid in batch:
            self._known[moid] = (now, found.get(moid))
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


def _user(row: Row) -> UserInfo:
    return UserInfo(row["Moid"], *(short(row.get(name)) for name in _TEXTS))
