"""The account behind the simulator: people, applications, their tokens, and every act that changes one.

It is deterministic: one seed, one clock and the same calls make the same world. It acts when told to; chance is the
business of `life`. It is the truth the streamer is measured with, so it must never import anything that diffs,
decodes or encodes events.

Time: every act happens at a moment `at` (ms UTC, the server's clock), by default now. Acts are written down in the
order of time, and what a reader sees at t is all that happened up to t.
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamer.demo import shapes
from streamer.demo.cast import AGENTS, address, client_of, hexadecimal, new_moid, user_of
from streamer.demo.index import Index
from streamer.demo.shapes import ZERO_TIME, Account, Client, Row, User, instant, reference, rfc3339
from streamer.demo.truth import Truth

HOUR_MS = 3_600_000
SESSION_MS = 16 * HOUR_MS  # how long a login may be refreshed; the real figure is not known


@dataclass(frozen=True, slots=True)
class Customs:
    """What is not known of the real API, and so can be set.

    Attributes:
        linger_ms: how long a token is still listed after its ExpirationTime.
        audit_lag_ms: how long after the deed its audit record can be read.
        sparse: share of logins without an application: empty strings, null relations.
    """

    linger_ms: int = 2_000
    audit_lag_ms: int = 0
    sparse: float = 0.1


class World:
    """One account and its tokens.

    Args:
        clock: UTC ms of the server; every reply and act takes its time from here.
        seed: of all chance in this world.
        account: whose tokens these are; None: one from the seed.
        admin: the person whom the API keys belong to, beside the `users`; None: one from the seed.
        tokens: how many are there from the start; a person has 8 of them on average, an application 20.
        customs: what the real API leaves open.
    """

    def __init__(
        self,
        clock: Callable[[], int],
        *,
        seed: int = 7,
        account: Account | None = None,
        admin: User | None = None,
        tokens: int = 0,
        customs: Customs | None = None,
    ) -> None:
        self.clock = clock
        self.customs = customs or Customs()
        self.random = random.Random(seed)  # noqa: S311  a play is repeatable; nothing here is a secret
        self.began_at = clock()
        anybody = Account(*(self._new_moid(self.began_at) for _ in range(3)))
        self.account = account or anybody
        somebody = User(self._new_moid(self.began_at), "Ada Admin", "admin@example.com")
        self.admin = admin or somebody  # drawn even if given, so that the rest of history is the seed's alone
        self.users = [user_of(i, self._new_moid(self.began_at)) for i in range(max(8, tokens // 8))]
        self._clients = {c.client_id: c for c in map(self._client, range(max(8, tokens // 20)))}
        self._people = {user.moid: user for user in (self.admin, *self.users)}
        self._client_ids = tuple(self._clients)
        self.truth = Truth()
        self._tokens: dict[str, Row] = {}
        self._index = Index(self._tokens, self.truth)
        self._held: defaultdict[str, dict[str, None]] = defaultdict(dict)  # user Moid or client id -> its tokens
        self._ends: list[tuple[int, str]] = []  # heap of (when the reaper comes, Moid)
        self._logins: dict[str, tuple[int, str]] = {}  # user Moid -> last login and its address
        self._audit: list[tuple[int, Row]] = []
        self._latest = self.began_at
        self._populate(tokens)

    @property
    def tokens(self) -> Mapping[str, Row]:
        """The tokens as the API would show them now, by Moid."""
        return self._tokens

    @property
    def clients(self) -> list[Client]:
        """The registered applications, as they are called now."""
        return list(self._clients.values())

    @property
    def moids(self) -> Sequence[str]:
        """The Moids of the tokens, sorted; valid until the next act."""
        return self._index.sorted()

    def user(self, moid: str) -> User:
        """The person with this Moid; KeyError if there is none."""
        return self._people[moid]

    def client(self, client_id: str) -> Client:
        """The application with this ClientId, as it is called now; KeyError if there is none."""
        return self._clients[client_id]

    def people(self) -> list[Row]:
        """The rows of `iam/Users`."""
        logins = {moid: rfc3339(at) for moid, (at, _) in self._logins.items()}
        return [
            shapes.user_row(self.account, user, logins.get(moid, ZERO_TIME), self.began_at)
            for moid, user in self._people.items()
        ]

    def applications(self) -> list[Row]:
        """The rows of `iam/AppRegistrations`."""
        return [shapes.app_row(self.account, client, self.began_at) for client in self.clients]

    def accounts(self) -> list[Row]:
        """The rows of `iam/Accounts`: the one that a caller sees, their own."""
        return [shapes.account_row(self.account, self.began_at)]

    def records(self, late_ms: int = 0) -> list[Row]:
        """The rows of `aaa/AuditRecords` that can be read by now, or could be `late_ms` ago."""
        now = self.clock() - late_ms
        return [row for recorded_at, row in self._audit if recorded_at <= now]

    def tick(self, now: int | None = None) -> None:
        """Let everything happen that is due by `now` (ms): here, the end of expired tokens."""
        self._reap(self.clock() if now is None else now)

    # Births.

    def login(
        self,
        user: User,
        client: Client | None = None,
        ip: str | None = None,
        *,
        session_ms: int | None = None,
        at: int | None = None,
    ) -> str:
        """`user` allows `client` to act for them, from `ip`: a token is created; returns its Moid.

        `session_ms` is its time to live (0: for ever). Without a client the token is the sparse kind.
        """
        session = self.session_ms() if session_ms is None else session_ms
        return self._born(user, client, ip, at=self._moment(at), session_ms=session, cause="login")

    def session_ms(self) -> int:
        """How long a new token may be refreshed."""
        return SESSION_MS

    # Changes.

    def refresh(self, moid: str, *, at: int | None = None) -> None:
        """The application renews its access token: AccessExpirationTime and ModTime move, nothing else."""
        moment = self._moment(at)
        client = self._clients.get(self._tokens[moid]["ClientId"])
        access_ms = client.access_ms if client else shapes.ACCESS_MS
        self.edit(moid, "refresh", at=moment, AccessExpirationTime=rfc3339(moment + access_ms))

    def relogin(self, user: User, ip: str | None = None, *, at: int | None = None) -> None:
        """`user` logs in again elsewhere: LastLogin* belong to the user, so all of their tokens are touched at once."""
        moment, ip = self._moment(at), ip or address(self.random)
        self._logins[user.moid] = (moment, ip)
        for moid in self.owned_by(user):
            self.edit(moid, "relogin", at=moment, LastLoginTime=rfc3339(moment), LastLoginClient=ip)

    def widen(self, moid: str, *, at: int | None = None) -> None:
        """The token's privileges grow: an administrator's permission, and one resource more."""
        moment = self._moment(at)
        more = reference("organization.Organization", self._new_moid(moment))
        resources = [*self._tokens[moid]["PermissionResources"], more]
        admin = reference("iam.Permission", self.account.permission[::-1])
        self.edit(moid, "widen", at=moment, Permission=admin, PermissionResources=resources)

    def rename(self, client: Client, name: str, *, at: int | None = None) -> Client:
        """The application gets another name; all of its tokens show it. Returns the renamed client."""
        moment, renamed = self._moment(at), replace(client, name=name)
        self._clients[client.client_id] = renamed
        for moid in list(self._held[client.client_id]):
            self.edit(moid, "rename", at=moment, ClientName=name)
        return renamed

    def tag(self, moid: str, key: str, value: str | None, *, at: int | None = None) -> None:
        """Set the tag `key`; None takes it away."""
        moment = self._moment(at)
        tags = [tag for tag in self._tokens[moid]["Tags"] if tag["Key"] != key]
        if value is not None:
            tags.append({"Key": key, "Value": value})
        self.edit(moid, "tag", at=moment, Tags=tags)

    def edit(self, moid: str, cause: str, *, at: int | None = None, **changes: Any) -> None:
        """Set properties of a token by their API names; ModTime moves on. Nothing happens if nothing differs."""
        moment, before = self._moment(at), self._tokens[moid]
        if all(before[name] == value for name, value in changes.items()):
            return
        # A row whose ModTime goes back looks stale: it always moves, even twice in one millisecond.
        modified = max(moment, (instant(before["ModTime"]) or 0) + 1)
        after = {**before, **changes, "ModTime": rfc3339(modified)}
        self._tokens[moid] = after
        self.truth.write(before, after, at=moment, cause=cause)
        if "ExpirationTime" in changes:
            self._schedule(after)

    # Ends.

    def logout(self, user: User, client: Client | None = None, *, at: int | None = None) -> list[str]:
        """`user` logs out (of `client`, else of all): their tokens go, an audit record says so. Returns the Moids."""
        moment = self._moment(at)
        gone = [m for m in self.owned_by(user) if client is None or self._tokens[m]["ClientId"] == client.client_id]
        for moid in gone:
            self._die(moid, "logout", moment)
        self._record("Logout", user, "iam.User", user.moid, moment)
        return gone

    def expire(self, moid: str, *, at: int | None = None) -> None:
        """The reaper takes a token whose time is over, before `linger_ms` has passed.

        Raises:
            ValueError: its ExpirationTime is still to come: log in with a short `session_ms` instead.
        """
        moment = self._moment(at)
        if moid not in self._tokens:  # its time came while the clock moved on
            return
        end = self._tokens[moid]["ExpirationTime"]
        if end == ZERO_TIME or (instant(end) or 0) > moment:
            raise ValueError(f"{moid} lives until {end}: give login() a short session_ms")
        self._die(moid, "expire", moment)

    def remove(self, moid: str, actor: User | None = None, *, at: int | None = None) -> None:
        """`actor` (None: the admin) deletes the token by hand (the API's DELETE); an audit record names it."""
        moment = self._moment(at)
        self._die(moid, "remove", moment)
        self._record("Deleted iam.OAuthToken", actor or self.admin, "iam.OAuthToken", moid, moment)

    def vanish(self, moid: str, *, at: int | None = None) -> None:
        """The token goes, and nothing says why."""
        self._die(moid, "vanish", self._moment(at))

    def forget_ends(self) -> None:
        """Let no token that is there now expire, whatever its ExpirationTime says."""
        self._ends.clear()

    def owned_by(self, user: User) -> list[str]:
        """The Moids of a user's tokens."""
        return list(self._held[user.moid])

    # Inside.

    def _moment(self, at: int | None) -> int:
        """The time of an act: given, or now with everything done that was due before it; never before the last."""
        if at is None:
            at = self.clock()
            self.tick(at)
        self._latest = max(self._latest, at)
        return self._latest

    def _populate(self, count: int) -> None:
        """Tokens that were there before the play began, up to 12 hours old; `at` of their entries is CreateTime."""
        ages = sorted((self.random.randrange(1, 12 * HOUR_MS) for _ in range(count)), reverse=True)
        for age in ages:
            user, client, session = self.random.choice(self.users), self._any_client(), self.session_ms()
            self._born(user, client, None, at=self.began_at - age, session_ms=session + age, cause="seed")

    def _born(self, user: User, client: Client | None, ip: str | None, *, at: int, session_ms: int, cause: str) -> str:
        pick = self.random
        moid, token_id = self._new_moid(at), f"tid-{hexadecimal(pick, 16)}"
        ip, agent = ip or address(pick), pick.choice(AGENTS)
        row = shapes.token(self.account, user, client, moid=moid, token_id=token_id, ip=ip, agent=agent, at=at)
        if session_ms and not (client and client.infinite):
            row["ExpirationTime"] = rfc3339(at + session_ms)
        if client and user.moid in self._logins:
            last, row["LastLoginClient"] = self._logins[user.moid]
            row["LastLoginTime"] = rfc3339(last)
        if client:
            self._logins[user.moid] = (at, ip)
        self._tokens[moid] = row
        self._held[user.moid][moid] = self._held[row["ClientId"]][moid] = None
        self.truth.write(None, row, at=at, cause=cause)
        self._schedule(row)
        return moid

    def _die(self, moid: str, cause: str, at: int) -> None:
        row = self._tokens.pop(moid)
        del self._held[row["User"]["Moid"]][moid], self._held[row["ClientId"]][moid]
        self.truth.write(row, None, at=at, cause=cause)

    def _schedule(self, row: Row) -> None:
        if row["ExpirationTime"] != ZERO_TIME:
            heapq.heappush(self._ends, (self._end(row), row["Moid"]))

    def _end(self, row: Row) -> int:
        """When the reaper comes for a row."""
        return (instant(row["ExpirationTime"]) or 0) + self.customs.linger_ms

    def _reap(self, now: int) -> None:
        while self._ends and self._ends[0][0] <= now:
            end, moid = heapq.heappop(self._ends)
            row = self._tokens.get(moid)
            if row is not None and row["ExpirationTime"] != ZERO_TIME and self._end(row) == end:
                self._die(moid, "expire", self._moment(end))

    def _record(self, event: str, actor: User, object_type: str, object_moid: str, at: int) -> None:
        recorded_at = at + self.customs.audit_lag_ms
        _, ip = self._logins.get(actor.moid, (0, "203.0.113.10"))
        row = shapes.audit_row(
            self.account,
            actor,
            moid=self._new_moid(recorded_at),
            event=event,
            object_type=object_type,
            object_moid=object_moid,
            ip=ip,
            at=at,
            recorded_at=recorded_at,
        )
        self._audit.append((recorded_at, row))

    def _any_client(self) -> Client | None:
        if self.random.random() < self.customs.sparse:
            return None
        return self._clients[self.random.choice(self._client_ids)]

    def _client(self, number: int) -> Client:
        return client_of(
            number,
            moid=self._new_moid(self.began_at),
            client_id=f"{hexadecimal(self.random, 64)}-{self.account.domain_group}",
        )

    def _new_moid(self, at: int) -> str:
        return new_moid(self.random, at)
