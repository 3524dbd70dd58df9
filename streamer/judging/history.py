"""What is remembered of each user, so that an event can say whether a client is new for them. Pure.

A user's memory is the fold of their tokens' events in the order of the sequence, and each of its rows is written in the
transaction of the event that changed it. So a crash between two transactions leaves exactly the memory that the next
event is to be judged by, and no event is ever judged by itself. This room must never judge an event by what comes
after it, and never let a row grow without bound, whatever clients and addresses are called.

Question: what is remembered? Choice: the client and the login network of every token that was written down, of a
baseline and of a silent first run too; and a token's own row, so a change of a token that keeps user and client is
never new. Rejected: only what was published: the first day after a silent start would be all alarms.

Question: what of a client is remembered? Choice: its client_id, but of a longer one, as the service's are, a digest:
nothing is asked but whether it is the same, and a user of ten clients takes half a kilobyte instead of one. Rejected:
one schema more, for rows with digests alone, and for all those that were written before.

Question: when is a row written? Choice: with an event of the user that shows something new, or something last seen a
day ago or longer. Rejected: with every event or poll; a refresh of each token every few minutes would double the
state's traffic, to know to the minute what is asked for only where 64 are too few.

Question: when does a row end? Choice: 90 days after it was last written, unless the user still has a token; then it is
written anew. Rejected: with the last token; who comes back from a holiday with a strange client should be noticed.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Final

from streamer import avro
from streamer.events import Derived, Event, Poll, network
from streamer.frozen import replace
from streamer.judging.steps import Step, UserStep
from streamer.known import Known
from streamer.state import SourceState, UserRow
from streamer.tokens import Token

MOST: Final = 64  # clients, and networks, of one user
LONGEST: Final = 32  # bytes of a client_id, usual are 88; so a row has under 64 * (2 * 39) bytes, or 5 KiB
DAY_MS: Final = 86_400_000
KEPT_MS: Final = 90 * DAY_MS
SEARCHED: Final = 100_000  # tokens in one poll, for the users of aged rows; a million take most of a second
DECODED: Final = 10_000  # users; one with ten clients takes 1.7 kB so, and a quarter of that as a row
USER: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")  # a Moid; of a user with another name nothing is remembered
SAME: Final = frozenset({"client_id", "user_moid"})

Times = dict[str, int]


def remembering(steps: Iterable[Step | UserStep], state: SourceState, poll: Poll) -> Iterator[Step | UserStep]:
    """The steps of a poll with what is remembered of users: judged by, added to, and ended in the end.

    Args:
        steps: in the order in which they are written.
        state: what was known before them.
        poll: whose steps they are.
    """
    users = _Users(state, poll.started_at)
    for step in steps:
        yield users.told(step) if isinstance(step, Step) and step.seen is not None else step
    yield from users.aged()


class _Users:
    """The users of one poll; `at` is its start. What was decoded of the last few stays so."""

    def __init__(self, state: SourceState, at: int) -> None:
        self._state = state
        self._at = at
        self._told: set[str] = set()
        self._rows: dict[str, UserRow] = {}  # that this poll writes
        self._known: dict[str, tuple[Times, Times]] = {}  # what the last of these rows say

    def told(self, step: Step) -> Step:
        """The step of a token that somebody saw, with its event judged and its user remembered."""
        seen, event = step.seen, step.event
        if seen is None or seen.user_moid is None or not USER.fullmatch(seen.user_moid):
            return step
        clients, networks = self._of(seen.user_moid)
        client = _client(seen)
        if event is not None:
            is_new = _is_new(event, client, clients)
            event = replace(event, derived=replace(event.derived or Derived(), new_client_for_user=is_new))
        self._told.add(seen.user_moid)
        if not self._add(client, seen, clients, networks):
            return Step(step.moid, step.row, event, seen)
        row = self._rows[seen.user_moid] = self._row(clients, networks)
        return Step(step.moid, step.row, event, seen, UserStep(seen.user_moid, row))

    def aged(self) -> Iterator[UserStep]:
        """The end of rows nobody asked for in 90 days, a few at a time, but for those whose user has a token."""
        old = (
            (row.seen_at, moid)
            for moid, row in self._state.users.items()
            if self._at - row.seen_at > KEPT_MS and moid not in self._told
        )
        most = max(1, SEARCHED // max(1, len(self._state.tokens)))
        for _, moid in sorted(old)[:most]:
            tokens = self._tokens(moid)
            clients, networks = self._of(moid)
            for token in tokens:
                self._add(_client(token), token, clients, networks)
            yield UserStep(moid, self._row(clients, networks) if tokens else None)

    def _tokens(self, moid: str) -> list[Token]:
        """The known tokens of a user; only those that have the user's Moid somewhere in their bytes are decoded."""
        named = (row.datum for row in Known.of(self._state.tokens).naming(moid.encode()))
        return [token for token in map(avro.decode_token, named) if token.user_moid == moid]

    def _of(self, moid: str) -> tuple[Times, Times]:
        if moid not in self._known:
            if len(self._known) >= DECODED:
                self._known.clear()
            row = self._rows.get(moid) or self._state.users.get(moid)
            clients, networks = row.seen() if row else ({}, {})
            self._known[moid] = {_brief(client): at for client, at in clients.items()}, networks
        return self._known[moid]

    def _row(self, clients: Times, networks: Times) -> UserRow:
        return UserRow.of(self._at, clients, networks)

    def _add(self, client: str | None, seen: Token, clients: Times, networks: Times) -> bool:
        """Whether the row must be written because of what a token shows."""
        where = None if seen.last_login_client is None else network(seen.last_login_client)
        added = _noted(clients, client, self._at), _noted(networks, where, self._at)
        return any(added)


def _is_new(event: Event, client: str | None, clients: Times) -> bool | None:
    """Whether the user was never seen with this client before; None where that is not known."""
    if client is None or event.baseline:
        return None
    if event.event_type == "modified" and SAME.isdisjoint(event.changed_fields):
        return False
    return client not in clients if clients else None


def _noted(times: Times, value: str | None, at: int) -> bool:
    """Note that a value was seen; whether that is worth writing. The longest unseen makes room."""
    if value is None or at - times.get(value, at - DAY_MS) < DAY_MS:
        return False
    if value not in times and len(times) >= MOST:
        del times[min(times, key=lambda known: (times[known], known))]
    times[value] = at
    return True


def _client(token: Token) -> str | None:
    """Its client, as it is remembered."""
    return None if token.client_id is None else _brief(token.client_id)


def _brief(client: str) -> str:
    """What is remembered of a client; of what is remembered already, the same."""
    data = client.encode(errors="replace")
    return client if len(data) <= LONGEST else b64encode(avro.digest(data)).decode()
