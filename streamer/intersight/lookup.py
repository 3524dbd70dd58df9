"""What the API says of single Moids. A look-up must never mistake a fault for an absence.

Up to eight are asked for one by one: only the API's own `NotFound` proves that a token is gone. More are asked for by
`Moid in (...)`: what a complete answer leaves out is gone. A gateway's 404, a missing right, a timeout, another object,
an answer with too few or too many rows prove nothing about any of them.

Question: how to know that a filter which leaves tokens out would have shown them. Choice: witnesses. Each list also
names, first and last, two tokens that the snapshot has just shown; an answer without them proves nothing. Rejected: to
believe in `Count` alone, which a server that reads only half of a filter gets right too.

Question: how often to try. Choice: twice; what is unsure then waits for the next poll, and a token that is gone costs
few requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from streamer.errors import Rejected
from streamer.intersight.client import Client
from streamer.intersight.lists import AT_ONCE, LONGEST_FILTER, among, batches
from streamer.intersight.pages import PATH
from streamer.intersight.replies import NOT_FOUND, OK, Journal, Reply
from streamer.intersight.rows import Page, read_page, read_row
from streamer.tokens import Finding, Gone, Unsure

ABSENT: Final = "NotFound"  # the API's code for an object that does not exist
ONE_BY_ONE: Final = 8  # above it, lists are asked; no more requests run at once either
TRIES: Final = 2
LONGEST_MOID: Final = 128


async def look_up(client: Client, moids: Collection[str], witnesses: Sequence[str] = ()) -> Mapping[str, Finding]:
    """What the API says of each of these Moids; nothing is raised, a failure is `Unsure`.

    Args:
        client: of the account.
        moids: what to ask for.
        witnesses: Moids of at most two tokens that are there.
    """
    wanted = sorted(set(moids))
    at_hand = [moid for moid in witnesses if moid not in moids]
    places = asyncio.Semaphore(ONE_BY_ONE)

    async def one(moid: str) -> Mapping[str, Finding]:
        async with places:
            return {moid: await _by_moid(client, moid)}

    async def many(batch: Sequence[str]) -> Mapping[str, Finding]:
        async with places:
            return await _by_list(client, batch, at_hand)

    async with asyncio.TaskGroup() as group:
        if len(wanted) <= ONE_BY_ONE:
            asked = [group.create_task(one(moid)) for moid in wanted]
        else:
            room = LONGEST_FILTER - 2 * LONGEST_MOID
            asked = [group.create_task(many(batch)) for batch in batches(wanted, at_once=AT_ONCE - 2, room=room)]
    return {moid: finding for task in asked for moid, finding in task.result().items()}


async def _by_moid(client: Client, moid: str) -> Finding:
    try:
        return _finding(moid, await client.get(f"{PATH}/{moid}", (), Journal(), tries=TRIES))
    except Rejected as rejected:
        return _unsure(moid, rejected)


def _finding(moid: str, reply: Reply) -> Finding:
    """What an answer by Moid proves; `Rejected` if nothing."""
    if reply.status == OK:
        row = read_row(reply.body, reply.received_at, reply.trace_id)
        if row.token.moid != moid:
            raise Rejected("wrong_moid", f"{reply.request} answered with the object {row.token.moid}")
        return row
    error = reply.error()
    if reply.status == NOT_FOUND and error.code == ABSENT:
        return Gone(moid, reply.received_at, trace_id=error.trace_id)
    raise error


async def _by_list(client: Client, batch: Sequence[str], witnesses: Sequence[str]) -> Mapping[str, Finding]:
    named = [*witnesses[:1], *batch, *witnesses[1:]]
    query = [("$top", str(len(named))), ("$filter", among("Moid", named)), ("$inlinecount", "allpages")]
    try:
        reply = await client.get(PATH, query, Journal(), tries=TRIES)
        if reply.status != OK:
            raise reply.error()
        page = read_page(reply.body, {}, reply.received_at, reply.trace_id)
        _prove(page, named, witnesses)
    except Rejected as rejected:
        return {moid: _unsure(moid, rejected) for moid in batch}
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


def _unsure(moid: str, rejected: Rejected) -> Unsure:
    return Unsure(moid, f"{rejected.reason}: {rejected}")
