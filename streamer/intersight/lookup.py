"""What the API says of single Moids. A look-up must never mistake a fault for an absence.

Only the API's own `NotFound`, asked for one object by its Moid, proves that a token is gone. A gateway's 404, a missing
right, a timeout, another object prove nothing. And it must be the word of an API that finds what is there: whenever it
says that something is gone it is asked for a witness too, a token that the snapshot has just shown.

Question: what of lists by name (`named`), which cost a hundredth. Choice: they follow the same rights and the same
replica as the list that lacks the tokens already, so they are believed only where there are more tokens than can be
asked for one by one; and then only if each of a large sample is gone by its Moid as well. A privilege that hides tokens
from lists, and shows or forbids them by Moid, is found out so. Rejected: to believe in lists alone, however many agree.

Question: how often to try. Choice: once; what is unsure waits for the next poll, so a token that is gone costs one
request, and one more for the witness of all.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from streamer.errors import Rejected
from streamer.intersight.client import Client
from streamer.intersight.named import by_name
from streamer.intersight.pages import PATH
from streamer.intersight.replies import NOT_FOUND, OK, Reply
from streamer.intersight.rows import read_row
from streamer.tokens import Finding, Gone, Sighting, Unsure

ABSENT: Final = "NotFound"  # the API's code for an object that does not exist
ONE_BY_ONE: Final = 500  # as many as may be missing at once, by default, without being held
AT_ONCE: Final = 8  # requests beside each other
TRIES: Final = 1

Findings = Mapping[str, Finding]


async def look_up(
    client: Client, moids: Collection[str], witnesses: Sequence[str] = (), *, one_by_one: int = ONE_BY_ONE
) -> Findings:
    """What the API says of each of these Moids; nothing is raised, a failure is `Unsure`.

    Args:
        client: of the account.
        moids: what to ask for.
        witnesses: Moids of at most two tokens that are there.
        one_by_one: how many to ask for by Moid, at most.
    """
    wanted = sorted(set(moids))
    at_hand = [moid for moid in witnesses if moid not in moids]
    if len(wanted) <= one_by_one:
        found = await _by_moid(client, wanted)
    else:
        found = await _sampled(client, await by_name(client, wanted, at_hand, at_once=AT_ONCE), one_by_one)
    if not at_hand or not any(isinstance(finding, Gone) for finding in found.values()):
        return found
    moid = random.choice(at_hand)  # noqa: S311  not always the same: one that cannot be asked for would stand in the way
    witness = await _finding(client, moid)
    if isinstance(witness, Sighting):
        return found
    why = witness.why if isinstance(witness, Unsure) else "it is gone, too"
    return _doubted(found, f"no_witness: {moid} was there just now, and asked for by its Moid: {why}")


async def _sampled(client: Client, listed: Findings, most: int) -> Findings:
    """What lists say, with `most` of it asked for by Moid: first what they call gone, then what they do not know.

    What they call gone is believed only if all of it is gone that was asked for.
    """
    gone = [moid for moid, finding in listed.items() if isinstance(finding, Gone)]
    sample = random.sample(gone, min(most, len(gone)))  # spread over all of them, no secret
    unknown = [moid for moid, finding in listed.items() if isinstance(finding, Unsure)][: most - len(sample)]
    asked = await _by_moid(client, [*sample, *unknown])
    others = {moid: asked[moid] for moid in sample if not isinstance(asked[moid], Gone)}
    if not others:
        return {**listed, **asked}
    told = f"filter_disproved: lists by name lack {len(others)} of {len(sample)} tokens that are not gone by Moid"
    return {**_doubted(listed, f"{told}, such as {min(others)}"), **asked}


def _doubted(found: Findings, why: str) -> Findings:
    """The same, and nothing of it proves an absence."""
    return {moid: Unsure(moid, why) if isinstance(finding, Gone) else finding for moid, finding in found.items()}


async def _by_moid(client: Client, moids: Iterable[str]) -> Findings:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(moid: str) -> Finding:
        async with places:
            return await _finding(client, moid)

    async with asyncio.TaskGroup() as group:
        asked = {moid: group.create_task(one(moid)) for moid in moids}
    return {moid: task.result() for moid, task in asked.items()}


async def _finding(client: Client, moid: str) -> Finding:
    """What an answer by Moid proves."""
    try:
        return _proven(moid, await client.get(f"{PATH}/{moid}", (), tries=TRIES))
    except Rejected as rejected:
        return Unsure(moid, f"{rejected.reason}: {rejected}")


def _proven(moid: str, reply: Reply) -> Finding:
    """What it proves; `Rejected` if nothing."""
    if reply.status == OK:
        row = read_row(reply.body, reply.received_at, reply.trace_id)
        if row.token.moid != moid:
            raise Rejected("wrong_moid", f"{reply.request} answered with the object {row.token.moid}")
        return row
    error = reply.error()
    if reply.status == NOT_FOUND and error.code == ABSENT:
        return Gone(moid, reply.received_at, trace_id=error.trace_id)
    raise error
