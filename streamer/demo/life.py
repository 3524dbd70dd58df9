"""Random life: a world that goes on by itself.

Question: when does random life happen? Choice: lazily, at the next `tick`, but each act at its own moment of a Poisson
process. The simulator ticks before every request, so a reader sees at t exactly what happened up to t, and the same
seed makes the same history however often somebody looks. Rejected: a background task, whose timing nobody can repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from streamer.demo.shapes import Client
from streamer.demo.world import SESSION_MS, World

SHORTEST_SESSION_MS = 5_000
LONGEST_SESSION_MS = 365 * 86_400_000
RELUCTANCE = 0.9


@dataclass(frozen=True, slots=True)
class Rates:
    """How much happens, and what.

    `per_second` is the number of acts in a second, on average; one act may change several tokens (a re-login all of
    its user's). The others are shares of it. Few tokens end otherwise than by expiry: a streamer that guards against
    mass deletion counts those within 10 minutes, and a play at the default rate must not look like an attack.
    """

    per_second: float = 1.0
    login: float = 10
    refresh: float = 70
    relogin: float = 6
    widen: float = 2
    rename: float = 1
    tag: float = 4
    logout: float = 0.8
    remove: float = 0.5
    vanish: float = 0.2

    def shares(self) -> dict[str, float]:
        """Each act's share."""
        return {name: getattr(self, name) for name in ACTS}


ACTS = ("login", "refresh", "relogin", "widen", "rename", "tag", "logout", "remove", "vanish")


class Life(World):
    """A world with chance in it, whose number of tokens stays around the first one; arguments as of `World`."""

    def __init__(self, clock: Callable[[], int], *, rates: Rates | None = None, tokens: int = 0, **world: Any) -> None:
        self.rates = rates or Rates()
        self._target = tokens
        super().__init__(clock, tokens=tokens, **world)
        self._next = self.began_at
        self._pause()

    def session_ms(self) -> int:
        """A time to live that keeps the number of tokens steady: as many expire as are born and not ended otherwise."""
        rates = self.rates
        surplus = rates.login - rates.logout - rates.remove - rates.vanish
        births = rates.per_second * surplus / sum(rates.shares().values())
        if not self._target or births <= 0:
            return SESSION_MS
        mean_ms = 1000 * self._target / births
        session = round(self.random.expovariate(1 / mean_ms))
        return min(max(session, SHORTEST_SESSION_MS), LONGEST_SESSION_MS)

    def tick(self, now: int | None = None) -> None:
        """Let everything happen that is due by `now` (ms), each at its own moment."""
        now = self.clock() if now is None else now
        while self.rates.per_second > 0 and self._next <= now:
            due = self._next
            self._pause()
            self._reap(due)
            self._act(due)
        self._reap(now)

    def settle(self) -> None:
        """From now on nothing happens by itself, neither chance nor expiry: what is still done is done on cue."""
        self.tick()
        self.rates = replace(self.rates, per_second=0)
        self.forget_ends()

    def go_on(self, rates: Rates) -> None:
        """Nothing has happened until now; from now on it does, at these rates."""
        self.tick()
        self.rates, self._next = rates, self.clock()
        self._pause()

    def _pause(self) -> None:
        if self.rates.per_second > 0:
            self._next += max(1, round(1000 * self.random.expovariate(self.rates.per_second)))

    def _act(self, at: int) -> None:
        shares = self.rates.shares()
        (act,) = self.random.choices(list(shares), list(shares.values()))
        if act == "login" or not self.tokens:
            self.login(self.random.choice(self.users), self._usual_client(), at=at)
        elif act == "rename":
            client = self.random.choice(self.clients)
            stem, _, version = client.name.rpartition(" v")
            name = f"{stem} v{int(version) + 1}" if stem and version.isdecimal() else f"{client.name} v2"
            self.rename(client, name, at=at)
        else:
            self._act_on(act, self.random.choice(self.moids), at)

    def _usual_client(self) -> Client | None:
        """Any application, but one whose tokens never end far less often: those only pile up."""
        client = self._any_client()
        if client is not None and client.infinite and self.random.random() < RELUCTANCE:
            return self._any_client()
        return client

    def _act_on(self, act: str, moid: str, at: int) -> None:
        row = self.tokens[moid]
        user = self.user(row["User"]["Moid"])
        if act == "relogin":
            self.relogin(user, at=at)
        elif act == "tag":
            self.tag(moid, "owner", self.random.choice(("netops", 'équipe "blue"', None)), at=at)
        elif act == "logout" and row["ClientId"]:
            self.logout(user, self.client(row["ClientId"]), at=at)
        elif act == "logout":
            self.vanish(moid, at=at)
        else:
            {"refresh": self.refresh, "widen": self.widen, "remove": self.remove, "vanish": self.vanish}[act](
                moid, at=at
            )
