"""The table of lies, and what must come of each: written from the contract, by hand.

Of 31 known tokens one (R) is deleted, one (W) changes, one more (N) is created; Y is known, and only seconds old. The
API lists 31 in pages of seven: 7, 7, 7, 7, 3. A row that was rejected tells how far its last walk came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Lie:
    """A row.

    Attributes:
        fault: what is armed, in the simulator's short form; several with spaces between.
        published: how many created, modified and deleted events.
        reason: of a rejected poll; None: it is accepted.
        why: the reason of the hold that stands after it.
        held, waiting, stale, rows, count, paging: what the report tells.
        cause: of the deletion, if it is published.
        fools: the kinds of events that the control publishes although they did not happen.
        late: the lie begins only when all that happened has been seen.
    """

    fault: str
    published: tuple[int, int, int] = (0, 0, 0)
    reason: str | None = None
    why: str | None = None
    held: int = 0
    waiting: int = 0
    stale: int = 0
    rows: int = 31
    count: int | None = 31
    paging: str = "keyset"
    cause: str | None = None
    fools: str = ""
    late: bool = False


def _all(fault: str, fools: str = "", *, cause: str = "revoked", modified: int = 1, **told: Any) -> Lie:
    """Nothing is lost, and nothing but what happened (or what rows now say) is told."""
    return Lie(fault, (1, modified, 1), cause=cause, fools=fools, **told)


def _rejected(fault: str, reason: str, fools: str = "", *, rows: int = 0, count: int | None = None, **told: Any) -> Lie:
    """Nothing of it is believed."""
    return Lie(fault, reason=reason, fools=fools, rows=rows, count=count, **told)


def _unproven(fault: str, fools: str = "", **told: Any) -> Lie:
    """What the list shows is believed; the deletion waits: nobody whom one may believe says that R is gone."""
    return Lie(fault, (1, 1, 0), waiting=1, fools=fools, **told)


def _unsent(fault: str, reason: str, **told: Any) -> Lie:
    """Not even a first page: the control takes every token for deleted."""
    return _rejected(fault, reason, "deleted", **told)


_WIRE: Final = (
    _unsent("html", "not_json"),
    _unsent("html=502", "unavailable"),
    _unsent("redirect", "http_302"),
    _unsent("truncated", "not_json"),
    _unsent("truncated=wrong", "unavailable"),
    _unsent("reset", "unavailable"),
    _unsent("reset=within", "unavailable"),
    _unsent("status=500", "unavailable"),
    _unsent("status=403", "forbidden"),
    _unsent("status=401", "unauthorized"),
    _unsent("throttled", "throttled"),
    _unsent("throttled,retry_after=300", "throttled"),  # longer than a poll may wait
    _all("status=503,times=1", "deleted"),
    _all("reset,times=1", "deleted"),
    _all("truncated=wrong,times=1", "deleted"),
    _all("throttled,times=1", "deleted"),
    _all("throttled,retry_after=1,times=1", "deleted"),
    _all("throttled,retry_after=1,form=date,times=1", "deleted"),
    _all("drip=3s,pieces=3"),
    _all("slow=20s"),
    _unproven("status=503,on=moid"),
    _unproven("status=403,on=moid"),
    _unproven("throttled,on=moid"),
    _unproven("html,on=moid"),
    _unproven("html=404,on=moid"),  # a gateway's 404 is not the API's
    _unproven("redirect,on=moid"),
    _unproven("truncated,on=moid"),
    _unproven("reset,on=moid"),
    _all("skew=300s"),
    _all("skew=-300s"),
    _all("skew=0,text=yesterday"),
)

_PAGES: Final = (
    _rejected("short", "short_page", "deleted", rows=6, count=31),
    _rejected("short,where=first", "short_page", "deleted", rows=6, count=31),
    _rejected("short,where=random", "short_page", "deleted", rows=6, count=31),
    _all("short=3,times=1", "deleted"),
    _rejected("twice", "duplicate_moid", "deleted", rows=7, count=31),
    _rejected("unsorted", "torn", rows=14, count=31, paging="skip"),
    _rejected("repeated", "duplicate_moid", "deleted", rows=14, count=31, paging="skip"),
    _rejected("count=+1", "short_page", rows=31, count=32),  # the last page seems to lack a row
    _rejected("count=-1", "count_mismatch", "deleted", rows=31, count=30),
    _rejected("count=missing", "count_mismatch", "deleted", rows=7),
    _rejected("count=null", "count_mismatch", "deleted", rows=7),
    _rejected("count=text", "not_a_list"),
    Lie("empty", why="emptied", held=31, rows=0, count=0, fools="deleted"),
    Lie("empty,times=1", why="emptied", held=31, rows=0, count=0, fools="deleted"),
    _rejected("null", "short_page", "deleted", count=31),
    _rejected("null=missing", "not_a_list", "deleted"),
)

_ROWS: Final = (
    _all("unknown", "modified"),
    _all("unknown=enum", "modified"),
    _rejected("moid=missing", "row_without_moid", "created deleted"),
    _rejected("moid=null", "row_without_moid", "created deleted"),
    _rejected("moid=empty", "row_without_moid", "created deleted"),
    _rejected("moid=number", "bad_moid", "created deleted"),
    _rejected("moid=long", "bad_moid", "created deleted"),
    _rejected("moid=odd", "bad_moid", "created deleted"),
    _all("utf8", "deleted", modified=6),  # W, and a row of each page has another name now
    _all("surrogate", "modified", modified=6),
    _all("huge", "modified", modified=6),
    _all("nan", "modified", modified=6),
    _all("types", "modified", modified=6),
)

_SIGHTS: Final = (
    Lie("lag=25s", waiting=1, rows=30, count=30, fools="deleted"),  # Y is young: nobody asks
    Lie("lag=25s,on=list", waiting=1, rows=30, count=30, fools="deleted"),
    Lie("lag=25s,on=moid", (1, 1, 0)),  # R is found there, and so it is present
    Lie("lag=25s", waiting=2, stale=2, rows=30, count=30, fools="created modified deleted", late=True),  # Y N, W R
    Lie("lag=25s,on=list", waiting=2, stale=2, rows=30, count=30, fools="created modified deleted", late=True),
    Lie("hidden=0.6", why="threshold", held=13, rows=18, count=18, fools="deleted"),
    Lie("hidden=0.6,by_moid=403", why="threshold", held=13, rows=18, count=18, fools="deleted"),
    Lie("hidden=0.6,by_moid=visible", why="threshold", held=13, rows=18, count=18, fools="deleted"),
    Lie("hidden=1", why="emptied", held=31, rows=0, count=0, fools="deleted"),
    Lie("hidden=1,by_moid=403", why="emptied", held=31, rows=0, count=0, fools="deleted"),
    _all("hidden=0.05,by_moid=403", "deleted", waiting=1, rows=30, count=30),
    _all("hidden=0.05,by_moid=visible", "deleted", rows=30, count=30),
    _rejected("account", "wrong_account", "created deleted", rows=31, count=31),
    _rejected("account,moids=same", "wrong_account", "modified", rows=31, count=31),
    _rejected("account=0.3", "wrong_account", "created deleted", rows=14, count=31),  # W's page names both accounts
    _rejected("account=0.3,moids=same", "wrong_account", "modified", rows=14, count=31),
    _unproven("account,on=moid"),  # who does not find what is listed has not said that R is gone
    Lie("accounts=more", (1, 1, 0), why="rights_changed", held=1),
    Lie("accounts=none", (1, 1, 0), why="rights_changed", held=1),
    _unproven("accounts=more,times=1"),  # said once, it is no change, and no time to ask for deletions
    _unproven("status=503,path=/api/v1/iam/Accounts"),
    _unproven("html,path=/api/v1/iam/Accounts"),
    _rejected("accounts=other", "wrong_account", rows=31, count=31),
    _unproven("audit=60s"),  # its record may be late
    _all("audit,forbidden=true", cause="removed"),
    _all("keyset=refused", paging="skip"),
    _all("keyset=ignored", paging="skip"),
    _all("keyset=ge", paging="skip"),
)

_REAL: Final = (  # acts, not lies: they tear a list that is paged by offset; whoever was there all the while is seen
    Lie("between", (4, 1, 0), waiting=1, rows=34),  # the witness is among the deleted, so R waits
    Lie("between,inserts=0", (1, 1, 0), waiting=1, fools="deleted"),
    Lie("between,where=coming", (4, 1, 0), why="threshold", held=5, rows=30),
    _rejected("keyset=refused between", "torn", rows=14, count=31, paging="skip"),
    _rejected("keyset=refused between,inserts=0", "torn", "deleted", rows=14, count=28, paging="skip"),
)

TABLE: Final[tuple[Lie, ...]] = (*_WIRE, *_PAGES, *_ROWS, *_SIGHTS, *_REAL)
