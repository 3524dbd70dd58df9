"""Names and addresses for the play: fixed lists, so that the same seed shows the same people on every machine.

All addresses are of the ranges kept for documentation (RFC 5737, RFC 3849), all e-mail of `example.com` (RFC 2606).
"""

from __future__ import annotations

import random
from typing import Final

from streamer.demo.shapes import ACCESS_MS, Client, User

_FIRST: Final = (
    "Amélie",
    "Bilal",
    "Chiara",
    "Daichi",
    "Esra",
    "Fionn",
    "Grace",
    "Hana",
    "Imani",
    "Jürgen",
    "Kofi",
    "Lena",
)
_LAST: Final = ("Adeyemi", "Brandt", "Costa", "Dubois", "Eriksen", "Fujita", "García", "Haddad", "Ivanova", "Jensen")
_APPS: Final = (
    "acme-inventory-portal",
    "terraform-runner",
    "capacity dashboard",
    "night backup",
    "it's a \"quoted\" app",
    "ops-équipe",
)  # fmt: skip
AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0 Safari/537.36",
    "PowerShell/7.5 Intersight.PowerShell/1.0.11",
)

_YEAR_MS: Final = 365 * 86_400_000
_LONG_LIVED_EVERY: Final = 5
_INFINITE_EVERY: Final = 7


def user_of(number: int, moid: str) -> User:
    """The person with this number."""
    first, last = _FIRST[number % len(_FIRST)], _LAST[number // len(_FIRST) % len(_LAST)]
    return User(moid, f"{first} {last}", f"user{number}@example.com")


def client_of(number: int, *, moid: str, client_id: str) -> Client:
    """The application with this number: every fifth has access tokens of a year, every seventh some that never end."""
    nth = number + 1
    name = _APPS[number % len(_APPS)] + (f" {number // len(_APPS) + 1}" if number >= len(_APPS) else "")
    return Client(
        moid,
        client_id,
        name,
        access_ms=ACCESS_MS if nth % _LONG_LIVED_EVERY else _YEAR_MS,
        infinite=nth % _INFINITE_EVERY == 0,
    )


def address(pick: random.Random) -> str:
    """An address: IPv4 mostly, IPv6 for one in eight."""
    if pick.random() < 1 / 8:
        return f"2001:db8:{pick.randrange(1, 0x100):x}::{pick.randrange(1, 0xFFFF):x}"
    return f"{pick.choice(('198.51.100', '203.0.113', '192.0.2'))}.{pick.randrange(1, 255)}"


def hexadecimal(pick: random.Random, digits: int) -> str:
    """So many lower-case hex digits."""
    return f"{pick.getrandbits(4 * digits):0{digits}x}"


def new_moid(pick: random.Random, at: int) -> str:
    """24 hex digits; they begin with the creation's second for 44 of 161 real objects, and for as many here.

    As many draws are taken either way: the next thing that happens does not depend on which it was.
    """
    apart = pick.randrange(0x58000000, 0x6C000000)
    born = at // 1000 if pick.random() < 44 / 161 else apart
    return f"{born:08x}756461{hexadecimal(pick, 10)}"
