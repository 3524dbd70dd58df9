"""Lists of tokens by name, `Moid in (...)`: what a complete answer leaves out seems to be gone.

It must never take an incomplete answer for one: too few or too many rows, a stranger among them, a witness missing. Nor
does it decide alone: `look_up` holds a sample of what is left out to the word of the API by Moid.

Question: how to know that a filter which leaves tokens out would have shown them. Choice: witnesses. Each list also
names, first and last, two tokens that the snapshot has just shown; an answer without them proves nothing. Rejected: to
believe in `Count` alone, which a server that reads only half of a filter gets right too.

Question: a server that drops one row and counts what is left. Choice: what is left out is named again, in lists of
another length, and so among others; only what both leave out seems gone. Rejected: the same list twice, which a cache
answers with the same mistake.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from streamer.errors import Rejected
from streamer.intersight import lists
from streamer.intersight.client import Client
from streamer.intersight.pages import PATH
from streamer.intersight.rows import Page, read_page
from streamer.tokens import Finding, Gone, Unsure

TRIES: Final = 2
LONGEST_MOID: Final = 128
FIRST: Final = lists.AT_ONCE - 2  # with the two witnesses
AGAIN: Final = FIRST * 2 // 3  # so that hardly any two tokens share both of their lists' ends


async def by_name(
    client: Client, moids: Sequence[str], witnesses: Sequence[str], *, at_once: int
) -> Mapping[str, Finding]:
    """What lists say of each of these Moids; nothing is raised, a failure is `Unsure`.

    Args:
        client: of the account.
        moids: what to ask for, each of the form of a Moid.
        witnesses: Moids of at most two tokens that are there, and none of those.
        at_once: requests beside each other.
    """
    found = await _listed(client, moids, witnesses, FIRST, at_once)
    again = [moid for moid, finding in found.items() if isinstance(finding, Gone)]
    return {**found, **await _listed(client, again, witnesses, AGAIN, at_once)}


async def _listed(
    client: Client, moids: Sequence[str], witnesses: Sequence[str], length: int, at_once: int
) -> dict[str, Finding]:
    """What lists of this length say."""
    places = asyncio.Semaphore(at_once)

    async def many(batch: Sequence[str]) -> Mapping[str, Finding]:
        async with places:
            return await _by_list(client, batch, witnesses)

    room = lists.LONGEST_FILTER - 2 * LONGEST_MOID
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(many(batch)) for batch in lists.batches(moids, at_once=length, room=room)]
    return {moid: finding for task in asked for moid, finding in task.result().items()}


async def _by_list(client: Client, batch: Sequence[str], witnesses: Sequence[str]) -> Mapping[str, Finding]:
    named = [*witnesses[:1], *batch, *witnesses[1:]]
    query = [("$top", str(len(named))), ("$filter", lists.among("Moid", named)), ("$inlinecount", "allpages")]
    try:
        reply = (await client.get(PATH, query, tries=TRIES)).raise_for_status()
        page = read_page(reply.body, reply.received_at, reply.trace_id)
        _prove(page, named, witnesses)
    except Rejected as rejected:
        return {moid: Unsure(moid, f"{rejected.reason}: {rejected}") for moid in batch}
    shown = {row.token.moid: row for row in page.rows}
    return {
        moid: shown.get(moid) or Gone(moid, reply.received_at, method="filter", trace_id=reply.trace_id)
        for moid in batch
    }


def _prove(page: Page, named: Sequence[str], witnesses: Sequence[str]) -> None:
    """Raise `Rejected` unless the page can be the whole answer to a list of these Moids."""
    shown = set(page.moids)
    if len(shown) < len(page.moids):
        raise Rejected("duplicate_moid", f"a list of {len(named)} named Moids shows one twice")
    if page.count != len(shown):
        raise Rejected("count_mismatch", f"a list of named Moids has {len(shown)} rows and the Count {page.count}")
    if strangers := shown.difference(named):
        raise Rejected("wrong_moid", f"a list of named Moids shows {len(strangers)} others, such as {min(strangers)}")
    if lost := set(witnesses) - shown:
        raise Rejected("wrong_moid", f"a list of named Moids does not show {min(lost)}, which was there just now")
