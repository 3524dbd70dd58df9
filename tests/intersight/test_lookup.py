"""Look-ups: only the API's own word that a token is gone is the proof of it; every fault is `Unsure`."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from streamer.absence import Guard
from streamer.intersight.client import Client
from streamer.intersight.lookup import ONE_BY_ONE, look_up
from streamer.serving import serve
from streamer.tokens import Finding, Gone, Sighting, Unsure
from tests.intersight.account import Account, Asked, Shown, moids
from tests.intersight.stage import NOW, Script, client_of, fault, row, said

MOID = "6b00014d7564613301d4f7aa"
ROW = row(MOID, ClientName="portal")
MANY = moids(12)
WITNESSES = ("a0000", "z0000")


@asynccontextmanager
async def _client(app: Any) -> AsyncIterator[Client]:
    async with serve(app) as url, client_of(url) as client:
        yield client


async def _found(
    app: Any, asked: Collection[str], witnesses: tuple[str, ...] = (), *, one_by_one: int = ONE_BY_ONE
) -> Mapping[str, Finding]:
    async with _client(app) as client:
        return await look_up(client, asked, witnesses, one_by_one=one_by_one)


# One by one...


async def test_a_present_token_is_a_sighting() -> None:
    """A 200 with the Moid asked for is the token, as a list would have shown it."""
    script = Script(said(200, ROW, X_Starship_Traceid="t1"))
    found = (await _found(script, [MOID]))[MOID]

    assert isinstance(found, Sighting)
    assert (found.token.moid, found.token.client_name) == (MOID, "portal")
    assert (found.arrived_at, found.trace_id) == (NOW, "t1")
    assert (script.asked[0].url.path, script.asked[0].url.query) == (f"/api/v1/iam/OAuthTokens/{MOID}", "")


async def test_the_api_s_own_not_found_is_gone() -> None:
    """A 404 by Moid with the API's code `NotFound` is the proof of absence, at the moment it arrived."""
    assert await _found(Script(fault(404, "NotFound")), [MOID]) == {MOID: Gone(MOID, NOW, "lookup", "NB01")}


PROOF_OF_NOTHING: dict[str, tuple[Response, str]] = {
    "404 of a gateway": (said(404, b"<html>Not Found</html>", content_type="text/html"), "http_404"),
    "404 without a body": (said(404), "http_404"),
    "404 cut": (said(404, b'{"code": "NotFound", "message'), "http_404"),
    "404 with another code": (fault(404, "InvalidUrl"), "http_404"),
    "404 with a code that is no text": (said(404, {"code": ["NotFound"]}), "http_404"),
    "404 of a token endpoint": (said(404, {"error": "NotFound"}), "http_404"),
    "404 in an array": (said(404, b'[{"code": "NotFound"}]'), "http_404"),
    "400 with NotFound": (fault(400, "NotFound"), "http_400"),
    "401": (fault(401, "AuthenticationFailure"), "unauthorized"),
    "403": (fault(403, "NotFound"), "forbidden"),
    "410": (fault(410, "NotFound"), "http_410"),
    "429": (fault(429, "NotFound"), "throttled"),
    "503": (fault(503, "NotFound"), "unavailable"),
    "302": (said(302, Location="/"), "http_302"),
    "200 with NotFound": (fault(200, "NotFound"), "row_without_moid"),
    "another object": (said(200, row("6b00014d7564613301d4f7ab")), "wrong_moid"),
    "null": (said(200, b"null"), "row_without_moid"),
    "a list": (said(200, [ROW]), "row_without_moid"),
    "nothing": (said(200, b""), "not_json"),
    "HTML": (said(200, b"<html>", content_type="text/html"), "not_json"),
}


@pytest.mark.parametrize("name", PROOF_OF_NOTHING)
async def test_anything_else_proves_nothing(name: str) -> None:
    """Every other answer, however much it looks like an absence, is `Unsure` and says why; it is asked for once."""
    answer, why = PROOF_OF_NOTHING[name]
    script = Script(answer)
    found = (await _found(script, [MOID]))[MOID]

    assert isinstance(found, Unsure)
    assert (found.moid, found.why.split(":")[0]) == (MOID, why)
    assert len(script.asked) == 1


