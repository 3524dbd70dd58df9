"""Which tokens are asked for: the 14 arguments of the Terraform data source as conditions of one `$filter`.

Names are Terraform's (`client_name`), properties the API's (`ClientName`); everything given must hold. Pure: it knows
neither the network nor a clock, and a text of the caller's own is only ever a literal in what it makes: a quote in it
is doubled, so that no value can become a condition. Encoding for the URL is the client's business, and the signature is
made of what is sent.

Question: what is a time that is counted from now, by the API's `now() sub PT..` or by our clock. Choice: ours, at the
moment of the question: a clock that is wrong by minutes cannot sign a request anyway, and the filter says which moment
was meant. Rejected: the API's own words: nobody is known to send `add`, and 90 days differ from three months.

Question: a raw filter beside arguments. Choice: it is set in parentheses, and refused if it could close them itself.
Rejected: to pass it on alone, without what else was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streamer.intersight.canonical import ZERO_MS, instant
from streamer.settings import quantities
from streamer.wire.jsonform import rfc3339

WANTED: Final = (
    "wanted a time such as 2026-11-25T08:00:00Z, a day such as 2026-11-25, now or none, with >, >=, < or <= before it "
    "if need be; or a distance from now such as >-7d or <+1h"
)
_DAY_MS: Final = 86_400_000
_TIME: Final = re.compile(r"\s*(>=|<=|>|<|=|)\s*(\S+)\s*")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_OPERATORS: Final = {">": "gt", ">=": "ge", "<": "lt", "<=": "le", "=": "eq", "": "eq"}
_PLAIN: Final = re.compile(r"\w+ (?:eq|gt|ge|lt|le) (?:'(?:[^']|'')*'|[\dTZ:.-]+)", re.DOTALL)
_PIECE: Final = re.compile(r"'(?:[^']|'')*'|[()']", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Argument:
    """One of the 14: the API's property, and what it is."""

    name: str
    meaning: str

    @property
    def is_time(self) -> bool:
        """Whether it is a time; all others are texts."""
        return self.name.endswith("Time")


ARGUMENTS: Final[Mapping[str, Argument]] = {
    "access_expiration_time": Argument("AccessExpirationTime", "until when its access token may be used"),
    "account_moid": Argument("AccountMoid", "Moid of its account"),
    "client_id": Argument("ClientId", "id of the registered application"),
    "client_ip_address": Argument("ClientIpAddress", "address from which it was given"),
    "client_name": Argument("ClientName", "name of the registered application; '' for none"),
    "create_time": Argument("CreateTime", "when it was given"),
    "domain_group_moid": Argument("DomainGroupMoid", "Moid of its domain group"),
    "expiration_time": Argument("ExpirationTime", "until when it may be refreshed"),
    "last_login_client": Argument("LastLoginClient", "address of its user's last login"),
    "last_login_time": Argument("LastLoginTime", "its user's last login"),
    "mod_time": Argument("ModTime", "when it changed last"),
    "moid": Argument("Moid", "the token's own Moid"),
    "shared_scope": Argument("SharedScope", "its shared scope"),
    "token_id": Argument("TokenId", "id of the token, not the token itself"),
}


@dataclass(frozen=True, slots=True)
class Bound:
    """What a time must be: `operator` of the API, and ms since 1970, or from now on if `from_now`."""

    operator: str
    ms: int
    from_now: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; nothing at all asks for every token.

    Attributes:
        texts: by argument, the text that the property must be.
        times: by argument, what the time must be, each bound of it.
        raw: a filter in the API's own language.
    """

    texts: Sequence[tuple[str, str]] = ()
    times: Sequence[tuple[str, Bound]] = ()
    raw: str | None = None

    def conditions(self, now: int) -> tuple[str, ...]:
        """The conditions, all of which a token must meet; `now` is ms UTC."""
        texts = [f"{ARGUMENTS[name].name} eq {quoted(text)}" for name, text in self.texts]
        times = [
            f"{ARGUMENTS[name].name} {bound.operator} {rfc3339(bound.ms + (now if bound.from_now else 0))}"
            for name, bound in self.times
        ]
        return (*([] if self.raw is None else [self.raw]), *texts, *times)


def all_of(conditions: Sequence[str]) -> str:
    """One filter of several; whatever is no plain comparison is set in parentheses, unless it stands alone."""
    if len(conditions) == 1:
        return conditions[0]
    return " and ".join(each if _PLAIN.fullmatch(each) else f"({each})" for each in conditions)


def quoted(text: str) -> str:
    """The text as a literal of the filter's language."""
    return "'" + text.replace("'", "''") + "'"


def bounds(text: str) -> tuple[Bound, ...]:
    """What a text such as `>2026-11-01`, `<=-7d` or `2026-11-25T08:14:05.117Z` asks of a time.

    A day is its first moment, UTC; with no comparison before it, it is the whole day.

    Raises:
        ValueError: it is none; says what is wanted.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(WANTED)
    sign, moment = found.groups()
    operator = _OPERATORS[sign]
    if _DAY.fullmatch(moment) and operator == "eq":
        start = _absolute(f"{moment}T00:00:00Z")
        return Bound("ge", start), Bound("lt", start + _DAY_MS)
    if moment == "now" or moment[0] in "+-":
        if operator == "eq":
            raise ValueError(WANTED)
        return (Bound(operator, _distance(moment), from_now=True),)
    if moment == "none":
        return (Bound(operator, ZERO_MS),)
    return (Bound(operator, _absolute(f"{moment}T00:00:00Z" if _DAY.fullmatch(moment) else moment)),)


def balanced(text: str) -> str:
    """A filter in the API's language that can stand in parentheses.

    Raises:
        ValueError: it could end them itself, or a quote or parenthesis in it is never closed.
    """
    if not text.strip():
        raise ValueError("wanted a filter such as ClientName eq 'portal'")
    depth = 0
    for piece in _pieces(text):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if depth < 0 or piece == "'":
            break
    else:
        if depth == 0:
            return text
    raise ValueError("wanted every quote and every parenthesis closed, and none closed that was not opened")


def _pieces(text: str) -> Iterator[str]:
    """Literals, parentheses, and a quote that is never closed."""
    return (found[0] for found in _PIECE.finditer(text))


def _distance(text: str) -> int:
    """The ms from now of `now`, `-7d` or `+1h`."""
    if text == "now":
        return 0
    try:
        ms = round(quantities.seconds(text[1:]) * 1000)
    except (ValueError, OverflowError) as error:
        raise ValueError(WANTED) from error
    return -ms if text[0] == "-" else ms


def _absolute(text: str) -> int:
    """The ms of an RFC 3339 time; the year 1 is how the API writes that there is none."""
    try:
        ms = instant(text.upper())
    except ValueError as error:
        raise ValueError(f"{WANTED} ({error})") from error
    return ZERO_MS if ms is None else ms
