"""Short lists beside the tokens': accounts, users, audit records, asked for by name and read whole or not at all.

What they hold was written by anybody, and some of what they are asked for too: a user's Moid comes from a token's row.
So only what has the form of a Moid is ever put into a filter, and every text that leaves this room is bounded.

Question: how many Moids to name in one request. Choice: a hundred, and fewer where they are long, so that a URL stays
under 8 KiB, which common gateways take; a hundred at a time is what other clients send in production.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import msgspec

from streamer.errors import Rejected
from streamer.intersight.canonical import MOID
from streamer.intersight.client import TRIES, Client
from streamer.intersight.rows import read_envelope

AT_ONCE: Final = 100  # Moids in one request
LONGEST_FILTER: Final = 4000  # characters of them, before they are encoded
MOST_ROWS: Final = 1000  # the API's largest page
SHORT: Final = 1024  # bytes of a text in UTF-8, its mark included
_CUT: Final = "…"

Row = dict[str, Any]


def batches(moids: Collection[str], *, at_once: int = AT_ONCE, room: int = LONGEST_FILTER) -> Iterator[tuple[str, ...]]:
    """The Moids in groups that one filter can name; each once, in order, those that are none left out."""
    batch: list[str] = []
    left = room
    for moid in sorted({moid for moid in moids if MOID.fullmatch(moid)}):
        size = len(moid) + len("'',")
        if len(batch) == at_once or (batch and size > left):
            yield tuple(batch)
            batch, left = [], room
        batch.append(moid)
        left -= size
    if batch:
        yield tuple(batch)


def among(name: str, moids: Sequence[str]) -> str:
    """The filter for a property to be one of these Moids."""
    quoted = ",".join(f"'{moid}'" for moid in moids)
    return f"{name} in ({quoted})"


async def read_list(
    client: Client, path: str, query: Sequence[tuple[str, str]], object_type: str, *, tries: int = TRIES
) -> tuple[Row, ...]:
    """All rows of a short list, each with a Moid of its own.

    Args:
        client: of the account.
        path: such as `iam/Users`.
        query: what to ask for; the number of rows and their count are added.
        object_type: of the rows, such as `iam.User`.
        tries: of the request, at most.

    Raises:
        Rejected: `count_mismatch` (also if there are over 1000), `duplicate_moid`, `row_without_moid`, and what
            `Client.get`, `Reply.raise_for_status` and `read_envelope` raise.
    """
    asked = [("$top", str(MOST_ROWS)), *query, ("$inlinecount", "allpages")]
    reply = (await client.get(path, asked, tries=tries)).raise_for_status()
    count, raws = read_envelope(reply.body, f"{object_type}.List")
    if count != len(raws):
        raise Rejected("count_mismatch", f"{reply.request} answered with {len(raws)} rows and the Count {count}")
    rows = tuple(_row(bytes(raw)) for raw in raws)
    if len({row["Moid"] for row in rows}) < len(rows):
        raise Rejected("duplicate_moid", f"{reply.request} answered with a Moid twice")
    return rows


def short(value: object) -> str | None:
    """A text of at most 1 KiB in UTF-8, cut with a mark if need be; None for an empty one and for what is no text."""
    if not isinstance(value, str) or not value:
        return None
    data = value.encode()
    return value if len(data) <= SHORT else data[: SHORT - len(_CUT.encode())].decode(errors="ignore") + _CUT


def is_damaged(value: object) -> bool:
    """Whether `short` keeps less than there is: because it is too long, or no text at all."""
    return value is not None and (not isinstance(value, str) or len(value.encode()) > SHORT)


def _row(raw: bytes) -> Row:
    """A row as Python has it, invalid UTF-8 replaced."""
    try:
        row = msgspec.json.decode(str(raw, "utf-8", "replace"), type=Row)
    except (ValueError, RecursionError) as error:
        raise Rejected("row_without_moid", f"a row of {len(raw)} bytes cannot be read: {error}") from error
    moid = row.get("Moid")
    if not isinstance(moid, str) or not MOID.fullmatch(moid):
        raise Rejected("row_without_moid", f"a row has the Moid {str(moid)[:80]!r}, wanted 1 to 128 of A-Z a-z 0-9 _ -")
    return row