async def test_no_answer_proves_nothing() -> None:
    """A host that is not there is `Unsure`, not gone."""
    async with serve(Script(said(200))) as url:
        pass
    async with client_of(url) as client:
        found = (await look_up(client, [MOID]))[MOID]

    assert isinstance(found, Unsure)
    assert found.why.startswith("unavailable: ")


async def test_each_is_answered_with_its_own() -> None:
    """Look-ups beside each other do not mix, whatever becomes of the others."""

    def answer(request: Request) -> Response:
        moid = request.url.path.rsplit("/", 1)[1]
        return {"m3": fault(404, "NotFound"), "m4": fault(403)}.get(moid, said(200, row(moid)))

    asked = [f"m{i}" for i in range(9)]
    found = await _found(Script(answer), asked)

    assert sorted(found) == asked
    assert {moid for moid, each in found.items() if isinstance(each, Sighting) and each.token.moid == moid} == {
        *asked
    } - {"m3", "m4"}
    assert isinstance(found["m3"], Gone)
    assert isinstance(found["m4"], Unsure)


async def test_as_many_as_may_go_at_once_are_asked_for_one_by_one() -> None:
    """No list decides about what the guards let through: of 500 tokens each is asked for by its own Moid."""
    account = Account({*WITNESSES, "m0007"}, spoil=lambda *_: said(500))
    found = await _found(account, moids(ONE_BY_ONE), WITNESSES)

    assert [moid for moid in found if isinstance(found[moid], Sighting)] == ["m0007"]
    assert {each.method for each in found.values() if isinstance(each, Gone)} == {"lookup"}
    assert account.asked == []
    assert sorted(account.asked_for[:ONE_BY_ONE]) == moids(ONE_BY_ONE)
    assert Guard().at_most == ONE_BY_ONE


# The witness...


async def test_who_says_gone_is_asked_for_a_witness() -> None:
    """One more request for all that is gone; none where nothing is."""
    account = Account({*WITNESSES, *MANY[:3]})

    await _found(account, MANY[:3], WITNESSES)
    assert sorted(account.asked_for) == MANY[:3]
    found = await _found(account, MANY[3:5], WITNESSES)

    assert sorted(account.asked_for[3:5]) == MANY[3:5]
    assert account.asked_for[5] in WITNESSES
    assert len(account.asked_for) == 6
    assert set(map(type, found.values())) == {Gone}


@pytest.mark.parametrize(
    "answer", [fault(404, "NotFound"), fault(403), fault(503), said(200, ROW), said(200, b"<html>")]
)
async def test_without_the_witness_nothing_is_gone(answer: Response) -> None:
    """An API that does not find what it has just shown may have lost its mind; what it shows is there all the same."""
    account = Account({*MANY[:3]}, single=lambda moid: answer if moid in WITNESSES else None)
    found = await _found(account, MANY, WITNESSES)

    assert [moid for moid in MANY if isinstance(found[moid], Sighting)] == MANY[:3]
    assert {each.why.split(":")[0] for each in found.values() if isinstance(each, Unsure)} == {"no_witness"}
    assert not any(isinstance(each, Gone) for each in found.values())


async def test_a_witness_that_is_asked_for_is_none() -> None:
    """A token that is missing itself cannot witness anything; without another one there is none."""
    other = Account({"z0000"})
    found = await _found(other, [*MANY, "a0000"], WITNESSES)
    alone = await _found(Account(set()), [*MANY, *WITNESSES], WITNESSES)

    assert other.asked_for[-1] == "z0000"
    assert isinstance(found["a0000"], Gone)
    assert set(map(type, alone.values())) == {Gone}


async def test_it_is_not_always_the_same_witness() -> None:
    """One that is listed and can never be asked for does not stand in the way for ever."""
    account = Account(set(), single=lambda moid: said(200, row(moid)) if moid == "z0000" else None)

    found = [await _found(account, MANY[:1], WITNESSES) for _ in range(30)]

    assert {type(each[MANY[0]]) for each in found} == {Gone, Unsure}


async def test_nothing_is_asked_for_nobody() -> None:
    """Without Moids there is no request."""
    script = Script(fault(500))
    assert (await _found(script, []), script.asked) == ({}, [])


# Very many...


async def test_what_is_more_is_asked_for_by_name_and_a_sample_of_it_by_moid() -> None:
    """Who is in a list is there, who is in neither of two is gone by way of the filter, or by Moid if asked for."""
    account = Account({*MANY[:3], *WITNESSES})
    found = await _found(account, MANY, WITNESSES, one_by_one=4)

    assert sorted(found) == MANY
    assert [moid for moid in MANY if isinstance(found[moid], Sighting)] == MANY[:3]
    sample = set(account.asked_for) - set(WITNESSES)
    assert len(sample) == 4
    for moid in MANY[3:]:
        told = found[moid]
        assert isinstance(told, Gone)
        assert told.method == ("lookup" if moid in sample else "filter")


async def test_the_sample_is_not_always_the_same() -> None:
    """Nobody can know which tokens will be asked for."""
    samples = set()
    for _ in range(5):
        account = Account(set(WITNESSES))
        await _found(account, moids(60), WITNESSES, one_by_one=10)
        samples.add(frozenset(account.asked_for))

    assert len(samples) > 1


@pytest.mark.parametrize("answer", [None, fault(403), fault(503), said(200, b"<html>")])
async def test_lists_are_disproved_by_one_token_of_the_sample(answer: Response | None) -> None:
    """A list that lacks a token which is there, or may be, proves nothing; the sample itself stays proven."""
    hidden = set(moids(60)[::7])
    account = Account(
        {*hidden, *WITNESSES},
        spoil=lambda _, shown: Shown([m for m in shown.moids if m not in hidden], len(WITNESSES)),
        single=lambda moid: answer if moid in hidden else None,
    )
    found = await _found(account, moids(60), WITNESSES, one_by_one=52)  # at least one of the nine hidden ones is in it

    gone = {moid for moid, each in found.items() if isinstance(each, Gone)}
    assert gone == set(account.asked_for) - hidden - set(WITNESSES)
    unasked = {str(getattr(found[moid], "why", found[moid])) for moid in found if moid not in account.asked_for}
    assert {why.split(":")[0] for why in unasked} == {"filter_disproved"}


async def test_what_lists_do_not_know_is_asked_for_by_moid() -> None:
    """A service without such lists gives its answers bit by bit."""
    account = Account(set(WITNESSES), spoil=lambda *_: fault(400, "InvalidRequest"))
    found = await _found(account, MANY, WITNESSES, one_by_one=5)

    assert sum(isinstance(each, Gone) for each in found.values()) == 5
    assert sum(isinstance(each, Unsure) for each in found.values()) == len(MANY) - 5


@pytest.mark.parametrize("seed", range(5))
async def test_a_row_that_is_dropped_and_not_counted_is_not_gone(seed: int) -> None:
    """Each list lacks one row at random, and its Count says so: a token that is there would be called gone."""
    chance = random.Random(seed)
    there = set(moids(150)[::30])

    def spoil(_: Asked, shown: Shown) -> Shown:
        left = chance.sample(shown.moids, len(shown.moids) - 1)
        return Shown(sorted(left), len(left))

    account = Account({*there, *WITNESSES}, spoil=spoil)
    found = await _found(account, moids(150), WITNESSES, one_by_one=140)

    assert not any(isinstance(found[moid], Gone) for moid in there)


async def test_many_cost_few_requests() -> None:
    """Two lists for a hundred, a sample that does not grow, a witness: far below three a token."""
    account = Account(set(WITNESSES))
    await _found(account, moids(1000), WITNESSES, one_by_one=50)

    assert len(account.asked) + len(account.asked_for) <= 11 + 16 + 50 + 1


async def test_a_look_up_and_a_list_agree() -> None:
    """The same row found by Moid and by name has one meaning, and one raw digest where its bytes are the same."""
    one = await _found(Script(said(200, json.dumps(row(MANY[0])).encode() + b"\n")), [MANY[0]])
    many = await _found(Account({MANY[0]}), MANY, one_by_one=0)

    assert one[MANY[0]] == many[MANY[0]]
